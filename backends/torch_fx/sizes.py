"""Symbolic sizes in emitted graphs: `x.size(0)` and integer arithmetic over it."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import fx

from ...graph.ir import Node, Value
from ...graph.types.dimensions import Compound, Dim, Dimension, Symbol, symbols_of
from ...graph.types.types import Axis, TensorType


@dataclass(frozen=True)
class Source:
    """Where a size can be read: `(value.size(axis) - offset) // factor`. `position` orders
    sources by when their value is there."""

    value: Value
    axis: int
    factor: int
    offset: int
    position: int


def find_sources(inputs: Iterable[Value], order: Sequence[Node]) -> dict[str, Source]:
    """For every symbol, the first value whose shape tells it; inputs before computed values."""
    found: dict[str, Source] = {}
    for value in inputs:
        _add_sources(found, value, -1)
    for position, node in enumerate(order):
        for value in node.outputs:
            _add_sources(found, value, position)
    return found


def _add_sources(found: dict[str, Source], value: Value, position: int) -> None:
    type = value.type
    if not isinstance(type, TensorType):
        return
    for axis, dimension in enumerate(type.axes or ()):
        solved = _solved(dimension)
        if solved is None:
            continue
        name, factor, offset = solved
        known = found.get(name)
        if known is None or (known.factor != 1 and factor == 1 and known.position == position):
            found[name] = Source(value, axis, factor, offset, position)


def _solved(dimension: Axis) -> tuple[str, int, int] | None:
    """(name, factor, offset) of a dimension factor * name + offset."""
    if not isinstance(dimension, Dim):
        return None
    name, factor, offset = "", 0, 0
    for monomial, coefficient in dimension.terms:
        if not monomial:
            offset = coefficient
            continue
        ((atom, power), *rest) = monomial
        if factor or rest or power != 1 or not isinstance(atom, Symbol):
            return None
        name, factor = atom.name, coefficient
    return (name, factor, offset) if factor > 0 else None


def expressible(known: Sequence[Dimension | None] | None, sources: Mapping[str, Source], before: int) -> bool:
    """Whether every element is known, and its sizes can be read before position `before`."""
    if known is None:
        return False
    for element in known:
        if element is None:
            return False
        for name in symbols_of(element):
            if name not in sources or sources[name].position >= before:
                return False
    return True


_OPERATORS: dict[str, Callable[..., Any]] = {
    "//": operator.floordiv,
    "min": torch.sym_min,
    "max": torch.sym_max,
}


@dataclass
class SizeWriter:
    """Writes dimensions as FX nodes, each expression once."""

    graph: fx.Graph
    sources: Mapping[str, Source]
    tensor: Callable[[Value], fx.Node]
    written: dict[Dimension, Any] = field(default_factory=dict)

    def write(self, dimension: Dimension) -> Any:
        """An int, or the node that computes the dimension."""
        if isinstance(dimension, int):
            return dimension
        if dimension not in self.written:
            self.written[dimension] = self._sum(dimension)
        return self.written[dimension]

    def _sum(self, dimension: Dim) -> Any:
        total: Any = None
        for monomial, coefficient in sorted(dimension.terms, key=lambda term: (not term[0], term[1] < 0)):
            factors = [self._atom(atom) for atom, power in monomial for _ in range(power)]
            term: Any = coefficient
            if factors and coefficient in (1, -1):
                term = factors.pop(0)
                sign = coefficient
            else:
                sign = 1 if coefficient > 0 else -1
                term = coefficient * sign
            for factor in factors:
                term = self._call(operator.mul, term, factor)
            if total is None:
                total = term if sign > 0 else self._call(operator.mul, -1, term)
            else:
                total = self._call(operator.add if sign > 0 else operator.sub, total, term)
        return total

    def _atom(self, atom: Symbol | Compound) -> Any:
        if isinstance(atom, Symbol):
            key = Dim(((((atom, 1),), 1),))
            if key not in self.written:
                self.written[key] = self._read(self.sources[atom.name], atom.name)
            return self.written[key]
        left, right = self.write(atom.left), self.write(atom.right)
        if atom.operator == "ceil/":
            return self._call(
                operator.neg, self._call(operator.floordiv, self._call(operator.neg, left), right)
            )
        return self._call(_OPERATORS[atom.operator], left, right)

    def _read(self, source: Source, name: str) -> Any:
        tensor = self.tensor(source.value)
        plain = source.factor == 1 and not source.offset
        size: Any = self.graph.create_node(
            "call_method", "size", (tensor, source.axis), {}, name if plain else f"size_of_{name}"
        )
        if source.offset:
            size = self._call(operator.sub, size, source.offset)
        return self._call(operator.floordiv, size, source.factor) if source.factor != 1 else size

    def _call(self, function: Callable[..., Any], *operands: Any) -> Any:
        if not any(isinstance(o, fx.Node) for o in operands):
            return function(*operands)
        return self.graph.call_function(function, operands)
