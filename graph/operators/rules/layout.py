"""Operators that change shape and axes without touching elements: Reshape, Transpose, Concat, …

Where the content of a shape operand is unknown its length still tells the rank, and the sizes are
unknown: rules never invent names for them, since two calls on equal types would then share one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...types.dimensions import Dimension, exact_divide, lower_bound, product
from ...types.refinement import meet_axes
from ...types.types import Axes, Axis, TensorType, Type
from ..operator import Call, Known, KnownRule, RuleError, TypeRule
from .broadcasting import merge, require_equal, shown
from .contents import Objects, as_array, from_array, moved, operand_array, small_integer, static_dims
from .operands import (
    Dims,
    asked_sizes,
    axis_error,
    choice,
    content,
    integers,
    length,
    normal_axes,
    normal_axis,
    of_known,
    present,
    quotient,
    refuse,
    require_rank,
    tensor,
    times,
    whole_content,
)


def _shaped(call: Call, axes: Axes | None) -> Sequence[Type]:
    return (TensorType.of(tensor(call, 0).dtype, axes),)


# --- Reshape, Flatten, Squeeze, Unsqueeze -----------------------------------------------------


def _reshape(call: Call) -> Sequence[Type]:
    require_rank(call, 1, 1, 1)
    target = asked_sizes(call, 1)
    return _shaped(call, _reshaped(call, target) if target is not None else None)


def _reshaped(call: Call, target: Known) -> Axes:
    source = tensor(call, 0).axes
    sizes: list[Axis] = []
    for position, wanted in enumerate(target):
        if wanted == 0 and not call.attribute("allowzero"):
            if source is not None and position >= len(source):
                raise _reshape_error(call, target, f"its 0 at position {position} copies no axis")
            wanted = source[position] if source is not None else None
        sizes.append(wanted)
    if sizes.count(-1) > 1:
        raise _reshape_error(call, target, "only one dimension may be -1")
    dims, given = [d for d in sizes if d is not None], tensor(call, 0).dims
    if len(dims) == len(sizes):
        found: Axes | None = _inferred(call, target, given, tuple(dims))
    else:
        found = _only_missing(given, sizes)
    return found if found is not None else tuple(None if d == -1 else d for d in sizes)


def _only_missing(source: Dims | None, sizes: Sequence[Axis]) -> Axes | None:
    """The sizes with the only one that is unknown computed from the number of elements; None where
    that says nothing."""
    rest = times([d for d in sizes if d is not None])
    if source is None or sizes.count(None) != 1 or rest is None or lower_bound(rest) < 1:
        return None
    missing = exact_divide(product(source), rest)
    return None if missing is None else tuple(missing if d is None else d for d in sizes)


def _inferred(call: Call, target: Known, source: Dims | None, dims: Dims) -> Dims | None:
    """The target with its -1 computed, None where that can't be. Sizes that are provably different are
    an error; where equality can't be decided the reshape is taken at its word and checked when run."""
    if -1 not in dims:
        if source is not None and source != dims:
            difference = product(source) - product(dims)
            if lower_bound(difference) > 0 or lower_bound(-difference) > 0:
                raise _reshape_error(call, target, f"{product(source)} elements don't make {product(dims)}")
        return dims
    if source is None:
        return None
    size, rest = _without_shared(source, [d for d in dims if d != -1])
    if rest == 0:
        return tuple(0 if d == -1 else d for d in dims) if size == 0 else None
    missing = exact_divide(size, rest)
    if missing is None and isinstance(size, int) and isinstance(rest, int):
        raise _reshape_error(call, target, f"{product(source)} elements are not divisible by the other sizes")
    missing = size // rest if missing is None else missing
    return tuple(missing if d == -1 else d for d in dims)


def _without_shared(source: Dims, others: list[Dimension]) -> tuple[Dimension, Dimension]:
    """The products of both, without the dimensions (other than 0) that stand in both."""
    left, right = list(source), []
    for d in others:
        if d != 0 and d in left:
            left.remove(d)
        else:
            right.append(d)
    return product(left), product(right)


def _reshape_error(call: Call, target: Known, reason: str) -> RuleError:
    shown = ", ".join("?" if t is None else str(t) for t in target)
    return RuleError("G0402", f"cannot reshape {tensor(call, 0)} to [{shown}]: {reason}", (0, 1))


def _flatten(call: Call) -> Sequence[Type]:
    found = tensor(call, 0)
    if found.axes is None:
        return (found,)
    axis, rank = call.attribute("axis"), len(found.axes)
    if not -rank <= axis <= rank:
        raise axis_error(call, axis, rank + 1)
    axis = axis + rank if axis < 0 else axis
    return _shaped(call, (times(found.axes[:axis]), times(found.axes[axis:])))


