"""LtiSsm in the standard's operators: chunks of matrix products with a Scan over chunks, or a Scan
over steps. Complex numbers are pairs of reals throughout: runtimes have no complex MatMul."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ....graph.ir import Graph, Node, Value, apply, apply_all, argument, constant
from ....graph.types.dimensions import Dimension
from ....graph.types.types import TensorType
from ...runtime.state_space_cost import Layer, best_plan, plans
from .state_space_tables import (
    Pair,
    Recurrence,
    add,
    concat,
    ints,
    matmul,
    mul,
    number,
    part,
    picked,
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
CACHED = 2**20
"""Numbers of u that a block of groups should not exceed; fewer than LEAST_BLOCK groups cost more in operators
than a cache saves."""
LEAST_BLOCK = 64


def lti_ssm(node: Node) -> Sequence[Value]:
    """The outputs and the last state."""
    u, initial, d = node.inputs[0], *(_operand(node, i) for i in (6, 4))
    assert u is not None
    system = recurrence(node)
    fed = reshape(u, 0, size(system.b, 0), size(system.b, 2), -1)
    start = start_state(fed, initial, node.attribute("form"), system.states)
    chunk = chunk_of(node, system)
    if chunk > 1:
        y, last = chunked(chunk_tables(system, chunk), fed, start)
    else:
        y, last = _stepped(system, fed, start)
    return with_input(y, d, fed), parted_state(last, node)


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


def with_input(y: Value, d: Value | None, fed: Value) -> Value:
    """y[batch, G·O, L] + D fed. What comes last is no Reshape: a runtime copies for one that is an output."""
    if d is None:
        return y
    groups, inputs = size(fed, 1), size(fed, 2)
    if d.tensor.rank == 1:
        return add(y, reshape(mul(reshape(d, groups, inputs, 1), fed), 0, groups * inputs, -1))
    return add(y, reshape(matmul(d, fed), 0, groups * size(d, 1), -1))


def _scan(start: Value, scanned: Value, system: Recurrence, *, before: bool) -> tuple[Value, Value]:
    """Carries x[batch, G, S] over scanned[count, batch, G, S]: x ← A x + part. Gives the last state
    and, stacked, the states after every step or, with `before`, those before it (of poles
    the imaginary parts in front)."""
    if system.poles is not None:
        return _scan_poles(start, scanned, system.poles, before=before)
    assert system.matrix is not None
    x, fed = argument(0, start.type), argument(1, TensorType(scanned.tensor.dtype, scanned.tensor.shape[1:]))
    inner = argument(2, system.matrix.type)
    moved = add(_advance(x, inner), fed)
    body = Graph((x, fed, inner), (moved, apply("Identity", x if before else moved)))
    return _run(body, start, scanned, system.matrix)


def _run(body: Graph, start: Value, scanned: Value, *captured: Value) -> tuple[Value, Value]:
    last, states = apply_all(
        "Scan",
        start,
        scanned,
        *captured,
        outputs=2,
        body=body,
        num_scan_inputs=1,
        captures=len(captured),
    )
    return last, states


def _scan_poles(start: Value, scanned: Value, poles: Pair, *, before: bool) -> tuple[Value, Value]:
    """The carry of poles in four operators a step: with x as rows [re, im] and y as [im, re],
    x ← [re a, re a] x + [-im a, im a] y + part. What is stacked of the states before is y, which needs
    no copy: [im | re]."""
    groups, m = size(start, 1), size(start, 2) // 2
    rows, stacked = reshape(start, -1, groups, 2, m), reshape(scanned, 0, -1, groups, 2, m)
    re, im = (unsqueeze(p, 1) for p in poles)
    straight, crossed = concat(re, re, axis=1), concat(apply("Neg", im), im, axis=1)
    x, fed = argument(0, rows.type), argument(1, TensorType(rows.tensor.dtype, rows.tensor.shape))
    a, b = argument(2, straight.type), argument(3, crossed.type)
    swapped = apply("Gather", x, ints(1, 0), axis=2)
    moved = apply("Sum", mul(a, x), mul(b, swapped), fed)
    body = Graph((x, fed, a, b), (moved, swapped if before else apply("Identity", moved)))
    last, states = _run(body, rows, stacked, straight, crossed)
    return reshape(last, -1, groups, 2 * m), reshape(states, 0, -1, groups, 2 * m)


def _advance(x: Value, a: Value) -> Value:
    """A x for x[batch, G, S], A[G, K, n, n]."""
    groups, count, n, _ = (size(a, i) for i in range(4))
    columns = reshape(x, -1, groups, count, n, 1)
    return reshape(matmul(a, columns), -1, groups, count * n)


def _stepped(system: Recurrence, fed: Value, start: Value) -> tuple[Value, Value]:
    """fed[batch, G, I, L] step by step: y[batch, G·O, L]."""
    entering = transpose(matmul(system.b, fed), 3, 0, 1, 2)
    last, states = _scan(start, entering, system, before=False)
    y = matmul(system.c, transpose(states, 1, 2, 3, 0))
    return reshape(y, 0, size(system.c, 0) * size(system.c, 1), -1), last


@dataclass(frozen=True)
class ChunkTables:
    """For chunks of T steps: `local`[G, I·T, O·T] within the chunk, `end`[G, I·T, S] to the state at its
    end; `out`[G, S, O·T] from the state before it, of poles with the imaginary parts in front; `jump`
    with Aᵀ for A."""

    local: Value
    end: Value
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
    if system.poles is not None:
        m = states // 2
        out = concat(part(out, 1, m, 2 * m), part(out, 1, 0, m), axis=1)
    local = _toeplitz(system, reached, chunk)
    return ChunkTables(local, end, out, system.power(chunk), inputs, outputs, chunk)


def chunked(tables: ChunkTables, fed: Value, start: Value) -> tuple[Value, Value]:
    """fed[batch, G, I, L] chunk by chunk: y[batch, G·O, L] and the last state."""
    block = block_of(fed)
    return _in_blocks(tables, fed, start, block) if block < size(fed, 1) else _chunks(tables, fed, start)


def block_of(fed: Value) -> int:
    """How many groups of one long row to do at a time: a divisor of all, and all of a batch or a short row."""
    batch, _, inputs, length = fed.tensor.shape
    groups = size(fed, 1)
    if batch != 1 or not isinstance(length, int):
        return groups
    wanted = max(LEAST_BLOCK, CACHED // (int(str(inputs)) * length))
    fitting = [b for b in range(LEAST_BLOCK, min(wanted, groups) + 1) if groups % b == 0]
    return fitting[-1] if fitting else groups


def _chunks(tables: ChunkTables, fed: Value, start: Value) -> tuple[Value, Value]:
    """A length that is no multiple of the chunk gets zeros in front, which leave the zero state as it is.

    One row has its tensors without the batch: ONNX Runtime takes a Transpose into a product for rank 3 alone."""
    groups, chunk, states = size(fed, 1), tables.chunk, tables.jump.states
    batch = [] if fed.tensor.shape[0] == 1 else [0]
    padded, missing = _padded(fed, chunk)
    rows = transpose(reshape(padded, 0, 0, 0, -1, chunk), 0, 1, 3, 2, 4) if tables.inputs > 1 else padded
    rows = reshape(rows, *batch, groups, -1, tables.inputs * chunk)  # [batch, G, chunks, I T]
    first, back = ((2, 0, 1, 3), (1, 2, 0, 3)) if batch else ((1, 0, 2), (1, 0, 2))
    entering = reshape(transpose(matmul(rows, tables.end), *first), 0, -1, groups, states)
    last, before = _scan(start, entering, tables.jump, before=True)
    seen = reshape(before, 0, *([-1] if batch else []), groups, states)
    local, carried = matmul(rows, tables.local), matmul(transpose(seen, *back), tables.out)
    y = add(_steps(local, tables), _steps(carried, tables))
    if missing is None:
        return y, last
    return apply("Slice", y, missing, ints(LAST), ints(2)), last


def _in_blocks(tables: ChunkTables, fed: Value, start: Value, block: int) -> tuple[Value, Value]:
    """The chunks of `block` groups at a time, so that what lies between the products stays in a cache: a
    Scan over groups of one row, which copies nothing."""
    groups, count = size(fed, 1), size(fed, 1) // block
    jump = tables.jump
    whole = (fed, start, tables.local, tables.end, tables.out, *(jump.poles or (jump.matrix,)))
    given = [v for v in whole if v is not None]
    leads = [1 if v in (fed, start) else 0 for v in given]
    parts = [_split_groups(v, count, block, lead) for v, lead in zip(given, leads, strict=True)]
    inner = [argument(i, TensorType(v.tensor.dtype, v.tensor.shape[1:])) for i, v in enumerate(parts)]
    u, x, local, end, out, *rest = inner
    poles = (rest[0], rest[1]) if jump.poles is not None else None
    moved = Recurrence(end, out, poles, rest[0] if poles is None else None)
    body = Graph(tuple(inner), _chunks(replace(tables, local=local, end=end, out=out, jump=moved), u, x))
    y, last = apply_all("Scan", *parts, outputs=2, body=body, num_scan_inputs=len(parts))
    return reshape(y, 1, groups * tables.outputs, -1), reshape(last, 1, groups, size(last, 3))


def _split_groups(value: Value, count: int, block: int, lead: int) -> Value:
    """[groups, …] as [count, block, …], behind an axis of 1 if `lead`."""
    dims = [int(str(d)) if isinstance(d, int) else -1 for d in value.tensor.shape[lead + 1 :]]
    return reshape(value, count, *([1] * lead), block, *dims)


def _steps(y: Value, tables: ChunkTables) -> Value:
    """[batch, G, chunks, O T], or without the batch of one, as [batch, G·O, L]."""
    batch = [1] if y.tensor.rank == 3 else [0]
    groups = size(tables.out, 0)
    if tables.outputs > 1:
        y = transpose(reshape(y, *batch, groups, -1, tables.outputs, tables.chunk), 0, 1, 3, 2, 4)
    return reshape(y, *batch, groups * tables.outputs, -1)


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
