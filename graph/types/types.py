"""The types of values: tensor, sequence, optional, quantized, facts."""

from __future__ import annotations

from dataclasses import dataclass

from .dimensions import Dimension, Symbol, named_sizes, product
from .dtypes import DType
from .tokens import UNKNOWN, name_text


class UnknownShape(ValueError):
    """The shape of a tensor was asked for that nothing tells, or its rank."""


Axis = Dimension | None
"""The size of an axis; None where nothing tells it before a run."""

Axes = tuple[Axis, ...]


@dataclass(frozen=True, slots=True)
class TensorType:
    """A tensor. `dims` are its dimensions where all of them are known, else None: who reads `dims`
    never meets an unknown size, and never takes two of them for equal. What is known of a shape that
    is not known whole is `partial`, with None for each unknown size; both are None where even the
    rank is unknown. `TensorType.of` makes either kind.
    """

    dtype: DType
    dims: tuple[Dimension, ...] | None
    partial: Axes | None = None

    @staticmethod
    def of(dtype: DType, axes: Axes | None) -> TensorType:
        """The tensor type of these sizes, some of which (or all, with the rank) may be unknown."""
        if axes is None:
            return TensorType(dtype, None)
        known = tuple(a for a in axes if a is not None)
        return TensorType(dtype, known) if len(known) == len(axes) else TensorType(dtype, None, axes)

    def with_dtype(self, dtype: DType) -> TensorType:
        """The tensors of this shape and another dtype."""
        return TensorType(dtype, self.dims, self.partial)

    @property
    def axes(self) -> Axes | None:
        """The size of each axis, None for one that is unknown; None where the rank is."""
        return self.partial if self.dims is None else self.dims

    def size_of(self, axis: int) -> Axis:
        """The size of an axis; None where it is unknown, or the rank is."""
        axes = self.partial if self.dims is None else self.dims
        return None if axes is None else axes[axis]

    @property
    def shape(self) -> tuple[Dimension, ...]:
        """The dimensions of a tensor that are all known. Raises UnknownShape where one is not."""
        if self.dims is None:
            raise UnknownShape(f"the shape of {self} is not known before a run")
        return self.dims

    @property
    def rank(self) -> int:
        """The number of axes. Raises UnknownShape where it is not known."""
        axes = self.partial if self.dims is None else self.dims
        if axes is None:
            raise UnknownShape("the rank of this tensor is unknown")
        return len(axes)

    @property
    def size(self) -> Dimension:
        """The number of elements. Raises UnknownShape where it is not known."""
        return product(self.shape)

    @property
    def is_static(self) -> bool:
        """Whether every dimension is a number."""
        return self.dims is not None and all(isinstance(d, int) for d in self.dims)

    def __str__(self) -> str:
        axes = self.axes
        if axes is None:
            return f"{self.dtype.name}[...]"
        return f"{self.dtype.name}[{', '.join(UNKNOWN if a is None else str(a) for a in axes)}]"


@dataclass(frozen=True, slots=True)
class SequenceType:
    element: Type

    def __str__(self) -> str:
        return f"sequence({self.element})"


@dataclass(frozen=True, slots=True)
class OptionalType:
    element: Type

    def __str__(self) -> str:
        return f"optional({self.element})"


@dataclass(frozen=True, slots=True)
class QuantizedType:
    """Levels plus a scale layout (see the quantization passes).

    `levels` names a grid (int8, nf4, e2m1, …), `carrier` the dtype that stores codes, `axis`
    and `block` the granularity (None: one scale for all), `scale` the grid of scales,
    `zero_point` its dtype or None, `tensor_scale` whether one more scale covers all.
    """

    levels: str
    carrier: DType
    dims: tuple[Dimension, ...]
    axis: int | None = None
    block: int | None = None
    scale: str = "float32"
    zero_point: DType | None = None
    tensor_scale: bool = False

    def __str__(self) -> str:
        parts = [name_text(self.levels), str(TensorType(self.carrier, self.dims))]
        parts += [f"axis={self.axis}"] if self.axis is not None else []
        parts += [f"block={self.block}"] if self.block is not None else []
        parts += [f"scale={name_text(self.scale)}"] if self.scale != "float32" else []
        parts += [f"zero_point={self.zero_point.name}"] if self.zero_point is not None else []
        parts += ["tensor_scale=true"] if self.tensor_scale else []
        return f"quantized({', '.join(parts)})"


@dataclass(frozen=True, slots=True)
class FactsType:
    """The facts of a theory (logic backend)."""

    theory: str

    def __str__(self) -> str:
        return f"facts({name_text(self.theory)})"


Type = TensorType | SequenceType | OptionalType | QuantizedType | FactsType


def named_sizes_of(type: Type) -> frozenset[Symbol]:
    """The sizes in a type's dimensions, with their ranges."""
    while isinstance(type, SequenceType | OptionalType):
        type = type.element
    if isinstance(type, FactsType):
        return frozenset()
    axes = type.axes if isinstance(type, TensorType) else type.dims
    return frozenset().union(*(named_sizes(a) for a in axes or () if a is not None))
