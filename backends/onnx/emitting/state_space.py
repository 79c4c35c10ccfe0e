"""LtiSsm in the standard's operators: chunks of matrix products with a Scan over chunks, or a Scan
over steps. Complex numbers are pairs of reals throughout: runtimes have no complex MatMul."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ....graph.ir import Graph, Node, Value, apply, apply_all, argument, constant
from ....graph.types.dimensions import Dimension
from ....graph.types.types import TensorType
from ...runtime.state_space_cost import Layer, best_plan, best_step, block_of_groups, plans
from .state_space_tables import (
    Recurrence,
    add,
    advanced,
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


def lti_ssm(node: Node) -> Sequence[Value]:
    """The outputs and the last state."""
    u, initial, d = node.inputs[0], *(_operand(node, i) for i in (6, 4))
    assert u is not None
    system = recurrence(node)
    fed = reshape(u, 0, size(system.b, 0), size(system.b, 2), -1)
    start = start_state(fed, initial, node.attribute("form"), system.states)
    layer = layer_of(u, system)
    chunk = chunk_of(node, layer)
    if chunk > 1:
        y, last = chunked(chunk_tables(system.whole, chunk), fed, start, at_rest=initial is None)
    else:
        y, last = stepped(system if best_step(layer, "onnx").diagonal else system.whole, fed, start)
    return with_input(y, d, fed), parted_state(last, node)


def layer_of(u: Value, system: Recurrence) -> Layer:
    """The layer as the cost model sees it."""
    batch, _, length = u.tensor.shape
    return Layer(
        batch if isinstance(batch, int) else 1,
        size(system.b, 0),
        size(system.b, 2),
        size(system.c, 1),
        system.states,
        length if isinstance(length, int) else MIDDLE_LENGTH,
        system.poles is not None,
        rank=0 if system.low_rank is None else size(system.low_rank[0], 2),
    )


def chunk_of(node: Node, layer: Layer) -> int:
    """The steps of a chunk, 1 for a Scan over steps: what the node says, else the cheapest. Other modes
    than `step` become chunks: a runtime's DFT is tens of times slower, and no one has a scan."""
    u = node.inputs[0]
    assert u is not None
    length = u.tensor.shape[2]
    mode, chunk = node.attribute("mode"), node.attribute("chunk")
    if mode != "step" and chunk <= 0:
        found = [p for p in plans(layer, "onnx") if p.mode == "chunk"]
        best = best_plan(layer, "onnx") if mode == "auto" or not found else found[0]
        chunk = best.chunk
    chunk = min(chunk, layer.length)
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


def _carried(
    system: Recurrence, first: Value, entering: Value, *, ahead: bool = False
) -> tuple[Value, Value]:
    """Over entering[count, batch, G, S], stacked: from A times the state before, `first`[batch, G, S], the states
    once each part is in, and A times the last one. `ahead`: from that state itself A times the states before each
    part, and the last state. A body that gives what it has just computed copies nothing."""
    shape = system.state_shape
    held, parts = reshape(first, *shape), reshape(entering, 0, *shape)
    x, fed = argument(0, held.type), argument(1, TensorType(held.tensor.dtype, held.tensor.shape))
    inner = [argument(2 + i, v.type) for i, v in enumerate(system.mover)]
    if ahead:
        moved = advanced(x, inner)
        results = add(moved, fed), moved
    else:
        reached = add(x, fed)
        results = advanced(reached, inner), reached
    following, states = apply_all(
        "Scan",
        held,
        parts,
        *system.mover,
        outputs=2,
        body=Graph((x, fed, *inner), results),
        num_scan_inputs=1,
        captures=len(inner),
    )
    rows = (-1, size(first, 1), system.states)
    return reshape(states, 0, *rows), reshape(following, *rows)


def stepped(system: Recurrence, fed: Value, start: Value) -> tuple[Value, Value]:
    """fed[batch, G, I, L] step by step: y[batch, G·O, L]."""
    if size(fed, 1) > 1 and size(system.b, 2) == size(system.c, 1) == 1:
        return _stepped_heads(system, fed, start)
    entering, ahead = matmul(system.b, fed), system.moved(start)
    if fed.tensor.shape[3] == 1:
        last = add(ahead, reshape(entering, 0, 0, -1))
        return reshape(matmul(system.c, unsqueeze(last, 3)), 0, -1, 1), last
    states, _ = _carried(system, ahead, transpose(entering, 3, 0, 1, 2))
    y = matmul(system.c, transpose(states, 1, 2, 3, 0))
    last = apply("Gather", states, constant(np.int64(-1)), axis=0)
    return reshape(y, 0, size(system.c, 0) * size(system.c, 1), -1), last


