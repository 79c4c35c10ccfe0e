"""A program as calls of functions: what `passes.outlining` finds and the writer writes.

Values keep their identity: a function is written down once, in terms of the values of the
instance that it was found in (its *template*), and a call says what those are elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...ir import Graph, Node, Value, topological

Binding = Mapping[Value, Value]
"""Template value -> the value that stands in its place in one call."""


@dataclass(frozen=True, eq=False)
class Function:
    """A region that occurs several times.

    `inputs` are template values that calls give; `owned` template weights that each call has its
    own of. `outputs` are template values, for a repeated function the next carried ones.
    """

    name: str
    cells: tuple[Cell, ...]
    inputs: tuple[Value, ...]
    owned: tuple[Value, ...]
    outputs: tuple[Value, ...]
    scope: str = ""


@dataclass(frozen=True, eq=False)
class Call:
    """A call of a function; with more than one binding, a `repeat` of so many rounds, whose first
    `carried` inputs are what a round hands on to the next."""

    function: Function
    bindings: tuple[Binding, ...]
    carried: int = 0
    name: str = ""

    @property
    def reads(self) -> tuple[Value, ...]:
        """What the call takes: of a repeat, the first round's."""
        return tuple(self.bindings[0].get(v, v) for v in self.function.inputs)

    @property
    def results(self) -> tuple[Value, ...]:
        """The values of the function's outputs after the last round."""
        return tuple(self.bindings[-1].get(v, v) for v in self.function.outputs)


@dataclass(frozen=True, eq=False)
class Cell:
    """One step of a level: a node, or a call that stands for all nodes of its regions."""

    node: Node | None = None
    call: Call | None = None

    @property
    def reads(self) -> tuple[Value, ...]:
        if self.node is not None:
            return tuple(v for v in self.node.inputs if v is not None)
        assert self.call is not None
        return self.call.reads

    @property
    def defines(self) -> tuple[Value, ...]:
        """The values that others may read: all of a call's regions, by the bindings."""
        if self.node is not None:
            return self.node.outputs
        assert self.call is not None
        return tuple(inner_values(self.call))


def inner_values(call: Call) -> list[Value]:
    """Every value that the regions of a call compute, outermost calls first."""
    found: list[Value] = []
    for binding in call.bindings:
        for cell in call.function.cells:
            found += [binding.get(v, v) for v in cell.defines]
    return found


@dataclass(frozen=True)
class Outline:
    """A program's main level. `functions` are all that its calls need, innermost first."""

    cells: tuple[Cell, ...]
    functions: tuple[Function, ...] = ()


def flat_outline(graph: Graph) -> Outline:
    """Without any function: a cell for every node that is no leaf."""
    return Outline(node_cells(graph.outputs))


def node_cells(outputs: Sequence[Value]) -> tuple[Cell, ...]:
    return tuple(Cell(node=n) for n in topological(outputs) if not n.outputs or not n.outputs[0].is_leaf)
