"""The type rule of LtiSsm, and the sizes that all who compute it share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...types.dimensions import Dimension
from ...types.types import TensorType, Type
from ..operator import Call
from .broadcasting import require_equal
from .operands import Dims, choice, optional_tensor, refuse, require_rank

FORMS = ("dense", "diagonal", "dplr", "block")
DISCRETISATIONS = ("none", "zoh", "bilinear")
MODES = ("auto", "step", "chunk", "fft", "associative")

_RANKS = {"dense": (3, 3, 3), "diagonal": (3, 4, 4), "dplr": (3, 4, 4), "block": (4, 4, 4)}
"""Ranks of A, B and C by form."""


@dataclass(frozen=True)
class Sizes:
    """`state` are the axes of a state after batch and group: (N,), (M, 2) or (K, n)."""

    groups: Dimension
    inputs: Dimension
    outputs: Dimension
    state: Dims


def lti_ssm(call: Call) -> Sequence[Type]:
    """u[batch, G·I, L] to y[batch, G·O, L] and the last state [batch, G, *state]. Raises G0401 for sizes
    that don't agree, G0405 for a rank, G0464 for operands that the form does not take."""
    form = choice(call, "form", FORMS)
    method = choice(call, "disc", DISCRETISATIONS)
    choice(call, "mode", MODES)
    u = require_rank(call, 0, 3, 3)
    found = _sizes(call, form)
    batch, steps = u.size_of(0), u.size_of(2)
    if found is None:
        state = (None,) * (_RANKS[form][0] - 1)
        return TensorType.of(u.dtype, (batch, None, steps)), TensorType.of(u.dtype, (batch, *state))
    require_equal(call, u.size_of(1), found.groups * found.inputs, (0, 2))
    _feedthrough(call, found)
    _step(call, form, method, found)
    last = TensorType.of(u.dtype, (batch, found.groups, *found.state))
    _initial(call, last)
    return TensorType.of(u.dtype, (batch, found.groups * found.outputs, steps)), last


def _sizes(call: Call, form: str) -> Sizes | None:
    ranks = _RANKS[form]
    a, b, c = (require_rank(call, i + 1, rank, rank) for i, rank in enumerate(ranks))
    if a.dims is None or b.dims is None or c.dims is None:
        return None
    _low_rank(call, form, a.dims)
    group = a.dims[0]
    require_equal(call, b.dims[0], group, (2, 1))
    require_equal(call, c.dims[0], group, (3, 1))
    if form == "dense":
        require_equal(call, a.dims[1], a.dims[2], (1,))
        require_equal(call, b.dims[1], a.dims[1], (2, 1))
        require_equal(call, c.dims[2], a.dims[1], (3, 1))
        return Sizes(group, b.dims[2], c.dims[1], (a.dims[1],))
    if form == "block":
        require_equal(call, a.dims[2], a.dims[3], (1,))
        for axis in (1, 2):
            require_equal(call, b.dims[axis], a.dims[axis], (2, 1))
            require_equal(call, c.dims[axis + 1], a.dims[axis], (3, 1))
        return Sizes(group, b.dims[3], c.dims[1], a.dims[1:3])
    for index, dims in ((1, a.dims), (2, b.dims), (3, c.dims)):
        require_equal(call, dims[-1], 2, (index,))
    require_equal(call, b.dims[1], a.dims[1], (2, 1))
    require_equal(call, c.dims[2], a.dims[1], (3, 1))
    return Sizes(group, b.dims[2], c.dims[1], (a.dims[1], 2))


def _low_rank(call: Call, form: str, a: Dims) -> None:
    """P[G, M, R, 2] and Q like it belong to the form "dplr", and to no other."""
    p, q = optional_tensor(call, 7), optional_tensor(call, 8)
    if form != "dplr":
        if p is not None or q is not None:
            raise refuse(call, f"P and Q belong to form='dplr', not to '{form}'", (7 if p else 8,))
        return
    if p is None or q is None:
        raise refuse(call, "form='dplr' needs P and Q: A is diag(A) - P Q*", (1,))
    p, q = require_rank(call, 7, 4, 4), require_rank(call, 8, 4, 4)
    if p.dims is None or q.dims is None:
        return
    for axis in range(4):
        require_equal(call, q.dims[axis], p.dims[axis], (8, 7))
    for left, right in zip((p.dims[0], p.dims[1], p.dims[3]), (*a[:2], 2), strict=True):
        require_equal(call, left, right, (7, 1))


def _feedthrough(call: Call, found: Sizes) -> None:
    """D[G·I] beside as many outputs, or D[G, O, I]."""
    d = optional_tensor(call, 4)
    if d is None or d.dims is None:
        return
    if len(d.dims) == 1:
        require_equal(call, d.dims[0], found.groups * found.inputs, (4, 0))
        require_equal(call, found.inputs, found.outputs, (2, 3))
        return
    require_rank(call, 4, 3, 3)
    for left, right in zip(d.dims, (found.groups, found.outputs, found.inputs), strict=True):
        require_equal(call, left, right, (4, 0))


def _step(call: Call, form: str, method: str, found: Sizes) -> None:
    """dt[G], or dt[G, M] for a diagonal form; none where the system is discrete already."""
    dt = optional_tensor(call, 5)
    if (dt is None) != (method == "none"):
        wrong = "needs dt" if dt is None else "is discrete already and takes no dt"
        raise refuse(call, f"disc='{method}' {wrong}", () if dt is None else (5,))
    if dt is None or dt.dims is None:
        return
    require_rank(call, 5, 1, 2 if form == "diagonal" else 1)
    for left, right in zip(dt.dims, (found.groups, found.state[0]), strict=False):
        require_equal(call, left, right, (5, 1))


def _initial(call: Call, last: TensorType) -> None:
    given = optional_tensor(call, 6)
    if given is None or given.axes is None or last.axes is None:
        return
    require_rank(call, 6, last.rank, last.rank)
    for left, right in zip(given.axes, last.axes, strict=True):
        require_equal(call, left, right, (6, 0))
