"""Derivatives of operators that reduce, move, contract or select: one function each."""

from __future__ import annotations

from collections.abc import Sequence

from ...graph.build.meanings import Tensor
from ...graph.diagnostics import fail
from ...graph.ir import Node, Value
from ...graph.types import INT64, Dimension, TensorType
from ...graph.types.dimensions import lower_bound, maximum, minimum
from .control import if_gradient, scan_gradient
from .convolution import conv_gradient
from .linear_algebra import LINEAR_ALGEBRA
from .reverse import Cotangents, Reverse, Rule
from .state_space import STATE_SPACE

Shares = Sequence[Value | None]


def _first(node: Node, cotangents: Cotangents) -> tuple[Value, Value]:
    """The first operand and the first result's cotangent."""
    x, g = node.inputs[0], cotangents[0]
    assert x is not None and g is not None
    return x, g


def _constant_ints(value: Value | None, what: str) -> list[Dimension]:
    if value is None:
        return []
    if value.known is None or any(k is None for k in value.known):
        raise fail("G0712", f"{what} must be known while compiling to be differentiated")
    return [k for k in value.known if k is not None]


# --- reductions -----------------------------------------------------------------------------------------


def _reduced_axes(node: Node) -> list[int]:
    x = node.inputs[0]
    assert x is not None
    rank = x.tensor.rank
    given = node.inputs[1] if len(node.inputs) > 1 else None
    axes = [int(str(a)) % rank for a in _constant_ints(given, "the axes of a reduction")]
    if not axes and not node.attribute("noop_with_empty_axes", 0):
        axes = list(range(rank))
    return sorted(axes)


def _kept(reverse: Reverse, node: Node, value: Value) -> Value:
    """A value of the reduction's result shape with the reduced axes back, of length 1."""
    x = node.inputs[0]
    assert x is not None
    axes = _reduced_axes(node)
    if node.attribute("keepdims", 1) or not axes:
        return value
    return reverse.build.op("Unsqueeze", value, reverse.vector(axes))


def _sum(reverse: Reverse, node: Node, cotangents: Cotangents) -> Shares:
    x, g = _first(node, cotangents)
    kept = _kept(reverse, node, g)
    return [reverse.build.op("Expand", kept, reverse.build.shape_value(x.tensor.shape)), None]


def _mean(reverse: Reverse, node: Node, cotangents: Cotangents) -> Shares:
    x, _ = _first(node, cotangents)
    share = _sum(reverse, node, cotangents)[0]
    assert share is not None
    count: Dimension = 1
    for axis in _reduced_axes(node):
        count = count * x.tensor.shape[axis]
    return [reverse.build.op("Div", share, reverse.build.value(count, x.tensor.dtype)), None]


def _extreme(reverse: Reverse, node: Node, cotangents: Cotangents) -> Shares:
    """Equal extremes share the cotangent."""
    x, g = _first(node, cotangents)
    build = reverse.build
    top = _kept(reverse, node, node.outputs[0])
    mask = build.cast(build.op("Equal", x, top), x.tensor.dtype)
    count = reverse.reduce_sum(mask, _reduced_axes(node), keepdims=True)
    return [build.op("Mul", build.op("Div", mask, count), _kept(reverse, node, g)), None]


def _reduce_rule(text: str) -> Rule:
    """A reduction whose share is an expression of the operand `a`, the kept result `y` and `g`."""

    def rule(reverse: Reverse, node: Node, cotangents: Cotangents) -> Shares:
        x, g = _first(node, cotangents)
        values = {
            "a": Tensor(x),
            "y": Tensor(_kept(reverse, node, node.outputs[0])),
            "g": Tensor(_kept(reverse, node, g)),
        }
        return [reverse.express(text, values), None]

    return rule


def _softmax(reverse: Reverse, node: Node, cotangents: Cotangents) -> Shares:
    _, g = _first(node, cotangents)
    y, axis = node.outputs[0], node.attribute("axis", -1)
    total = reverse.reduce_sum(reverse.build.op("Mul", g, y), [axis], keepdims=True)
    return [reverse.build.op("Mul", y, reverse.build.op("Sub", g, total))]


def _log_softmax(reverse: Reverse, node: Node, cotangents: Cotangents) -> Shares:
    _, g = _first(node, cotangents)
    y, axis = node.outputs[0], node.attribute("axis", -1)
    total = reverse.reduce_sum(g, [axis], keepdims=True)
    return [reverse.build.op("Sub", g, reverse.build.op("Mul", reverse.build.op("Exp", y), total))]


