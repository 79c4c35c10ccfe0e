"""Codes G06xx: repeat, scan, cond, while_loop, slots."""

from __future__ import annotations

from .code import Code

CONTROL: tuple[Code, ...] = (
    Code(
        "G0601",
        "a slot without a graph",
        """A slot is a graph given from outside: by --slot name=file.yaml, by slots: in a test, by the
caller, or by a default in its declaration.""",
    ),
    Code(
        "G0602",
        "a graph that does not fit its slot",
        """What is bound to a slot takes and returns what the slot's signature says.""",
    ),
    Code(
        "G0604",
        "an inner value of a scan",
        """The nodes of a scan's function exist once for each step. Returned after the new states, a value is
stacked over the steps.

right:  state, trace: scan(step, init=[s0], over=[x])""",
    ),
    Code(
        "G0605",
        "a condition known only when running",
        """'a if c else b' is decided while compiling: the other branch does not exist.

wrong:  y: x if x > 0 else 0
right:  y: where(x > 0, x, 0)""",
    ),
    Code(
        "G0606",
        "a bad number of rounds",
        """repeat writes out its rounds while compiling and needs a number; scan takes a symbolic one.""",
    ),
    Code(
        "G0607",
        "a carried value that changes its type",
        """What is carried from round to round keeps its dtype and shape, and a function returns the new
states first, in order.""",
    ),
    Code(
        "G0608",
        "scanned tensors of different lengths",
        """scan goes over axis 0 of all tensors in over= at once; they have one length, which is
also times=. Noise in a scan is drawn for every step before the run, so that its length must be known.""",
    ),
    Code(
        "G0609",
        "a condition that is no scalar bool",
        """cond and the test of while_loop take one boolean. Reduce with any or all.""",
    ),
    Code(
        "G0610",
        "branches that return different types",
        """Both functions of a cond return the same number of results, of the same types.""",
    ),
)
