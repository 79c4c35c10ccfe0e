"""The reference evaluator: any values of a graph, from arrays for some of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...graph.ir import Value
from .kernel import Array
from .walk import Walk


class ReferenceEvaluator:
    """Computes with NumPy, node by node in the standard's semantics; implements `Evaluator`."""

    def evaluate(
        self, outputs: Sequence[Value], given: Mapping[Value, Array], *, float64: bool = False
    ) -> list[Array]:
        """The arrays of `outputs`. `given` holds leaves or inner values; what it holds is not
        computed. Values are dropped after their last use. Raises KeyError for a leaf that is
        needed and not given."""
        return Walk(outputs, given).run(given, float64)
