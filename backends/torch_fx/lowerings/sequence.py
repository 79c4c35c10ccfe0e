"""Sequences (Python lists) and optionals (None, or the value itself)."""

from __future__ import annotations

from typing import Any

import torch

from .carriers import Tensor, ints, moved, moved_together, number
from .lowering import Lowering


def sequence_empty(dtype: str = "float32") -> list[Any]:
    return []


def sequence_construct(*inputs: Any) -> list[Any]:
    return list(inputs)


def sequence_at(sequence: list[Any], position: Any) -> Any:
    return sequence[number(position)]


def sequence_insert(sequence: list[Any], tensor: Any, position: Any = None) -> list[Any]:
    """The sequence with `tensor` before `position`, or at the end."""
    place = len(sequence) if position is None else number(position)
    place = place + len(sequence) if place < 0 else place
    return [*sequence[:place], tensor, *sequence[place:]]


def sequence_erase(sequence: list[Any], position: Any = None) -> list[Any]:
    place = number(position) if position is not None else -1
    place = place + len(sequence) if place < 0 else place
    return [*sequence[:place], *sequence[place + 1 :]]


def sequence_length(sequence: list[Any]) -> Tensor:
    return torch.tensor(len(sequence))


def split_to_sequence(data: Any, split: Any = None, axis: int = 0, keepdims: int = 1) -> list[Any]:
    """Slices along `axis`: of one each without `split` (dropping the axis with keepdims=0), of
    `split` each, or of the sizes in it."""
    extent = data.shape[axis]
    if split is None:
        parts = [_piece(data, axis, i, 1) for i in range(extent)]
        return parts if keepdims else [moved(lambda x: x.squeeze(axis), p) for p in parts]
    sizes = ints(split)
    if isinstance(split, Tensor) and split.dim() == 0:
        whole, rest = divmod(extent, sizes[0])
        sizes = [sizes[0]] * whole + ([rest] if rest else [])
    return [_piece(data, axis, sum(sizes[:i]), size) for i, size in enumerate(sizes)]


def _piece(data: Any, axis: int, start: int, length: int) -> Any:
    return moved(lambda x: x.narrow(axis, start, length), data)


def concat_from_sequence(sequence: list[Any], axis: int, new_axis: int = 0) -> Any:
    function = torch.stack if new_axis else torch.cat
    return moved_together(lambda *parts: function(parts, axis), *sequence)


def optional(value: Any = None) -> Any:
    return value


def optional_get_element(value: Any) -> Any:
    return value


def optional_has_element(value: Any = None) -> Tensor:
    return torch.tensor(value is not None)


SEQUENCE: dict[str, Lowering] = {
    "SequenceEmpty": Lowering(sequence_empty, "eager"),
    "SequenceConstruct": Lowering(sequence_construct),
    "SequenceAt": Lowering(sequence_at, numbers=frozenset({1})),
    "SequenceInsert": Lowering(sequence_insert, numbers=frozenset({2})),
    "SequenceErase": Lowering(sequence_erase, numbers=frozenset({1})),
    "SequenceLength": Lowering(sequence_length),
    "SplitToSequence": Lowering(split_to_sequence),
    "ConcatFromSequence": Lowering(concat_from_sequence),
    "Optional": Lowering(optional, "eager"),
    "OptionalGetElement": Lowering(optional_get_element, "eager"),
    "OptionalHasElement": Lowering(optional_has_element, "eager"),
}
