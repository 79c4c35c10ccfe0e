"""Codes G03xx: names and scope."""

from __future__ import annotations

from .code import Code

NAMES: tuple[Code, ...] = (
    Code(
        "G0301",
        "an unknown name",
        """A name in an expression is an input, attribute, parameter, state, noise, node, size or dimension
of its own block, a size or attribute of the file, or one of: training, pi, inf, nan.

wrong:  nodes:
          hidden: relu(x)
          y: hiden + 1
right:  y: hidden + 1""",
    ),
    Code(
        "G0302",
        "an unknown function or operator",
        """Capital names are operators of the ONNX standard, exactly as it spells them. Lower-case names are
functions: of the prelude ('graphwright list functions'), of this file, or of a file in 'use:'.

wrong:  y: relu6(x)          # no file in use: has it
right:  use: [layers/basic.yaml]
        nodes:
          y: relu(x)""",
    ),
    Code(
        "G0303",
        "a function in the place of a value",
        """Functions live in a namespace of their own, so 'mean: mean(x)' is legal. A function's name alone is
a value only where a function is taken: repeat, scan, cond, while_loop, partial, a slot.

wrong:  y: x + relu
right:  y: x + relu(x)""",
    ),
    Code(
        "G0304",
        "a cycle",
        """Every name is defined once, in any order, but what a node needs must not need the node. The message
prints the cycle. A value of the previous run is a state; a loop is repeat, scan or while_loop.

wrong:  a: b + 1
        b: a * 2""",
    ),
    Code(
        "G0305",
        "an unknown dimension",
        """Only inputs and slot types introduce dimensions; in parameters, noise and state every
dimension must
be known, so that a misspelt one does not become a new axis.

wrong:  sizes: {width: 16}
        parameters:
          kernel: float32[widht, 3]
right:    kernel: float32[width, 3]""",
    ),
    Code(
        "G0307",
        "a type that says too little",
        """'...' and '_' match whatever is given. A parameter, state or noise is made, not given, so its shape
must be written out; 'like(x)' copies one.

wrong:  noise:
          u: float[...] = uniform()
right:    u: like(x) = uniform()""",
    ),
    Code(
        "G0309",
        "an unknown member",
        """'.name' after a node reads a result of its call, or an inner node, parameter, state or noise of the
function it calls; after a tensor: shape, ndim, dtype, T, mT.

wrong:  best: TopK(x, 3)
        y: best.values
right:  y: best.Values""",
    ),
    Code(
        "G0310",
        "one name from two files",
        """'use:' as a list imports every function of a file; two functions of one name would make a call
ambiguous.

right:  use:
          norm: layers/normalization.yaml     # then norm.layer_norm(x)""",
    ),
    Code(
        "G0311",
        "an output that is no tensor",
        """Outputs are what a program returns: tensors. A list, a text or a function is known while compiling
and has no place in the program's results.""",
    ),
    Code(
        "G0312",
        "something that is never used",
        """A node, input, parameter, attribute or function that no output, loss, update or test needs does not
exist in any program. That is often a misspelling elsewhere; else remove it.""",
    ),
    Code(
        "G0313",
        "a dimension that looks like a misspelling",
        """A dimension that occurs once and is close to another name is probably a misspelling: it would be a
new, unrelated axis.

wrong:  inputs:
          x: float32[batch, 8]
          y: int64[bacth]
right:    y: int64[batch]""",
    ),
)
