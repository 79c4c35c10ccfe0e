"""The reference backend: runs every program, slowly, as an independent check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...graph.diagnostics import Diagnostic, SpecError, fail
from ...graph.ir import Graph, Node, Program, Value, bodies, topological
from ...graph.operators.leaves import LEAF_DOMAIN
from ...graph.types.types import TensorType
from ..runtime.protocols import Array, Feeds
from ..runtime.run_failures import DATA_ERRORS, run_failure
from .evaluator import ReferenceEvaluator
from .operators import KERNELS
from .walk import Walk


class ReferenceBackend:
    """Implements `Backend`; its evaluator is `ReferenceEvaluator`."""

    name = "reference"

    def unsupported(self, program: Program) -> Sequence[Diagnostic]:
        """The nodes of domains that are neither the standard's nor ours."""
        return tuple(
            Diagnostic(
                "G1190",
                f"the reference backend has no {node.operator.qualified_name}",
                next(iter(program.origin(node.outputs[0]).spans), None),
            )
            for node in _all_nodes(program.graph)
            if not _supported(node)
        )

    def load(self, program: Program) -> ReferenceExecutable:
        """Raises SpecError with `unsupported(program)` where that is not empty."""
        missing = self.unsupported(program)
        if missing:
            raise SpecError(missing)
        return ReferenceExecutable(program)


@dataclass(frozen=True)
class ReferenceExecutable:
    """A program to be run by walking its graph."""

    program: Program

    def run(self, feeds: Feeds) -> dict[str, Array]:
        """Output name -> array, then state name -> its new value. Raises SpecError: G1339 for a
        leaf without an array, G1330 and G1341 for one of another dtype or rank, G1122 for a node that can't
        compute what it is given."""
        program = self.program
        given = {v: self._array(v, feeds) for v in _leaves(program.graph)}
        try:
            results = Walk(program.graph.outputs, given).run(given, False)
        except DATA_ERRORS as error:
            raise run_failure(program, given, ReferenceEvaluator(), error) from None
        return dict(zip((*program.output_names, *program.updates), results, strict=True))

    def _array(self, leaf: Value, feeds: Feeds) -> Array:
        name: str = leaf.node.attribute("name")
        if name in feeds:
            return _checked(name, leaf, feeds[name])
        if name in self.program.weights:
            return self.program.weights[name]
        raise fail("G1339", f"the {leaf.role.lower()} '{name}' has no array")


def _checked(name: str, leaf: Value, found: Array) -> Array:
    declared = leaf.type
    if not isinstance(declared, TensorType) or declared.dtype.kind == "string":
        return found
    array = np.asarray(found)
    if array.dtype != declared.dtype.numpy:
        raise fail("G1330", f"'{name}' is {declared}; the array given is {array.dtype}")
    if declared.axes is not None and array.ndim != len(declared.axes):
        raise fail("G1341", f"'{name}' is {declared}; the array given has shape {list(array.shape)}")
    return array


def _leaves(graph: Graph) -> list[Value]:
    """Every leaf that the outputs need and that is no constant, weights included."""
    nodes = topological(graph.outputs)
    found = [n.outputs[0] for n in nodes if n.operator.domain == LEAF_DOMAIN]
    return [v for v in found if v.role != "Constant"]


def _all_nodes(graph: Graph) -> list[Node]:
    """The nodes of a graph and of all bodies in it."""
    found: list[Node] = []
    pending = [graph]
    while pending:
        for node in topological(pending.pop().outputs):
            found.append(node)
            pending.extend(body for _, body in bodies(node))
    return found


def _supported(node: Node) -> bool:
    operator = node.operator
    return operator.domain in ("", LEAF_DOMAIN) or (operator.domain, operator.name) in KERNELS
