"""Sequences (Python lists) and optionals (None, or the value itself)."""

from __future__ import annotations

from typing import Any

import torch

from .carriers import Tensor, number, ints
from .layout import equal_parts, moved, moved_together
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
    if split is None:
        parts = [moved(lambda x, i=i: x.narrow(axis, i, 1), data) for i in range(data.shape[axis])]
        return parts if keepdims else [moved(lambda x: x.squeeze(axis), p) for p in parts]
    scalar = isinstance(split, Tensor) and split.dim() == 0
    sizes = ints(split)
    if scalar:
        whole, rest = divmod(data.shape[axis], sizes[0])
        sizes = [sizes[0]] * whole + ([rest] if rest else [])
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    return [moved(lambda x, b=b, n=n: x.narrow(axis, b, n), data) for b, n in zip(starts, sizes, strict=True)]


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

__all__ = ["SEQUENCE", "equal_parts"]
