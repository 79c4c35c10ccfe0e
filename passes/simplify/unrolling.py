"""Control flow decided at compile time: Scan and Loop of few steps written out, If with a constant
condition replaced by its branch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...graph.ir import Graph, Node, Program, Value, apply, constant, substitute
from ...graph.operators.leaves import LEAF_DOMAIN
from ...graph.types import TensorType
from ..rewriting import Procedure, Rule, Site
from ..rewriting.rewriting_pass import RewritingPass

Rewrite = Callable[[Node, Site], Sequence[Value] | str]


@dataclass(frozen=True)
class UnrollScans(RewritingPass):
    """Writes out a Scan or Loop whose number of steps is known, if it has at most `max_steps` steps
    and at most `max_nodes` nodes come of it; takes the branch of an If whose condition is constant."""

    name: ClassVar[str] = "unroll_scans"

    max_steps: int = 8
    max_nodes: int = 256

    def rules(self, program: Program) -> tuple[Rule, ...]:
        return unrolling_rules(self.max_steps, self.max_nodes)


def unrolling_rules(max_steps: int = 8, max_nodes: int = 256) -> tuple[Rule, ...]:
    def scan(node: Node, site: Site) -> Sequence[Value] | str:
        return _scan(node, max_steps, max_nodes)

    def loop(node: Node, site: Site) -> Sequence[Value] | str:
        return _loop(node, max_steps, max_nodes)

    return (
        Procedure("scan-unrolled", ("Scan",), scan),
        Procedure("loop-unrolled", ("Loop",), loop),
        Procedure("if-constant", ("If",), _if),
    )


def _too_large(body: Graph, steps: int, max_steps: int, max_nodes: int) -> str | None:
    if steps > max_steps:
        return f"it has {steps} steps (max_steps is {max_steps})"
    nodes = sum(n.operator.domain != LEAF_DOMAIN for n in body.nodes)
    if steps * nodes > max_nodes:
        return f"{steps} steps of {nodes} nodes are more than {max_nodes} (max_nodes)"
    if steps == 0:
        return "it has no steps"
    return None


def _operand(node: Node, position: int) -> Value | None:
    return node.inputs[position] if position < len(node.inputs) else None


# --- If -----------------------------------------------------------------------------------------------


def _if(node: Node, site: Site) -> Sequence[Value] | str:
    condition = _operand(node, 0)
    array = condition.constant if condition is not None else None
    if array is None:
        return "its condition is not constant"
    branch: Graph = node.attribute("then_branch" if array.all() else "else_branch")
    return inlined(branch, node.inputs[1:])


def inlined(body: Graph, operands: Sequence[Value | None]) -> tuple[Value, ...]:
    """The results of a closed body on operands."""
    pairs = {a: v for a, v in zip(body.inputs, operands, strict=True) if v is not None}
    return substitute(body.outputs, pairs)


# --- Scan ---------------------------------------------------------------------------------------------


def _scan(node: Node, max_steps: int, max_nodes: int) -> Sequence[Value] | str:
    body: Graph = node.attribute("body")
    scanned, captured = node.attribute("num_scan_inputs"), node.attribute("captures", 0)
    states = len(node.inputs) - scanned - captured
    sequences = [v for v in node.inputs[states : states + scanned] if v is not None]
    axes = node.attribute("scan_input_axes") or (0,) * scanned
    axes = [
        a % v.tensor.rank if v.tensor.axes is not None else a for a, v in zip(axes, sequences, strict=True)
    ]
    steps = _length(sequences, axes)
    if isinstance(steps, str):
        return steps
    reason = _too_large(body, steps, max_steps, max_nodes)
    if reason is not None:
        return reason
    directions = node.attribute("scan_input_directions") or (0,) * scanned
    current, captures = list(node.inputs[:states]), node.inputs[states + scanned :]
    stacks: list[list[Value]] = [[] for _ in body.outputs[states:]]
    for step in range(steps):
        slices = [
            apply("Gather", v, constant(np.array(steps - 1 - step if d else step, np.int64)), axis=a)
            for v, a, d in zip(sequences, axes, directions, strict=True)
        ]
        results = inlined(body, [*current, *slices, *captures])
        current = list(results[:states])
        for stack, value in zip(stacks, results[states:], strict=True):
            stack.append(value)
    out_axes = node.attribute("scan_output_axes") or (0,) * len(stacks)
    backward = node.attribute("scan_output_directions") or (0,) * len(stacks)
    stacked = [
        _stacked(stack[::-1] if d else stack, a)
        for stack, a, d in zip(stacks, out_axes, backward, strict=True)
    ]
    return (*[v for v in current if v is not None], *stacked)


def _length(sequences: Sequence[Value], axes: Sequence[int]) -> int | str:
    for value, axis in zip(sequences, axes, strict=True):
        dims = value.tensor.dims
        if dims is not None and isinstance(dims[axis], int):
            length = dims[axis]
            assert isinstance(length, int)
            return length
    return "the number of steps is not known"


def _stacked(values: Sequence[Value], axis: int) -> Value:
    """The values along a new axis."""
    rank = values[0].tensor.rank
    where = constant(np.array([axis % (rank + 1)], np.int64))
    return apply("Concat", *(apply("Unsqueeze", v, where) for v in values), axis=axis % (rank + 1))


# --- Loop ---------------------------------------------------------------------------------------------


def _loop(node: Node, max_steps: int, max_nodes: int) -> Sequence[Value] | str:
    body: Graph = node.attribute("body")
    trips, condition = _operand(node, 0), _operand(node, 1)
    known = trips.known if trips is not None else None
    if known is None or not isinstance(known[0], int):
        return "the number of steps is not known"
    if condition is not None and (condition.constant is None or not condition.constant.all()):
        return "its condition is not constantly true"
    goes_on = body.outputs[0]
    while goes_on.node.name == "Identity" and goes_on.node.inputs[0] is not None:
        goes_on = goes_on.node.inputs[0]
    if goes_on is not body.inputs[1] and (goes_on.constant is None or not goes_on.constant.all()):
        return "its body may end it"
    steps = max(known[0], 0)
    reason = _too_large(body, steps, max_steps, max_nodes)
    if reason is not None:
        return reason
    return _written_out(node, body, steps)


def _written_out(node: Node, body: Graph, steps: int) -> tuple[Value, ...]:
    captured = node.attribute("captures", 0)
    carried = len(body.inputs) - 2 - captured
    current = list(node.inputs[2 : 2 + carried])
    captures = node.inputs[2 + carried :]
    true = _filled(body.inputs[1], True)
    stacks: list[list[Value]] = [[] for _ in body.outputs[1 + carried :]]
    for step in range(steps):
        results = inlined(body, [_filled(body.inputs[0], step), true, *current, *captures])
        current = list(results[1 : 1 + carried])
        for stack, value in zip(stacks, results[1 + carried :], strict=True):
            stack.append(value)
    return (*[v for v in current if v is not None], *(_stacked(s, 0) for s in stacks))


def _filled(argument: Value, number: int) -> Value:
    """The number as a constant of the argument's type: a scalar, or one element."""
    type = argument.type
    assert isinstance(type, TensorType)
    shape = (1,) if type.dims == (1,) else ()
    return constant(np.full(shape, number, dtype=type.dtype.numpy))
