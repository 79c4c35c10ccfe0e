"""The operators of the `graphwright` domain: few, each with a body in standard operators.

The bodies are written in YAML under `specs/lowerings/`; StopGradient's is Identity.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..types.dtypes import UINT8
from ..types.types import TensorType, Type
from .attributes import Attribute
from .operator import AttributeSpec, Call, Formal, Operator, RuleError
from .rules.codes import dequantize_codes, quantize_codes

_FLOATS = frozenset({"float16", "float32", "float64", "bfloat16"})
_REAL = frozenset({"float32", "float64"})


def _same_as_first(call: Call) -> Sequence[Type]:
    first = call.inputs[0]
    assert first is not None
    return (first.type,)


def _matrix(call: Call, index: int) -> TensorType:
    operand = call.inputs[index]
    assert operand is not None
    found = operand.type
    if not isinstance(found, TensorType) or found.rank < 2:
        raise RuleError(
            "G0405", f"{call.operator.name} needs matrices, rank 2 or more; this is {found}", (index,)
        )
    if found.dims is not None and found.dims[-1] != found.dims[-2]:
        raise RuleError("G0406", f"{call.operator.name} needs square matrices; this is {found}", (index,))
    return found


def _square(call: Call) -> Sequence[Type]:
    return (_matrix(call, 0),)


def _log_det(call: Call) -> Sequence[Type]:
    found = _matrix(call, 0)
    return (TensorType(found.dtype, found.shape[:-2]),)


def _solve(call: Call) -> Sequence[Type]:
    matrix = _matrix(call, 0)
    right = call.inputs[1]
    assert right is not None
    found = right.type
    if not isinstance(found, TensorType) or found.rank != matrix.rank:
        raise RuleError(
            "G0405",
            f"the right-hand side must have rank {matrix.rank} like the matrix; it is {found}",
            (1, 0),
        )
    if found.shape[:-1] != matrix.shape[:-1]:
        raise RuleError("G0402", f"cannot solve {matrix} with right-hand side {found}", (0, 1))
    return (found,)


def _gradient(call: Call) -> Sequence[Type]:
    loss = call.inputs[0]
    assert loss is not None
    if not isinstance(loss.type, TensorType) or loss.type.rank or not loss.type.dtype.is_float:
        raise RuleError(
            "G0704", f"grad needs a floating-point scalar, not {loss.type}", (0,), "reduce it: mean(…)"
        )
    return tuple(v.type for v in call.inputs[1:] if v is not None)


def _operator(name: str, inputs: str, rule: object, doc: str, dtypes: frozenset[str] = _REAL) -> Operator:
    return Operator(
        "graphwright",
        name,
        1,
        tuple(Formal(i, "T", dtypes) for i in inputs.split()),
        (Formal("Y", "T", dtypes),),
        infer=rule,  # type: ignore[arg-type]  # a TypeRule, given positionally by the table below
        doc=doc,
    )


_CODES = frozenset({"uint2", "uint4", "uint8"})
_LAYOUT = {
    "levels": AttributeSpec(
        "levels", "floats", required=True, doc="The grid: at most 256 levels in increasing order."
    ),
    "axis": AttributeSpec("axis", "int", default=Attribute("int", 1), doc="The axis of scales or blocks."),
    "block_size": AttributeSpec(
        "block_size", "int", default=Attribute("int", 0), doc="Elements along axis that share a scale."
    ),
}
_TO = AttributeSpec("to", "int", default=Attribute("int", UINT8.code), doc="The dtype of the codes.")

GRAPHWRIGHT: dict[str, Operator] = {
    o.name: o
    for o in (
        _operator(
            "StopGradient", "X", _same_as_first, "The identity, through which no gradient flows.", _FLOATS
        ),
        _operator(
            "Cholesky", "A", _square, "Lower L with A = L Lᵀ of symmetric positive definite A[..., n, n]."
        ),
        _operator("Solve", "A B", _solve, "X with A X = B for A[..., n, n], B[..., n, k]."),
        _operator("SolveSPD", "A B", _solve, "Solve for symmetric positive definite A, by Cholesky."),
        _operator("TriangularSolve", "L B", _solve, "X with L X = B for lower triangular L."),
        Operator(
            "graphwright",
            "Grad",
            1,
            (Formal("loss", "T", _FLOATS), Formal("wrt", "W", _FLOATS, variadic=True, homogeneous=False)),
            (Formal("gradients", "W", _FLOATS, variadic=True, homogeneous=False),),
            infer=_gradient,
            doc="d loss / d wrt for each wrt, which is treated as independent; resolved before any backend.",
        ),
        _operator(
            "LogDetSPD", "A", _log_det, "log det A of symmetric positive definite A[..., n, n]: [...]."
        ),
        Operator(
            "graphwright",
            "Quantize",
            1,
            (Formal("X", "T", _REAL), Formal("scale", "T", _REAL)),
            (Formal("codes", "C", _CODES),),
            {**_LAYOUT, "to": _TO},
            infer=quantize_codes,
            doc="The index of the level nearest to X / scale. The scale is one number, one for each place "
            "on axis, or one for each block along it, as in QuantizeLinear.",
        ),
        Operator(
            "graphwright",
            "Dequantize",
            1,
            (Formal("codes", "C", _CODES), Formal("scale", "T", _REAL)),
            (Formal("Y", "T", _REAL),),
            _LAYOUT,
            infer=dequantize_codes,
            doc="levels[codes] * scale, with scales as in Quantize.",
        ),
    )
}
