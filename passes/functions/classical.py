"""The textbook forms: what a search starts from, and what it must beat.

Horner's polynomials, continued fractions, the even and odd forms in x², the powers of two of both for functions
that are powers, and log's forms in x - 1 and (x - 1) / (x + 1). A form is a core F(u) between a change of variable
and a wrapper; the core's constants are first fitted by linear least squares.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from .cost import Cost, OperationCount
from .polish import polish, settled
from .straight_line import ADD, DIV, MUL, Instruction, StraightLine, canonical
from .target import Target

Array = np.ndarray[Any, Any]
_NODES = 64
_ROUNDS = 6
_STEPS = 60
_POWERS = ("exp", "exp2")
_LOGARITHMS = ("log", "log2")
_MOST_SQUARINGS = 8


@dataclass(frozen=True)
class Form:
    """A textbook program for a target, its constants polished, and its largest error."""

    name: str
    program: StraightLine
    constants: tuple[float | np.longdouble, ...]
    error: float


@dataclass
class _Draft:
    """A program being written, with values for its constants."""

    rows: list[Instruction] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    def constant(self, value: float) -> int:
        self.values.append(float(value))
        return -len(self.values)

    def put(self, operation: int, a: int, b: int) -> int:
        self.rows.append((operation, a, b))
        return len(self.rows)


@dataclass(frozen=True)
class _Shape:
    """`enter` writes the core's variable u and returns its operand; `leave` writes the wrapper around the core's
    result. `u` and `core` are the variable and the values wanted of the core on nodes, `slope` the derivative of the
    result by the core's value. The core written is the one fitted, at `part` of u."""

    name: str
    enter: Callable[[_Draft], int]
    leave: Callable[[_Draft, int], int]
    u: Callable[[Array], Array]
    core: Callable[[Array, Array], Array]
    slope: Callable[[Array, Array], Array]
    part: float = 1.0


def forms(target: Target, most: float, cost: Cost | None = None) -> list[Form]:
    """The classical forms that cost at most so much: of each cost the best two, polished, by cost."""
    cost = cost or OperationCount()
    found: dict[float, list[Form]] = {}
    for name, draft in _drafts(target, int(most)):
        form = _settled(name, draft, target)
        if form is not None and cost.of(form.program) <= most:
            found.setdefault(cost.of(form.program), []).append(form)
    chosen = []
    for price in sorted(found):
        best = sorted(found[price], key=lambda f: f.error)[:2]
        chosen += [_polished(f, target) for f in best]
    return chosen


def _settled(name: str, draft: _Draft, target: Target) -> Form | None:
    made = canonical(draft.rows)
    if made is None:
        return None
    program, sources = made
    constants = [draft.values[-s - 1] for s in sources]
    with np.errstate(all="ignore"):
        fitted, error = settled(program, constants, target, precise=True, steps=_STEPS)
    return Form(name, program, fitted, error) if np.isfinite(error) else None


def _polished(form: Form, target: Target) -> Form:
    constants, error = polish(form.program, np.array(form.constants, np.longdouble), target)
    return Form(form.name, form.program, tuple(constants), error) if error < form.error else form


def _drafts(target: Target, most: int) -> Iterator[tuple[str, _Draft]]:
    x, y = (v.astype(np.float64) for v in target.samples(_NODES))
    scale = target.scale(y)
    for shape in _shapes(target):
        with np.errstate(all="ignore"):
            u, core = shape.u(x), shape.core(x, y)
            weights = np.abs(shape.slope(x, y)) / scale
        if not (np.all(np.isfinite(core)) and np.all(np.isfinite(weights))):
            continue
        for name, write in _cores(u, core, weights, most, shape.part):
            draft = _Draft()
            shape.leave(draft, write(draft, shape.enter(draft)))
            if len(draft.rows) <= most:
                yield f"{name}{shape.name}", draft


