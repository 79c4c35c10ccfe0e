"""What a program weighs: nodes, parameters, bytes, multiply-accumulate operations by operator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod

from ...graph.ir import Program
from ...graph.ir.statistics import statistics
from ...graph.operators.leaves import CONSTANT, LEAF_DOMAIN
from ...graph.types import DType, TensorType
from ...graph.types.dimensions import Dimension, substitute


@dataclass(frozen=True)
class Measurement:
    """`nodes` counts computing nodes, those of bodies too; `parameters` the elements of parameters,
    of weights and of floating constants that are no scalars (a small frozen bias is one), `bytes`
    all that is stored; `macs` multiply-accumulates of one run with the sizes given (1 for a symbolic
    size that is not), bodies times their trip count, `operations` those by operator."""

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
    figures = statistics(program)
    operations = {n: _number(c, sizes or {}) for n, c in figures.multiply_accumulates.items()}
    elements, stored = _storage(program)
    return Measurement(
        figures.nodes, figures.operators, elements, stored, sum(operations.values()), operations
    )


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
        if operator is not CONSTANT or (type.dtype.is_float and type.shape):
            elements += size
    return elements, stored


def storage_bytes(dtype: DType, elements: int) -> int:
    """The bytes of so many elements; dtypes of less than a byte are packed."""
    return (dtype.bits * elements + 7) // 8
