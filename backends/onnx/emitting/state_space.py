"""LtiSsm in the standard's operators: chunks of matrix products with a Scan over chunks, or a Scan
over steps. Complex numbers are pairs of reals throughout: runtimes have no complex MatMul."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ....graph.ir import Graph, Node, Value, apply, apply_all, argument, constant
from ....graph.types.dimensions import Dimension
from ....graph.types.types import TensorType
from ...runtime.state_space_cost import Layer, best_plan, plans
from .state_space_tables import (
    Recurrence,
    add,
    concat,
    ints,
    matmul,
    mul,
    number,
    part,
    picked,
    product,
    recurrence,
    reshape,
    size,
    sub,
    transpose,
    unsqueeze,
)

MIDDLE_LENGTH = 1024
"""The length that a symbolic one is taken for when a chunk is chosen."""
LAST = 2**62


def lti_ssm(node: Node) -> Sequence[Value]:
    """The outputs and the last state."""
    u, initial, d = node.inputs[0], *(_operand(node, i) for i in (6, 4))
    assert u is not None
    system = recurrence(node)
    groups, inputs, outputs = size(system.b, 0), size(system.b, 2), size(system.c, 1)
    fed = reshape(u, 0, groups, inputs, -1)
    start = start_state(fed, initial, node.attribute("form"), system.states)
    chunk = chunk_of(node, system)
    if chunk > 1:
        y, last = chunked(chunk_tables(system, chunk), fed, start)
    else:
        y, last = _stepped(system, fed, start)
    if d is not None:
        y = add(y, through(d, fed))
    return reshape(y, 0, groups * outputs, -1), parted_state(last, node)


def chunk_of(node: Node, system: Recurrence) -> int:
    """The steps of a chunk, 1 for a Scan over steps: what the node says, else the cheapest. Other modes
    than `step` become chunks: a runtime's DFT is tens of times slower, and no one has a scan."""
    u = node.inputs[0]
    assert u is not None
    length = u.tensor.shape[2]
    mode, chunk = node.attribute("mode"), node.attribute("chunk")
    steps = length if isinstance(length, int) else MIDDLE_LENGTH
    if mode != "step" and chunk <= 0:
        batch = u.tensor.shape[0]
        layer = Layer(
            batch if isinstance(batch, int) else 1,
            size(system.b, 0),
            size(system.b, 2),
            size(system.c, 1),
            system.states,
            steps,
            system.poles is not None,
        )
        found = [p for p in plans(layer, "onnx") if p.mode == "chunk"]
        best = best_plan(layer, "onnx") if mode == "auto" or not found else found[0]
        chunk = best.chunk
    chunk = min(chunk, steps)
    if mode == "step" or chunk <= 1 or (_operand(node, 6) is not None and not _divides(chunk, length)):
        return 1
    return int(chunk)


def _divides(chunk: int, length: Dimension) -> bool:
    return isinstance(length, int) and length % chunk == 0


def _operand(node: Node, index: int) -> Value | None:
    return node.inputs[index] if index < len(node.inputs) else None


def start_state(fed: Value, initial: Value | None, form: str, states: int) -> Value:
    if initial is not None:
        if form in ("diagonal", "dplr"):
            return concat(picked(initial, 0), picked(initial, 1), axis=2)
        return reshape(initial, 0, 0, -1) if form == "block" else initial
    batch = apply("Shape", fed, start=0, end=1)
    shape = concat(batch, ints(size(fed, 1), states), axis=0)
    return apply("Expand", constant(np.zeros(1, fed.tensor.dtype.numpy)), shape)


def parted_state(state: Value, node: Node) -> Value:
    form = node.attribute("form")
    if form in ("diagonal", "dplr"):
        m = size(state, 2) // 2
        return concat(unsqueeze(part(state, 2, 0, m), -1), unsqueeze(part(state, 2, m, 2 * m), -1), axis=-1)
    if form == "block":
        dims = node.outputs[1].tensor.shape
        return reshape(state, 0, 0, int(str(dims[2])), int(str(dims[3])))
    return state


def through(d: Value, fed: Value) -> Value:
    if d.tensor.rank == 1:
        return mul(reshape(d, size(fed, 1), size(fed, 2), 1), fed)
    return matmul(d, fed)


def _scan(start: Value, scanned: Value, system: Recurrence, *, before: bool) -> tuple[Value, Value]:
    """Carries x[batch, G, S] over scanned[count, batch, G, S]: x ← A x + part. Gives the last state
    and, stacked, the states before (or after) every step."""
    captured = list(system.poles or (system.matrix,))
    slice_type = TensorType(scanned.tensor.dtype, scanned.tensor.shape[1:])
    x, fed = argument(0, start.type), argument(1, slice_type)
    inner = [argument(2 + i, v.type) for i, v in enumerate(captured) if v is not None]
    moved = add(_advance(x, inner, system), fed)
    body = Graph((x, fed, *inner), (moved, apply("Identity", x if before else moved)))
    last, states = apply_all(
        "Scan",
        start,
        scanned,
        *captured,
        outputs=2,
        body=body,
        num_scan_inputs=1,
        captures=len(inner),
    )
    return last, states


