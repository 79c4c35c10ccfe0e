"""Sorting and searching: TopK, Unique, NonMaxSuppression."""

from __future__ import annotations

from typing import Any

import torch

from .carriers import Strings, Tensor, moved, number, ordered, restored
from .lowering import Lowering


def top_k(x: Tensor, k: Any, axis: int = -1, largest: int = 1, sorted: int = 1) -> tuple[Tensor, Tensor]:
    """The k extreme elements along `axis` in order, and their indices; of equals the first."""
    count = number(k)
    keys, indices = torch.sort(ordered(x), dim=axis, descending=bool(largest), stable=True)
    index: list[slice] = [slice(None)] * x.dim()
    index[axis] = slice(0, count)
    return restored(keys[tuple(index)], x.dtype), indices[tuple(index)]


def unique(x: Any, axis: int | None = None, sorted: int = 1) -> tuple[Any, Tensor, Tensor, Tensor]:
    """The distinct elements (or slices along `axis`), the index of each one's first occurrence,
    the inverse, and counts."""
    if isinstance(x, Strings):
        return _unique_strings(x, sorted)
    flat = x.reshape(-1) if axis is None else x
    along = 0 if axis is None else axis
    _, inverse, counts = torch.unique(
        ordered(flat.detach()), return_inverse=True, return_counts=True, dim=along
    )
    inverse = inverse.reshape(-1)
    first = _first_occurrence(inverse, counts.shape[0])
    if not sorted:
        order = torch.argsort(first)
        first, counts = first[order], counts[order]
        inverse = torch.argsort(order)[inverse]
    # taken from the input, so that gradients flow to it
    return moved(lambda t: t.index_select(along, first), flat), first, inverse, counts


def _first_occurrence(inverse: Tensor, count: int) -> Tensor:
    places = torch.arange(inverse.shape[0], device=inverse.device)
    first = torch.full((count,), inverse.shape[0], dtype=torch.int64, device=inverse.device)
    return first.scatter_reduce(0, inverse, places, "amin")


def _unique_strings(x: Strings, in_order: int) -> tuple[Strings, Tensor, Tensor, Tensor]:
    names = list(dict.fromkeys(x.items))
    if in_order:
        names.sort()
    numbers = {name: i for i, name in enumerate(names)}
    inverse = torch.tensor([numbers[s] for s in x.items], dtype=torch.int64)
    counts = torch.bincount(inverse, minlength=len(names))
    return Strings((len(names),), tuple(names)), _first_occurrence(inverse, len(names)), inverse, counts


def non_max_suppression(
    boxes: Tensor,
    scores: Tensor,
    max_output_boxes_per_class: Any = None,
    iou_threshold: Any = None,
    score_threshold: Any = None,
    center_point_box: int = 0,
) -> Tensor:
    """[batch, class, box] of the boxes kept: by falling score, dropping those that overlap a kept one."""
    limit = 0 if max_output_boxes_per_class is None else number(max_output_boxes_per_class)
    overlap = 0.0 if iou_threshold is None else float(number(iou_threshold))
    rows: list[list[int]] = []
    for batch in range(scores.shape[0]):
        corners = _corners(boxes[batch], center_point_box)
        for label in range(scores.shape[1]):
            kept = _keep(corners, scores[batch, label], limit, overlap, score_threshold)
            rows.extend([batch, label, box] for box in kept)
    return torch.tensor(rows, dtype=torch.int64).reshape(-1, 3)


def _corners(boxes: Tensor, center_point_box: int) -> Tensor:
    """[low y, low x, high y, high x], from any two corners or from centre and size."""
    if center_point_box:
        x, y, width, height = boxes.unbind(-1)
        return torch.stack([y - height / 2, x - width / 2, y + height / 2, x + width / 2], -1)
    first, second = boxes[:, :2], boxes[:, 2:]
    return torch.cat([torch.minimum(first, second), torch.maximum(first, second)], -1)


def _keep(corners: Tensor, scores: Tensor, limit: int, overlap: float, threshold: Any) -> list[int]:
    order = torch.argsort(scores, descending=True, stable=True).tolist()
    if threshold is not None:
        order = [i for i in order if float(scores[i]) > float(number(threshold))]
    kept: list[int] = []
    for candidate in order:
        if len(kept) >= limit:
            break
        if all(_intersection_over_union(corners[candidate], corners[k]) <= overlap for k in kept):
            kept.append(candidate)
    return kept


def _intersection_over_union(a: Tensor, b: Tensor) -> float:
    extent = (torch.minimum(a[2:], b[2:]) - torch.maximum(a[:2], b[:2])).clamp(min=0)
    common = float(extent.prod())
    whole = float((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod()) - common
    return common / whole if whole > 0 else 0.0


SORTING: dict[str, Lowering] = {
    "TopK": Lowering(top_k, numbers=frozenset({1})),
    "Unique": Lowering(unique, "eager"),
    "NonMaxSuppression": Lowering(non_max_suppression, "eager", frozenset({2, 3, 4})),
}
