"""A state-space layer in real coordinates as graph values, and tables of powers of its state matrix.

The counterpart of `torch_fx.lowerings.state_space_tables`: the same coordinates, in the standard's operators.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ....graph.ir import Graph, Node, Value, apply, apply_all, argument, constant
from ....graph.types.dtypes import FLOAT32
from ....graph.types.types import TensorType

Pair = tuple[Value, Value]
LARGEST_SQUARINGS = 40


def ints(*numbers: int) -> Value:
    return constant(np.array(numbers, np.int64))


def number(like: Value, x: float) -> Value:
    return constant(np.asarray(x, like.tensor.dtype.numpy))


def add(a: Value, b: Value) -> Value:
    return apply("Add", a, b)


def sub(a: Value, b: Value) -> Value:
    return apply("Sub", a, b)


def mul(a: Value, b: Value) -> Value:
    return apply("Mul", a, b)


def scaled(a: Value, factor: float) -> Value:
    return mul(a, number(a, factor))


def matmul(a: Value, b: Value) -> Value:
    return apply("MatMul", a, b)


def concat(*values: Value, axis: int) -> Value:
    return apply("Concat", *values, axis=axis)


def reshape(x: Value, *dims: int) -> Value:
    return apply("Reshape", x, ints(*dims))


def transpose(x: Value, *perm: int) -> Value:
    return x if list(perm) == sorted(perm) else apply("Transpose", x, perm=perm)


def unsqueeze(x: Value, *axes: int) -> Value:
    return apply("Unsqueeze", x, ints(*axes))


def part(x: Value, axis: int, low: int, high: int) -> Value:
    return apply("Slice", x, ints(low), ints(high), ints(axis))


def picked(x: Value, index: int, axis: int = -1) -> Value:
    return apply("Gather", x, constant(np.int64(index)), axis=axis)


def product(a: Pair, b: Pair) -> Pair:
    """The product of complex numbers as pairs."""
    return sub(mul(a[0], b[0]), mul(a[1], b[1])), add(mul(a[0], b[1]), mul(a[1], b[0]))


def size(x: Value, axis: int) -> int:
    """A static size. Raises ValueError where it is symbolic."""
    found = x.tensor.shape[axis]
    if not isinstance(found, int):
        raise ValueError(f"{x.tensor} has a symbolic size at axis {axis}")
    return found


@dataclass(frozen=True)
class Recurrence:
    """b[G, S, I], c[G, O, S], and either `poles` (re, im)[G, M], S = 2 M states [re | im], or
    `matrix`[G, K, n, n], S = K n. With poles, A may be less a `low_rank` P Qᵀ, P[G, S, R] and Qᵀ[G, R, S]."""

    b: Value
    c: Value
    poles: Pair | None = None
    matrix: Value | None = None
    low_rank: Pair | None = None

    @property
    def states(self) -> int:
        if self.poles is not None:
            return 2 * size(self.poles[0], 1)
        assert self.matrix is not None
        return size(self.matrix, 1) * size(self.matrix, 2)

    @property
    def mover(self) -> tuple[Value, ...]:
        """What `advanced` takes."""
        if self.poles is not None:
            return (*(unsqueeze(p, 0) for p in self.poles), *(self.low_rank or ()))
        assert self.matrix is not None
        return (self.matrix,)

    @property
    def whole(self) -> Recurrence:
        """With one matrix where there are poles less a low rank."""
        if self.low_rank is None or self.poles is None:
            return self
        one = _eye(self.b, size(self.poles[0], 1))
        re, im = (mul(unsqueeze(p, -1), one) for p in self.poles)
        matrix = concat(concat(re, apply("Neg", im), axis=2), concat(im, re, axis=2), axis=1)
        return Recurrence(self.b, self.c, None, unsqueeze(sub(matrix, matmul(*self.low_rank)), 1))

    @property
    def state_shape(self) -> tuple[int, ...]:
        """A state [batch, G, S] as `advanced` takes it: of poles with the batch where RotaryEmbedding has heads."""
        return (*((1,) if self.poles is not None else ()), -1, size(self.b, 0), self.states)

    def moved(self, state: Value) -> Value:
        """A x for x[batch, G, S]."""
        found = advanced(reshape(state, *self.state_shape), self.mover)
        return reshape(found, -1, size(self.b, 0), self.states)

    def squared(self) -> Recurrence:
        if self.poles is not None:
            return Recurrence(self.b, self.c, product(self.poles, self.poles))
        assert self.matrix is not None
        return Recurrence(self.b, self.c, None, matmul(self.matrix, self.matrix))

    def power(self, steps: int) -> Recurrence:
        """With A to a positive power, by squaring."""
        result: Recurrence | None = None
        base = self
        while steps:
            if steps & 1:
                result = base if result is None else result.times(base)
            base, steps = (base.squared() if steps > 1 else base), steps >> 1
        assert result is not None
        return result

    def times(self, other: Recurrence) -> Recurrence:
        if self.poles is not None and other.poles is not None:
            return Recurrence(self.b, self.c, product(self.poles, other.poles))
        assert self.matrix is not None and other.matrix is not None
        return Recurrence(self.b, self.c, None, matmul(self.matrix, other.matrix))

    def after(self, columns: Value) -> Value:
        """A v for v[G, S, columns]."""
        if self.poles is not None:
            m = self.states // 2
            halves = part(columns, 1, 0, m), part(columns, 1, m, 2 * m)
            poles = unsqueeze(self.poles[0], -1), unsqueeze(self.poles[1], -1)
            return concat(*product(poles, halves), axis=1)
        assert self.matrix is not None
        groups, count, n = (size(self.matrix, i) for i in range(3))
        if count == 1:
            return matmul(reshape(self.matrix, groups, n, n), columns)
        moved = matmul(self.matrix, reshape(columns, groups, count, n, -1))
        return reshape(moved, groups, count * n, -1)

    def before(self, rows: Value) -> Value:
        """w A for w[G, rows, S]."""
        if self.poles is not None:
            m = self.states // 2
            first, second = part(rows, 2, 0, m), part(rows, 2, m, 2 * m)
            re, im = unsqueeze(self.poles[0], 1), unsqueeze(self.poles[1], 1)
            left = add(mul(first, re), mul(second, im))
            return concat(left, sub(mul(second, re), mul(first, im)), axis=2)
        assert self.matrix is not None
        groups, count, n = (size(self.matrix, i) for i in range(3))
        if count == 1:
            return matmul(rows, reshape(self.matrix, groups, n, n))
        parts = transpose(reshape(rows, groups, -1, count, n), 0, 2, 1, 3)
        return reshape(transpose(matmul(parts, self.matrix), 0, 2, 1, 3), groups, -1, count * n)

    def reached(self, count: int) -> Value:
        """Aᵗ b for t below count: [G, S, count · I]."""
        table, jump, have = self.b, self, 1
        width = size(self.b, 2)
        while have < count:
            table, have = concat(table, jump.after(table), axis=2), 2 * have
            jump = jump.squared() if have < count else jump
        return part(table, 2, 0, count * width)

    def seen(self, count: int) -> Value:
        """c Aᵗ⁺¹ for t below count: [G, count · O, S]."""
        table, jump, have = self.before(self.c), self, 1
        height = size(self.c, 1)
        while have < count:
            table, have = concat(table, jump.before(table), axis=1), 2 * have
            jump = jump.squared() if have < count else jump
        return part(table, 1, 0, count * height)


def advanced(x: Value, mover: Sequence[Value]) -> Value:
    """A x for x[1, batch, G, S] and poles (re, im)[1, G, M], with P[G, S, R] and Qᵀ[G, R, S] less P Qᵀ x, or for
    x[batch, G, S] and a matrix[G, K, n, n]."""
    if len(mover) == 4:
        re, im, p, q = mover
        return sub(advanced(x, (re, im)), _projected(x, p, q))
    if len(mover) == 2:
        if x.tensor.dtype is FLOAT32:
            return apply("RotaryEmbedding", x, *mover)  # a product of complex numbers, of any size
        return turned(x, *mover)
    (matrix,) = mover
    groups, count, n, _ = (size(matrix, i) for i in range(4))
    columns = reshape(x, -1, groups, count, n, 1)
    return reshape(matmul(matrix, columns), -1, groups, count * n)


def _projected(x: Value, p: Value, q: Value) -> Value:
    """P Qᵀ x; of rank one without a product of matrices, each of which would be a vector's."""
    groups, states, rank = (size(p, i) for i in range(3))
    if rank == 1:
        rows = (reshape(v, groups, states) for v in (p, q))
        left, right = rows
        return mul(apply("ReduceSum", mul(x, right), ints(-1)), left)
    return reshape(matmul(p, matmul(q, reshape(x, 1, -1, groups, states, 1))), 1, -1, groups, states)