def _squeeze(call: Call) -> Sequence[Type]:
    found = tensor(call, 0)
    if found.axes is None:
        return (found,)
    if not present(call, 1):
        static = all(isinstance(d, int) for d in found.axes)
        return _shaped(call, tuple(d for d in found.axes if d != 1) if static else None)
    given = integers(call, 1)
    if given is None:
        taken = length(call, 1)
        return _shaped(call, None if taken is None else (None,) * (len(found.axes) - taken))
    axes = normal_axes(call, given, len(found.axes))
    for axis in axes:
        require_equal(call, found.axes[axis], 1, (0,))
    return _shaped(call, tuple(d for i, d in enumerate(found.axes) if i not in axes))


def _unsqueeze(call: Call) -> Sequence[Type]:
    found, given = tensor(call, 0), integers(call, 1)
    if found.axes is None:
        return _shaped(call, None)
    if given is None:
        added = length(call, 1)
        return _shaped(call, None if added is None else (None,) * (len(found.axes) + added))
    rank = len(found.axes) + len(given)
    axes = normal_axes(call, given, rank)
    rest = iter(found.axes)
    return _shaped(call, tuple(1 if i in axes else next(rest) for i in range(rank)))


# --- Transpose, Concat, Split, Slice ----------------------------------------------------------


def permutation(call: Call, rank: int) -> tuple[int, ...]:
    """The order of axes of a Transpose. Raises RuleError G0464."""
    perm: Sequence[int] | None = call.attribute("perm")
    if perm is None:
        return tuple(reversed(range(rank)))
    order = normal_axes(call, perm, rank)
    if len(order) != rank:
        raise refuse(call, f"perm={list(perm)} does not order the {rank} axes of {tensor(call, 0)}", (0,))
    return order


def _transpose(call: Call) -> Sequence[Type]:
    found = tensor(call, 0)
    if found.axes is None:
        return (found,)
    return _shaped(call, tuple(found.axes[a] for a in permutation(call, len(found.axes))))


def _concat(call: Call) -> Sequence[Type]:
    types = [tensor(call, i) for i in range(len(call.inputs))]
    result = next((t.axes for t in types if t.axes is not None), None)
    if result is None:
        return _shaped(call, None)
    axis = normal_axis(call, call.attribute("axis"), len(result))
    total: Axis = 0
    for position, found in enumerate(types):
        if found.axes is None:
            total = None
            continue
        if len(found.axes) != len(result):
            raise RuleError(
                "G0405", f"Concat needs operands of one rank; these are {types[0]} and {found}", (0, position)
            )
        for other in range(len(result)):
            if other != axis:
                require_equal(call, result[other], found.axes[other], (0, position))
        size = found.axes[axis]
        total = None if total is None or size is None else total + size
        if None in result:
            result = meet_axes(result, found.axes)
    return _shaped(call, (*result[:axis], total, *result[axis + 1 :]))


def split_sizes(call: Call, size: Axis) -> Axes | None:
    """The sizes along the split axis; None where neither they nor their number is known.
    Raises RuleError G0464."""
    known = whole_content(call, 1)
    if known is not None:
        if size is not None and sum_of(known) != size and isinstance(size - sum_of(known), int):
            raise refuse(call, f"sizes {list(known)} sum to {sum_of(known)}, the axis has {size}", (0, 1))
        return known
    if present(call, 1) and content(call, 1) is not None:
        return content(call, 1)
    count = call.attribute("num_outputs") or call.outputs
    if count is None or size is None or present(call, 1):
        return None
    each = exact_divide(size, count)
    if each is not None:
        return (each,) * count
    chunk = (size + count - 1) // count
    last = size - chunk * (count - 1)
    if isinstance(last, int) and last < 0:
        raise refuse(call, f"cannot split an axis of {size} into {count} parts", (0,))
    return (*((chunk,) * (count - 1)), last)


def sum_of(dimensions: Sequence[Dimension]) -> Dimension:
    total: Dimension = 0
    for d in dimensions:
        total = total + d
    return total


def _split_count(call: Call) -> int:
    known = content(call, 1)
    count = call.attribute("num_outputs") or call.outputs or (len(known) if known is not None else None)
    if count is None and present(call, 1) and tensor(call, 1).is_static:
        only = tensor(call, 1).shape[0]
        count = only if isinstance(only, int) else None
    if count is None:
        raise refuse(call, "nothing says into how many parts", (0,), "give num_outputs=")
    if known is not None and len(known) != count:
        raise refuse(call, f"{len(known)} sizes for {count} results", (1,))
    return int(count)


