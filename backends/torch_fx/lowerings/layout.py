"""Layout: operators that move elements, index, pad, join and split."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.nn import functional as F

from ....graph.ir import Node
from .carriers import CARRIERS, Strings, Tensor, ints, moved, moved_together, number, wrapped, wrapped_axes
from .lowering import Keywords, Lowering, result_dtype

# --- shape --------------------------------------------------------------------------------------


def identity(x: Any) -> Any:
    return x


def shape(data: Any, start: int = 0, end: int | None = None) -> Tensor:
    """The sizes of axes start..end, as int64."""
    return sizes_tensor(list(data.shape)[slice(start, end)])


def sizes_tensor(sizes: Sequence[Any], dtype: str = "int64", dims: Sequence[int] | None = None) -> Tensor:
    """Integers as a tensor of shape `dims` (None: one axis). Exports with symbolic integers too."""
    carrier = CARRIERS[dtype]
    if all(isinstance(s, int) and not isinstance(s, torch.SymInt) for s in sizes):
        flat = torch.tensor(sizes, dtype=torch.int64).to(carrier)
    else:
        flat = torch.stack([torch.full((), s, dtype=torch.int64) for s in sizes]).to(carrier)
    return flat if dims is None else flat.reshape(tuple(dims))


def size(data: Any) -> Tensor:
    return sizes_tensor([data.numel()], dims=())


def reshape(data: Any, shape: Any, allowzero: int = 0) -> Any:
    """0 copies the size at its place unless `allowzero`; one -1 is what the rest leaves."""
    target = ints(shape)
    if not allowzero:
        for axis, wanted in enumerate(target):
            if isinstance(wanted, int) and wanted == 0:
                target[axis] = data.shape[axis]
    return moved(lambda x: x.reshape(target), data)


def flatten(x: Any, axis: int = 1) -> Any:
    axis = wrapped(axis, x.dim())
    rows = 1
    for extent in x.shape[:axis]:
        rows = rows * extent
    columns = 1
    for extent in x.shape[axis:]:
        columns = columns * extent
    return moved(lambda t: t.reshape(rows, columns), x)


def squeeze(data: Any, axes: Any = None) -> Any:
    """Drops `axes` of size 1; all of them where none are given."""
    if axes is None:
        return moved(torch.squeeze, data)
    chosen = tuple(wrapped_axes(ints(axes), data.dim()))
    return moved(lambda x: torch.squeeze(x, chosen), data)


def unsqueeze(data: Any, axes: Any) -> Any:
    chosen = ints(axes)
    rank = data.dim() + len(chosen)

    def run(x: Tensor) -> Tensor:
        for axis in sorted(wrapped_axes(chosen, rank)):
            x = x.unsqueeze(axis)
        return x

    return moved(run, data)


def expand(data: Any, shape: Any) -> Any:
    """Broadcasts both ways: a 1 in `shape` keeps the size of `data`."""
    target = ints(shape)
    rank = max(len(target), data.dim())
    target = [1] * (rank - len(target)) + target
    own = [1] * (rank - data.dim()) + list(data.shape)
    sizes = [d if isinstance(t, int) and t == 1 else t for d, t in zip(own, target, strict=True)]
    return moved(lambda x: x.expand(sizes), data)


def transpose(data: Any, perm: Sequence[int] | None = None) -> Any:
    order = tuple(range(data.dim()))[::-1] if perm is None else tuple(perm)
    return moved(lambda x: x.permute(order), data)


def concat(*inputs: Any, axis: int) -> Any:
    return moved_together(lambda *parts: torch.cat(parts, axis), *inputs)


def split(data: Any, split: Any = None, *, axis: int = 0, num_outputs: int | None = None) -> Any:
    """By sizes, or into `num_outputs` equal parts, the last one smaller."""
    if split is None:
        assert num_outputs is not None
        sizes = equal_parts(data.shape[axis], num_outputs)
    else:
        sizes = ints(split)
    if isinstance(data, Strings):
        return tuple(data.at(p) for p in torch.split(data.positions(), sizes, axis))
    return tuple(torch.split(data, sizes, axis))


def equal_parts(extent: Any, count: int) -> list[Any]:
    part = (extent + count - 1) // count
    return [part] * (count - 1) + [extent - part * (count - 1)]


def _split_arguments(node: Node) -> Keywords:
    return {"num_outputs": len(node.outputs)} if len(node.inputs) < 2 else {}


def slice_(data: Any, starts: Any, ends: Any, axes: Any = None, steps: Any = None) -> Any:
    """Python's slices along `axes`; steps may be negative."""
    first, last = ints(starts), ints(ends)
    chosen = list(range(len(first))) if axes is None else wrapped_axes(ints(axes), data.dim())
    strides = [1] * len(first) if steps is None else ints(steps)

    def run(x: Tensor) -> Tensor:
        index: list[slice] = [slice(None)] * x.dim()
        for axis, start, end, step in zip(chosen, first, last, strides, strict=True):
            if step > 0:
                index[axis] = slice(start, end, step)
            else:
                x, index[axis] = _reversed_slice(x, axis, start, end, step)
        return x[tuple(index)]

    return moved(run, data)