def _cumsum(reverse: Reverse, node: Node, cotangents: Cotangents) -> Shares:
    _, g = _first(node, cotangents)
    backward = 1 - node.attribute("reverse", 0)
    exclusive = node.attribute("exclusive", 0)
    return [reverse.build.op("CumSum", g, node.inputs[1], reverse=backward, exclusive=exclusive), None]


# --- layout ---------------------------------------------------------------------------------------------


def _to_operand_shape(reverse: Reverse, node: Node, cotangents: Cotangents) -> Shares:
    x, g = _first(node, cotangents)
    return [reverse.reshape(g, x.tensor.shape)]


def _transpose(reverse: Reverse, node: Node, cotangents: Cotangents) -> Shares:
    x, g = _first(node, cotangents)
    order = node.attribute("perm") or tuple(reversed(range(x.tensor.rank)))
    return [reverse.build.op("Transpose", g, perm=[order.index(i) for i in range(len(order))])]


def _expand(reverse: Reverse, node: Node, cotangents: Cotangents) -> Shares:
    x, g = _first(node, cotangents)
    return [reverse.unbroadcast(g, x.tensor), None]


def _concat(reverse: Reverse, node: Node, cotangents: Cotangents) -> Shares:
    _, g = _first(node, cotangents)
    axis = node.attribute("axis") % g.tensor.rank
    start: Dimension = 0
    shares: list[Value | None] = []
    for value in node.inputs:
        assert value is not None
        stop = start + value.tensor.shape[axis]
        bounds = [reverse.build.shape_value([b]) for b in (start, stop)]
        shares.append(reverse.build.op("Slice", g, *bounds, reverse.vector([axis])))
        start = stop
    return shares


def _split(reverse: Reverse, node: Node, cotangents: Cotangents) -> Shares:
    parts = [
        c if c is not None else reverse.zeros(v.tensor) for c, v in zip(cotangents, node.outputs, strict=True)
    ]
    return [reverse.build.op("Concat", *parts, axis=node.attribute("axis", 0)), None]


def _slice(reverse: Reverse, node: Node, cotangents: Cotangents) -> Shares:
    """Axis by axis: the cotangent goes back to the positions that the slice took."""
    x, g = _first(node, cotangents)
    inputs = [*node.inputs, None, None]
    starts = _constant_ints(inputs[1], "the start of a slice")
    axes = _constant_ints(inputs[3], "the axes of a slice") or list(range(len(starts)))
    steps = _constant_ints(inputs[4], "the step of a slice") or [1] * len(starts)
    for start, axis, step in zip(starts, axes, steps, strict=True):
        g = _unslice(reverse, x, g, int(str(axis)) % x.tensor.rank, start, int(str(step)))
    return [g, None, None, None, None]


def _unslice(reverse: Reverse, x: Value, g: Value, axis: int, start: Dimension, step: int) -> Value:
    length, taken = x.tensor.shape[axis], g.tensor.shape[axis]
    first = _first_position(start, length, step)
    if step == 1:
        before: list[Dimension] = [0] * g.tensor.rank
        behind: list[Dimension] = [0] * g.tensor.rank
        before[axis], behind[axis] = first, length - first - taken
        return reverse.build.op("Pad", g, reverse.build.shape_value([*before, *behind]))
    steps = reverse.build.op("Range", *(reverse.build.value(v, INT64) for v in (0, taken, 1)))
    positions = reverse.build.op(
        "Add",
        reverse.build.op("Mul", steps, reverse.build.value(step, INT64)),
        reverse.build.value(first, INT64),
    )
    dims = list(g.tensor.shape)
    dims[axis] = length
    return _scatter_rows(reverse, dims, axis, positions, g)


def _first_position(start: Dimension, length: Dimension, step: int) -> Dimension:
    """Where a slice begins, after NumPy's clamping."""
    if lower_bound(-start) > 0:
        start = maximum(length + start, 0)
    last = length - 1 if step < 0 else length
    return minimum(start, last)


def _scatter_rows(
    reverse: Reverse, dims: Sequence[Dimension], axis: int, positions: Value, g: Value
) -> Value:
    """Zeros of shape `dims` plus `g`'s rows along `axis` at `positions` (a vector)."""
    build = reverse.build
    order = [axis, *(i for i in range(len(dims)) if i != axis)]
    front = build.op("Transpose", g, perm=order) if axis else g
    base = reverse.zeros(TensorType(g.tensor.dtype, tuple(dims[i] for i in order)))
    indices = build.op("Unsqueeze", positions, reverse.vector([1]))
    total = build.op("ScatterND", base, indices, front, reduction="add")
    return build.op("Transpose", total, perm=[order.index(i) for i in range(len(order))]) if axis else total