def _advance(x: Value, a: Sequence[Value], system: Recurrence) -> Value:
    """A x for x[batch, G, S], A as it is inside a body."""
    if system.poles is not None:
        m = system.states // 2
        halves = part(x, 2, 0, m), part(x, 2, m, 2 * m)
        return concat(*product((a[0], a[1]), halves), axis=2)
    groups, count, n, _ = (size(a[0], i) for i in range(4))
    columns = reshape(x, -1, groups, count, n, 1)
    return reshape(matmul(a[0], columns), -1, groups, count * n)


def _stepped(system: Recurrence, fed: Value, start: Value) -> tuple[Value, Value]:
    """fed[batch, G, I, L] step by step: y[batch, G, O, L]."""
    entering = transpose(matmul(system.b, fed), 3, 0, 1, 2)
    last, states = _scan(start, entering, system, before=False)
    return matmul(system.c, transpose(states, 1, 2, 3, 0)), last


@dataclass(frozen=True)
class ChunkTables:
    """For chunks of T steps: `into`[G, I·T, O·T + S], within the chunk and to the state at its end;
    `out`[G, S, O·T] from the state before it; `jump` with Aᵀ for A."""

    into: Value
    out: Value
    jump: Recurrence
    inputs: int
    outputs: int
    chunk: int


def chunk_tables(system: Recurrence, chunk: int) -> ChunkTables:
    """The tables, computed in the graph from the system's own matrices."""
    groups, inputs, outputs = size(system.b, 0), size(system.b, 2), size(system.c, 1)
    states = system.states
    reached = reshape(system.reached(chunk), groups, states, chunk, inputs)
    end = reshape(transpose(_backwards(reached), 0, 3, 2, 1), groups, inputs * chunk, states)
    seen = reshape(system.seen(chunk), groups, chunk, outputs, states)
    out = reshape(transpose(seen, 0, 3, 2, 1), groups, states, outputs * chunk)
    into = concat(_toeplitz(system, reached, chunk), end, axis=2)
    return ChunkTables(into, out, system.power(chunk), inputs, outputs, chunk)


def chunked(tables: ChunkTables, fed: Value, start: Value) -> tuple[Value, Value]:
    """fed[batch, G, I, L] chunk by chunk: y[batch, G, O, L] and the last state. A length that is no
    multiple gets zeros in front, which leave the zero state as it is."""
    groups, chunk = size(fed, 1), tables.chunk
    padded, missing = _padded(fed, chunk)
    rows = transpose(reshape(padded, 0, 0, 0, -1, chunk), 0, 1, 3, 2, 4) if tables.inputs > 1 else padded
    rows = reshape(rows, 0, groups, -1, tables.inputs * chunk)  # [batch, G, chunks, I T]
    wide = tables.outputs * chunk
    both = matmul(rows, tables.into)
    local, entering = part(both, 3, 0, wide), part(both, 3, wide, LAST)
    last, before = _scan(start, transpose(entering, 2, 0, 1, 3), tables.jump, before=True)
    y = add(local, matmul(transpose(before, 1, 2, 0, 3), tables.out))
    if tables.outputs > 1:
        y = transpose(reshape(y, 0, 0, 0, tables.outputs, chunk), 0, 1, 3, 2, 4)
    y = reshape(y, 0, groups, tables.outputs, -1)
    if missing is None:
        return y, last
    return apply("Slice", y, missing, ints(LAST), ints(3)), last


def _backwards(reached: Value) -> Value:
    return apply("Slice", reached, ints(-1), ints(-LAST), ints(2), ints(-1))


def _padded(fed: Value, chunk: int) -> tuple[Value, Value | None]:
    """fed with zeros in front, and how many (int64[1]); None where none are needed."""
    length = fed.tensor.shape[3]
    if isinstance(length, int) and length % chunk == 0:
        return fed, None
    if isinstance(length, int):
        missing = ints(-length % chunk)
    else:
        count = apply("Shape", fed, start=3, end=4)
        chunks = apply("Div", add(count, ints(chunk - 1)), ints(chunk))
        missing = sub(mul(chunks, ints(chunk)), count)
    shape = concat(apply("Shape", fed, start=0, end=3), missing, axis=0)
    zeros = apply("Expand", constant(np.zeros(1, fed.tensor.dtype.numpy)), shape)
    return concat(zeros, fed, axis=3), missing


def _toeplitz(system: Recurrence, reached: Value, chunk: int) -> Value:
    """K[t - s] for s ≤ t, from (I, s) to (O, t): [G, I T, O T]. Every row is the kernel with zeros in
    front, moved on by one: a Gather of the kernel at t - s, or at a zero behind its end."""
    groups, inputs, outputs = size(system.b, 0), size(system.b, 2), size(system.c, 1)
    kernel = matmul(system.c, reshape(reached, groups, system.states, chunk * inputs))
    kernel = reshape(kernel, groups, outputs, chunk, inputs)
    zero = apply("Expand", number(kernel, 0), ints(groups, outputs, 1, inputs))
    wide = concat(kernel, zero, axis=2)
    steps = apply("Range", *(constant(np.int64(x)) for x in (0, chunk, 1)))
    gap = sub(unsqueeze(steps, 0), unsqueeze(steps, 1))
    index = apply("Where", apply("Less", gap, constant(np.int64(0))), constant(np.int64(chunk)), gap)
    table = apply("Gather", wide, index, axis=2)  # [G, O, s, t, I]
    return reshape(transpose(table, 0, 4, 2, 1, 3), groups, inputs * chunk, outputs * chunk)


STATE_SPACE: dict[str, Callable[[Node], Sequence[Value]]] = {"LtiSsm": lti_ssm}