def turned(x: Value, re: Value, im: Value) -> Value:
    """RotaryEmbedding of the whole of x[…, 2 M] in simpler operators."""
    m = size(re, -1)
    return concat(*product((re, im), (part(x, 3, 0, m), part(x, 3, m, 2 * m))), axis=3)


def recurrence(node: Node) -> Recurrence:
    """The discrete system of an LtiSsm node in real coordinates."""
    _, a, b, c, _, dt, _, p, q = (*node.inputs, *(None,) * 9)[:9]
    assert a is not None and b is not None and c is not None
    form, disc = node.attribute("form"), node.attribute("disc")
    if form == "diagonal":
        return _diagonal(a, b, c, dt, disc)
    if form == "dplr":
        assert p is not None and q is not None
        return _low_rank(Recurrence(*_entering_leaving(b, c), (picked(a, 0), picked(a, 1))), p, q, dt, disc)
    if form == "dense":
        return _blocks(unsqueeze(a, 1), unsqueeze(b, 1), c, dt, disc)
    groups, outputs = size(c, 0), size(c, 1)
    return _blocks(a, b, reshape(c, groups, outputs, -1), dt, disc)


def _diagonal(a: Value, b: Value, c: Value, dt: Value | None, disc: str) -> Recurrence:
    poles, entering = (picked(a, 0), picked(a, 1)), (picked(b, 0), picked(b, 1))
    if dt is not None:
        step = dt if dt.tensor.rank == 2 else unsqueeze(dt, -1)
        z = mul(poles[0], step), mul(poles[1], step)
        poles, factor = _held(z, step) if disc == "zoh" else _tustin(z, step)
        entering = product((unsqueeze(factor[0], -1), unsqueeze(factor[1], -1)), entering)
    rows = concat(scaled(picked(c, 0), 2), scaled(picked(c, 1), -2), axis=2)
    return Recurrence(concat(*entering, axis=1), rows, poles)


