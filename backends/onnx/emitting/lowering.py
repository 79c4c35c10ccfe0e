"""Programs rewritten to what a target takes: downgrade rules, bodies, runtimes' gaps.

A node that the target does not take is replaced by the first of its rules that leads to nodes
that it does take, else by the operator's own body. What a rule makes is lowered in turn.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ....graph.diagnostics import Diagnostic, Diagnostics, SpecError, fail
from ....graph.ir import Graph, Node, Origin, Program, Value, bodies, make_node, topological
from ....graph.operators import Attribute, RuleError
from ....graph.types.refinement import consistent
from .rules import rules_for
from .target import Target, lowest_opset

DEEPEST = 24


def lower(program: Program, target: Target) -> Program:
    """The program in operators that the target takes; itself where it takes all.

    Raises SpecError with one G1110 (the opset has no such operator) or G1115 (the runtime has no
    kernel) an operator that nothing helps.
    """
    if all(_taken(n, target) for n in program.graph.nodes):
        return program
    lowering = _Lowering(target, program)
    found = Diagnostics()
    for node in program.graph.nodes:
        try:
            lowering.node(node)
        except SpecError as error:
            found.extend(error)
            lowering.moved.update({v: v for v in node.outputs})
    found.raise_if_errors()
    return lowering.result()


def unsupported(program: Program, target: Target) -> list[Diagnostic]:
    """What keeps the program from being lowered; empty where nothing does."""
    try:
        lower(program, target)
    except SpecError as error:
        return list(error.diagnostics)
    return []


def _taken(node: Node, target: Target) -> bool:
    if node.operator.domain == "graphwright.leaf":
        return True
    if not target.takes(node):
        return False
    return all(_taken(n, target) for _, body in bodies(node) for n in body.nodes)


class _Lowering:
    """`moved` maps every value seen to its counterpart; lowering depends on nothing but the node,
    so bodies share the table."""

    def __init__(self, target: Target, program: Program) -> None:
        self.target, self.program = target, program
        self.moved: dict[Value, Value] = {}
        self.origins: dict[Value, Origin] = {}

    def node(self, node: Node) -> None:
        """Lowers a node of the program whose operands are lowered already."""
        before = len(self.moved)
        results = self._lowered(node, 0)
        self._record(node, results)
        origin = self.program.origins.get(node.outputs[0]) if node.outputs else None
        if origin is not None and len(self.moved) > before:
            for value in (*list(self.moved.values())[before:], *results):
                self.origins.setdefault(value, origin)

    def _record(self, node: Node, results: Sequence[Value]) -> None:
        for old, new in zip(node.outputs, results, strict=False):
            self.moved[old] = new
            self.moved.setdefault(new, new)

    def _lowered(self, node: Node, depth: int) -> Sequence[Value]:
        return self._accepted(self._rebuilt(node, depth), depth)

    def _rebuilt(self, node: Node, depth: int) -> Node:
        """The node over lowered operands, with lowered bodies."""
        if node.operator.domain == "graphwright.leaf":
            return node
        inputs = tuple(None if v is None else self.moved[v] for v in node.inputs)
        changed = {name: self._body(body, depth) for name, body in bodies(node)}
        if inputs == node.inputs and all(node.attributes[n].value is b for n, b in changed.items()):
            return node
        attributes = {**node.attributes, **{n: Attribute("graph", b) for n, b in changed.items()}}
        return make_node(node.operator, inputs, attributes, len(node.outputs))

    def _body(self, body: Graph, depth: int) -> Graph:
        outputs = self.values(body.outputs, depth)
        return body if outputs == body.outputs else Graph(body.inputs, outputs)

    def values(self, outputs: Sequence[Value], depth: int) -> tuple[Value, ...]:
        """The counterparts of values; what they need is lowered first."""
        for node in self._pending(outputs):
            self._record(node, self._lowered(node, depth))
        return tuple(self.moved[v] for v in outputs)

    def _pending(self, outputs: Sequence[Value]) -> list[Node]:
        """The nodes that are not lowered yet, operands first."""
        order: list[Node] = []
        seen: set[Node] = set()
        for output in outputs:
            stack: list[tuple[Node, Iterator[Value | None]]] = []
            current: Value | None = output
            while True:
                if current is not None and current not in self.moved and current.node not in seen:
                    seen.add(current.node)
                    stack.append((current.node, iter(current.node.inputs)))
                while stack:
                    following = next(stack[-1][1], stack[-1][0])
                    if isinstance(following, Node):
                        order.append(following)
                        stack.pop()
                        continue
                    break
                if not stack:
                    break
                current = following  # type: ignore[assignment]  # no Node after the inner loop
        return order

    def _accepted(self, node: Node, depth: int) -> Sequence[Value]:
        if node.operator.domain == "graphwright.leaf" or self.target.takes(node):
            return node.outputs
        if depth < DEEPEST:
            for results in self._candidates(node):
                try:
                    return self.values(results, depth + 1)
                except SpecError:
                    continue  # the next way may be open
        raise self._impossible(node)

    def _candidates(self, node: Node) -> Iterator[Sequence[Value]]:
        for rule in rules_for(node):
            try:
                results = rule(node)
            except (SpecError, RuleError):
                continue
            if results is not None and all(
                consistent(old.type, new.type) for old, new in zip(node.outputs, results, strict=False)
            ):
                yield results

    def _impossible(self, node: Node) -> SpecError:
        name, opset = node.operator.qualified_name, self.target.opset
        types = ", ".join(str(v.type) for v in node.inputs if v is not None)
        origin = next((o for v in node.outputs if (o := self.program.origins.get(v))), Origin())
        span = origin.spans[0] if origin.spans else None
        where = f" at '{origin.path}'" if origin.path and span is None else ""
        without = Target(opset)
        if self.target.kernels is not None and without.takes(node):
            return fail(
                "G1115",
                f"the runtime has no kernel for {name} of ({types}) at opset {opset}{where}",
                span,
                hint="cast the operands to float32 around it",
            )
        lowest = lowest_opset(node.operator.name)
        hint = f"it is in the standard from opset {lowest}" if lowest is not None else None
        return fail("G1110", f"{name} of ({types}) can't be written at opset {opset}{where}", span, hint=hint)

    def result(self) -> Program:
        """The program over the lowered values, with its names and origins carried over."""
        program, moved = self.program, self.moved
        outputs = tuple(moved[v] for v in program.graph.outputs)
        kept = {n.outputs[0].node for n in topological(outputs) if n.outputs}
        names = {n: moved.get(v, v) for n, v in program.names.items() if moved.get(v, v).node in kept}
        origins = {moved.get(v, v): o for v, o in program.origins.items()}
        return replace(
            program,
            graph=Graph(program.graph.inputs, outputs),
            names=names,
            origins={**self.origins, **origins},
        )
