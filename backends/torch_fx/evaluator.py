"""Evaluation of graphs op by op, without tracing: what passes are verified with.

A plan is one list of steps in topological order, with the values that each step frees. Bodies of
If, Loop and Scan get their own plan, made once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from ...graph.diagnostics import fail
from ...graph.ir import Graph, Node, Value, bodies, needed_nodes
from ...graph.types.types import TensorType
from .arrays import from_torch, to_torch
from .lowerings import LOWERINGS, Lowering, keywords
from .lowerings.lowering import shadow_dtype

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class TorchEvaluator:
    """Computes values with the lowerings, eagerly. An `Evaluator`."""

    def evaluate(
        self, outputs: Sequence[Value], given: Mapping[Value, Array], *, float64: bool = False
    ) -> list[Array]:
        """The arrays of `outputs`; see `Evaluator`. Raises SpecError: G1101 for an operator
        without a lowering, G1104 for a leaf that is not given."""
        plan = _plan(outputs, frozenset(given), float64)
        read = _read(outputs, given)
        values = {v: _converted(to_torch(a), float64) for v, a in given.items() if v in read}
        with torch.no_grad():
            plan.run(values)
        return [from_torch(values[v], v.type) for v in outputs]

    def watch(
        self, values: Sequence[Value], given: Mapping[Value, Array], see: Callable[[Value, Array], None]
    ) -> None:
        """Shows each of `values` to `see` when it is computed, and keeps none of them; see `Watcher`. Raises
        SpecError as `evaluate` does."""
        plan = _Planner(frozenset(given), False).plan(values, keep=False)
        read = _read(values, given)
        known = {v: to_torch(a) for v, a in given.items() if v in read}
        wanted = dict.fromkeys(values)
        for value in wanted:
            if value in known or value in plan.constants:
                see(value, from_torch(known.get(value, plan.constants.get(value)), value.type))
        with torch.no_grad():
            plan.run(known, lambda v: see(v, from_torch(known[v], v.type)) if v in wanted else None)

    def function(
        self, outputs: Sequence[Value], arguments: Sequence[Value], *, float64: bool = True
    ) -> Callable[..., list[Any]]:
        """`outputs` as a function of torch values for `arguments`, in their order, through which
        gradients flow. Raises SpecError: G1101, G1104."""
        plan = _plan(outputs, frozenset(arguments), float64)

        def run(*tensors: Any) -> list[Any]:
            values = {v: _converted(t, float64) for v, t in zip(arguments, tensors, strict=True)}
            plan.run(values)
            return [values[v] for v in outputs]

        return run

    def observe(
        self,
        graph: Graph,
        given: Mapping[Value, Array],
        wanted: Mapping[Graph, Collection[Value]],
        see: Callable[[Graph, Value, torch.Tensor], None],
        *,
        float64: bool = False,
        gradients: bool = False,
    ) -> list[torch.Tensor]:
        """The outputs of `graph`, and `see` called with each graph and wanted value, in it and in each call of its
        bodies, as tensors; gradients flow through them where they are asked for. Raises SpecError as `evaluate`."""
        planner = _Planner(frozenset(given), float64, observer=_Observer(wanted, see))
        plan = planner.plan(graph.outputs)
        read = _read(graph.outputs, given)
        values = {v: _converted(to_torch(a), float64) for v, a in given.items() if v in read}
        with torch.set_grad_enabled(gradients):
            assert planner.observer is not None
            planner.observer.run(plan, values, graph)
        return [values[v] for v in graph.outputs]

    def record_bodies(
        self, outputs: Sequence[Value], given: Mapping[Value, Array], steps: int
    ) -> list[tuple[Graph, list[dict[Value, Array]]]]:
        """What every body behind `outputs` gets in its first `steps` calls: its inputs' arrays. What
        was seen before an operator refused its numbers counts."""
        planner = _Planner(frozenset(given), False, recorder=Recorder(steps))
        plan = planner.plan(outputs)
        values = {v: to_torch(a) for v, a in given.items()}
        with torch.no_grad(), suppress(RuntimeError, ValueError, IndexError):
            plan.run(values)
        assert planner.recorder is not None
        return list(planner.recorder.calls.items())


@dataclass
class Recorder:
    """Keeps the operands of the first `steps` calls of each body."""

    steps: int
    calls: dict[Graph, list[dict[Value, Array]]] = field(default_factory=dict)

    def note(self, graph: Graph, operands: Sequence[Any]) -> None:
        seen = self.calls.setdefault(graph, [])
        if len(seen) < self.steps and all(isinstance(v.type, TensorType) for v in graph.inputs):
            seen.append({v: from_torch(x, v.type) for v, x in zip(graph.inputs, operands, strict=True)})


@dataclass(frozen=True)
class _Observer:
    """Who is shown which values of which graphs."""

    wanted: Mapping[Graph, Collection[Value]]
    see: Callable[[Graph, Value, torch.Tensor], None]

    def run(self, plan: _Plan, values: dict[Value, Any], graph: Graph) -> None:
        """Runs the plan of the graph from its inputs in `values`."""
        wanted = self.wanted.get(graph, ())
        for value in wanted:
            if value in values:
                self.see(graph, value, values[value])
        plan.run(
            values, (lambda v: self.see(graph, v, values[v]) if v in wanted else None) if wanted else None
        )


def _converted(value: Any, float64: bool) -> Any:
    if not float64 or not isinstance(value, torch.Tensor):
        return [_converted(v, float64) for v in value] if isinstance(value, list) else value
    if value.dtype.is_floating_point:
        wide = value.to(torch.float32) if value.dtype.itemsize == 1 else value
        return wide.to(torch.float64)
    return value.to(torch.complex128) if value.dtype.is_complex else value


@dataclass(frozen=True)
class _Step:
    """One call: operands are values, or the numbers that stand for them."""

    function: Callable[..., Any]
    operands: tuple[Any, ...]
    keywords: Mapping[str, Any]
    outputs: tuple[Value, ...]
    is_single: bool
    frees: tuple[Value, ...]


@dataclass(frozen=True)
class _Plan:
    constants: Mapping[Value, Any]
    steps: tuple[_Step, ...]

    def run(self, values: dict[Value, Any], see: Callable[[Value], None] | None = None) -> None:
        """Computes every step into `values`; `see` is called with each value before it may be freed."""
        values.update(self.constants)
        for step in self.steps:
            operands = [values[o] if o.__class__ is Value else o for o in step.operands]
            result = step.function(*operands, **step.keywords)
            if step.is_single:
                values[step.outputs[0]] = result
            else:
                for value, part in zip(step.outputs, result, strict=False):
                    values[value] = part
            if see is not None:
                for value in step.outputs:
                    see(value)
            for value in step.frees:
                values.pop(value, None)


@dataclass(frozen=True)
class _Body:
    """A closed body as a function of tensors."""

    graph: Graph
    plan: _Plan
    results: tuple[tuple[str, tuple[int | None, ...]], ...]
    recorder: Recorder | None = None
    observer: _Observer | None = None

    def __call__(self, *operands: Any) -> tuple[Any, ...]:
        if self.recorder is not None:
            self.recorder.note(self.graph, operands)
        values = dict(zip(self.graph.inputs, operands, strict=True))
        if self.observer is not None:
            self.observer.run(self.plan, values, self.graph)
        else:
            self.plan.run(values)
        return tuple(values[v] for v in self.graph.outputs)


def result_types(graph: Graph) -> tuple[tuple[str, tuple[int | None, ...]], ...]:
    """For each output of a body its dtype's name and its sizes, None where symbolic."""
    found = []
    for value in graph.outputs:
        type = value.type
        if isinstance(type, TensorType):
            dims = tuple(d if isinstance(d, int) else None for d in type.axes or ())
            found.append((type.dtype.name, dims))
        else:
            found.append(("float32", ()))
    return tuple(found)