def _held(z: Pair, step: Value) -> tuple[Pair, Pair]:
    """exp(z) and step (exp(z) - 1) / z, as in torch: expm1(x) is 2 sinh(x / 2) exp(x / 2)."""
    exp, cos, sin = apply("Exp", z[0]), apply("Cos", z[1]), apply("Sin", z[1])
    power = mul(exp, cos), mul(exp, sin)
    half = scaled(z[0], 0.5)
    less = scaled(mul(apply("Sinh", half), apply("Exp", half)), 2)
    half_sin = apply("Sin", scaled(z[1], 0.5))
    real = sub(mul(less, cos), scaled(mul(half_sin, half_sin), 2))
    norm = add(mul(z[0], z[0]), mul(z[1], z[1]))
    tiny = apply("Less", norm, number(norm, 1e-12))
    safe = apply("Where", tiny, number(norm, 1), norm)
    quotient = product((real, power[1]), (apply("Div", z[0], safe), apply("Neg", apply("Div", z[1], safe))))
    first = apply("Where", tiny, add(half, number(half, 1)), quotient[0])
    second = apply("Where", tiny, scaled(z[1], 0.5), quotient[1])
    return power, (mul(first, step), mul(second, step))


def _tustin(z: Pair, step: Value) -> tuple[Pair, Pair]:
    half = scaled(z[0], 0.5), scaled(z[1], 0.5)
    less, more = sub(number(half[0], 1), half[0]), add(number(half[0], 1), half[0])
    below = add(mul(less, less), mul(half[1], half[1]))
    inverse = apply("Div", less, below), apply("Div", half[1], below)
    return product((more, half[1]), inverse), (mul(inverse[0], step), mul(inverse[1], step))


def _blocks(a: Value, b: Value, c: Value, dt: Value | None, disc: str) -> Recurrence:
    if dt is not None:
        step = unsqueeze(dt, 1, 2, 3)
        a, b = mul(a, step), mul(b, step)
        a, b = _dense_zoh(a, b) if disc == "zoh" else _dense_tustin(a, b)
    groups, count, n, inputs = (size(b, i) for i in range(4))
    return Recurrence(reshape(b, groups, count * n, inputs), c, None, a)


def _eye(like: Value, n: int) -> Value:
    shape = apply("Expand", constant(np.zeros((1, 1), like.tensor.dtype.numpy)), ints(n, n))
    return apply("EyeLike", shape)


def _dense_tustin(a: Value, b: Value) -> tuple[Value, Value]:
    n = size(a, 3)
    half, one = scaled(a, 0.5), _eye(a, n)
    right = concat(add(one, half), b, axis=3)
    solved = apply("Solve", sub(one, half), right, domain="graphwright")
    return part(solved, 3, 0, n), part(solved, 3, n, n + size(b, 3))