def _split(call: Call) -> Sequence[Type]:
    found, count = tensor(call, 0), _split_count(call)
    if found.axes is None:
        return (TensorType(found.dtype, None),) * count
    axis = normal_axis(call, call.attribute("axis"), len(found.axes))
    sizes = split_sizes(call, found.axes[axis]) or (None,) * count
    return tuple(
        TensorType.of(found.dtype, (*found.axes[:axis], size, *found.axes[axis + 1 :])) for size in sizes
    )


# --- Expand, Tile, Pad, CenterCropPad ---------------------------------------------------------


def _expand(call: Call) -> Sequence[Type]:
    found, target = tensor(call, 0), asked_sizes(call, 1)
    if found.axes is None or target is None:
        return _shaped(call, None)
    merged = merge(found.axes, target)
    if isinstance(merged, tuple):
        return _shaped(call, merged)
    left, right = found.axes[merged], target[merged]
    assert left is not None
    assert right is not None
    raise RuleError(
        "G0401",
        f"Expand: cannot prove {left} == {right} for {found} and shape {shown(target)}",
        (0, 1),
        unequal=(left, right),
    )


def _tile(call: Call) -> Sequence[Type]:
    found, repeats = tensor(call, 0), asked_sizes(call, 1)
    if found.axes is None:
        return _shaped(call, None if repeats is None else (None,) * len(repeats))
    if repeats is None:
        repeats = (None,) * len(found.axes)
    if len(repeats) != len(found.axes):
        raise refuse(call, f"{len(repeats)} repeats for the {len(found.axes)} axes of {found}", (0, 1))
    return _shaped(call, tuple(times(pair) for pair in zip(found.axes, repeats, strict=True)))


def operand_axes(call: Call, index: int, rank: int) -> tuple[int, ...] | None:
    """The axes that an optional operand names, all where it is absent, None where unknown."""
    if not present(call, index):
        return tuple(range(rank))
    given = integers(call, index)
    return None if given is None else normal_axes(call, given, rank)


def _pad(call: Call) -> Sequence[Type]:
    choice(call, "mode", ("constant", "reflect", "edge", "wrap"))
    found, pads = tensor(call, 0), asked_sizes(call, 1)
    if found.axes is None:
        return (found,)
    axes = operand_axes(call, 3, len(found.axes))
    if axes is None:
        return _shaped(call, (None,) * len(found.axes))
    if pads is None:
        pads = (None,) * (2 * len(axes))
    if len(pads) != 2 * len(axes):
        raise refuse(call, f"{len(pads)} pads for {len(axes)} axes of {found}; give two an axis", (0, 1))
    sizes = list(found.axes)
    for position, axis in enumerate(axes):
        around = sizes[axis], pads[position], pads[position + len(axes)]
        size = of_known(lambda own, before, after: own + before + after, *around)
        if isinstance(size, int) and size < 0:
            raise RuleError("G0465", f"Pad leaves {size} elements on axis {axis} of {found}", (0, 1))
        sizes[axis] = size
    return _shaped(call, tuple(sizes))


def _center_crop_pad(call: Call) -> Sequence[Type]:
    found, target = tensor(call, 0), asked_sizes(call, 1)
    if found.axes is None:
        return (found,)
    named = call.attribute("axes")
    axes = normal_axes(call, named, len(found.axes)) if named is not None else range(len(found.axes))
    if target is None:
        target = (None,) * len(axes)
    if len(axes) != len(target):
        raise refuse(call, f"{len(target)} sizes for {len(axes)} axes", (0, 1))
    sizes = list(found.axes)
    for axis, size in zip(axes, target, strict=True):
        sizes[axis] = size
    return _shaped(call, tuple(sizes))


# --- space and depth, sequences, triangles ----------------------------------------------------


def _depth_to_space(call: Call) -> Sequence[Type]:
    choice(call, "mode", ("DCR", "CRD"))
    found, block = require_rank(call, 0, 4, 4), call.attribute("blocksize")
    if found.axes is None:
        return (found,)
    n, c, h, w = found.axes
    depth = quotient(call, c, block * block, "the channels by blocksize²", (0,))
    return _shaped(call, (n, depth, times((h, block)), times((w, block))))


def _space_to_depth(call: Call) -> Sequence[Type]:
    found, block = require_rank(call, 0, 4, 4), call.attribute("blocksize")
    if found.axes is None:
        return (found,)
    n, c, h, w = found.axes
    height, width = (quotient(call, d, block, "the last axes by blocksize", (0,)) for d in (h, w))
    return _shaped(call, (n, times((c, block, block)), height, width))