def _cores(
    u: Array, core: Array, weights: Array, most: int, part: float
) -> Iterator[tuple[str, Callable[[_Draft, int], int]]]:
    for degree in range(1, most // 2 + 1):
        coefficients = _polynomial(u, core, weights, degree) * part ** np.arange(degree + 1)
        yield f"polynomial {degree}", partial(_horner, coefficients=coefficients)
    for upper, lower in [(n + k, n) for n in range(1, most // 3 + 2) for k in (-1, 0, 1)]:
        parts = _continued(*_rational(u, core, weights, upper, lower))
        if parts is not None:
            head, rungs = _at_part(*parts, part)
            yield f"fraction {upper}/{lower}", partial(_fraction, head=head, rungs=rungs)


def _horner(draft: _Draft, u: int, coefficients: Array) -> int:
    """Lowest coefficient first."""
    value = draft.put(MUL, u, draft.constant(coefficients[-1]))
    for c in coefficients[-2:0:-1]:
        value = draft.put(MUL, draft.put(ADD, value, draft.constant(c)), u)
    return draft.put(ADD, value, draft.constant(coefficients[0]))


def _fraction(draft: _Draft, u: int, head: Array, rungs: list[tuple[float, float]]) -> int:
    """head(u) + c1 / (u + a1 + c2 / (u + a2 + …)); an empty head is none."""
    value = 0
    for c, a in reversed(rungs):
        below = draft.put(ADD, u, draft.constant(a))
        if value:
            below = draft.put(ADD, below, value)
        value = draft.put(DIV, draft.constant(c), below)
    if len(head) == 2:
        value = draft.put(ADD, draft.put(MUL, u, draft.constant(head[1])), value)
    return draft.put(ADD, value, draft.constant(head[0])) if len(head) else value


def _polynomial(u: Array, y: Array, weights: Array, degree: int) -> Array:
    size = np.max(np.abs(u))
    columns = np.stack([(u / size) ** k for k in range(degree + 1)], axis=1)
    solved = np.linalg.lstsq(columns * weights[:, None], y * weights, rcond=None)[0]
    found: Array = solved / size ** np.arange(degree + 1)
    return found


def _rational(u: Array, y: Array, weights: Array, upper: int, lower: int) -> tuple[Array, Array]:
    """Numerator and monic denominator, lowest coefficient first: P - y Q small, reweighted by the last Q
    (Sanathanan and Koerner)."""
    size = np.max(np.abs(u))
    t = u / size
    powers = np.stack([t**k for k in range(max(upper, lower) + 1)], axis=1)
    columns = np.concatenate([powers[:, : upper + 1], -y[:, None] * powers[:, :lower]], axis=1)
    right = y * powers[:, lower]
    last = np.ones_like(y)
    for _ in range(_ROUNDS):
        w = weights / np.abs(last)
        solved = np.linalg.lstsq(columns * w[:, None], right * w, rcond=None)[0]
        last = powers[:, :lower] @ solved[upper + 1 :] + powers[:, lower]
        last = np.where(np.abs(last) > 1e-12, last, 1e-12)
    numerator = solved[: upper + 1] / size ** np.arange(upper + 1) * size**lower
    denominator = np.append(solved[upper + 1 :], 1.0) / size ** np.arange(lower + 1) * size**lower
    return numerator, denominator


def _continued(numerator: Array, denominator: Array) -> tuple[Array, list[tuple[float, float]]] | None:
    """The continued fraction of a quotient by Euclid's algorithm; None where a leading remainder vanishes."""
    quotient, rest = _divided(numerator, denominator)
    head = quotient if len(numerator) >= len(denominator) else np.empty(0)
    rungs: list[tuple[float, float]] = []
    above, below = denominator, rest
    while len(above) > 1:
        if len(below) != len(above) - 1 or below[-1] == 0 or not np.all(np.isfinite(below)):
            return None
        quotient, rest = _divided(above, below)
        slope = quotient[1]
        rungs.append((float(1 / slope), float(quotient[0] / slope)))
        above, below = below, rest / slope
    return head, rungs


def _divided(above: Array, below: Array) -> tuple[Array, Array]:
    """Quotient and remainder of polynomials, lowest coefficients first."""
    divide: Callable[[Array, Array], tuple[Array, Array]] = np.polynomial.polynomial.polydiv
    return divide(above, below)


def _at_part(
    head: Array, rungs: list[tuple[float, float]], part: float
) -> tuple[Array, list[tuple[float, float]]]:
    """The fraction in part * u."""
    scaled = [(c / part ** (1 if i == 0 else 2), a / part) for i, (c, a) in enumerate(rungs)]
    return head * part ** np.arange(len(head)), scaled


def _shapes(target: Target) -> Iterator[_Shape]:
    def plain(draft: _Draft) -> int:
        return 0

    def square(draft: _Draft) -> int:
        return draft.put(MUL, 0, 0)

    def same(draft: _Draft, value: int) -> int:
        return value

    def times_x(draft: _Draft, value: int) -> int:
        return draft.put(MUL, value, 0)

    def half_and_times_x(draft: _Draft, value: int) -> int:
        return draft.put(ADD, times_x(draft, value), draft.constant(0.5))

    def half_x_and_times_square(draft: _Draft, value: int) -> int:
        return draft.put(ADD, draft.put(MUL, value, 1), draft.put(MUL, 0, draft.constant(0.5)))

    yield _Shape("", plain, same, lambda x: x, lambda x, y: y, lambda x, y: np.ones_like(x))
    yield _Shape(" in x²", square, same, lambda x: x * x, lambda x, y: y, lambda x, y: np.ones_like(x))
    yield _Shape(" in x² times x", square, times_x, lambda x: x * x, lambda x, y: y / x, lambda x, y: x)
    yield _Shape(" times x", plain, times_x, lambda x: x, lambda x, y: y / x, lambda x, y: x)
    yield _Shape(
        " in x² times x, and 1/2",
        square,
        half_and_times_x,
        lambda x: x * x,
        lambda x, y: (y - 0.5) / x,
        lambda x, y: x,
    )
    yield _Shape(
        " in x² times x², and x/2",
        square,
        half_x_and_times_square,
        lambda x: x * x,
        lambda x, y: (y - x / 2) / (x * x),
        lambda x, y: x * x,
    )
    if target.function in _LOGARITHMS:
        yield from _logarithmic()
    if target.function in _POWERS:
        for times in range(1, _MOST_SQUARINGS + 1):
            yield from _squared(times)


def _logarithmic() -> Iterator[_Shape]:
    """x - 1 is instruction 1, and so is s = (x - 1) / (x + 1) instruction 3."""

    def less_one(draft: _Draft) -> int:
        return draft.put(ADD, 0, draft.constant(-1.0))

    def ratio(draft: _Draft) -> int:
        above = less_one(draft)
        return draft.put(DIV, above, draft.put(ADD, 0, draft.constant(1.0)))

    def squared_ratio(draft: _Draft) -> int:
        s = ratio(draft)
        return draft.put(MUL, s, s)

    def times_first(draft: _Draft, value: int) -> int:
        return draft.put(MUL, value, 1)

    def times_ratio(draft: _Draft, value: int) -> int:
        return draft.put(MUL, value, 3)

    def shifted(x: Array) -> Array:
        return x - 1

    def s(x: Array) -> Array:
        found: Array = (x - 1) / (x + 1)
        return found

    yield _Shape(
        " in x - 1 times x - 1", less_one, times_first, shifted, lambda x, y: y / (x - 1), lambda x, y: x - 1
    )
    yield _Shape(
        " in x times x - 1",
        lambda draft: less_one(draft) * 0,
        times_first,
        lambda x: x,
        lambda x, y: y / (x - 1),
        lambda x, y: x - 1,
    )
    yield _Shape(" in s times s", ratio, times_ratio, s, lambda x, y: y / s(x), lambda x, y: s(x))
    yield _Shape(
        " in s² times s",
        squared_ratio,
        times_ratio,
        lambda x: s(x) ** 2,
        lambda x, y: y / s(x),
        lambda x, y: s(x),
    )


def _squared(times: int) -> Iterator[_Shape]:
    """f(x) = f(x / 2)²: two first guesses of the core, the root of f, and the core of f at a part of x."""

    def leave(draft: _Draft, value: int) -> int:
        for _ in range(times):
            value = draft.put(MUL, value, value)
        return value

    def x_itself(draft: _Draft) -> int:
        return 0

    name, part = f" squared {times}x", 2.0**-times
    root = 1 - part
    yield _Shape(name, x_itself, leave, lambda x: x, lambda x, y: y**part, lambda x, y: y**root / part)
    yield _Shape(name, x_itself, leave, lambda x: x, lambda x, y: y, lambda x, y: np.ones_like(x), part)
