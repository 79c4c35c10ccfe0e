"""Elementwise programs in the standard's operators: what they stand for, or, where a node asks for it, their steps.

A product and a sum rounded once are made in float64 and rounded to float32, as torch's operators make them. Steps that
take numbers apart (ldexp, exponent, significand) have no operators that are both exact and quick.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ....graph.diagnostics import fail
from ....graph.ir import Node, Value, apply, constant, substitute
from ....graph.types import TensorType
from ...native.elementwise import Elementwise, Operand, Step, from_lines


def elementwise(node: Node) -> Sequence[Value]:
    """Raises SpecError (G1130) where its steps are asked for and one has no form."""
    if not node.attribute("steps"):
        graph = node.attribute("body")
        given = (v for v in node.inputs if v is not None)
        return substitute(graph.outputs, dict(zip(graph.inputs, given, strict=True)))
    program = from_lines(tuple(node.attribute("program")))
    operands = [v for v in node.inputs if v is not None]
    problem = unprintable(program)
    if problem:
        raise fail("G1130", problem, hint="compile it for another target, or leave the operator as it is")
    if node.attribute("softmax"):
        axis = constant(np.array([-1], np.int64))
        shifted = apply("Sub", operands[0], apply("ReduceMax", operands[0], axis))
        found = _steps(program, [shifted])
        return (apply("Div", found, apply("ReduceSum", found, axis)),)
    return (_steps(program, operands),)


def unprintable(program: Elementwise) -> str | None:
    """Why a program has no form in ONNX's operators."""
    if program.dtype not in ("float32", "float64"):
        return f"no steps in ONNX for {program.dtype}"
    for step in program.steps:
        known = step.operation in _OPERATIONS or step.operation in ("lookup", "outside")
        if not known or (step.operation == "fma" and program.dtype == "float64"):
            return f"ONNX has no operator for its '{step.operation}'"
        if step.operation == "outside" and step.function not in _OUTSIDE:
            return f"ONNX has no operator for {step.function}"
    return None


def _steps(program: Elementwise, operands: Sequence[Value]) -> Value:
    values = dict(zip(program.inputs, operands, strict=True))
    dtype = np.dtype(program.dtype)

    def value(operand: Operand) -> Value:
        return values[operand] if isinstance(operand, str) else constant(np.asarray(operand, dtype))

    for step in program.steps:
        values[step.name] = _step(program, step, value)
    return values[program.result]


def _step(program: Elementwise, step: Step, value: Callable[[Operand], Value]) -> Value:
    if step.operation == "lookup":
        table = np.asarray(program.tables[str(step.operands[0])], program.dtype)
        place = apply("Cast", value(step.operands[1]), to="int64")
        inside = apply("Mod", place, constant(np.asarray(len(table), np.int64)))
        return apply("Gather", constant(table), inside)
    given = [value(o) for o in step.operands]
    if step.operation == "outside":
        x, y, low, high = given
        inside = apply("And", apply("LessOrEqual", low, x), apply("LessOrEqual", x, high))
        return apply("Where", inside, y, _OUTSIDE[step.function](x))
    return _OPERATIONS[step.operation](*given)


def _one(name: str, **attributes: Any) -> Callable[..., Value]:
    return lambda *operands: apply(name, *operands, **attributes)


def _number(like: Value, number: float) -> Value:
    type = like.type
    assert isinstance(type, TensorType)
    return constant(np.asarray(number, type.dtype.numpy))


def _fused(a: Value, b: Value, c: Value) -> Value:
    wide = [_wide(v) for v in (a, b, c)]
    return apply("Cast", apply("Add", apply("Mul", wide[0], wide[1]), wide[2]), to="float32")


def _wide(value: Value) -> Value:
    array = value.constant
    return constant(array.astype(np.float64)) if array is not None else apply("Cast", value, to="float64")


def _negative(x: Value) -> Value:
    """Whether the sign is minus, of zeros too."""
    inverse = apply("Less", apply("Reciprocal", x), _number(x, 0.0))
    return apply("Or", apply("Less", x, _number(x, 0.0)), inverse)


def _copysign(a: Value, b: Value) -> Value:
    size = apply("Abs", a)
    return apply("Where", _negative(b), apply("Neg", size), size)


def _alternate(y: Value, k: Value) -> Value:
    odd = apply("Equal", apply("Abs", apply("Mod", k, _number(k, 2.0), fmod=1)), _number(k, 1.0))
    return apply("Where", odd, apply("Neg", y), y)


_OPERATIONS: Mapping[str, Callable[..., Value]] = {
    "add": _one("Add"),
    "sub": _one("Sub"),
    "mul": _one("Mul"),
    "div": _one("Div"),
    "neg": _one("Neg"),
    "fma": _fused,
    "abs": _one("Abs"),
    "sqrt": _one("Sqrt"),
    "floor": _one("Floor"),
    "round": _one("Round"),
    "min": _one("Min"),
    "max": _one("Max"),
    "copysign": _copysign,
    "where": _one("Where"),
    "lt": _one("Less"),
    "le": _one("LessOrEqual"),
    "gt": _one("Greater"),
    "ge": _one("GreaterOrEqual"),
    "eq": _one("Equal"),
    "ne": lambda a, b: apply("Not", apply("Equal", a, b)),
    "and": _one("And"),
    "or": _one("Or"),
    "not": _one("Not"),
    "isnan": _one("IsNaN"),
    "alternate": _alternate,
}

_OUTSIDE: Mapping[str, Callable[[Value], Value]] = {
    "exp": _one("Exp"),
    "log": _one("Log"),
    "sin": _one("Sin"),
    "cos": _one("Cos"),
    "tanh": _one("Tanh"),
    "erf": _one("Erf"),
    "sigmoid": _one("Sigmoid"),
    "gelu": _one("Gelu"),
    "softplus": _one("Softplus"),
    "silu": lambda x: apply("Mul", x, apply("Sigmoid", x)),
    "rsqrt": lambda x: apply("Reciprocal", apply("Sqrt", x)),
}
"""The operator itself, where the program's domain ends."""
