"""Figures of a program: nodes by operator, parameters, bytes, multiply-accumulates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..types.dimensions import Dimension, product
from ..types.types import QuantizedType, TensorType, Type
from .graph import Graph, bodies, nested_graphs
from .node import Node, Value
from .program import Program


@dataclass(frozen=True, slots=True)
class Statistics:
    """`operators` counts nodes by qualified name, leaves left out, each shared body once;
    `parameters` and `parameter_bytes` are of Parameter and Weight leaves; `multiply_accumulates`
    by operator with symbolic sizes, bodies times their trip count.

    `unbounded` counts nodes whose work no formula here tells (a Loop without a static count, an
    operand of unknown rank): they are left out of `multiply_accumulates`.
    """

    operators: Mapping[str, int]
    parameters: Dimension
    parameter_bytes: Dimension
    multiply_accumulates: Mapping[str, Dimension]
    unbounded: int = 0

    @property
    def nodes(self) -> int:
        return sum(self.operators.values())

    @property
    def total(self) -> Dimension:
        """The multiply-accumulates of all operators."""
        total: Dimension = 0
        for count in self.multiply_accumulates.values():
            total = total + count
        return total


def statistics(program: Program | Graph) -> Statistics:
    """The figures of a program or a graph. Linear in nodes, bodies once each."""
    graph = program.graph if isinstance(program, Program) else program
    graphs = nested_graphs(graph)
    nodes = dict.fromkeys(node for inner in graphs for node in inner.nodes)
    operators = Counter(n.operator.qualified_name for n in nodes if n.outputs and not n.outputs[0].is_leaf)
    leaves = dict.fromkeys((*graph.inputs, *(n.outputs[0] for n in nodes if n.outputs)))
    stored = [v for v in leaves if v.role in ("Parameter", "Weight")]
    parameters: Dimension = 0
    size: Dimension = 0
    for value in stored:
        parameters = parameters + _elements(value.type)
        size = size + byte_size(value.type)
    work, unbounded = _work(graphs)
    return Statistics(dict(sorted(operators.items())), parameters, size, work, unbounded)


def _elements(type: Type) -> Dimension:
    if isinstance(type, QuantizedType):
        return product(type.dims)
    return type.size if isinstance(type, TensorType) and type.dims is not None else 0


def byte_size(type: Type) -> Dimension:
    """The bytes of a tensor as it is stored, dtypes of less than a byte packed; 0 for strings and
    for what is no tensor of known rank."""
    if isinstance(type, QuantizedType):
        return packed(product(type.dims), type.carrier.bits)
    if not isinstance(type, TensorType) or type.dims is None:
        return 0
    return packed(type.size, type.dtype.bits)


def packed(elements: Dimension, bits: int) -> Dimension:
    """Bytes of `elements` numbers of `bits` each, rounded up."""
    return elements * (bits // 8) if bits % 8 == 0 else (elements * bits + 7) // 8


# --- multiply-accumulates -----------------------------------------------------------------------


class UnknownWork(Exception):
    """The work of a node can't be told from its types."""


def _work(graphs: list[Graph]) -> tuple[dict[str, Dimension], int]:
    """Work by operator of the last graph; inner ones come first."""
    done: dict[Graph, tuple[dict[str, Dimension], int]] = {}
    for graph in graphs:
        total: dict[str, Dimension] = {}
        unbounded = 0
        for node in graph.nodes:
            try:
                _add(total, node.operator.qualified_name, node_work(node), 1)
                inner = _largest([done[body] for _, body in bodies(node)])
                times = trip_count(node) if inner[0] or inner[1] else 1
            except (UnknownWork, ValueError):
                unbounded += 1
                continue
            unbounded += inner[1]
            for name, count in inner[0].items():
                _add(total, name, count, times)
        done[graph] = (total, unbounded)
    total, unbounded = done[graphs[-1]]
    return dict(sorted(total.items())), unbounded


def _add(total: dict[str, Dimension], name: str, count: Dimension, times: Dimension) -> None:
    if count != 0:
        total[name] = total.get(name, 0) + count * times


def _largest(works: list[tuple[dict[str, Dimension], int]]) -> tuple[dict[str, Dimension], int]:
    """The work of the branch that counts: the one with most, where numbers tell, else the first."""

    def rank(work: tuple[dict[str, Dimension], int]) -> int:
        return sum(c for c in work[0].values() if isinstance(c, int))

    return max(works, key=rank, default=({}, 0))


def trip_count(node: Node) -> Dimension:
    """How often a node's body runs. Raises UnknownWork where that is decided by data."""
    if node.name == "If":
        return 1
    if node.name == "Scan":
        return _scan_length(node)
    if node.name == "Loop":
        limit = node.inputs[0] if node.inputs else None
        if limit is not None and limit.known is not None and limit.known and limit.known[0] is not None:
            return limit.known[0]
    raise UnknownWork(node.name)


def _scan_length(node: Node) -> Dimension:
    scanned = node.attribute("num_scan_inputs")
    captures = node.attribute("captures", 0)
    first = len(node.inputs) - captures - scanned
    axes = node.attribute("scan_input_axes") or (0,)
    return _shape(node.inputs[first])[axes[0]]