def _dense_zoh(a: Value, b: Value) -> tuple[Value, Value]:
    """The corners of exp([[A, B], [0, 0]])."""
    groups, count, n, inputs = (size(b, i) for i in range(4))
    zeros = apply(
        "Expand", constant(np.zeros(1, a.tensor.dtype.numpy)), ints(groups, count, inputs, n + inputs)
    )
    power = exponential(concat(concat(a, b, axis=3), zeros, axis=2))
    top = part(power, 2, 0, n)
    return part(top, 3, 0, n), part(top, 3, n, n + inputs)


def exponential(x: Value) -> Value:
    """exp(X) of X[..., n, n]: X halved until its norm is below 1/2, Taylor's series to the 14th power,
    then squared as often, in a Scan of a fixed number of rounds of which the first ones count."""
    n = size(x, -1)
    sums = apply("ReduceSum", apply("Abs", x), ints(-1), keepdims=0)
    norm = apply("ReduceMax", sums, keepdims=0)
    floor = apply("Max", norm, number(x, 1e-30))
    log2 = apply("Div", apply("Log", floor), number(x, float(np.log(2.0))))
    count = apply("Max", add(apply("Ceil", log2), number(x, 1)), number(x, 0))
    small = apply("Div", x, apply("Exp", scaled(count, float(np.log(2.0)))))
    one = _eye(x, n)
    total = add(one, scaled(small, 1 / 14))
    for k in range(13, 0, -1):  # Horner
        total = add(one, scaled(matmul(small, total), 1 / k))
    rounds = constant(np.arange(LARGEST_SQUARINGS, dtype=x.tensor.dtype.numpy))
    return _squared(total, rounds, count)


def _squared(x: Value, rounds: Value, count: Value) -> Value:
    state, index, limit = (
        argument(0, x.type),
        argument(1, TensorType(rounds.tensor.dtype, ())),
        argument(2, count.type),
    )
    following = apply("Where", apply("Less", index, limit), matmul(state, state), state)
    body = Graph((state, index, limit), (following,))
    return apply_all("Scan", x, rounds, count, outputs=1, body=body, num_scan_inputs=1, captures=1)[0]


def _entering_leaving(b: Value, c: Value) -> Pair:
    """B[G, M, I, 2] and C[G, O, M, 2] over states [re | im]."""
    leaving = concat(scaled(picked(c, 0), 2), scaled(picked(c, 1), -2), axis=2)
    return concat(picked(b, 0), picked(b, 1), axis=1), leaving


def _low_rank(system: Recurrence, p: Value, q: Value, dt: Value | None, disc: str) -> Recurrence:
    """diag(A) - P Q* over pairs; Q* x stands for 2 Re(Q* x). A bilinear step keeps the form, an exponential
    does not."""
    left = concat(picked(p, 0), picked(p, 1), axis=1)
    right = transpose(scaled(concat(picked(q, 0), picked(q, 1), axis=1), 2), 0, 2, 1)
    if dt is None:
        return replace(system, low_rank=(left, right))
    if disc == "zoh":
        whole = replace(system, low_rank=(left, right)).whole
        assert whole.matrix is not None
        return _blocks(whole.matrix, unsqueeze(whole.b, 1), whole.c, dt, disc)
    return _low_rank_tustin(system, left, right, dt)


def _low_rank_tustin(system: Recurrence, p: Value, q: Value, dt: Value) -> Recurrence:
    """(1 - A dt/2)⁻¹ is D - D P' (1 + Qᵀ D P')⁻¹ Qᵀ D with D = (1 - Λ dt/2)⁻¹ and P' = P dt/2 (Woodbury), and
    Ā twice that, less one."""
    assert system.poles is not None
    step = unsqueeze(dt, -1)
    half = mul(system.poles[0], scaled(step, 0.5)), mul(system.poles[1], scaled(step, 0.5))
    less = sub(number(half[0], 1), half[0])
    below = add(mul(less, less), mul(half[1], half[1]))
    inverse = apply("Div", less, below), apply("Div", half[1], below)
    d = Recurrence(system.b, system.c, inverse)
    wide = unsqueeze(dt, -1, -2)
    first = mul(d.after(p), scaled(wide, 0.5))
    core = add(matmul(q, first), _eye(q, size(q, 1)))
    taken = d.before(q)
    entering = mul(d.after(system.b), wide)
    if size(q, 1) == 1:
        gain = apply("Div", first, core)
    else:
        turned_core = transpose(core, 0, 2, 1)
        solved = apply("Solve", turned_core, transpose(first, 0, 2, 1), domain="graphwright")
        gain = transpose(solved, 0, 2, 1)
    entering = sub(entering, matmul(gain, matmul(q, entering)))
    poles = sub(scaled(inverse[0], 2), number(dt, 1)), scaled(inverse[1], 2)
    return Recurrence(entering, system.c, poles, None, (scaled(gain, 2), taken))
