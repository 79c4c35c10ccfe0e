"""Resampling on grids: Resize, GridSample, AffineGrid."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor

from ...types.dimensions import Dimension
from ...types.types import TensorType, Type
from ..operator import Call, RuleError, TypeRule
from .broadcasting import require_equal
from .operands import (
    Dims,
    choice,
    floats,
    normal_axes,
    present,
    refuse,
    require_rank,
    tensor,
    whole_content,
)


def _resize(call: Call) -> Sequence[Type]:
    choice(call, "mode", ("nearest", "linear", "cubic"))
    policy = choice(call, "keep_aspect_ratio_policy", ("stretch", "not_larger", "not_smaller"))
    found = tensor(call, 0)
    if _given(call, 2) == _given(call, 3):
        raise RuleError("G0501", "Resize needs exactly one of the operands 'scales' and 'sizes'", (0,))
    if found.dims is None:
        return (found,)
    named = call.attribute("axes")
    axes = normal_axes(call, named, len(found.dims)) if named else tuple(range(len(found.dims)))
    resized = _sized(call, found.dims, axes, policy) if _given(call, 3) else _scaled(call, found.dims, axes)
    return (TensorType(found.dtype, resized),)


def _given(call: Call, index: int) -> bool:
    """Whether an operand is there and is not the empty tensor that older models write for absent."""
    return present(call, index) and tensor(call, index).dims != (0,)


def _scaled(call: Call, dims: Dims, axes: Sequence[int]) -> Dims | None:
    scales = floats(call, 2)
    if scales is None:
        return None
    _check_count(call, scales, axes)
    result = list(dims)
    for axis, scale in zip(axes, scales, strict=True):
        size = _times(dims[axis], scale)
        if size is None:
            return None
        result[axis] = size
    return tuple(result)


def _times(size: Dimension, scale: float) -> Dimension | None:
    """floor(size * scale); of a symbolic size only for a whole scale or one over a whole number."""
    if isinstance(size, int):
        return floor(size * scale)
    if scale == int(scale):
        return size * int(scale)
    inverse = 1 / scale
    return size // int(inverse) if inverse == int(inverse) else None


def _sized(call: Call, dims: Dims, axes: Sequence[int], policy: str) -> Dims | None:
    sizes = whole_content(call, 3)
    if sizes is None:
        return None
    _check_count(call, sizes, axes)
    result = list(dims)
    if policy == "stretch":
        for axis, size in zip(axes, sizes, strict=True):
            result[axis] = size
        return tuple(result)
    return _proportional(result, axes, sizes, policy)


def _proportional(result: list[Dimension], axes: Sequence[int], sizes: Dims, policy: str) -> Dims | None:
    pairs = [(s, result[a]) for a, s in zip(axes, sizes, strict=True)]
    ratios = [s / d for s, d in pairs if isinstance(s, int) and isinstance(d, int) and d]
    if len(ratios) != len(pairs):
        return None
    ratio = min(ratios) if policy == "not_larger" else max(ratios)
    for axis in axes:
        size = result[axis]
        assert isinstance(size, int)
        result[axis] = floor(size * ratio + 0.5)
    return tuple(result)


def _check_count(call: Call, given: Sequence[object], axes: Sequence[int]) -> None:
    if len(given) != len(axes):
        raise refuse(call, f"{len(given)} scales or sizes for {len(axes)} axes of {tensor(call, 0)}", (0,))


def _grid_sample(call: Call) -> Sequence[Type]:
    choice(call, "mode", ("linear", "nearest", "cubic"))
    choice(call, "padding_mode", ("zeros", "border", "reflection"))
    x, grid = require_rank(call, 0, 3), require_rank(call, 1, 3)
    if x.dims is None or grid.dims is None:
        return (TensorType(x.dtype, None),)
    if len(x.dims) != len(grid.dims):
        raise RuleError("G0405", f"GridSample needs operands of one rank; these are {x} and {grid}", (0, 1))
    require_equal(call, x.dims[0], grid.dims[0], (0, 1))
    require_equal(call, grid.dims[-1], len(x.dims) - 2, (1,))
    return (TensorType(x.dtype, (*x.dims[:2], *grid.dims[1:-1])),)


def _affine_grid(call: Call) -> Sequence[Type]:
    theta, size = require_rank(call, 0, 3, 3), whole_content(call, 1)
    if size is None:
        return (TensorType(theta.dtype, None),)
    if len(size) not in (4, 5):
        raise refuse(call, f"size has 4 or 5 numbers (N, C, [D,] H, W), not {len(size)}", (1,))
    return (TensorType(theta.dtype, (size[0], *size[2:], len(size) - 2)),)


TYPES: dict[str, TypeRule] = {"AffineGrid": _affine_grid, "GridSample": _grid_sample, "Resize": _resize}
