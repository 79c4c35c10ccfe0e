"""Checks of a call against its operator's signature, before the type rule: how many operands,
which dtypes, one dtype for each type variable, which attributes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache

from ..diagnostics.suggestion import did_you_mean
from ..types.dtypes import DType
from ..types.types import OptionalType, SequenceType, TensorType, Type
from .operator import Call, Formal, Operator, RuleError

OperandKind = DType | Type | None
"""What the signature depends on: a tensor's dtype, another type whole, None for an absent operand."""


def check_signature(call: Call) -> None:
    """Raises RuleError: G0501 arity, G0403 dtypes that differ, G0460 a dtype that the operator
    does not take, G0462 a tensor where none may be, G0560 a missing attribute."""
    kinds = tuple(
        [
            None if v is None else v.type.dtype if v.type.__class__ is TensorType else v.type
            for v in call.inputs
        ]
    )
    _check_operands(call.operator, kinds)
    for name in required_attributes(call.operator):
        if name not in call.attributes:
            raise RuleError("G0560", f"{call.operator.name} needs the attribute '{name}'")


@cache
def required_attributes(operator: Operator) -> tuple[str, ...]:
    return tuple(s.name for s in operator.attributes.values() if s.required)


def unknown_attribute(operator: Operator, name: str) -> RuleError:
    """The error of an attribute that the operator has not."""
    inputs = [f.name for f in operator.inputs]
    if name in inputs:
        hint = f"'{name}' is an operand of {operator.name}, not an attribute"
    else:
        hint = did_you_mean(name, operator.attributes) or _attribute_list(operator)
    return RuleError("G0503", f"{operator.name} has no attribute '{name}'", (), hint)


def _attribute_list(operator: Operator) -> str:
    names = ", ".join(sorted(operator.attributes))
    return f"its attributes are {names}" if names else "it has no attributes"


@lru_cache(maxsize=65536)
def _check_operands(operator: Operator, kinds: tuple[OperandKind, ...]) -> None:
    formals = operator.inputs
    _check_arity(operator, kinds)
    bound: dict[str, tuple[DType, int]] = {}
    for index, kind in enumerate(kinds):
        formal = formals[min(index, len(formals) - 1)]
        if kind is not None:
            _check_operand(operator, formal, index, kind, bound)


def _check_arity(operator: Operator, kinds: Sequence[OperandKind]) -> None:
    formals = operator.inputs
    variadic = bool(formals) and formals[-1].variadic
    least = sum(1 for f in formals if not f.optional and not f.variadic)
    most = None if variadic else len(formals)
    if most is not None and len(kinds) > most:
        raise _arity_error(operator, len(kinds))
    for index, formal in enumerate(formals[: len(formals) - variadic]):
        if not formal.optional and (index >= len(kinds) or kinds[index] is None):
            if index >= len(kinds) and least == len(formals) - variadic:
                raise _arity_error(operator, len(kinds))
            raise RuleError("G0501", f"{operator.name} needs its operand {index + 1}, '{formal.name}'")
    if variadic and formals[-1].homogeneous:
        _check_variadic(operator, kinds)


def _check_variadic(operator: Operator, kinds: Sequence[OperandKind]) -> None:
    if len(kinds) < len(operator.inputs):
        raise RuleError("G0501", f"{operator.name} needs at least one operand '{operator.inputs[-1].name}'")
    if None in kinds[len(operator.inputs) - 1 :]:
        raise RuleError("G0501", f"{operator.name} has an absent operand among '{operator.inputs[-1].name}'")


def _arity_error(operator: Operator, count: int) -> RuleError:
    named = ", ".join(f.name + ("?" if f.optional else "") for f in operator.inputs)
    least = sum(1 for f in operator.inputs if not f.optional)
    most = len(operator.inputs)
    wanted = str(most) if least == most else f"{least} to {most}"
    plural = "" if wanted == "1" else "s"
    shown = f" ({named})" if named else ""
    return RuleError("G0501", f"{operator.name} takes {wanted} operand{plural}{shown}, not {count}")


def _check_operand(
    operator: Operator, formal: Formal, index: int, kind: OperandKind, bound: dict[str, tuple[DType, int]]
) -> None:
    if not isinstance(kind, DType):
        if formal.dtypes is not None:
            raise RuleError(
                "G0462",
                f"operand {index + 1} ({formal.name}) of {operator.name} is a tensor, not {kind}",
                (index,),
            )
        return
    if formal.dtypes is None:
        return
    if formal.variable in bound and formal.homogeneous and bound[formal.variable][0] is not kind:
        raise _mismatch(operator, formal, index, kind, bound[formal.variable])
    if kind.name not in formal.dtypes:
        raise _not_taken(operator, formal, index, kind)
    bound.setdefault(formal.variable, (kind, index))


def _mismatch(
    operator: Operator, formal: Formal, index: int, kind: DType, first: tuple[DType, int]
) -> RuleError:
    other, position = first
    return RuleError(
        "G0403",
        f"{operator.name} needs one dtype for operands {position + 1} and {index + 1}: "
        f"these are {other.name} and {kind.name}",
        (position, index),
        f"convert with {wider(other, kind).name}(x)",
    )


def _not_taken(operator: Operator, formal: Formal, index: int, kind: DType) -> RuleError:
    allowed = sorted(formal.dtypes or ())
    shown = ", ".join(allowed) if len(allowed) <= 6 else f"{', '.join(allowed[:6])}, …"
    target = _nearest_dtype(kind, formal.dtypes or frozenset())
    return RuleError(
        "G0460",
        f"operand {index + 1} ({formal.name}) of {operator.name} can't be {kind.name}; it takes {shown}",
        (index,),
        f"convert with {target}(x)" if target else None,
    )


def wider(left: DType, right: DType) -> DType:
    """The dtype that a person would most likely convert to: the float, else the one with more bits."""
    return max(left, right, key=lambda d: (d.is_float, d.is_integer, d.bits))


def _nearest_dtype(kind: DType, allowed: frozenset[str]) -> str | None:
    order = (
        ("int64", "int32", "float32", "float64", "bool") if kind.is_integer else ("float32", "int64", "bool")
    )
    return next((name for name in order if name in allowed), None)


def is_container(kind: OperandKind) -> bool:
    return isinstance(kind, SequenceType | OptionalType)
