"""Codes G1034 to G1049: metrics of budgets, quantization."""

from __future__ import annotations

from .code import Code

QUANTIZATION: tuple[Code, ...] = (
    Code(
        "G1034",
        "a metric or its data is not there",
        """A budget measures the graph's `metrics:` on held-out data, from the program's outputs and the
data alone: passes change what is inside. A metric that reads a parameter or an inner value can't be
measured so, and neither can one without data.

wrong:  outputs: [label]       metrics: {confidence: mean(max(softmax(logits), axis=-1))}
right:  outputs: [label, logits]

`model.train`, `model.validation` and `model.test` name the data of the graph's own `training:`.
""",
    ),
    Code(
        "G1040",
        "no data to calibrate on",
        """Static activation scales, GPTQ, AdaRound and bias correction need to see typical inputs.

wrong:  - quantize: {weights: int8, activations: int8}
right:  data: {calibration: "model.train[:256]"}     and     - quantize: {…, data: calibration}

Or use `activations: {grid: int8, dynamic: true}`, whose scales are computed at run time.
""",
    ),
    Code(
        "G1041",
        "calibration data that can't be used",
        """The activations seen in calibration have NaN or infinite numbers, so no scale fits them: in an
input, then it is the data; in an inner value, then it is the model (a division by zero, an overflow).
Or the arrays do not have the shapes and dtypes of the program's inputs.
""",
    ),
    Code(
        "G1042",
        "a scheme that is none",
        """A scheme is the name of a grid or a preset, or a mapping of options: grid, axis (tensor, out, in),
block, scale, tensor_scale, zero, clip, percentile, rounding, dynamic.

wrong:  weights: int44
right:  weights: int4
right:  weights: {grid: e2m1, axis: in, block: 16, scale: e4m3, tensor_scale: true}
""",
    ),
    Code(
        "G1043",
        "weights that can't be quantized",
        """A weight has NaN or infinite numbers. A scale for it would be infinite and every other weight
of its group zero. Train again, or leave the layer out with `skip:`.
""",
    ),
    Code(
        "G1044",
        "too few weights are quantized",
        """The recipe asks for a share of the weights (`coverage: 0.9`) that its rules do not reach. The
message names the largest weights left in float and why.
""",
    ),
    Code(
        "G1046",
        "the runtime does not run the kernels that were planned",
        """After emission the model is loaded and its optimized graph read again. Some operators that should
have become integer kernels did not, so the model would be slow. The message has both counts. Another
version of the runtime may fuse other patterns; `carrier: float` is always safe.
""",
    ),
    Code(
        "G1047",
        "no trained codes",
        """`quantize_trained` takes codes and scales from training. The weights must come from a training
with `quantize:`, whose file says so, and no pass but freeze_parameters and simplify may have changed
them.

right:  graphwright train model.yaml -o out
        graphwright compile model.yaml --weights out/weights.safetensors --recipe trained
""",
    ),
)
