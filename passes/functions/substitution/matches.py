"""Where a graph computes a function that programs exist for: by an operator, or written out in several."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from ....graph.ir import Graph, Node, Value, consumers
from ....graph.types import TensorType
from ...rewriting.pattern import Application, match, parse_pattern

FUNCTIONS: Mapping[str, str] = {
    "Exp": "exp",
    "Log": "log",
    "Sin": "sin",
    "Cos": "cos",
    "Tanh": "tanh",
    "Erf": "erf",
    "Sigmoid": "sigmoid",
    "Gelu": "gelu",
    "Swish": "silu",
    "Softplus": "softplus",
    "Softmax": "exp",
}
"""Operator -> the function that a program must be for."""


@dataclass(frozen=True)
class Match:
    """`nodes` in order compute `function` of `operand`, element by element, or its softmax along the last axis; the
    last node's result is it. `form` says how it is written, where by several operators. Where the operand is outside
    of `safe` that form is not the function: it overflows."""

    function: str
    operand: Value
    nodes: tuple[Node, ...]
    is_softmax: bool = False
    form: str = ""
    safe: tuple[float, float] = (-math.inf, math.inf)

    @property
    def node(self) -> Node:
        return self.nodes[-1]

    @property
    def result(self) -> Value:
        return self.node.outputs[0]

    @property
    def written(self) -> str:
        """How people call it: the operator, or the function and how it is written."""
        return (
            f"{'softmax' if self.is_softmax else self.function} ({self.form})"
            if self.form
            else self.node.name
        )

    @property
    def name(self) -> str:
        """What it computes: the function, or softmax."""
        return "softmax" if self.is_softmax else self.function


# --- forms of several operators -----------------------------------------------------------------------


@dataclass(frozen=True)
class Form:
    """How a function may be written: a pattern over the operand `x`, what its constants are, and where it
    overflows: above `over` times the logarithm of the largest number (`under`: below minus so many)."""

    function: str
    text: str
    constants: Mapping[str, float] = field(default_factory=dict)
    over: float = math.inf
    under: float = math.inf

    @property
    def pattern(self) -> Application:
        return _pattern(self.text)


@cache
def _pattern(text: str) -> Application:
    return parse_pattern(text)


_LN2, _LOG2E, _ROOT2 = math.log(2), 1 / math.log(2), math.sqrt(2)

_ERF = ("Erf(Div(x, const(r)))", {"r": _ROOT2}), ("Erf(Mul(x, const(r)))", {"r": 1 / _ROOT2})
_SIGMOID = (
    ("Div(1, Add(1, Exp(Neg(x))))", math.inf),
    ("Reciprocal(Add(1, Exp(Neg(x))))", math.inf),
    ("Div((e := Exp(x)), Add(1, e))", 1.0),
    ("Mul(0.5, Add(1, Tanh(Mul(x, 0.5))))", math.inf),
    ("Mul(0.5, Add(1, Tanh(Div(x, 2))))", math.inf),
    ("Add(0.5, Mul(0.5, Tanh(Mul(x, 0.5))))", math.inf),
)


def _gelus() -> Iterator[Form]:
    for erf, constants in _ERF:
        for text in (
            "Mul(Mul(0.5, x), Add(1, {}))",
            "Mul(x, Mul(0.5, Add(1, {})))",
            "Mul(0.5, Mul(x, Add(1, {})))",
        ):
            yield Form("gelu", text.format(erf), constants)
        yield Form("gelu", f"Div(Mul(x, Add(1, {erf})), 2)", constants)
        yield Form("gelu", f"Mul(x, Add(0.5, Mul(0.5, {erf})))", constants)


FORMS: tuple[Form, ...] = (
    *_gelus(),
    *(Form("silu", f"Mul(x, {text})", over=over) for text, over in _SIGMOID),
    Form("silu", "Mul(x, Sigmoid(x))"),
    Form("silu", "Div(x, Add(1, Exp(Neg(x))))"),
    Form("softplus", "Add(Max(x, 0), Log(Add(1, Exp(Neg(Abs(x))))))"),
    Form("softplus", "Add(Relu(x), Log(Add(1, Exp(Neg(Abs(x))))))"),
    Form("softplus", "Log(Add(1, Exp(x)))", over=1.0),
    *(Form("sigmoid", text, over=over) for text, over in _SIGMOID),
    Form("tanh", "Div(Sub((a := Exp(x)), (b := Exp(Neg(x)))), Add(a, b))", over=1.0, under=1.0),
    Form("tanh", "Div(Sub((e := Exp(Mul(x, 2))), 1), Add(e, 1))", over=0.5),
    Form("tanh", "Div(Sub(1, (e := Exp(Mul(x, -2)))), Add(1, e))", under=0.5),
    Form("tanh", "Div(Sub(1, (e := Exp(Neg(Mul(x, 2))))), Add(1, e))", under=0.5),
    Form("tanh", "Sub(1, Div(2, Add(Exp(Mul(x, 2)), 1)))"),
    Form("tanh", "Sub(Mul(Sigmoid(Mul(x, 2)), 2), 1)"),
    Form("exp2", "Exp(Mul(x, const(c)))", {"c": _LN2}),
    Form("exp2", "Exp(Div(x, const(c)))", {"c": _LOG2E}),
    Form("log2", "Div(Log(x), const(c))", {"c": _LN2}),
    Form("log2", "Mul(Log(x), const(c))", {"c": _LOG2E}),
    Form("rsqrt", "Div(1, Sqrt(x))"),
    Form("rsqrt", "Reciprocal(Sqrt(x))"),
    Form("rsqrt", "Sqrt(Reciprocal(x))"),
    Form("rsqrt", "Sqrt(Div(1, x))"),
    Form("rsqrt", "Pow(x, -0.5)"),
    Form("softmax", "Div((e := Exp(Sub(x, ReduceMax(x, const(a))))), ReduceSum(e, const(b)))"),
    Form("softmax", "Div((e := Exp(x)), ReduceSum(e, const(b)))", over=1.0),
)
"""Larger ones before those that they hold."""

_BY_ROOT: Mapping[str, tuple[Form, ...]] = {
    name: tuple(f for f in FORMS if f.pattern.operator.name == name)
    for name in {f.pattern.operator.name for f in FORMS}
}
_CLOSE = 4.0
"""Units of the dtype that a constant may be off."""


def matches(graph: Graph) -> tuple[Match, ...]:
    """Every place of the graph (not of its bodies), in order; none overlaps another."""
    nodes = graph.nodes
    readers = {v: {n for n, _ in used} for v, used in consumers(nodes).items()}
    place = {node: i for i, node in enumerate(nodes)}
    outputs = set(graph.outputs)
    taken: set[Node] = set()
    found: list[Match] = []
    for node in reversed(nodes):
        if node in taken:
            continue
        for candidate in (*_written(node), *_operator(node)):
            inner = set(candidate.nodes)
            closed = all(
                readers[n.outputs[0]] <= inner and n.outputs[0] not in outputs for n in inner - {node}
            )
            if closed and taken.isdisjoint(inner):
                taken |= inner
                order = tuple(sorted(candidate.nodes, key=place.__getitem__))
                found.append(
                    Match(
                        candidate.function,
                        candidate.operand,
                        order,
                        candidate.is_softmax,
                        candidate.form,
                        candidate.safe,
                    )
                )
                break
    return tuple(reversed(found))


def _operator(node: Node) -> Iterator[Match]:
    """The node alone, where it is such an operator."""
    type = node.outputs[0].type if node.outputs else None
    if node.operator.domain or not isinstance(type, TensorType):
        return
    if node.name == "Pow":
        base, exponent = node.inputs
        if base is not None and exponent is not None and number_of(base) == 2.0 and exponent.type == type:
            yield Match("exp2", exponent, (node,))
        return
    function, operand = FUNCTIONS.get(node.name), node.inputs[0] if node.inputs else None
    if function is None or operand is None:
        return
    if node.name == "Gelu" and node.attribute("approximate") != "none":
        return
    if node.name == "Swish" and node.attribute("alpha") != 1.0:
        return
    if node.name == "Softmax" and not _is_last(node.attribute("axis"), type):
        return
    yield Match(function, operand, (node,), node.name == "Softmax")


def _is_last(axis: int, type: TensorType) -> bool:
    return type.dims is not None and bool(type.rank) and axis % type.rank == type.rank - 1


def _written(node: Node) -> Iterator[Match]:
    """What several operators, this one last, are written for."""
    type = node.outputs[0].type if node.outputs else None
    if node.operator.domain or not isinstance(type, TensorType) or not type.dtype.is_float:
        return
    for form in _BY_ROOT.get(node.name, ()):
        found = match(form.pattern, node)
        if found is None:
            continue
        operand = found.bound["x"]
        if operand.type != type or not _constants_fit(form, found.bound, type):
            continue
        top = math.log(float(np.finfo(type.dtype.numpy).max)) if type.dtype.numpy.kind == "f" else 88.0
        safe = -form.under * top, form.over * top
        is_softmax = form.function == "softmax"
        function = "exp" if is_softmax else form.function
        yield Match(function, operand, tuple(dict.fromkeys(found.nodes)), is_softmax, spelled(form), safe)


def spelled(form: Form) -> str:
    """The pattern as people write it."""
    text = form.text
    for old, new in ((" := ", " = "), ("const(a)", "-1"), ("const(b)", "-1")):
        text = text.replace(old, new)
    for name, value in form.constants.items():
        text = text.replace(f"const({name})", f"{value:.4g}")
    return text


def _constants_fit(form: Form, bound: Mapping[str, Value], type: TensorType) -> bool:
    """Numbers within a few units of what they stand for; the reductions' axes the last."""
    for name, wanted in form.constants.items():
        found = number_of(bound[name])
        unit = float(np.spacing(np.asarray(abs(wanted), _carrier(type))))
        if found is None or abs(found - wanted) > _CLOSE * unit:
            return False
    return all(
        _is_last_axis(bound[name], type)
        for name in ("a", "b")
        if name in bound and form.function == "softmax"
    )


def _carrier(type: TensorType) -> np.dtype[np.generic]:
    dtype = type.dtype.numpy
    return np.dtype(dtype) if np.dtype(dtype).kind == "f" else np.dtype(np.float16)


def _is_last_axis(value: Value, type: TensorType) -> bool:
    array = value.constant
    return array is not None and array.size == 1 and _is_last(int(array.reshape(())), type)


def number_of(value: Value) -> float | None:
    """The number of a scalar constant."""
    array = value.constant
    if array is None or array.size != 1 or array.dtype.kind != "f":
        return None
    found = float(array.reshape(()))
    return found if np.isfinite(found) else None
