"""Leaves: values that no operator computes, identified by role and name."""

from __future__ import annotations

from collections.abc import Sequence

from ..types.dtypes import from_numpy
from ..types.types import TensorType, Type
from .operator import AttributeSpec, Call, Formal, Known, Operator

LEAF_DOMAIN = "graphwright.leaf"


def _declared_type(call: Call) -> Sequence[Type]:
    declared: Type = call.attribute("type")
    return (declared,)


def _declared_known(call: Call, types: Sequence[Type]) -> Sequence[Known | None]:
    return (call.attribute("known"),)


def _constant_type(call: Call) -> Sequence[Type]:
    array = call.attribute("value")
    return (TensorType(from_numpy(array.dtype), array.shape),)


def _constant_known(call: Call, types: Sequence[Type]) -> Sequence[Known | None]:
    array = call.attribute("value")
    return (tuple(map(int, array.ravel().tolist())) if array.dtype.kind in "iub" else None,)


def _leaf(name: str, doc: str, *specs: AttributeSpec) -> Operator:
    declared = (*specs, AttributeSpec("type", "type", required=True), AttributeSpec("known", "known"))
    return Operator(
        LEAF_DOMAIN,
        name,
        1,
        (),
        (Formal("value"),),
        {s.name: s for s in declared},
        _declared_type,
        _declared_known,
        frozenset({"leaf"}),
        doc,
    )


_NAME = AttributeSpec("name", "string", required=True)

INPUT = _leaf("Input", "A value that the caller gives.", _NAME)
PARAMETER = _leaf("Parameter", "A trained or loaded tensor.", _NAME)
STATE = _leaf("State", "A state before the run.", _NAME)
NOISE = _leaf("Noise", "Random numbers, filled by the host and named by their call path.", _NAME)
WEIGHT = _leaf("Weight", "A constant of more than 64 elements: an entry of Weights.", _NAME)
ARGUMENT = _leaf(
    "Argument", "An input of a closed body, by position.", AttributeSpec("index", "int", required=True)
)
DRAW = _leaf(
    "Draw",
    "A primitive draw: `kind` is uniform, normal, randint or permutation; `bits` 24 or 53 for uniform.",
    _NAME,
    AttributeSpec("kind", "string", required=True),
    AttributeSpec("bits", "int", required=True),
    AttributeSpec("low", "int"),
    AttributeSpec("high", "int"),
)
CONSTANT = Operator(
    LEAF_DOMAIN,
    "Constant",
    1,
    (),
    (Formal("value"),),
    {"value": AttributeSpec("value", "tensor", required=True)},
    _constant_type,
    _constant_known,
    frozenset({"leaf"}),
    "A constant of at most 64 elements, interned by dtype, shape and bytes.",
)

LEAVES: dict[str, Operator] = {
    o.name: o for o in (INPUT, PARAMETER, STATE, NOISE, WEIGHT, ARGUMENT, DRAW, CONSTANT)
}