def _stepped_heads(system: Recurrence, fed: Value, start: Value) -> tuple[Value, Value]:
    """Of one input and output a group: they enter and leave within the body, so that no array holds the states of
    all steps."""
    groups, states = size(fed, 1), system.states
    entering, leaving = reshape(system.b, groups, states), reshape(system.c, groups, states)
    if fed.tensor.shape[3] == 1:
        last = add(system.moved(start), mul(entering, reshape(fed, 0, 0, 1)))
        return apply("ReduceSum", mul(leaving, last), ints(-1)), last
    *lead, _, _, _ = shape = system.state_shape
    first, scanned = reshape(start, *shape), reshape(transpose(fed, 3, 0, 1, 2), 0, *lead, -1, groups, 1)
    given = (*system.mover, entering, leaving)
    x = argument(0, first.type)
    fed_type = TensorType(first.tensor.dtype, (*first.tensor.shape[:-1], 1))
    u, *inner = argument(1, fed_type), *(argument(2 + i, v.type) for i, v in enumerate(given))
    reached = add(advanced(x, inner[:-2]), mul(inner[-2], u))
    y = apply("ReduceSum", mul(inner[-1], reached), ints(-1), keepdims=0)
    body = Graph((x, u, *inner), (reached, y))
    last, ys = apply_all(
        "Scan", first, scanned, *given, outputs=2, body=body, num_scan_inputs=1, captures=len(given)
    )
    rows = transpose(reshape(ys, 0, -1, groups), 1, 2, 0)
    return rows, reshape(last, -1, groups, states)


@dataclass(frozen=True)
class ChunkTables:
    """For chunks of T steps: `local`[G, I·T, O·T] within the chunk, `end`[G, I·T, S] to the state at its
    end; `out`[G, S, O·T] from the state before it, or, where `ahead`, from Aᵀ times that; `jump` with Aᵀ for A."""

    local: Value
    end: Value
    out: Value
    jump: Recurrence
    inputs: int
    outputs: int
    chunk: int
    ahead: bool = False


def chunk_tables(system: Recurrence, chunk: int) -> ChunkTables:
    """The tables, computed in the graph from the system's own matrices."""
    groups, inputs, outputs = size(system.b, 0), size(system.b, 2), size(system.c, 1)
    states = system.states
    reached = reshape(system.reached(chunk), groups, states, chunk, inputs)
    end = reshape(transpose(_backwards(reached), 0, 3, 2, 1), groups, inputs * chunk, states)
    seen = reshape(system.seen(chunk), groups, chunk, outputs, states)
    out = reshape(transpose(seen, 0, 3, 2, 1), groups, states, outputs * chunk)
    local = _toeplitz(system, reached, chunk)
    return ChunkTables(local, end, out, system.power(chunk), inputs, outputs, chunk)


def chunked(tables: ChunkTables, fed: Value, start: Value, *, at_rest: bool) -> tuple[Value, Value]:
    """fed[batch, G, I, L] chunk by chunk: y[batch, G·O, L] and the last state. `at_rest` says that the start is 0. A
    length that is no multiple of the chunk gets zeros in front, which leave the zero state as it is."""
    length = fed.tensor.shape[3]
    if length == tables.chunk:
        return _one_chunk(tables, fed, None if at_rest else start)
    padded = _padded(fed, tables.chunk)
    run = _in_blocks if block_of(padded) < size(fed, 1) else _chunks
    y, last = run(tables, padded, start)
    if isinstance(length, int) and length % tables.chunk == 0:
        return y, last
    return apply("Slice", y, _missing(fed, tables.chunk), ints(LAST), ints(2)), last


def _one_chunk(tables: ChunkTables, fed: Value, start: Value | None) -> tuple[Value, Value]:
    """Without a carry; from rest nothing but the product with the chunk's own table."""
    rows, shape = _rows(fed, tables, [0]), (-1, size(fed, 1), tables.jump.states)
    y, last = _steps(matmul(rows, tables.local), tables), reshape(matmul(rows, tables.end), *shape)
    if start is None:
        return y, last
    moved = tables.jump.moved(start)
    carried = matmul(reshape(moved if tables.ahead else start, 0, 0, 1, -1), tables.out)
    return add(y, _steps(carried, tables)), add(last, moved)


