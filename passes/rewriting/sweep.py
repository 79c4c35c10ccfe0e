"""The driver of rules: one sweep in topological order, every site in one shared rebuild.

Each node is rebuilt on its operands' replacements, and rules run on it, and on whatever a rule
puts in its place, until none applies; only then are its consumers looked at. So one sweep is
enough for all rules but those that read consumers, which get up to `SWEEPS`. Linear in the
number of nodes: a node is visited once a sweep, and every firing is a step of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ...graph.diagnostics import fail
from ...graph.ir import Graph, Node, Origin, Program, Value, bodies, collector_paused, make_node, rebuild
from ...graph.operators.attributes import Attribute
from ...graph.operators.leaves import CONSTANT, LEAF_DOMAIN, WEIGHT
from ...graph.operators.operator import Operator
from ...graph.types import Type
from ...graph.types.refinement import covers
from ..manager.pass_ import Replacement
from .constants import folded_constant
from .rule import Rule

SWEEPS = 4
FIRINGS = 256
"""At most so many firings of rules at one node: more is a loop."""


class RuleIndex:
    """Rules by root operator and, where a rule names one, by an operand's operator."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.rules = tuple(rules)
        self._everywhere = tuple(r for r in self.rules if "" in r.roots)
        self._table: dict[Operator, tuple[tuple[Rule, ...], dict[str, tuple[Rule, ...]]]] = {}
        self._roots: dict[str, list[Rule]] = {}
        for rule in self.rules:
            for root in rule.roots:
                if root:
                    self._roots.setdefault(root, []).append(rule)

    def all_for(self, operator: Operator) -> tuple[Rule, ...]:
        named = tuple(self._roots.get(operator.name, ()))
        return named if operator.domain == LEAF_DOMAIN else self._everywhere + named

    def candidates(self, node: Node) -> Sequence[Rule]:
        """The rules that may apply to `node`, in their order within each group."""
        entry = self._table.get(node.operator)
        if entry is None:
            entry = self._entry(node.operator)
            self._table[node.operator] = entry
        always, by_operand = entry
        if not by_operand:
            return always
        names = {v.node.operator.name for v in node.inputs if v is not None}
        if names.isdisjoint(by_operand):
            return always
        found = list(always)
        for name in names:
            for rule in by_operand.get(name, ()):
                if rule not in found and all(not names.isdisjoint(n) for n in rule.operands[1:]):
                    found.append(rule)
        return found

    def _entry(self, operator: Operator) -> tuple[tuple[Rule, ...], dict[str, tuple[Rule, ...]]]:
        always: list[Rule] = []
        by_operand: dict[str, tuple[Rule, ...]] = {}
        for rule in self.all_for(operator):
            if not rule.operands:
                always.append(rule)
            for name in rule.operands[0] if rule.operands else ():
                by_operand[name] = (*by_operand.get(name, ()), rule)
        return tuple(always), by_operand


@dataclass
class Counters:
    """How much a rewriting did: for reports and for the scaling tests."""

    visits: int = 0
    attempts: int = 0
    sweeps: int = 0
    hits: Counter[str] = field(default_factory=Counter)

    def add(self, other: Counters) -> None:
        self.visits += other.visits
        self.attempts += other.attempts
        self.sweeps += other.sweeps
        self.hits.update(other.hits)


@dataclass(frozen=True)
class Rewritten:
    program: Program
    replacements: tuple[Replacement, ...]
    counters: Counters


def rewrite(program: Program, rules: Iterable[Rule], by: str, limit: int | None = None) -> Rewritten:
    """The program after as many sweeps as the rules need. `by` is the pass's name (for origins);
    `limit` stops rewriting after so many firings (for bisection).

    Raises SpecError G1020 where rules keep firing after SWEEPS sweeps or in a loop at one node.
    """
    index = RuleIndex(rules)
    counters = Counters()
    replacements: list[Replacement] = []
    with collector_paused():
        for number in range(SWEEPS):
            left = None if limit is None else limit - counters.hits.total()
            sweep = Sweep(program, index, by, left)
            program = sweep.run()
            counters.add(sweep.counters)
            replacements.extend(sweep.replacements)
            again = sweep.blocked and sweep.counters.hits and (left is None or left > 0)
            if not again:
                break
            if number == SWEEPS - 1:
                raise _restless(by, sweep.counters.hits)
    return Rewritten(program, tuple(replacements), counters)


def _restless(by: str, hits: Mapping[str, int], place: Node | None = None) -> Exception:
    rules = ", ".join(f"{name} ({count})" for name, count in sorted(hits.items()))
    where = f" at one {place.name} node" if place is not None else f" after {SWEEPS} sweeps"
    return fail("G1020", f"the rules of pass {by} do not come to rest{where}: {rules}")


