"""The pass that turns `grad(loss, wrt=…)` into a plain graph, before any backend sees it (R31)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from ...graph.build.construction import Construction
from ...graph.diagnostics import Diagnostics
from ...graph.ir import (
    Graph,
    Node,
    Origin,
    Program,
    Value,
    bodies,
    collector_paused,
    make_node,
    rebuild,
    topological,
)
from ...graph.types.dimensions import symbol_name
from ..manager.contract import Contract, Exact
from ..manager.pass_ import Context, Result
from .reverse import Reverse


@dataclass(frozen=True)
class ResolveGradients:
    """Replaces every Grad node by the gradient's own graph."""

    name: ClassVar[str] = "resolve_gradients"
    variants: ClassVar[frozenset[str]] = frozenset({"train", "infer"})

    @property
    def contract(self) -> Contract:
        return Exact("algebra")

    def run(self, program: Program, context: Context) -> Result:
        resolved, diagnostics = resolve_gradients(program)
        return Result(resolved, notes=tuple(d.message for d in diagnostics.items))


def resolve_gradients(program: Program) -> tuple[Program, Diagnostics]:
    """The program without Grad nodes, and warnings (G0711) for gradients that are zero.

    Raises SpecError G0712 for an operator without a derivative.
    """
    diagnostics = Diagnostics()
    if not _has_gradients(program.graph.outputs):
        return program, diagnostics
    with collector_paused():
        build = Construction(origins=dict(program.origins), sizes=dict(program.sizes))
        _define_sizes(build, program)
        resolver = _Resolver(build, diagnostics)
        outputs = resolver.values(program.graph.outputs)
        names = {n: resolver.moved.get(v, v) for n, v in program.names.items()}
    weights = program.weights.with_arrays(build.weights)
    graph = Graph(program.graph.inputs, outputs)
    return replace(program, graph=graph, names=names, origins=build.origins, weights=weights), diagnostics


def _has_gradients(outputs: tuple[Value, ...]) -> bool:
    return any(
        n.name == "Grad" or any(_has_gradients(b.outputs) for _, b in bodies(n)) for n in topological(outputs)
    )


def _define_sizes(build: Construction, program: Program) -> None:
    for value in program.inputs.values():
        for axis, dim in enumerate(value.tensor.shape):
            name = symbol_name(dim)
            if name is not None:
                build.define_size(name, value, axis)


@dataclass
class _Resolver:
    build: Construction
    diagnostics: Diagnostics

    def __post_init__(self) -> None:
        self.moved: dict[Value, Value] = {}

    def values(self, outputs: tuple[Value, ...]) -> tuple[Value, ...]:
        for node in topological(outputs):
            self._node(node)
        return tuple(self.moved.get(v, v) for v in outputs)

    def _node(self, node: Node) -> None:
        inputs = [None if v is None else self.moved.get(v, v) for v in node.inputs]
        if node.name == "Grad":
            self._gradient(node, [v for v in inputs if v is not None])
            return
        new = (
            rebuild(node, inputs) if not any(True for _ in bodies(node)) else self._with_bodies(node, inputs)
        )
        for old_value, new_value in zip(node.outputs, new.outputs, strict=True):
            if old_value is not new_value:
                self.moved[old_value] = new_value
                if old_value in self.build.origins:
                    self.build.origins.setdefault(new_value, self.build.origins[old_value])

    def _with_bodies(self, node: Node, inputs: list[Value | None]) -> Node:
        resolved = {name: self._body(body) for name, body in bodies(node)}
        attributes = {**node.attributes, **resolved}
        return make_node(node.operator, inputs, attributes, len(node.outputs))

    def _body(self, body: Graph) -> Graph:
        inner = _Resolver(self.build, self.diagnostics)
        return Graph(body.inputs, inner.values(body.outputs))

    def _gradient(self, node: Node, inputs: list[Value]) -> None:
        origin = self.build.origins.get(node.outputs[0], Origin())
        self.build.span = next(iter(origin.spans), None)
        self.build.path = origin.path
        reverse = Reverse(self.build, self.build.origins)
        loss, *wrt = inputs
        seed = self.build.constant(1, loss.tensor.dtype)
        found = reverse.gradients({loss: seed}, wrt)
        for old_value, value, gradient in zip(node.outputs, wrt, found, strict=True):
            if gradient is None:
                self.diagnostics.warning("G0711", "this gradient is zero everywhere", self.build.span)
            self.moved[old_value] = reverse.zeros(value.tensor) if gradient is None else gradient
        self.build.span = None