def _gather(reverse: Reverse, node: Node, cotangents: Cotangents) -> Shares:
    x, g = _first(node, cotangents)
    index = node.inputs[1]
    assert index is not None
    axis = node.attribute("axis", 0) % x.tensor.rank
    shape = x.tensor.shape
    count: Dimension = 1
    for d in index.tensor.shape:
        count = count * d
    rows = reverse.reshape(g, [*shape[:axis], count, *shape[axis + 1 :]])
    positions = reverse.build.cast(reverse.reshape(index, [count]), INT64)
    return [_scatter_rows(reverse, list(shape), axis, positions, rows), None]


def _gather_elements(reverse: Reverse, node: Node, cotangents: Cotangents) -> Shares:
    x, g = _first(node, cotangents)
    axis = node.attribute("axis", 0)
    base = reverse.zeros(x.tensor)
    return [reverse.build.op("ScatterElements", base, node.inputs[1], g, axis=axis, reduction="add"), None]


def _top_k(reverse: Reverse, node: Node, cotangents: Cotangents) -> Shares:
    x, g = _first(node, cotangents)
    base = reverse.zeros(x.tensor)
    axis = node.attribute("axis", -1)
    return [reverse.build.op("ScatterElements", base, node.outputs[1], g, axis=axis, reduction="add"), None]


def _pad(reverse: Reverse, node: Node, cotangents: Cotangents) -> Shares:
    x, g = _first(node, cotangents)
    if node.attribute("mode", "constant") != "constant" or (
        len(node.inputs) > 3 and node.inputs[3] is not None
    ):
        raise fail("G0712", "only constant padding of all axes has a derivative")
    widths = _constant_ints(node.inputs[1], "the widths of Pad")
    before = widths[: x.tensor.rank]
    ends = [b + d for b, d in zip(before, x.tensor.shape, strict=True)]
    bounds = [reverse.build.shape_value(list(b)) for b in (before, ends)]
    return [reverse.build.op("Slice", g, *bounds, reverse.vector(range(x.tensor.rank))), None, None]


def _cast(reverse: Reverse, node: Node, cotangents: Cotangents) -> Shares:
    x, g = _first(node, cotangents)
    return [reverse.build.cast(g, x.tensor.dtype)]


def _clip(reverse: Reverse, node: Node, cotangents: Cotangents) -> Shares:
    x, g = _first(node, cotangents)
    build = reverse.build
    inside: Value | None = None
    for operator, bound in zip(("GreaterOrEqual", "LessOrEqual"), node.inputs[1:3], strict=False):
        if bound is not None:
            test = build.op(operator, x, bound)
            inside = test if inside is None else build.op("And", inside, test)
    zero = build.constant(0, g.tensor.dtype)
    return [g if inside is None else build.op("Where", inside, g, zero), None, None]


def _sum_of_all(reverse: Reverse, node: Node, cotangents: Cotangents) -> Shares:
    g = cotangents[0]
    assert g is not None
    return [reverse.unbroadcast(g, v.tensor) if v is not None else None for v in node.inputs]


# --- contractions ---------------------------------------------------------------------------------------


def _matmul(reverse: Reverse, node: Node, cotangents: Cotangents) -> Shares:
    a, g = _first(node, cotangents)
    b = node.inputs[1]
    assert b is not None
    build = reverse.build
    rows = build.op("Unsqueeze", a, reverse.vector([0])) if a.tensor.rank == 1 else a
    columns = build.op("Unsqueeze", b, reverse.vector([1])) if b.tensor.rank == 1 else b
    if b.tensor.rank == 1:
        g = build.op("Unsqueeze", g, reverse.vector([g.tensor.rank]))
    if a.tensor.rank == 1:
        g = build.op("Unsqueeze", g, reverse.vector([g.tensor.rank - 1]))
    left = reverse.unbroadcast(build.op("MatMul", g, _swap(reverse, columns)), rows.tensor)
    right = reverse.unbroadcast(build.op("MatMul", _swap(reverse, rows), g), columns.tensor)
    return [reverse.reshape(left, a.tensor.shape), reverse.reshape(right, b.tensor.shape)]


