"""Codes G09xx: training, data, metrics and recipes."""

from __future__ import annotations

from .code import Code

TRAINING: tuple[Code, ...] = (
    Code(
        "G0901",
        "nothing, or two things, to train",
        """'training:' has either 'loss:' (one node to be made small) or 'alternate:' (a list of steps,
each with its own loss, taken in turn).

right:  training:
          loss: loss
          optimizer: adam(lr=1e-3)
          epochs: 20""",
    ),
    Code(
        "G0902",
        "epochs and steps",
        """The length of a training is given once: 'epochs:' (passes over the data) or 'steps:' (optimiser
steps, also without data).""",
    ),
    Code(
        "G0903",
        "a loss without an optimizer",
        """Each loss needs an optimizer: its own, or the common one of 'training:'.

right:  optimizer: adam(lr=1e-3)""",
    ),
    Code(
        "G0904",
        "not an optimizer",
        """An optimizer is a call with keywords, such as sgd(lr=0.1, momentum=0.9), or a list of groups of
parameters, each with its own call.

wrong:  optimizer: adam(0.001)
right:  optimizer: adam(lr=0.001)""",
    ),
    Code(
        "G0905",
        "a share of the data that is none",
        """'validation:' is the share of the rows held out: from 0 up to, not including, 1.

wrong:  validation: 10
right:  validation: 0.1""",
    ),
    Code(
        "G0906",
        "a data file that is not allowed",
        """Data files lie in the spec's folder or below it: a relative path with '/'. Absolute paths, '..'
that leaves the folder, drives and URLs are refused.

wrong:  data: /data/cifar10.npz
right:  data: cifar10.npz""",
    ),
    Code(
        "G0907",
        "an unknown data set",
        """'data:' is a built-in name, with a split and a slice (digits.train[:256]), or a file that ends
in .npz, .npy, .safetensors or .csv.""",
    ),
    Code(
        "G0910",
        "options at the wrong indent",
        """An entry of 'passes:' is a name, or a mapping of one name to its options. Options at the name's
own indent make a mapping of several keys in YAML, silently wrong elsewhere.

wrong:  - quantize:
          weights: int8
right:  - quantize:
            weights: int8""",
    ),
    Code(
        "G0911",
        "an unknown pass",
        """'graphwright list passes' shows the passes and 'graphwright explain pass NAME' one of them.""",
    ),
    Code(
        "G0912",
        "an option that does not fit the pass",
        """The pass has no such option, needs one that is missing, or the value is of another kind.
Options are the fields of the pass; 'data:' and 'budget:' are common to all.""",
    ),
    Code(
        "G0913",
        "data that the recipe does not name",
        """'data:' of a pass is a name from the recipe's own 'data:'.

right:  data:
          calibration: digits.train[:256]
        passes:
          - quantize:
              data: calibration""",
    ),
    Code(
        "G0920",
        "nothing to train",
        """'graphwright train' follows the 'training:' block of a graph; this file has none.""",
    ),
    Code(
        "G0921",
        "a metric that is no tensor",
        """A metric is a value for each example, or one number: a tensor of the graph.

right:  metrics:
          accuracy: argmax(logits, axis=-1) == label""",
    ),
    Code(
        "G0922",
        "a projection of something else",
        """'after_step:' gives parameters or states new values after each optimiser step, by their paths.

right:  after_step:
          table: normalize(table)""",
    ),
    Code(
        "G0973",
        "a training that can't be quantized so",
        """'quantize:' of a training takes schemes of weights, activations and gradients. Scales of weights
are learned, one for the tensor, for each output channel or for each block; those of activations are
one learned number. Scales on a grid (e8m0, e4m3, ue5m3) and grids for gradients make simulated
products.

wrong:  quantize: {weights: {grid: int4, zero: true}}
right:  quantize: {weights: int4, activations: int4}
right:  quantize: {weights: {grid: binary, surrogate: sine(auto)}, stages: 0.5}
right:  quantize: {weights: nvfp4, gradients: e2m1, stochastic: gradients}
""",
    ),
    Code(
        "G0974",
        "an unknown study",
        """A study is a set of options of `quantize:`, each combination of which is trained once.

right:  graphwright study fp4 models/digits_mlp.yaml --epochs 5
""",
    ),
)