@dataclass
class _Planner:
    given: frozenset[Value]
    float64: bool
    constants: dict[Value, Any] = field(default_factory=dict)
    recorder: Recorder | None = None
    observer: _Observer | None = None

    def plan(self, outputs: Sequence[Value], keep: bool = True) -> _Plan:
        """`keep` False frees the outputs too."""
        order = needed_nodes(outputs, self.given)
        kept = {*outputs, *self.given} if keep else set(self.given)
        last, results = _last_uses(order), _results_used(order, outputs)
        steps = [
            self._step(node, results[node], last.get(node, ()), kept)
            for node in order
            if node.inputs or not self._is_constant(node)
        ]
        return _Plan(self.constants, tuple(steps))

    def _is_constant(self, node: Node) -> bool:
        """Whether the node is a constant, which is then converted once."""
        array = constant_array(node)
        if array is None:
            return False
        self.constants[node.outputs[0]] = _converted(to_torch(array), self.float64)
        return True

    def _step(self, node: Node, results: int, last: tuple[Value, ...], kept: set[Value]) -> _Step:
        lowering = find_lowering(node)
        named = keywords(node, lowering, float64=self.float64)
        for name, graph in bodies(node):
            named[name] = self._body(graph)
        if lowering.counted and results > 1:
            named["results"] = results
        if self.float64 and node.name == "Constant":
            named["dtype"] = shadow_dtype(named.get("dtype"))
        operands = tuple(_operand(v, i in lowering.numbers) for i, v in enumerate(node.inputs))
        return _Step(
            lowering.function,
            operands,
            named,
            node.outputs[: results if lowering.counted else len(node.outputs)],
            is_single(node, lowering, results),
            tuple(v for v in last if v not in kept),
        )

    def _body(self, graph: Graph) -> _Body:
        planner = _Planner(
            frozenset(graph.inputs), self.float64, recorder=self.recorder, observer=self.observer
        )
        return _Body(graph, planner.plan(graph.outputs), result_types(graph), self.recorder, self.observer)


