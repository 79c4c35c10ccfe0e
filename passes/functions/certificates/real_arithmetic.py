"""A program in real arithmetic, as Taylor series with rigorous coefficients, and as a quotient of polynomials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from typing import Any

from ..constants import Constant
from ..program import INPUT, FunctionProgram, Operand, Step
from .reference import FORMULAS, Arithmetic, arithmetic, bits_needed

Ball = Any
Series = Any
_TERMS = 13
_MOST_DEGREE = 96


@dataclass
class RealRun:
    """The program at x = at + t, with the decisions of a cell. Only what the result needs is computed."""

    a: Arithmetic
    program: FunctionProgram
    decisions: Mapping[str, float]
    variable: Series
    terms: int
    values: dict[str, Any] = field(default_factory=dict)

    def result(self) -> Series:
        """Raises ZeroDivisionError where a divisor's ball holds zero."""
        self.values[INPUT] = self.variable
        for step in self._path():
            self.values[step.name] = self._step(step)
        return self.values[self.program.result]

    def _path(self) -> list[Step]:
        """The steps that the result needs, in order."""
        wanted = {self.program.result}
        found: list[Step] = []
        for step in reversed(self.program.steps):
            if step.name in wanted:
                found.append(step)
                wanted.update(o for o in self._read(step) if isinstance(o, str))
        return found[::-1]

    def _read(self, step: Step) -> tuple[Operand, ...]:
        """The operands that the step reads, given the decisions."""
        if step.operation in ("round", "floor", "exponent"):
            return ()
        if step.operation in ("min", "max"):
            return (step.operands[0 if self.decisions[step.name] else 1],)
        if step.operation == "where":
            return (step.operands[1 if self.decisions[str(step.operands[0])] else 2],)
        if step.operation in ("significand", "copysign"):
            return step.operands[:1]
        return step.operands[1:] if step.operation == "lookup" else step.operands

    def _step(self, step: Step) -> Any:
        given = [self._operand(o) for o in self._read(step)]
        match step.operation:
            case "add":
                return given[0] + given[1]
            case "sub":
                return given[0] - given[1]
            case "mul":
                return given[0] * given[1]
            case "div":
                return given[0] / given[1]
            case "fma":
                return given[0] * given[1] + given[2]
            case "neg":
                return -given[0]
            case "abs":
                return given[0] if self.decisions[step.name] else -given[0]
            case "copysign":
                return given[0] if self.decisions[step.name] > 0 else -given[0]
            case "alternate":
                return -given[0] if self._integer(given[1]) % 2 else given[0]
            case "sqrt":
                return self._series(given[0]).sqrt()
            case "round" | "floor" | "exponent":
                return self._lifted(self.a.ball(Fraction(self.decisions[step.name])))
            case "significand":
                return given[0] * self.a.ball(Fraction(2) ** -int(self.decisions[step.name]))
            case "ldexp":
                return given[0] * self.a.ball(Fraction(2) ** self._integer(given[1]))
            case "lookup":
                index = self._integer(given[0])
                return self._lifted(self.a.ball(Fraction(self.program.tables[str(step.operands[0])][index])))
        return given[0]  # where, min, max: the operand that was decided for

    def _operand(self, operand: Operand) -> Any:
        if isinstance(operand, Constant):
            return self._lifted(_ball_of(self.a, operand))
        return self.values[operand]

    def _lifted(self, ball: Ball) -> Any:
        """A number that may stand left of a series: mpmath's intervals may not."""
        return ball if self.a.name == "ball" else self.a.constant(ball, self.terms)

    def _series(self, value: Any) -> Series:
        if hasattr(value, "coeffs") or hasattr(value, "c"):
            return value
        return self.a.constant(value, self.terms)

    def _integer(self, value: Any) -> int:
        return int(self.a.middle(self.a.coefficients(value, 1)[0]))


def _ball_of(a: Arithmetic, found: Constant) -> Ball:
    """The constant as a ball: exact where that is possible, so of any precision."""
    return (
        _exact_ball(a.name, found.text) if found.exact.numerator.bit_length() <= 64 else a.ball(found.exact)
    )


@lru_cache(maxsize=4096)
def _exact_ball(kind: str, text: str) -> Ball:
    return arithmetic(kind).ball(Constant(text).exact)


