"""Codes G07xx: noise, state and gradients."""

from __future__ import annotations

from .code import Code

STATE: tuple[Code, ...] = (
    Code(
        "G0701",
        "random numbers in a node",
        """Draws are inputs: declared under noise:, named, keyed by seed and path, and the same on every
backend.

wrong:  y: x + normal()
right:  noise:
          eps: like(x) = normal()
        nodes:
          y: x + eps""",
    ),
    Code(
        "G0702",
        "state inside a scan",
        """A state is read before and written after a run. Inside a scan it would change from step to step:
carry it as one of the scan's states.""",
    ),
    Code(
        "G0703",
        "one name for two tensors",
        """A parameter or state is one tensor; here one name would have two types.""",
    ),
    Code(
        "G0704",
        "a gradient of something that is no scalar",
        """grad differentiates a floating-point scalar, such as a mean or a sum.""",
    ),
    Code(
        "G0705",
        "noise without a distribution",
        """Noise has a generator: eps: float32[S] = normal().""",
    ),
    Code(
        "G0706",
        "a bad initialiser",
        """An initialiser makes a tensor that broadcasts to the declared shape.

wrong:  kernel: float32[4, 3] = zeros(5)
right:  kernel: float32[4, 3] = zeros()""",
    ),
    Code(
        "G0707",
        "a gradient with respect to something else",
        """grad differentiates with respect to inputs, parameters or nodes of floating point.""",
    ),
    Code(
        "G0708",
        "two updates of one state",
        """A state has one value after a run.""",
    ),
    Code(
        "G0709",
        "an update of something else",
        """'updates:' gives states their new values; each key is a state of the same block.""",
    ),
    Code(
        "G0710",
        "an update of another type",
        """A state keeps its dtype and shape.""",
    ),
    Code(
        "G0711",
        "a gradient that is zero everywhere",
        """What is differentiated does not depend on this value (or only through integers, booleans, noise or
stop_gradient), so its gradient is zero.""",
    ),
    Code(
        "G0712",
        "an operator without a derivative",
        """grad differentiates through this operator, but no derivative is known for it. Take the gradient
around it (stop_gradient), or write the function in operators that have one. Where only a run tells the
size of an operand, most derivatives can't be written down: mask with where(…) instead of selecting.""",
    ),
)
