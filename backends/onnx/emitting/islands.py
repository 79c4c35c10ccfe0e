"""Operators computed in a wider dtype: what a target has no kernel or no type for."""

from __future__ import annotations

from collections.abc import Sequence

from ....graph.ir import Node, Value, apply, make_node
from ....graph.types.dtypes import FLOAT32, INT32, INT64, UINT8, DType
from ....graph.types.types import TensorType

_LOW_FLOATS = frozenset({"float16", "bfloat16", "float8e4m3fn", "float8e5m2"})
_NARROW_INTEGERS = frozenset({"int8", "uint8", "int16", "uint16", "int32", "uint32"})
_NOT_ISLANDS = frozenset("Cast CastLike BitCast BitShift QuantizeLinear DynamicQuantizeLinear".split())
"""Operators whose meaning depends on the dtype itself."""

_MOVERS = frozenset({"Unique", "Trilu", "NonZero"})


def float_island(node: Node) -> Sequence[Value] | None:
    """Computes in float32 and rounds the results: as exact as the narrow dtype can be, or more."""
    return _island(node, _LOW_FLOATS, FLOAT32)


def integer_island(node: Node) -> Sequence[Value] | None:
    """Computes integers in int32 or int64. Where values fit that is exact, and what wraps around
    wraps alike, since casting back reduces modulo the narrow dtype's range."""
    narrow = _NARROW_INTEGERS - {"int32", "uint32"}
    return _island(node, narrow, INT32) or _island(node, _NARROW_INTEGERS, INT64)


def bool_island(node: Node) -> Sequence[Value] | None:
    """Moves bools as 0 and 1."""
    if node.operator.name == "Where":
        condition, *choices = node.inputs
        wide = [_widened(v, frozenset({"bool"}), UINT8) for v in choices]
        if choices == wide:
            return None
        return (_restored(node.outputs[0], apply("Where", condition, *wide), UINT8),)
    if node.operator.name not in _MOVERS and "layout" not in node.operator.traits:
        return None
    return _island(node, frozenset({"bool"}), UINT8)


def _island(node: Node, narrow: frozenset[str], wide: DType) -> Sequence[Value] | None:
    if node.operator.name in _NOT_ISLANDS or "control" in node.operator.traits:
        return None
    inputs = [_widened(v, narrow, wide) for v in node.inputs]
    if tuple(inputs) == node.inputs:
        return None
    new = make_node(node.operator, inputs, node.attributes, len(node.outputs))
    return tuple(_restored(a, b, wide) for a, b in zip(node.outputs, new.outputs, strict=True))


def _widened(value: Value | None, narrow: frozenset[str], wide: DType) -> Value | None:
    if value is None or not isinstance(value.type, TensorType) or value.type.dtype.name not in narrow:
        return value
    return apply("Cast", value, to=wide.code)


def _restored(old: Value, new: Value, wide: DType) -> Value:
    if old.type == new.type or not isinstance(old.type, TensorType):
        return new
    return apply("Cast", new, to=old.type.dtype.code)
