"""Resampling on grids: Resize, GridSample, AffineGrid."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor

from ...types.refinement import met
from ...types.types import Axes, Axis, TensorType, Type
from ..operator import Call, RuleError, TypeRule
from .broadcasting import require_equal
from .operands import (
    asked_sizes,
    choice,
    floats,
    normal_axes,
    present,
    refuse,
    require_rank,
    tensor,
)


def _resize(call: Call) -> Sequence[Type]:
    choice(call, "mode", ("nearest", "linear", "cubic"))
    policy = choice(call, "keep_aspect_ratio_policy", ("stretch", "not_larger", "not_smaller"))
    found = tensor(call, 0)
    if _given(call, 2) == _given(call, 3):
        raise RuleError("G0501", "Resize needs exactly one of the operands 'scales' and 'sizes'", (0,))
    if found.axes is None:
        return (found,)
    named = call.attribute("axes")
    axes = normal_axes(call, named, len(found.axes)) if named else tuple(range(len(found.axes)))
    resized = _sized(call, found.axes, axes, policy) if _given(call, 3) else _scaled(call, found.axes, axes)
    return (TensorType.of(found.dtype, resized),)


def _given(call: Call, index: int) -> bool:
    """Whether an operand is there and is not the empty tensor that older models write for absent."""
    return present(call, index) and tensor(call, index).axes != (0,)


def _scaled(call: Call, sizes: Axes, axes: Sequence[int]) -> Axes:
    scales = floats(call, 2)
    result = list(sizes)
    if scales is not None:
        _check_count(call, scales, axes)
    for axis, scale in zip(axes, scales or (None,) * len(axes), strict=True):
        result[axis] = _times(sizes[axis], scale)
    return tuple(result)


def _times(size: Axis, scale: float | None) -> Axis:
    """floor(size * scale); of a symbolic size only for a whole scale or one over a whole number."""
    if size is None or scale is None:
        return None
    if isinstance(size, int):
        return floor(size * scale)
    if scale == int(scale):
        return size * int(scale)
    inverse = 1 / scale
    return size // int(inverse) if inverse == int(inverse) else None


def _sized(call: Call, own: Axes, axes: Sequence[int], policy: str) -> Axes:
    sizes = asked_sizes(call, 3)
    if sizes is None:
        sizes = (None,) * len(axes)
    _check_count(call, sizes, axes)
    if policy != "stretch":
        sizes = _proportional([own[a] for a in axes], sizes, policy)
    result = list(own)
    for axis, size in zip(axes, sizes, strict=True):
        result[axis] = size
    return tuple(result)


def _proportional(own: Sequence[Axis], sizes: Axes, policy: str) -> Axes:
    """The sizes of one ratio to the axes' own, the smallest or largest asked for."""
    ratios = [
        s / d for s, d in zip(sizes, own, strict=True) if isinstance(s, int) and isinstance(d, int) and d
    ]
    if len(ratios) != len(sizes):
        return (None,) * len(sizes)
    ratio = min(ratios) if policy == "not_larger" else max(ratios)
    return tuple(floor(d * ratio + 0.5) for d in own if isinstance(d, int))


def _check_count(call: Call, given: Sequence[object], axes: Sequence[int]) -> None:
    if len(given) != len(axes):
        raise refuse(call, f"{len(given)} scales or sizes for {len(axes)} axes of {tensor(call, 0)}", (0,))


def _grid_sample(call: Call) -> Sequence[Type]:
    choice(call, "mode", ("linear", "nearest", "cubic"))
    choice(call, "padding_mode", ("zeros", "border", "reflection"))
    x, grid = require_rank(call, 0, 3), require_rank(call, 1, 3)
    if x.axes is None or grid.axes is None:
        known = grid.axes if x.axes is None else x.axes
        return (TensorType.of(x.dtype, None if known is None else (None,) * len(known)),)
    if len(x.axes) != len(grid.axes):
        raise RuleError("G0405", f"GridSample needs operands of one rank; these are {x} and {grid}", (0, 1))
    require_equal(call, x.axes[0], grid.axes[0], (0, 1))
    require_equal(call, grid.axes[-1], len(x.axes) - 2, (1,))
    batch = met(x.axes[0], grid.axes[0])
    return (TensorType.of(x.dtype, (batch, x.axes[1], *grid.axes[1:-1])),)


def _affine_grid(call: Call) -> Sequence[Type]:
    theta, size = require_rank(call, 0, 3, 3), asked_sizes(call, 1)
    if size is None:
        return (TensorType(theta.dtype, None),)
    if len(size) not in (4, 5):
        raise refuse(call, f"size has 4 or 5 numbers (N, C, [D,] H, W), not {len(size)}", (1,))
    return (TensorType.of(theta.dtype, (size[0], *size[2:], len(size) - 2)),)


TYPES: dict[str, TypeRule] = {"AffineGrid": _affine_grid, "GridSample": _grid_sample, "Resize": _resize}
