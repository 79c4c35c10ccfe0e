"""The types of values: tensor, sequence, optional, quantized, facts."""

from __future__ import annotations

from dataclasses import dataclass

from .dimensions import Dimension, Symbol, named_sizes, product
from .dtypes import DType
from .tokens import name_text


class UnknownRank(ValueError):
    """The shape of a tensor was asked for whose rank nothing tells."""


@dataclass(frozen=True, slots=True)
class TensorType:
    """A tensor. `dims` is None where even the rank is unknown (opaque imported operators)."""

    dtype: DType
    dims: tuple[Dimension, ...] | None

    @property
    def shape(self) -> tuple[Dimension, ...]:
        """The dimensions of a tensor whose rank is known. Raises UnknownRank where it is not."""
        if self.dims is None:
            raise UnknownRank("the rank of this tensor is unknown")
        return self.dims

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> Dimension:
        """The number of elements."""
        return product(self.shape)

    @property
    def is_static(self) -> bool:
        """Whether every dimension is a number."""
        return self.dims is not None and all(isinstance(d, int) for d in self.dims)

    def __str__(self) -> str:
        if self.dims is None:
            return f"{self.dtype.name}[...]"
        return f"{self.dtype.name}[{', '.join(map(str, self.dims))}]"


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
    if isinstance(type, FactsType) or type.dims is None:
        return frozenset()
    return frozenset().union(*map(named_sizes, type.dims))
