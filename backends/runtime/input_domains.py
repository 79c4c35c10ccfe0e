"""Domains of inputs that declare none: what operators demand of them, walked backwards.

`DEMANDS` says what an operator needs of its inputs (a Gather index is below the axis length, a
Log's operand above 0); `demanded` carries those demands back through operators that move or
rescale elements, up to the inputs. Where a demand can't be carried further it is dropped: the
sample may then leave the operator's domain, which gives NaN and never a wrong check.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ...graph.ir import Domain, Graph, Node, Program, Value, bodies
from ...graph.types import Dim, Dimension, TensorType
from ...graph.types.dimensions import maximum, minimum

Limit = Dimension | float | None


@dataclass(frozen=True, slots=True)
class Demand:
    """`kind` is range (with `low` or `high` or both, ends included), nonzero, spd or triangular."""

    kind: str
    low: Limit = None
    high: Limit = None


Demands = Sequence[tuple[int, Demand]]  # (input position, demand)

POSITIVE = Demand("range", 0.0)
NONZERO = Demand("nonzero")
PROBABILITY = Demand("range", 0.0, 1.0)
UNIT_INTERVAL = Demand("range", -1.0, 1.0)


def input_domains(program: Program) -> dict[str, Domain]:
    """A domain for every input: the declared one, else what the operators demand, else normal."""
    demands = demanded(program.graph)
    found = {}
    for name, leaf in program.inputs.items():
        declared = program.domains.get(name)
        if declared is not None and declared.declared:
            found[name] = declared
        else:
            found[name] = _domain(demands.get(leaf, []), leaf) or declared or Domain(declared=False)
    return found


def demanded(graph: Graph) -> dict[Value, list[Demand]]:
    """Every value that something is demanded of, with the demands."""
    found: dict[Value, list[Demand]] = {}
    for node in reversed(graph.nodes):
        for position, demand in (*_own(node), *_carried(node, found), *_inner(node)):
            value = node.inputs[position] if position < len(node.inputs) else None
            if value is not None and demand not in found.setdefault(value, []):
                found[value].append(demand)
    return found


def _own(node: Node) -> Demands:
    rule = DEMANDS.get(node.name)
    if rule is None or node.operator.domain not in ("", "graphwright"):
        return ()
    return rule(node)


def _inner(node: Node) -> list[tuple[int, Demand]]:
    """What bodies demand of their arguments, as demands on the node's operands. A branch of If
    takes the operands after the condition; Loop and Scan bodies take theirs in order."""
    shift = 1 if node.name == "If" else 0
    found = []
    for _, body in bodies(node):
        demands = demanded(body)
        for argument in body.inputs:
            position = argument.node.attribute("index") + shift
            found += [(position, d) for d in demands.get(argument, [])]
    return found


# --- demands to a domain ------------------------------------------------------------------------


def _domain(demands: Iterable[Demand], leaf: Value) -> Domain | None:
    """One domain that satisfies all demands, or None where there are none."""
    merged: Demand | None = None
    nonzero = False
    for demand in demands:
        if demand.kind in ("spd", "triangular"):
            return Domain(demand.kind, declared=False)
        if demand.kind == "nonzero":
            nonzero = True
        else:
            merged = demand if merged is None else _both(merged, demand)
    if merged is None:
        return Domain("nonzero", declared=False) if nonzero else None
    low, high = merged.low, merged.high
    if low is not None and high is None:
        return Domain("positive", low, None, declared=False) if _is_float(leaf) else _integers_above(low)
    if nonzero and _at_most_zero(low):
        low = 1 if not _is_float(leaf) else 0.05
    return Domain("range", low, high, declared=False)


def _is_float(leaf: Value) -> bool:
    return isinstance(leaf.type, TensorType) and leaf.type.dtype.is_float


def _integers_above(low: Limit) -> Domain:
    first = low if isinstance(low, Dim) else math.floor(low or 0) + 1
    return Domain("range", first, first + 7, declared=False)


def _at_most_zero(low: Limit) -> bool:
    return low is None or (not isinstance(low, Dim) and low <= 0)


def _both(a: Demand, b: Demand) -> Demand:
    return Demand("range", _tighter(a.low, b.low, True), _tighter(a.high, b.high, False))


def _tighter(a: Limit, b: Limit, low: bool) -> Limit:
    if a is None or b is None:
        return b if a is None else a
    if isinstance(a, float) or isinstance(b, float):
        if isinstance(a, Dim) or isinstance(b, Dim):
            return a if isinstance(a, Dim) else b
        return max(a, b) if low else min(a, b)
    return maximum(a, b) if low else minimum(a, b)


# --- carrying demands back ----------------------------------------------------------------------

_MOVES = {  # operator -> the inputs whose elements its results are made of (None: all)
    "Identity": (0,),
    "StopGradient": (0,),
    "Reshape": (0,),
    "Transpose": (0,),
    "Squeeze": (0,),
    "Unsqueeze": (0,),
    "Flatten": (0,),
    "Expand": (0,),
    "Tile": (0,),
    "Slice": (0,),
    "Split": (0,),
    "Cast": (0,),
    "CastLike": (0,),
    "Gather": (0,),
    "GatherElements": (0,),
    "GatherND": (0,),
    "Trilu": (0,),
    "ReverseSequence": (0,),
    "DepthToSpace": (0,),
    "SpaceToDepth": (0,),
    "MaxPool": (0,),
    "ReduceMax": (0,),
    "ReduceMin": (0,),
    "ReduceMean": (0,),
    "TopK": (0,),
    "Where": (1, 2),
    "Concat": None,
    "Max": None,
    "Min": None,
}
_KEEPS_MATRICES = frozenset(
    {"Identity", "StopGradient", "Cast", "CastLike", "Squeeze", "Unsqueeze", "Expand"}
)
_NOT_NEGATIVE = frozenset(
    {
        "Abs",
        "Exp",
        "Relu",
        "Sigmoid",
        "HardSigmoid",
        "Softmax",
        "Softplus",
        "Sqrt",
        "Acos",
        "Cosh",
        "ReduceL1",
        "ReduceL2",
        "ReduceSumSquare",
        "ReduceProd",
    }
)


def _carried(node: Node, found: Mapping[Value, list[Demand]]) -> list[tuple[int, Demand]]:
    demands = [d for output in node.outputs for d in found.get(output, ())]
    carried: list[tuple[int, Demand]] = []
    for demand in demands:
        carried += _back(node, demand)
    return carried


def _back(node: Node, demand: Demand) -> Demands:
    """What must be demanded of the inputs so that the results meet `demand`."""
    name = node.name
    if demand.kind in ("spd", "triangular"):
        return ((0, demand),) if name in _KEEPS_MATRICES else ()
    if name in _MOVES:
        positions = _MOVES[name]
        return [(i, demand) for i in (positions if positions is not None else range(len(node.inputs)))]
    if name in _NOT_NEGATIVE or _is_square(node):
        return (
            ((0, NONZERO),) if name not in ("Exp", "Sigmoid", "Softmax") and _wants_positive(demand) else ()
        )
    if name in _ARITHMETIC and len(node.inputs) == 2:
        return _through_arithmetic(node, demand)
    if name == "Neg":
        return ((0, _scaled(demand, -1.0)),)
    if name in ("ReduceSum", "CumSum", "MatMul", "Gemm", "Sum") and _wants_positive(demand):
        return [(i, POSITIVE) for i in ((0,) if name in ("ReduceSum", "CumSum") else range(len(node.inputs)))]
    return ()


def _is_square(node: Node) -> bool:
    if node.name == "Mul":
        return node.inputs[0] is node.inputs[1]
    if node.name != "Pow":
        return False
    exponent = _number(node.inputs[1])
    return exponent is not None and exponent % 2 == 0


def _wants_positive(demand: Demand) -> bool:
    return demand.kind == "nonzero" or (demand.high is None and demand.low == 0)


_ARITHMETIC = frozenset({"Add", "Sub", "Mul", "Div"})


def _number(value: Value | None) -> float | None:
    """The number that every element of a constant is, else None."""
    array = value.constant if value is not None else None
    if array is None or not array.size or array.dtype.kind not in "fiu":
        return None
    first = float(array.reshape(-1)[0])
    return first if math.isfinite(first) and bool((array == array.reshape(-1)[0]).all()) else None


def _through_arithmetic(node: Node, demand: Demand) -> Demands:
    left, right = _number(node.inputs[0]), _number(node.inputs[1])
    if left is None and right is None:
        positive = _wants_positive(demand) and node.name != "Sub"
        return ((0, _alike(demand)), (1, _alike(demand))) if positive else ()
    position = 0 if right is not None else 1
    number = right if right is not None else left
    assert number is not None
    moved = _INVERSES[node.name](demand, number, position)
    return () if moved is None else ((position, moved),)


def _alike(demand: Demand) -> Demand:
    return demand if demand.kind == "nonzero" else POSITIVE


def _shifted(demand: Demand, by: float) -> Demand:
    if demand.kind == "nonzero":
        return Demand("range", by) if by else demand
    return replace(demand, low=_plus(demand.low, by), high=_plus(demand.high, by))


def _plus(limit: Limit, by: float) -> Limit:
    if limit is None:
        return None
    if isinstance(limit, Dim):
        return limit + int(by)
    return limit + (int(by) if isinstance(limit, int) and by == int(by) else by)


def _scaled(demand: Demand, by: float) -> Demand:
    if demand.kind == "nonzero":
        return demand
    low, high = (_times(demand.low, by), _times(demand.high, by))
    return replace(demand, low=high, high=low) if by < 0 else replace(demand, low=low, high=high)


def _times(limit: Limit, by: float) -> Limit:
    if limit is None:
        return None
    if isinstance(limit, Dim):
        return limit * int(by) if by == int(by) else None
    return limit * (int(by) if isinstance(limit, int) and by == int(by) else by)


def _inverse_of_subtraction(demand: Demand, number: float, position: int) -> Demand:
    return _shifted(demand, number) if position == 0 else _shifted(_scaled(demand, -1.0), number)


def _inverse_of_division(demand: Demand, number: float, position: int) -> Demand | None:
    if position == 0:
        return _scaled(demand, number)
    return POSITIVE if _wants_positive(demand) and number > 0 else None


_INVERSES: Mapping[str, Callable[[Demand, float, int], Demand | None]] = {
    "Add": lambda demand, number, position: _shifted(demand, -number),
    "Sub": _inverse_of_subtraction,
    "Mul": lambda demand, number, position: _scaled(demand, 1.0 / number) if number else None,
    "Div": _inverse_of_division,
}


# --- what operators demand ----------------------------------------------------------------------


def _fixed(*demands: tuple[int, Demand]) -> Callable[[Node], Demands]:
    return lambda node: demands


def _below(length: Dimension) -> Demand:
    return Demand("range", 0, length - 1)


def _dims(node: Node, position: int) -> tuple[Dimension, ...]:
    value = node.inputs[position]
    found = value.type if value is not None else None
    return found.dims or () if isinstance(found, TensorType) else ()


def _index_along(axis_default: int) -> Callable[[Node], Demands]:
    """Input 1 indexes axis `axis` of input 0."""

    def rule(node: Node) -> Demands:
        dims = _dims(node, 0)
        axis = node.attribute("axis", axis_default)
        return ((1, _below(dims[axis])),) if -len(dims) <= axis < len(dims) else ()

    return rule


def _index_many(node: Node) -> Demands:
    """GatherND, ScatterND: one limit for all components, the least of the indexed axes."""
    dims, index = _dims(node, 0), _dims(node, 1)
    first = node.attribute("batch_dims", 0)
    width = index[-1] if index else 0
    if not isinstance(width, int) or not dims[first : first + width]:
        return ()
    least = dims[first]
    for d in dims[first + 1 : first + width]:
        least = minimum(least, d)
    return ((1, _below(least)),)


def _one_hot(node: Node) -> Demands:
    depth = node.inputs[1]
    if depth is None or depth.known is None or depth.known[0] is None:
        return ()
    return ((0, _below(depth.known[0])),)


def _class_index(node: Node) -> Demands:
    dims = _dims(node, 0)
    return ((1, _below(dims[1])),) if len(dims) > 1 else ()


def _power(node: Node) -> Demands:
    exponent = _number(node.inputs[1])
    whole = exponent is not None and exponent == int(exponent)
    return () if whole and exponent is not None and exponent >= 0 else ((0, NONZERO if whole else POSITIVE),)


def _top_k(node: Node) -> Demands:
    dims = _dims(node, 0)
    return ((1, Demand("range", 1, dims[node.attribute("axis", -1)])),) if dims else ()


def _axis_number(node: Node) -> Demands:
    return ((1, Demand("range", 0, max(len(_dims(node, 0)) - 1, 0))),)


def _lengths(position: int) -> Callable[[Node], Demands]:
    """Input `position` holds lengths along axis 0 of input 0."""

    def rule(node: Node) -> Demands:
        dims = _dims(node, 0)
        return ((position, Demand("range", 1, dims[node.attribute("time_axis", 0)])),) if dims else ()

    return rule


def _positions(node: Node) -> Demands:
    dims = _dims(node, 1)
    return ((3, _below(dims[0])),) if dims else ()


_SPD = _fixed((0, Demand("spd")))
_ALONG_AXIS, _SEQUENCE_LENGTHS = _index_along(0), _lengths(4)

DEMANDS: Mapping[str, Callable[[Node], Demands]] = {
    "Gather": _ALONG_AXIS,
    "GatherElements": _ALONG_AXIS,
    "ScatterElements": _ALONG_AXIS,
    "GatherND": _index_many,
    "ScatterND": _index_many,
    "OneHot": _one_hot,
    "NegativeLogLikelihoodLoss": _class_index,
    "SoftmaxCrossEntropyLoss": _class_index,
    "TopK": _top_k,
    "CumSum": _axis_number,
    "ReverseSequence": _lengths(1),
    "RNN": _SEQUENCE_LENGTHS,
    "LSTM": _SEQUENCE_LENGTHS,
    "GRU": _SEQUENCE_LENGTHS,
    "RotaryEmbedding": _positions,
    "Log": _fixed((0, POSITIVE)),
    "Sqrt": _fixed((0, POSITIVE)),
    "Reciprocal": _fixed((0, NONZERO)),
    "Div": _fixed((1, NONZERO)),
    "Mod": _fixed((1, NONZERO)),
    "Pow": _power,
    "Acos": _fixed((0, UNIT_INTERVAL)),
    "Asin": _fixed((0, UNIT_INTERVAL)),
    "Atanh": _fixed((0, Demand("range", -0.96, 0.96))),
    "Acosh": _fixed((0, Demand("range", 1.0))),
    "Bernoulli": _fixed((0, PROBABILITY)),
    "Dropout": _fixed((1, Demand("range", 0.0, 0.5))),
    "BitShift": _fixed((1, Demand("range", 0, 7))),
    "BatchNormalization": _fixed((4, POSITIVE)),
    "QuantizeLinear": _fixed((1, POSITIVE)),
    "DequantizeLinear": _fixed((1, POSITIVE)),
    "Quantize": _fixed((1, POSITIVE)),
    "Dequantize": _fixed((1, POSITIVE)),
    "FakeQuantize": _fixed((1, POSITIVE)),
    "SimulatedMatMul": _fixed((2, UNIT_INTERVAL)),
    "SimulatedConv": _fixed((2, UNIT_INTERVAL)),
    "QLinearConv": _fixed((1, POSITIVE), (4, POSITIVE), (6, POSITIVE)),
    "QLinearMatMul": _fixed((1, POSITIVE), (4, POSITIVE), (6, POSITIVE)),
    "Loop": _fixed((0, Demand("range", 0, 5))),
    "Cholesky": _SPD,
    "SolveSPD": _SPD,
    "LogDetSPD": _SPD,
    "Solve": _SPD,
    "TriangularSolve": _fixed((0, Demand("triangular"))),
}
