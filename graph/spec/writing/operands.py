"""The operands of one node as expressions: names, literals, sizes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ...ir import Node, Value
from ...operators.operator import Formal, Known
from ...types.dtypes import INT64, DType
from ...types.types import TensorType
from .. import expressions as ex
from .constants import as_operand, as_side, is_inline
from .dimensions import SizeNames, dimension, writable
from .syntax import NOTHING, call, listed, number

Reference = Callable[[Value], ex.Expression]


def known_sizes(value: Value, sizes: SizeNames) -> Known | None:
    """The content of an int64 scalar or vector that is arithmetic on named sizes, else None."""
    type_ = value.type
    if value.known is None or not isinstance(type_, TensorType) or type_.dtype is not INT64:
        return None
    if type_.dims is None or len(type_.dims) > 1 or any(k is None for k in value.known):
        return None
    return value.known if all(writable(k, sizes) for k in value.known if k is not None) else None


def is_static(value: Value) -> bool:
    """Whether it is a small constant that is written out where it is used."""
    array = value.constant
    return array is not None and is_inline(array)


@dataclass(frozen=True)
class Operands:
    """What a form of an operator asks of its operands. `refer` names a computed value."""

    node: Node
    sizes: SizeNames
    refer: Reference

    def __len__(self) -> int:
        return len(self.node.inputs)

    def value(self, index: int) -> Value | None:
        return self.node.inputs[index] if index < len(self.node.inputs) else None

    def type(self, index: int) -> TensorType | None:
        value = self.value(index)
        return value.type if value is not None and isinstance(value.type, TensorType) else None

    def rank(self, index: int) -> int | None:
        found = self.type(index)
        return None if found is None or found.dims is None else len(found.dims)

    def dtype(self, index: int) -> DType | None:
        found = self.type(index)
        return None if found is None else found.dtype

    def is_typed(self, index: int) -> bool:
        """Whether its expression is a tensor of its own dtype, not a number that takes another's."""
        value = self.value(index)
        return value is not None and not is_static(value) and not self._is_size(value, index)

    def integers(self, index: int) -> Known | None:
        """The content of a small integer operand, where all of it is known and can be written."""
        value = self.value(index)
        if value is None or value.known is None or any(k is None for k in value.known):
            return None
        return value.known if all(writable(k, self.sizes) for k in value.known if k is not None) else None

    def plain_integers(self, index: int) -> list[int] | None:
        known = self.integers(index)
        if known is None or not all(isinstance(k, int) for k in known):
            return None
        return [k for k in known if isinstance(k, int)]

    def _is_size(self, value: Value, index: int) -> bool:
        return takes_sizes(self.node, index, value, self.sizes)

    def operand(self, index: int) -> ex.Expression:
        """As an argument of a call."""
        value = self.value(index)
        if value is None:
            return NOTHING
        if value.constant is not None and is_static(value):
            return as_operand(value.constant, self._bound(index))
        if self._is_size(value, index):
            known = known_sizes(value, self.sizes)
            assert known is not None
            parts = [dimension(k, self.sizes) for k in known if k is not None]
            return listed(parts) if value.tensor.rank else parts[0]
        return self.refer(value)

    def side(self, index: int, other: int) -> ex.Expression:
        """As a side of a binary operator whose `other` side is typed and of the same dtype."""
        value = self.value(index)
        assert value is not None
        if value.constant is None or not is_static(value):
            return self.operand(index)
        rank = self.rank(other)
        broadcasts = self.node.name != "MatMul" and rank is not None and value.constant.ndim <= rank
        if value.constant.size == 1 and broadcasts:
            return as_side(value.constant.reshape(()), self.dtype(other))
        return as_side(value.constant, self.dtype(other))

    def _bound(self, index: int) -> DType | None:
        """The dtype that another typed operand gives this one's type variable."""
        mine = formal_of(self.node, index)
        if mine is None or not mine.variable:
            return None
        for other in range(len(self.node.inputs)):
            formal = formal_of(self.node, other)
            if other == index or formal is None or formal.variable != mine.variable:
                continue
            if formal.variadic and not formal.homogeneous:
                continue
            if self.is_typed(other):
                return self.dtype(other)
        return None


def formal_of(node: Node, index: int) -> Formal | None:
    formals = node.operator.inputs
    if index < len(formals):
        return formals[index]
    return formals[-1] if formals and formals[-1].variadic else None


_NO_LISTS = frozenset(
    "Add Sub Mul Div Pow Mod MatMul Equal Less LessOrEqual Greater GreaterOrEqual Neg Identity Where Max Min "
    "Abs Sign Floor Ceil Round Cast".split()
)
_NO_SIZES = frozenset("Identity Shape Size If Loop Scan SequenceMap Optional SequenceConstruct Cast".split())


def takes_sizes(node: Node, index: int, value: Value, sizes: SizeNames) -> bool:
    """Whether the operand is written as sizes (`[batch, 4]`) in place of the nodes that compute it."""
    if value.is_leaf or node.name in _NO_SIZES or node.operator.domain:
        return False
    found = known_sizes(value, sizes)
    return found is not None and not (value.tensor.rank and node.name in _NO_LISTS)


def conversion(dtype: DType, operand: ex.Expression) -> ex.Expression:
    return call(dtype.name, [operand])


__all__ = ["Operands", "Reference", "conversion", "is_static", "known_sizes", "number", "takes_sizes"]
