"""What closed bodies get when a program runs: the values on which sites inside them are checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...backends.runtime.protocols import BodyRecorder, Evaluator
from ...graph.ir import Graph, Node, Program, Value
from .evaluation import Unevaluable, evaluate
from .sites import Region, is_constant

Array = np.ndarray[Any, Any]

STEPS = 3
"""How many calls of a body its sites are checked on."""


@dataclass(frozen=True)
class BodyCalls:
    """A body, its nodes, and the arrays of its inputs in its first calls."""

    graph: Graph
    nodes: frozenset[Node]
    calls: Sequence[Mapping[Value, Array]]


@dataclass(frozen=True)
class Bodies:
    """Every body of a program that was seen to run."""

    found: tuple[BodyCalls, ...] = ()

    def boundaries(self, region: Region, evaluator: Evaluator) -> list[dict[Value, Array]]:
        """The values of the region's boundary in the first calls of the body that it lies in; none
        where no body that ran has them."""
        body = self._around(region)
        if body is None:
            return []
        found: list[dict[Value, Array]] = []
        missing = [v for v in region.boundary if not is_constant(v)]
        for call in body.calls:
            values = evaluate(evaluator, missing, call)
            if not isinstance(values, Unevaluable):
                found.append(dict(zip(missing, values, strict=True)))
        return found

    def _around(self, region: Region) -> BodyCalls | None:
        """The body whose nodes hold the boundary. A site made from another site's result is in none
        of them as it stood: then the body that has its old operands."""
        boundary = [v.node for v in region.boundary if not is_constant(v)]
        old = [v.node for v in region.replacement.old]
        for wanted in ((*boundary, *old), boundary):
            found = next((b for b in self.found if b.nodes.issuperset(wanted)), None)
            if found is not None:
                return found
        return None


def record(evaluator: Evaluator, program: Program, given: Mapping[Value, Array]) -> Bodies:
    """Runs the program on `given` leaves and keeps what its bodies get. Nothing where the evaluator
    can't tell."""
    if not isinstance(evaluator, BodyRecorder):
        return Bodies()
    recorded = evaluator.record_bodies(program.graph.outputs, given, STEPS)
    return Bodies(
        tuple(BodyCalls(g, frozenset(g.nodes) | {v.node for v in g.inputs}, c) for g, c in recorded)
    )