def _swap(reverse: Reverse, value: Value) -> Value:
    rank = value.tensor.rank
    return reverse.build.op("Transpose", value, perm=[*range(rank - 2), rank - 1, rank - 2])


def _gemm(reverse: Reverse, node: Node, cotangents: Cotangents) -> Shares:
    a, g = _first(node, cotangents)
    b, c = node.inputs[1], (node.inputs[2] if len(node.inputs) > 2 else None)
    assert b is not None
    ta, tb = node.attribute("transA", 0), node.attribute("transB", 0)
    alpha, beta = node.attribute("alpha", 1.0), node.attribute("beta", 1.0)
    op = reverse.build.op
    da = (
        op("Gemm", b, g, transA=tb, transB=1, alpha=alpha)
        if ta
        else op("Gemm", g, b, transB=1 - tb, alpha=alpha)
    )
    db = (
        op("Gemm", g, a, transA=1, transB=ta, alpha=alpha)
        if tb
        else op("Gemm", a, g, transA=1 - ta, alpha=alpha)
    )
    if c is None:
        return [da, db]
    scaled = g if beta == 1.0 else op("Mul", g, reverse.build.constant(beta, g.tensor.dtype))
    return [da, db, reverse.unbroadcast(scaled, c.tensor)]


def _einsum(reverse: Reverse, node: Node, cotangents: Cotangents) -> Shares:
    """Each operand's share is the einsum of the cotangent with the others, expanded over letters
    that only this operand has."""
    _, g = _first(node, cotangents)
    equation = node.attribute("equation").replace(" ", "")
    if "." in equation:
        raise fail("G0712", "einsum with '...' has no derivative here: write all letters")
    left, _, right = equation.partition("->")
    terms = left.split(",")
    if not right and "->" not in equation:
        right = "".join(sorted(c for c in set(left) - {","} if left.count(c) == 1))
    return [_einsum_share(reverse, node, g, terms, right, i) for i in range(len(terms))]


def _einsum_share(
    reverse: Reverse, node: Node, g: Value, terms: Sequence[str], right: str, index: int
) -> Value:
    term, operand = terms[index], node.inputs[index]
    assert operand is not None
    if len(set(term)) != len(term):
        raise fail("G0712", f"einsum with a repeated letter in '{term}' has no derivative here")
    others = [(t, v) for i, (t, v) in enumerate(zip(terms, node.inputs, strict=True)) if i != index]
    available = set(right).union(*(set(t) for t, _ in others)) if others else set(right)
    kept = "".join(c for c in term if c in available)
    inputs = [right, *(t for t, _ in others)]
    share = reverse.build.op("Einsum", g, *(v for _, v in others), equation=f"{','.join(inputs)}->{kept}")
    missing = [i for i, c in enumerate(term) if c not in available]
    if missing:
        share = reverse.build.op("Unsqueeze", share, reverse.vector(missing))
        share = reverse.build.op("Expand", share, reverse.build.shape_value(operand.tensor.shape))
    return share


STRUCTURAL: dict[str, Rule] = {
    "ReduceSum": _sum,
    "ReduceMean": _mean,
    "ReduceMax": _extreme,
    "ReduceMin": _extreme,
    "ReduceProd": _reduce_rule("g * y / a"),
    "ReduceSumSquare": _reduce_rule("g * 2 * a"),
    "ReduceL1": _reduce_rule("g * sign(a)"),
    "ReduceL2": _reduce_rule("g * a / where(y == 0, 1, y)"),
    "ReduceLogSumExp": _reduce_rule("g * exp(a - y)"),
    "ReduceLogSum": _reduce_rule("g / exp(y)"),
    "Softmax": _softmax,
    "LogSoftmax": _log_softmax,
    "CumSum": _cumsum,
    "Reshape": _to_operand_shape,
    "Flatten": _to_operand_shape,
    "Squeeze": _to_operand_shape,
    "Unsqueeze": _to_operand_shape,
    "Transpose": _transpose,
    "Expand": _expand,
    "Concat": _concat,
    "Split": _split,
    "Slice": _slice,
    "Gather": _gather,
    "GatherElements": _gather_elements,
    "TopK": _top_k,
    "Pad": _pad,
    "Cast": _cast,
    "Clip": _clip,
    "Sum": _sum_of_all,
    "MatMul": _matmul,
    "Gemm": _gemm,
    "Einsum": _einsum,
    "Conv": conv_gradient,
    "Scan": scan_gradient,
    "If": if_gradient,
    **LINEAR_ALGEBRA,
    **STATE_SPACE,
}