def block_of(fed: Value) -> int:
    """How many groups of one long row to do at a time."""
    batch, _, inputs, length = fed.tensor.shape
    groups = size(fed, 1)
    if batch != 1 or not isinstance(length, int):
        return groups
    return block_of_groups(Layer(1, groups, int(str(inputs)), 1, 1, length, diagonal=False))


def _chunks(tables: ChunkTables, fed: Value, start: Value) -> tuple[Value, Value]:
    """Whole chunks of fed[batch, G, I, L]: y and the last state.

    One row has its tensors without the batch: ONNX Runtime takes a Transpose into a product for rank 3 alone."""
    batch = [] if fed.tensor.shape[0] == 1 else [0]
    rows = _rows(fed, tables, batch)
    local = matmul(rows, tables.local)
    if tables.ahead:
        seen, last = _seen(tables, fed, start, batch)
    else:
        seen, ahead = _seen(tables, _moved_on(fed, tables.chunk), start, batch)
        final = apply("Slice", rows, ints(-1), ints(LAST), ints(-2))
        last = add(ahead, reshape(matmul(final, tables.end), -1, size(fed, 1), tables.jump.states))
    return add(_steps(local, tables), _steps(matmul(seen, tables.out), tables)), last


def _rows(padded: Value, tables: ChunkTables, batch: list[int]) -> Value:
    """Chunk by chunk: [batch, G, chunks, I T]."""
    split = reshape(padded, 0, 0, 0, -1, tables.chunk)
    rows = transpose(split, 0, 1, 3, 2, 4) if tables.inputs > 1 else padded
    return reshape(rows, *batch, size(padded, 1), -1, tables.inputs * tables.chunk)


def _seen(tables: ChunkTables, fed: Value, start: Value, batch: list[int]) -> tuple[Value, Value]:
    """What `out` takes of every chunk, [batch, G, chunks, S], and the last state. Where `out` takes the states before
    the chunks themselves, `fed` is the input moved on by one chunk, and the last but one comes Aᵀ ahead: the states
    need no copy either way."""
    groups, states = size(fed, 1), tables.jump.states
    first, back = ((2, 0, 1, 3), (1, 2, 0, 3)) if batch else ((1, 0, 2), (1, 0, 2))
    entering = transpose(matmul(_rows(fed, tables, batch), tables.end), *first)
    entering = reshape(entering, 0, -1, groups, states)
    found, last = _carried(tables.jump, start, entering, ahead=tables.ahead)
    return transpose(reshape(found, 0, *([-1] if batch else []), groups, states), *back), last


def _in_blocks(tables: ChunkTables, fed: Value, start: Value) -> tuple[Value, Value]:
    """The chunks of a block of groups at a time, so that what lies between the products stays in a cache: a Scan
    over groups of one row, which copies nothing."""
    block, groups = block_of(fed), size(fed, 1)
    count, jump = groups // block, tables.jump
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


def _padded(fed: Value, chunk: int) -> Value:
    """fed with zeros in front where it is no multiple of the chunk."""
    length = fed.tensor.shape[3]
    whole = isinstance(length, int) and length % chunk == 0
    return fed if whole else _behind_zeros(fed, _missing(fed, chunk))


def _moved_on(fed: Value, chunk: int) -> Value:
    """fed with zeros for one more chunk in front, without its last chunk."""
    if isinstance(fed.tensor.shape[3], int):
        return apply("Pad", fed, ints(chunk, -chunk), None, ints(3))
    moved = _behind_zeros(part(fed, 3, 0, -chunk), ints(chunk))
    return apply("Reshape", moved, apply("Shape", fed))  # which says that it is as long


def _missing(fed: Value, chunk: int) -> Value:
    """How many steps (int64[1]) a multiple of the chunk has more."""
    length = fed.tensor.shape[3]
    if isinstance(length, int):
        return ints(-length % chunk)
    count = apply("Shape", fed, start=3, end=4)
    chunks = apply("Div", add(count, ints(chunk - 1)), ints(chunk))
    return sub(mul(chunks, ints(chunk)), count)


def _behind_zeros(fed: Value, count: Value) -> Value:
    shape = concat(apply("Shape", fed, start=0, end=3), count, axis=0)
    return concat(apply("Expand", constant(np.zeros(1, fed.tensor.dtype.numpy)), shape), fed, axis=3)


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