class Sweep:
    """One sweep over one program (and, by sweeps of their own, its closed bodies)."""

    def __init__(self, program: Program, index: RuleIndex, by: str, limit: int | None = None) -> None:
        self.program, self.index, self.by, self.limit = program, index, by, limit
        self.counters = Counters(sweeps=1)
        self.replacements: list[Replacement] = []
        self.refuse: Callable[[str], None] | None = None
        self.variant = program.variant
        self.in_body = False
        self.new_weights: dict[str, np.ndarray[Any, Any]] = {}
        self._done: dict[Node, tuple[Value, ...]] = {}
        self._next: dict[Node, tuple[Value, ...]] = {}
        self._firings = 0
        self._origins: dict[Value, Origin] = dict(program.origins)
        self._consumed: Sequence[Node] = ()
        self._bodies: dict[Graph, Graph] = {}
        self._graph: Graph | None = None
        self._old_counts: dict[Value, int] = {}
        self._counts: dict[Value, int] | None = None
        self.blocked = False
        """Whether a rule was told of several readers: another sweep might find fewer."""

    # --- what rules see (rule.Site) --------------------------------------------------------------

    def array(self, value: Value) -> np.ndarray[Any, Any] | None:
        node = value.node
        if node.operator is CONSTANT:
            found: np.ndarray[Any, Any] = node.attributes["value"].value
            return found
        if node.operator is WEIGHT:
            name = node.attributes["name"].value
            return self.new_weights.get(name, self.program.weights.arrays.get(name))
        return None

    def constant(self, array: np.ndarray[Any, Any], like: str = "folded") -> Value | None:
        value, weights = folded_constant(array, like)
        if weights and self.in_body:
            return None
        self.new_weights.update(weights)
        return value

    def readers(self, value: Value) -> int:
        if self._counts is None:
            self._counts = self._count()
        count = self._counts.get(value, 0)
        if count > 1:
            self.blocked = True
        return count

    def consume(self, nodes: Sequence[Node]) -> None:
        self._consumed = nodes

    # --- the sweep -------------------------------------------------------------------------------

    def run(self) -> Program:
        graph = self.program.graph
        outputs = self.graph(graph).outputs
        changed = outputs != graph.outputs
        if not changed and not self.new_weights:
            return self.program
        return self._finish(outputs)

    def graph(self, graph: Graph) -> Graph:
        """The graph with every node in its final form; inputs stay."""
        self._graph = graph
        done, following = self._done, self._next
        nodes = graph.nodes
        self.counters.visits += len(nodes)
        for node in nodes:
            if node not in done:
                step = self._step(node)
                if step is None:
                    done[node] = node.outputs
                else:
                    following[node] = step
                    self._settle(node)
            new = done[node]
            if new is not node.outputs or self._counts is not None:
                self._carry(node, new)
        return Graph(graph.inputs, tuple(done[v.node][v.index] for v in graph.outputs))

    def _count(self) -> dict[Value, int]:
        """The readers of every value so far, counted when first asked for: those in the graph before
        the sweep, for the values that now stand in its values' place."""
        old: dict[Value, int] = {}
        nodes = self._graph.nodes if self._graph is not None else ()
        for node in nodes:
            for value in node.inputs:
                if value is not None:
                    old[value] = old.get(value, 0) + 1
        for value in self._graph.outputs if self._graph is not None else ():
            old[value] = old.get(value, 0) + 1
        self._old_counts = old
        counts: dict[Value, int] = {}
        for node in nodes:
            new = self._done.get(node)
            if new is not None:
                for old_value, new_value in zip(node.outputs, new, strict=True):
                    counts[new_value] = counts.get(new_value, 0) + old.get(old_value, 0)
        return counts

    def watch(self, graph: Graph) -> None:
        """Counts the readers in a graph that is not going to be swept (for explanations)."""
        self._graph = graph
        self._done = {node: node.outputs for node in graph.nodes}

    def _carry(self, node: Node, new: tuple[Value, ...]) -> None:
        """Origins and reader counts of old values, for the values that stand in their place."""
        origins, counts = self._origins, self._counts
        for old_value, new_value in zip(node.outputs, new, strict=True):
            if counts is not None:
                counts[new_value] = counts.get(new_value, 0) + self._old_counts.get(old_value, 0)
            unplaced = old_value is not new_value and new_value not in origins and not new_value.is_leaf
            if unplaced and old_value in origins:
                origins[new_value] = origins[old_value]

    def _settle(self, root: Node) -> None:
        """Finds the final form of `root` and of every node that it or its replacements need."""
        done, following = self._done, self._next
        stack = [root]
        self._firings = 0
        while stack:
            node = stack[-1]
            if node in done:
                stack.pop()
                continue
            step = following.get(node)
            if step is None:
                waiting = [v.node for v in node.inputs if v is not None and v.node not in done]
                if waiting:
                    stack.extend(self._checked(waiting))
                    continue
                step = self._step(node)
                if step is None:
                    done[node] = node.outputs
                    stack.pop()
                    continue
                following[node] = step
            waiting = [v.node for v in step if v.node not in done]
            if waiting:
                stack.extend(self._checked(waiting))
                continue
            done[node] = tuple([done[v.node][v.index] for v in step])
            stack.pop()

    def _checked(self, waiting: list[Node]) -> list[Node]:
        """The nodes, none of which may wait for its own replacement."""
        for node in waiting:
            if node in self._next or self._firings > FIRINGS:
                raise _restless(self.by, Counter(r.rule for r in self.replacements[-FIRINGS:]), node)
        return waiting

    def _step(self, node: Node) -> tuple[Value, ...] | None:
        """One step towards the final form: rebuilt on final operands, or a rule's replacement."""
        done = self._done
        if node.inputs:
            inputs = tuple([None if v is None else done[v.node][v.index] for v in node.inputs])
            if inputs != node.inputs:
                return rebuild(node, inputs).outputs
        if node.attributes and "control" in node.operator.traits:
            rebuilt = self._with_bodies(node)
            if rebuilt is not node:
                return rebuilt.outputs
        if self.limit is not None and self.counters.hits.total() >= self.limit:
            return None
        return self._fire(node)

    def _fire(self, node: Node) -> tuple[Value, ...] | None:
        for rule in self.index.candidates(node):
            self.counters.attempts += 1
            found = rule.attempt(node, self)
            if found is None:
                continue
            new = tuple(found)
            if new == node.outputs or not self._fits(node, new):
                continue
            self.counters.hits[rule.name] += 1
            self._firings += 1
            self.replacements.append(Replacement(node.outputs, new, rule.name, rule.sense))
            self._trace(node, new)
            return new
        return None

    def _fits(self, node: Node, new: tuple[Value, ...]) -> bool:
        """Whether the replacement has the types that consumers were built on."""
        for old_value, new_value in zip(node.outputs, new, strict=True):
            if not compatible(old_value.type, new_value.type):
                self._consumed = ()
                if self.refuse:
                    self.refuse(f"it would change the type from {old_value.type} to {new_value.type}")
                return False
        return True

    def _trace(self, node: Node, new: tuple[Value, ...]) -> None:
        """Gives new values the origins of all nodes that they were made from."""
        origins = self._origins
        merged = origins.get(node.outputs[0], Origin())
        for consumed in self._consumed:
            other = origins.get(consumed.outputs[0])
            if other is not None and len(merged.spans) < 16:
                merged = merged.merge(other)
        self._consumed = ()
        if not merged.spans and not merged.path:
            return
        merged = merged.merge(Origin(), self.by)
        for value in new:
            if value.node not in self._done and value not in origins:
                origins[value] = merged
                for operand in value.node.inputs:
                    if operand is not None and operand.node not in self._done:
                        origins.setdefault(operand, merged)

    def _with_bodies(self, node: Node) -> Node:
        changed: dict[str, Attribute] = {}
        for name, body in bodies(node):
            new = self._bodies.get(body)
            if new is None:
                new = self._body(body)
                self._bodies[body] = new
                self._bodies[new] = new
            if new is not body:
                changed[name] = Attribute("graph", new)
        if not changed:
            return node
        count = len(node.outputs) if node.operator.outputs[-1].variadic else None
        return make_node(node.operator, node.inputs, {**node.attributes, **changed}, count)

    def _body(self, body: Graph) -> Graph:
        left = None if self.limit is None else self.limit - self.counters.hits.total()
        inner = Sweep(self.program, self.index, self.by, left)
        inner.in_body, inner.refuse = True, self.refuse
        new = inner.graph(body)
        self.blocked = self.blocked or inner.blocked
        self.counters.add(replace_sweeps(inner.counters))
        self.replacements.extend(replace(r, in_body=True) for r in inner.replacements)
        return body if new.outputs == body.outputs else new

    # --- the result ------------------------------------------------------------------------------

    def _finish(self, outputs: tuple[Value, ...]) -> Program:
        program = self.program.with_graph(outputs)
        reached = program.graph.nodes
        alive = {v for node in reached for v in node.outputs}
        alive.update(program.graph.inputs)
        done = self._done
        names = {}
        for name, value in program.names.items():
            final = done[value.node][value.index] if value.node in done else value
            if final in alive:
                names[name] = final
        origins = {v: o for v, o in self._origins.items() if v in alive} if self._origins else {}
        weights = program.weights.with_arrays(self.new_weights) if self.new_weights else program.weights
        return replace(program, names=names, origins=origins, weights=weights)


def replace_sweeps(counters: Counters) -> Counters:
    """The counters of a body's sweep, which is part of the program's."""
    return replace(counters, sweeps=0)


def compatible(old: Type, new: Type) -> bool:
    """Whether `new` may stand where `old` did: the same, or a tensor of which more is known now."""
    return covers(old, new)
