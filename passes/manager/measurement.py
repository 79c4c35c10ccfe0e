"""What a program weighs: nodes, parameters, bytes, multiply-accumulate operations by operator."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import prod

from ...graph.ir import Graph, Node, Program, Value, bodies
from ...graph.operators.leaves import CONSTANT, LEAF_DOMAIN
from ...graph.types import DType, TensorType
from ...graph.types.dimensions import Dimension, substitute


@dataclass(frozen=True)
class Measurement:
    """`nodes` counts computing nodes, those of bodies too; `parameters` the elements of parameters
    and weights in reach, `bytes` their storage; `macs` multiply-accumulates of one run with the
    sizes given (1 for a symbolic size that is not), `operations` those by operator."""

    nodes: int = 0
    operators: Mapping[str, int] = field(default_factory=dict)
    parameters: int = 0
    bytes: int = 0
    macs: int = 0
    operations: Mapping[str, int] = field(default_factory=dict)

    def metric(self, name: str) -> float | None:
        """The static metric that a budget may name: bytes, macs, nodes, parameters."""
        known = {"bytes": self.bytes, "macs": self.macs, "nodes": self.nodes, "parameters": self.parameters}
        return known.get(name)


def measure(program: Program, sizes: Mapping[str, int] | None = None) -> Measurement:
    operators: Counter[str] = Counter()
    operations: Counter[str] = Counter()
    _count(program.graph, sizes or {}, operators, operations)
    elements, stored = _storage(program)
    return Measurement(
        operators.total(), dict(operators), elements, stored, operations.total(), dict(operations)
    )


def _count(graph: Graph, sizes: Mapping[str, int], operators: Counter[str], operations: Counter[str]) -> None:
    for node in graph.nodes:
        if node.operator.domain == LEAF_DOMAIN:
            continue
        operators[node.operator.name] += 1
        count = _MACS.get(node.operator.name)
        if count is not None:
            operations[node.operator.name] += _number(count(node), sizes)
        if node.attributes:
            for _, body in bodies(node):
                _count(body, sizes, operators, operations)


def _number(dimension: Dimension, sizes: Mapping[str, int]) -> int:
    if isinstance(dimension, int):
        return dimension
    bound: dict[str, Dimension] = {name: sizes.get(name, 1) for name in dimension.symbols}
    found = substitute(dimension, bound)
    return found if isinstance(found, int) else 0


def _storage(program: Program) -> tuple[int, int]:
    """Elements and bytes of every stored tensor in reach."""
    elements = stored = 0
    for node in program.graph.nodes:
        operator = node.operator
        if operator.domain != LEAF_DOMAIN or operator.name in ("Input", "Noise", "Argument", "Draw"):
            continue
        type = node.outputs[0].type
        if not isinstance(type, TensorType) or not type.is_static:
            continue
        size = prod(d for d in type.shape if isinstance(d, int))
        stored += storage_bytes(type.dtype, size)
        if operator is not CONSTANT:
            elements += size
    return elements, stored


def storage_bytes(dtype: DType, elements: int) -> int:
    """The bytes of so many elements; dtypes of less than a byte are packed."""
    return (dtype.bits * elements + 7) // 8


# --- multiply-accumulates -------------------------------------------------------------------------


def _shape(value: Value | None) -> tuple[Dimension, ...]:
    type = value.type if value is not None else None
    return type.dims or () if isinstance(type, TensorType) else ()


def _product(dims: tuple[Dimension, ...]) -> Dimension:
    total: Dimension = 1
    for d in dims:
        total = total * d
    return total


def _matmul(node: Node) -> Dimension:
    left = _shape(node.inputs[0])
    return _product(_shape(node.outputs[0])) * (left[-1] if left else 0)


def _gemm(node: Node) -> Dimension:
    left = _shape(node.inputs[0])
    if len(left) != 2:
        return 0
    return _product(_shape(node.outputs[0])) * left[0 if node.attribute("transA") else 1]


def _conv(node: Node) -> Dimension:
    return _product(_shape(node.outputs[0])) * _product(_shape(node.inputs[1])[1:])


def _conv_transpose(node: Node) -> Dimension:
    return _product(_shape(node.inputs[0])) * _product(_shape(node.inputs[1])[1:])


_MACS: dict[str, Callable[[Node], Dimension]] = {
    "MatMul": _matmul,
    "MatMulInteger": _matmul,
    "Gemm": _gemm,
    "Conv": _conv,
    "ConvInteger": _conv,
    "ConvTranspose": _conv_transpose,
}