@dataclass(frozen=True)
class Expansion:
    """Of program and function at center + radius t: coefficients, the last holding over the interval."""

    program: list[Ball]
    function: list[Ball]


def both(
    a: Arithmetic,
    program: FunctionProgram,
    decisions: Mapping[str, float],
    center: float,
    radius: float,
    low: float,
    high: float,
    quotient: tuple[list[Fraction], list[Fraction]] | None = None,
) -> Expansion:
    """Program and function on an interval. Raises ZeroDivisionError."""
    wanted = 160 if program.dtype == "float64" else 96
    with a.working(bits_needed(program.function, low, high, wanted), _TERMS + 1):
        lists: list[list[Ball]] = [[], []]
        for at, terms in ((a.ball(center), _TERMS), (a.ball(low, high), _TERMS + 1)):
            x = a.variable(at, terms, radius)
            if quotient is None:
                found = RealRun(a, program, decisions, x, terms).result()
            else:
                found = _polynomial(a, quotient[0], x) / _polynomial(a, quotient[1], x)
            series = (found, FORMULAS[program.function](a, x))
            for kept, one in zip(lists, series, strict=True):
                coefficients = a.coefficients(one, terms)[:terms]
                kept.extend(coefficients if terms == _TERMS else coefficients[_TERMS:])
        return Expansion(*lists)


def _polynomial(a: Arithmetic, coefficients: list[Fraction], x: Series) -> Series:
    found = x * 0 + a.ball(coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        found = found * x + a.ball(coefficient)
    return found


def quotient(program: FunctionProgram) -> tuple[list[Fraction], list[Fraction]] | None:
    """Numerator and denominator of a program of + - * / alone, by rising powers of x: the same function,
    without the poles that inner divisions have (c / x at 0). None for other programs."""
    values: dict[str, tuple[list[Fraction], list[Fraction]]] = {
        INPUT: ([Fraction(0), Fraction(1)], [Fraction(1)])
    }

    def of(operand: Operand) -> tuple[list[Fraction], list[Fraction]]:
        return ([operand.exact], [Fraction(1)]) if isinstance(operand, Constant) else values[operand]

    for step in program.steps:
        if step.operation not in ("add", "sub", "mul", "div", "neg", "fma"):
            return None
        (p, q), *others = (of(o) for o in step.operands)
        if step.operation == "neg":
            values[step.name] = ([-c for c in p], q)
            continue
        r, s = others[0]
        if step.operation == "fma":
            p, q = _times(p, r), _times(q, s)
            r, s = others[1]
        values[step.name] = _combined(step.operation, p, q, r, s)
        if max(map(len, values[step.name])) > _MOST_DEGREE:
            return None
    return _without_common_powers(*values[program.result])


Polynomial = list[Fraction]


def _combined(
    operation: str, p: Polynomial, q: Polynomial, r: Polynomial, s: Polynomial
) -> tuple[Polynomial, Polynomial]:
    """p/q and r/s joined by an operation."""
    if operation == "mul":
        return _times(p, r), _times(q, s)
    if operation == "div":
        return _times(p, s), _times(q, r)
    sign = -1 if operation == "sub" else 1
    if q == s:
        return _plus(p, [sign * c for c in r]), q
    return _plus(_times(p, s), [sign * c for c in _times(r, q)]), _times(q, s)


def _times(p: Polynomial, q: Polynomial) -> Polynomial:
    found = [Fraction(0)] * (len(p) + len(q) - 1)
    for i, a in enumerate(p):
        for j, b in enumerate(q):
            found[i + j] += a * b
    return found


def _plus(p: Polynomial, q: Polynomial) -> Polynomial:
    size = max(len(p), len(q))
    pad = [[*f, *[Fraction(0)] * (size - len(f))] for f in (p, q)]
    return [a + b for a, b in zip(*pad, strict=True)]


def _without_common_powers(p: Polynomial, q: Polynomial) -> tuple[Polynomial, Polynomial]:
    """Divided by the power of x that both hold."""
    while len(p) > 1 and len(q) > 1 and p[0] == 0 and q[0] == 0:
        p, q = p[1:], q[1:]
    return p, q