def _reverse_sequence(call: Call) -> Sequence[Type]:
    found = require_rank(call, 0, 2)
    axes = call.attribute("batch_axis"), call.attribute("time_axis")
    if sorted(axes) != [0, 1]:
        raise refuse(call, f"batch_axis and time_axis are 0 and 1 in some order, not {axes}")
    lengths = require_rank(call, 1, 1, 1)
    if found.axes is not None and lengths.axes is not None:
        require_equal(call, found.axes[axes[0]], lengths.axes[0], (0, 1))
    return (found,)


def _trilu(call: Call) -> Sequence[Type]:
    return (require_rank(call, 0, 2),)


# --- contents ---------------------------------------------------------------------------------


def _reshape_content(call: Call, array: Objects, result: TensorType) -> Objects:
    return array.reshape(static_dims(result))


def _transpose_content(call: Call, array: Objects, result: TensorType) -> Objects:
    return array.transpose(permutation(call, array.ndim))


def _expand_content(call: Call, array: Objects, result: TensorType) -> Objects:
    return np.broadcast_to(array, static_dims(result))


def _tile_content(call: Call, array: Objects, result: TensorType) -> Objects | None:
    repeats = integers(call, 1)
    return np.tile(array, repeats) if repeats is not None else None


def _known_concat(call: Call, types: Sequence[Type]) -> Sequence[Known | None]:
    if not small_integer(types[0]) or all(v is None or v.known is None for v in call.inputs):
        return (None,)
    parts: list[Objects] = []
    for index in range(len(call.inputs)):
        array = operand_array(call, index)
        if array is None:
            dims = tensor(call, index)
            if not dims.is_static:
                return (None,)
            array = np.full(static_dims(dims), None, dtype=object)
        parts.append(array)
    return (from_array(np.concatenate(parts, axis=call.attribute("axis"))),)


def _known_split(call: Call, types: Sequence[Type]) -> Sequence[Known | None]:
    array = operand_array(call, 0)
    if array is None or not all(small_integer(t) for t in types):
        return (None,) * len(types)
    axis, start, found = call.attribute("axis") % array.ndim, 0, []
    for result in types:
        assert isinstance(result, TensorType)
        size = static_dims(result)[axis]
        found.append(from_array(array.take(range(start, start + size), axis=axis)))
        start += size
    return tuple(found)


def _known_pad(call: Call, types: Sequence[Type]) -> Sequence[Known | None]:
    array, pads = operand_array(call, 0), integers(call, 1)
    if array is None or pads is None or not small_integer(types[0]) or min(pads, default=0) < 0:
        return (None,)
    axes = operand_axes(call, 3, array.ndim)
    fill = content(call, 2) if present(call, 2) else (0,)
    if call.attribute("mode") != "constant" or axes is None:
        return (None,)
    width = [(0, 0)] * array.ndim
    for position, axis in enumerate(axes):
        width[axis] = pads[position], pads[position + len(axes)]
    value = fill[0] if fill is not None else None
    padded = np.pad(np.arange(array.size).reshape(array.shape), width, constant_values=-1)
    source = (*array.ravel().tolist(), value)
    return (from_array(as_array([source[i] for i in padded.ravel()], padded.shape)),)  # type: ignore[arg-type]  # a list serves


TYPES: dict[str, TypeRule] = {
    "CenterCropPad": _center_crop_pad,
    "Concat": _concat,
    "DepthToSpace": _depth_to_space,
    "Expand": _expand,
    "Flatten": _flatten,
    "Pad": _pad,
    "Reshape": _reshape,
    "ReverseSequence": _reverse_sequence,
    "SpaceToDepth": _space_to_depth,
    "Split": _split,
    "Squeeze": _squeeze,
    "Tile": _tile,
    "Transpose": _transpose,
    "Trilu": _trilu,
    "Unsqueeze": _unsqueeze,
}

KNOWN: dict[str, KnownRule] = {
    "Concat": _known_concat,
    "Expand": moved(_expand_content),
    "Flatten": moved(_reshape_content),
    "Pad": _known_pad,
    "Reshape": moved(_reshape_content),
    "Split": _known_split,
    "Squeeze": moved(_reshape_content),
    "Tile": moved(_tile_content),
    "Transpose": moved(_transpose_content),
    "Unsqueeze": moved(_reshape_content),
}

_LAYOUT = (
    "Concat DepthToSpace Expand Flatten Reshape ReverseSequence SpaceToDepth Split Squeeze Tile Transpose "
    "Unsqueeze"
)
TRAITS: dict[str, frozenset[str]] = {
    **{name: frozenset({"layout"}) for name in _LAYOUT.split()},
    "Trilu": frozenset({"idempotent"}),
}