def _shape(value: Value | None) -> tuple[Dimension, ...]:
    if value is None or not isinstance(value.type, TensorType) or value.type.dims is None:
        raise UnknownWork("an operand of unknown rank")
    return value.type.dims


def node_work(node: Node) -> Dimension:
    """The multiply-accumulates of one node without its bodies; 0 for an operator that has none
    (elementwise work is not counted). Raises UnknownWork where a rank is unknown."""
    rule = _WORK.get(node.name) if node.operator.domain == "" else _OWN_WORK.get(node.name)
    return rule(node) if rule is not None else 0


def _matmul(left: int, right: int) -> Callable[[Node], Dimension]:
    def count(node: Node) -> Dimension:
        inner = _shape(node.inputs[left])[-1]
        _shape(node.inputs[right])
        return product(_shape(node.outputs[0])) * inner

    return count


def _gemm(node: Node) -> Dimension:
    rows = _shape(node.inputs[0])
    inner = rows[0] if node.attribute("transA", 0) else rows[1]
    return product(_shape(node.outputs[0])) * inner


def _convolution(weight: int) -> Callable[[Node], Dimension]:
    """Each result element sums over its group's channels and the kernel's window."""

    def count(node: Node) -> Dimension:
        return product(_shape(node.outputs[0])) * product(_shape(node.inputs[weight])[1:])

    return count


def _transposed_convolution(node: Node) -> Dimension:
    """Each operand element meets its group's output channels and the kernel's window."""
    return product(_shape(node.inputs[0])) * product(_shape(node.inputs[1])[1:])


def _einsum(node: Node) -> Dimension:
    """The product of all index ranges, for the equation's labels."""
    equation = node.attribute("equation").replace(" ", "").split("->")[0]
    sizes: dict[str, Dimension] = {}
    batch: tuple[Dimension, ...] = ()
    for term, value in zip(equation.split(","), node.inputs, strict=True):
        shape = _shape(value)
        before, dots, after = term.partition("...")
        sizes.update(zip(before, shape, strict=False))
        if dots:
            middle = shape[len(before) : len(shape) - len(after)]
            batch = max(batch, middle, key=len)
            sizes.update(zip(after, shape[len(shape) - len(after) :], strict=True))
    return product((*batch, *sizes.values())) if len(node.inputs) > 1 else 0


def _recurrent(node: Node) -> Dimension:
    """Steps times batch times directions times what each gate multiplies: X W and H R."""
    steps, batch = _shape(node.inputs[0])[:2]
    return steps * batch * (product(_shape(node.inputs[1])) + product(_shape(node.inputs[2])))


def _attention(node: Node) -> Dimension:
    """Scores and weighted sum: result elements times keys, and queries times keys times width."""
    query, key, value = (_shape(node.inputs[i]) for i in range(3))
    if len(query) == 4:
        return product(query[:3]) * key[-2] * (query[3] + value[-1])
    batch, queries, width = query
    heads: int = node.attribute("q_num_heads")
    key_heads: int = node.attribute("kv_num_heads")
    return batch * queries * key[1] * (width + value[2] // key_heads * heads)


_WORK: dict[str, Callable[[Node], Dimension]] = {
    "MatMul": _matmul(0, 1),
    "MatMulInteger": _matmul(0, 1),
    "QLinearMatMul": _matmul(0, 3),
    "Gemm": _gemm,
    "Conv": _convolution(1),
    "ConvInteger": _convolution(1),
    "QLinearConv": _convolution(3),
    "DeformConv": _convolution(1),
    "ConvTranspose": _transposed_convolution,
    "Einsum": _einsum,
    "RNN": _recurrent,
    "GRU": _recurrent,
    "LSTM": _recurrent,
    "Attention": _attention,
}


def _factorization(node: Node) -> Dimension:
    """n³/6 for each matrix."""
    shape = _shape(node.inputs[0])
    return product(shape) * shape[-1] // 6


def _triangular(node: Node) -> Dimension:
    """n²k/2 for each right-hand side."""
    return product(_shape(node.inputs[1])) * _shape(node.inputs[0])[-1] // 2


def _symmetric_solve(node: Node) -> Dimension:
    return _factorization(node) + product(_shape(node.inputs[1])) * _shape(node.inputs[0])[-1]


def _general_solve(node: Node) -> Dimension:
    shape = _shape(node.inputs[0])
    return product(shape) * shape[-1] // 3 + product(_shape(node.inputs[1])) * shape[-1]


def _state_space(node: Node) -> Dimension:
    """Each step reads and writes every state, and moves it on: by its block, or by its pole."""
    u, a, b, c = (_shape(node.inputs[i]) for i in range(4))
    entering, leaving = product(b), product(c)
    moved = product(a)
    if node.attribute("form") in ("diagonal", "dplr"):  # a complex product is four
        moved = moved * 2
        if node.attribute("form") == "dplr":
            moved = moved + product(_shape(node.inputs[7])) * 2
    return u[0] * u[2] * (moved + entering + leaving)


_OWN_WORK: dict[str, Callable[[Node], Dimension]] = {
    "Cholesky": _factorization,
    "LogDetSPD": _factorization,
    "TriangularSolve": _triangular,
    "SolveSPD": _symmetric_solve,
    "Solve": _general_solve,
    "LtiSsm": _state_space,
}