def _reversed_slice(x: Tensor, axis: int, start: Any, end: Any, step: Any) -> tuple[Tensor, slice]:
    """The flipped tensor, and the forward slice of it that a backward one stands for."""
    extent = x.shape[axis]
    start = start + extent if start < 0 else start
    end = end + extent if end < 0 else end
    smaller: Callable[..., Any] = torch.sym_min
    larger: Callable[..., Any] = torch.sym_max
    start, end = smaller(start, extent - 1), larger(end, -1)
    return x.flip(axis), slice(extent - 1 - start, extent - 1 - end, -step)


def tile(data: Any, repeats: Any) -> Any:
    counts = ints(repeats)
    return moved(lambda x: x.repeat(counts), data)


def trilu(x: Tensor, k: Any = 0, upper: int = 1) -> Tensor:
    """The upper or lower triangle from diagonal k on."""
    diagonal = number(k)
    rows = torch.arange(x.shape[-2], device=x.device).unsqueeze(-1)
    columns = torch.arange(x.shape[-1], device=x.device)
    kept = columns - rows >= diagonal if upper else columns - rows <= diagonal
    return moved(lambda t: torch.where(kept, t, torch.zeros_like(t)), x)  # type: ignore[no-any-return]  # generic over tensors


def depth_to_space(x: Any, *, blocksize: int, mode: str = "DCR") -> Any:
    n, c, h, w = x.shape
    b = blocksize

    def run(t: Tensor) -> Tensor:
        if mode == "DCR":
            t = t.reshape(n, b, b, c // (b * b), h, w).permute(0, 3, 4, 1, 5, 2)
        else:
            t = t.reshape(n, c // (b * b), b, b, h, w).permute(0, 1, 4, 2, 5, 3)
        return t.reshape(n, c // (b * b), h * b, w * b)

    return moved(run, x)


def space_to_depth(x: Any, *, blocksize: int, mode: str = "DCR") -> Any:
    n, c, h, w = x.shape
    b = blocksize
    order = (0, 3, 5, 1, 2, 4) if mode == "DCR" else (0, 1, 3, 5, 2, 4)
    return moved(
        lambda t: t.reshape(n, c, h // b, b, w // b, b).permute(order).reshape(n, c * b * b, h // b, w // b),
        x,
    )


# --- padding ------------------------------------------------------------------------------------


def pad(data: Any, pads: Any, constant_value: Any = None, axes: Any = None, mode: str = "constant") -> Any:
    """Pads (or, below zero, crops) both ends of `axes`: constant, reflect, edge, wrap."""
    rank = data.dim()
    chosen = list(range(rank)) if axes is None else wrapped_axes(ints(axes), rank)
    amounts = ints(pads)
    ends = {a: (amounts[i], amounts[i + len(chosen)]) for i, a in enumerate(chosen)}
    if mode == "constant":
        return _pad_constant(data, ends, constant_value)

    def run(x: Tensor) -> Tensor:
        for axis, (before, after) in ends.items():
            x = x.index_select(axis, border_indices(x.shape[axis], before, after, mode, x.device))
        return x

    return moved(run, data)


def border_indices(extent: Any, before: Any, after: Any, mode: str, device: torch.device) -> Tensor:
    """Which element stands at each place from -before to extent + after."""
    places = torch.arange(-before, extent + after, device=device)
    if mode == "edge":
        return places.clamp(0, extent - 1)
    if mode == "wrap":
        return torch.remainder(places, extent)
    period = 2 * (extent - 1) if extent > 1 else 1
    folded = torch.remainder(places, period)
    return torch.minimum(folded, period - folded) if extent > 1 else folded


def _pad_constant(data: Any, ends: dict[int, tuple[Any, Any]], value: Any) -> Any:
    amounts: list[Any] = []
    for axis in reversed(range(data.dim())):
        amounts.extend(ends.get(axis, (0, 0)))
    if isinstance(data, Strings):
        filler = "" if value is None else value.items[0]
        extended = Strings((len(data.items) + 1,), (*data.items, filler))
        return extended.at(F.pad(data.positions(), amounts, value=len(data.items)))
    if value is None:
        return moved(lambda x: F.pad(x, amounts), data)
    inside = F.pad(torch.ones_like(data, dtype=torch.bool), amounts)
    return moved_together(
        lambda x, v: torch.where(inside, F.pad(x, amounts), v.reshape(())), data, value.to(data.dtype)
    )


def center_crop_pad(data: Any, shape: Any, axes: Sequence[int] | None = None) -> Any:
    """Crops or zero-pads `axes` around the centre to `shape`; the odd element goes to the end."""
    rank = data.dim()
    chosen = range(rank) if axes is None else wrapped_axes(axes, rank)
    ends: dict[int, tuple[Any, Any]] = {}
    for axis, wanted in zip(chosen, ints(shape), strict=True):
        extra = wanted - data.shape[axis]
        before = extra // 2 if extra >= 0 else -((-extra) // 2)
        ends[axis] = (before, extra - before)
    return _pad_constant(data, ends, None)


# --- indexing -----------------------------------------------------------------------------------


def gather(data: Any, indices: Tensor, axis: int = 0) -> Any:
    before = (slice(None),) * wrapped(axis, data.dim())
    return moved(lambda x: x[(*before, indices)], data)


def from_front(indices: Tensor, extent: Any) -> Tensor:
    """int64 indices with negative ones counted from the front."""
    whole = indices.to(torch.int64)
    return torch.where(whole < 0, whole + extent, whole)


def gather_elements(data: Any, indices: Tensor, axis: int = 0) -> Any:
    places = from_front(indices, data.shape[axis])
    return moved(lambda x: torch.gather(x, axis, places), data)


def gather_nd(data: Any, indices: Tensor, batch_dims: int = 0) -> Any:
    """data[batch, indices[batch, …, :]]."""
    rank = indices.dim()
    index: list[Tensor] = []
    for axis in range(batch_dims):
        view = [1] * (rank - 1)
        view[axis] = -1
        index.append(torch.arange(data.shape[axis], device=indices.device).reshape(view))
    index.extend(indices[..., i].to(torch.int64) for i in range(indices.shape[-1]))
    return moved(lambda x: x[tuple(index)], data)


_REDUCTIONS = {"add": "sum", "mul": "prod", "max": "amax", "min": "amin"}


def scatter_elements(data: Any, indices: Tensor, updates: Any, axis: int = 0, reduction: str = "none") -> Any:
    places = from_front(indices, data.shape[axis])
    if reduction == "none":
        return moved_together(lambda x, u: torch.scatter(x, axis, places, u), data, updates)
    return torch.scatter_reduce(data, axis, places, updates, _REDUCTIONS[reduction], include_self=True)


def scatter_nd(data: Any, indices: Tensor, updates: Any, reduction: str = "none") -> Any:
    """A copy of `data` with data[indices[…, :]] set to, or combined with, updates[…]."""
    depth = indices.shape[-1]
    if reduction == "none":
        index = tuple(indices[..., i].to(torch.int64) for i in range(depth))
        return moved_together(lambda x, u: torch.index_put(x, index, u), data, updates)
    linear = torch.zeros_like(indices[..., 0], dtype=torch.int64)
    for axis in range(depth):
        linear = linear * data.shape[axis] + from_front(indices[..., axis], data.shape[axis])
    rest = list(data.shape[depth:])
    rows = data.reshape(-1, *rest)
    values = updates.reshape(-1, *rest)
    places = linear.reshape(-1, *([1] * len(rest))).expand(values.shape)
    combined = torch.scatter_reduce(rows, 0, places, values, _REDUCTIONS[reduction], include_self=True)
    return combined.reshape(data.shape)


def tensor_scatter(
    past_cache: Tensor,
    update: Tensor,
    write_indices: Tensor | None = None,
    axis: int = -2,
    mode: str = "linear",
) -> Tensor:
    """The cache with `update` written along `axis` from each sample's write index on."""
    axis = wrapped(axis, past_cache.dim())
    steps = torch.arange(update.shape[axis], device=update.device)
    starts = torch.zeros(past_cache.shape[0], dtype=torch.int64, device=update.device)
    if write_indices is not None:
        starts = write_indices.to(torch.int64)
    places = starts.unsqueeze(1) + steps
    if mode == "circular":
        places = torch.remainder(places, past_cache.shape[axis])
    view = [1] * past_cache.dim()
    view[0], view[axis] = places.shape[0], places.shape[1]
    index = places.reshape(view).expand(update.shape)
    return moved_together(lambda x, u: torch.scatter(x, axis, index, u), past_cache, update)  # type: ignore[no-any-return]  # generic over tensors


def compress(data: Any, condition: Tensor, axis: int | None = None) -> Any:
    kept = torch.nonzero(condition).reshape(-1)
    if axis is None:
        return moved(lambda x: x.reshape(-1).index_select(0, kept), data)
    return moved(lambda x: x.index_select(axis, kept), data)


def non_zero(x: Tensor) -> Tensor:
    """The indices of the elements that are not zero, one row an axis."""
    found = moved_nonzero(x)
    return found.permute(1, 0)


def moved_nonzero(x: Any) -> Tensor:
    return torch.nonzero(x != 0 if isinstance(x, Tensor) else x)


def reverse_sequence(data: Any, sequence_lens: Tensor, batch_axis: int = 1, time_axis: int = 0) -> Any:
    steps = torch.arange(data.shape[time_axis], device=sequence_lens.device).unsqueeze(0)
    lengths = sequence_lens.to(torch.int64).unsqueeze(1)
    places = torch.where(steps < lengths, lengths - 1 - steps, steps)
    view = [1] * data.dim()
    view[batch_axis], view[time_axis] = data.shape[batch_axis], data.shape[time_axis]
    if batch_axis > time_axis:
        places = places.permute(1, 0)
    index = places.reshape(view).expand(tuple(data.shape))
    return moved(lambda x: torch.gather(x, time_axis, index), data)


def one_hot(indices: Tensor, depth: Any, values: Any, axis: int = -1) -> Any:
    """values[1] at each index (negative ones from the end of `depth`), values[0] elsewhere."""
    count = number(depth)
    rank = indices.dim() + 1
    view = [1] * rank
    view[wrapped(axis, rank)] = -1
    classes = torch.arange(int(count) if isinstance(count, float) else count, device=indices.device)
    hit = from_front(indices, count).unsqueeze(axis) == classes.reshape(view)
    return moved(lambda v: torch.where(hit, v[1], v[0]), values)


def col2im(
    data: Tensor,
    image_shape: Any,
    block_shape: Any,
    dilations: Sequence[int] | None = None,
    pads: Sequence[int] | None = None,
    strides: Sequence[int] | None = None,
) -> Tensor:
    """Adds the columns of blocks [N, C * block, L] back into images [N, C, *image_shape]."""
    image, block = ints(image_shape), ints(block_shape)
    rank = len(image)
    dilation, stride = list(dilations or [1] * rank), list(strides or [1] * rank)
    amounts = list(pads or [0] * (2 * rank))
    padded = [image[i] + amounts[i] + amounts[i + rank] for i in range(rank)]
    counts = [(padded[i] - dilation[i] * (block[i] - 1) - 1) // stride[i] + 1 for i in range(rank)]
    linear = torch.zeros([1] * (2 * rank), dtype=torch.int64, device=data.device)
    for i in range(rank):
        steps = torch.arange(block[i], device=data.device) * dilation[i]
        origins = torch.arange(counts[i], device=data.device) * stride[i]
        view, place = [1] * (2 * rank), [1] * (2 * rank)
        view[i], place[rank + i] = block[i], counts[i]
        linear = linear * padded[i] + steps.reshape(view) + origins.reshape(place)
    n = data.shape[0]
    elements = _product(block) * _product(counts)
    columns = data.reshape(n, -1, elements)
    flat = torch.zeros(n, columns.shape[1], _product(padded), dtype=data.dtype, device=data.device)
    flat = flat.index_add(2, linear.reshape(-1), columns)
    result = flat.reshape(n, columns.shape[1], *padded)
    for i in range(rank):
        result = result.narrow(2 + i, amounts[i], image[i])
    return result


def _product(values: Sequence[Any]) -> Any:
    total: Any = 1
    for value in values:
        total = total * value
    return total


def _full(function: Callable[..., Any], *integers: int, tier: str = "full") -> Lowering:
    return Lowering(function, tier, frozenset(integers))


LAYOUT: dict[str, Lowering] = {
    "Identity": _full(identity),
    "Shape": _full(shape),
    "Size": _full(size),
    "Reshape": _full(reshape, 1),
    "Flatten": _full(flatten),
    "Squeeze": _full(squeeze, 1),
    "Unsqueeze": _full(unsqueeze, 1),
    "Expand": _full(expand, 1),
    "Transpose": _full(transpose),
    "Concat": _full(concat),
    "Split": Lowering(split, numbers=frozenset({1}), arguments=_split_arguments),
    "Slice": _full(slice_, 1, 2, 3, 4),
    "Tile": _full(tile, 1),
    "Trilu": _full(trilu, 1),
    "DepthToSpace": _full(depth_to_space),
    "SpaceToDepth": _full(space_to_depth),
    "Pad": _full(pad, 1, 3),
    "CenterCropPad": _full(center_crop_pad, 1),
    "Gather": _full(gather),
    "GatherElements": _full(gather_elements),
    "GatherND": _full(gather_nd),
    "ScatterElements": _full(scatter_elements),
    "ScatterND": _full(scatter_nd),
    "TensorScatter": _full(tensor_scatter),
    "Compress": _full(compress, tier="eager"),
    "NonZero": _full(non_zero, tier="eager"),
    "ReverseSequence": _full(reverse_sequence),
    "OneHot": _full(one_hot, 1),
    "Col2Im": _full(col2im, 1, 2),
}

__all__ = ["LAYOUT", "result_dtype", "sizes_tensor"]