def _plan(outputs: Sequence[Value], given: frozenset[Value], float64: bool) -> _Plan:
    return _Planner(given, float64).plan(outputs)


def _operand(value: Value | None, as_numbers: bool) -> Any:
    """A value, or the numbers of a small constant where the lowering takes them."""
    found = constant_numbers(value) if value is not None and as_numbers else None
    return value if found is None else found


def constant_numbers(value: Value) -> Any:
    """The numbers of a small constant: a list, or bare for a scalar; None for anything else."""
    array = value.constant
    if array is None or array.dtype.kind not in "iufb":
        return None
    return array.item() if array.ndim == 0 else array.ravel().tolist()


def constant_array(node: Node) -> Array | None:
    """The content of a constant leaf or a `Constant` operator, else None."""
    if node.outputs and node.outputs[0].role == "Constant":
        return node.outputs[0].constant
    if node.name != "Constant" or node.operator.domain:
        return None
    for name, attribute in node.attributes.items():
        if name == "value":
            return np.asarray(attribute.value)
        if name.startswith("value_float"):
            return np.asarray(attribute.value, dtype=np.float32)
        if name.startswith("value_int"):
            return np.asarray(attribute.value, dtype=np.int64)
        if name.startswith("value_string"):
            return np.asarray(attribute.value, dtype=object)
    return None


def find_lowering(node: Node) -> Lowering:
    """The node's lowering. Raises SpecError (G1101; G1104 for a leaf)."""
    found = LOWERINGS.get(node.operator.qualified_name)
    if found is not None:
        return found
    if node.outputs and node.outputs[0].is_leaf:
        name = node.attribute("name", node.attribute("index"))
        raise fail("G1104", f"{node.name.lower()} '{name}' has no value")
    raise fail("G1101", f"the torch backend has no lowering of {node.operator.qualified_name}")


def is_single(node: Node, lowering: Lowering, results: int) -> bool:
    """Whether the function returns a bare result rather than a tuple."""
    if lowering.counted:
        return results == 1
    formals = node.operator.outputs
    return len(formals) == 1 and not formals[0].variadic


def _read(outputs: Sequence[Value], given: Mapping[Value, Array]) -> set[Value]:
    """Those of the given values that `outputs` need."""
    order = needed_nodes(outputs, frozenset(given))
    return {*outputs, *(v for n in order for v in n.inputs if v is not None)}


def _last_uses(order: Sequence[Node]) -> dict[Node, tuple[Value, ...]]:
    """Node -> the values that no later node reads."""
    seen: set[Value] = set()
    found: dict[Node, tuple[Value, ...]] = {}
    for node in reversed(order):
        fresh = {v for v in node.inputs if v is not None and v not in seen}
        unread = [v for v in node.outputs if v not in seen]
        seen.update(fresh)
        found[node] = (*fresh, *unread)
    return found


def _results_used(order: Sequence[Node], outputs: Sequence[Value]) -> dict[Node, int]:
    """Node -> the number of leading results that something reads (at least 1)."""
    used = dict.fromkeys(order, 1)
    for value in (*outputs, *(v for n in order for v in n.inputs if v is not None)):
        if used.get(value.node, value.index + 1) <= value.index:
            used[value.node] = value.index + 1
    return used
