"""Dimension arithmetic: integer polynomials over named sizes, in one canonical form.

A dimension is a Python `int` or a `Dim`. A `Dim` is a sum of monomials; its atoms are named
sizes, floor divisions, minima and maxima. Two dimensions are provably equal exactly where
their canonical forms are equal (`2*n + n == 3*n`, `(4*n)//2 == 2*n`). Named sizes are at
least 1: with that `max(n - 1, 0)` is `n - 1`.

A floor division holds no whole multiple of its divisor (`(n + 3)//2` is `(n + 1)//2 + 1`), no
common factor (`(2*n + 1)//4` is `n//2`) and no lone division by a number inside another
(`(n//2 + 1)//3` is `(n + 2)//6`); a minimum or maximum holds each operand once, in order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import gcd

from .tokens import UNKNOWN, name_text

LARGEST_SIZE = 2**63 - 1
"""The largest number that a dimension can be: shapes are int64 tensors."""


@dataclass(frozen=True, slots=True)
class Symbol:
    """A named size, from `low` to `high` (None: no bound). The range is part of its identity, so
    that what is proved with it never depends on another program's size of the same name."""

    name: str
    low: int = 1
    high: int | None = None

    @property
    def sort_key(self) -> tuple[object, ...]:
        return (0, self.name, self.low, self.high or 0)

    def __str__(self) -> str:
        """The name, in double quotes where it is not made of ASCII words and dots."""
        return name_text(self.name, _RESERVED)


_RESERVED = frozenset((UNKNOWN,))


@dataclass(frozen=True, slots=True)
class Compound:
    """An atom that is no polynomial; `operator` is one of `//`, `min`, `max`."""

    operator: str
    left: Dimension
    right: Dimension

    @property
    def sort_key(self) -> tuple[object, ...]:
        return (1, str(self))

    def __str__(self) -> str:
        if self.operator == "//":
            return f"{_bracketed(self.left)} // {_bracketed(self.right)}"
        return f"{self.operator}({self.left}, {self.right})"


Atom = Symbol | Compound
Monomial = tuple[tuple[Atom, int], ...]  # atoms in order with their powers; () is the constant


@dataclass(frozen=True)
class Dim:
    """A polynomial that is not a constant: monomials in order, with non-zero coefficients.

    Make one with `symbol`; arithmetic returns a `Dimension` (an int where all symbols cancel).
    """

    terms: tuple[tuple[Monomial, int], ...]

    @cached_property
    def _hash(self) -> int:
        return hash(self.terms)

    def __hash__(self) -> int:
        return self._hash

    def __reduce__(self) -> tuple[object, ...]:
        return Dim, (self.terms,)  # without the hash, which holds in one process only

    def __add__(self, other: Dimension) -> Dimension:
        return _normal(_terms(self) + _terms(other))

    __radd__ = __add__

    def __neg__(self) -> Dimension:
        return _normal((m, -c) for m, c in self.terms)

    def __sub__(self, other: Dimension) -> Dimension:
        return self + (-other)

    def __rsub__(self, other: Dimension) -> Dimension:
        return -self + other

    def __mul__(self, other: Dimension) -> Dimension:
        return _normal((_product(m, n), c * d) for m, c in self.terms for n, d in _terms(other))

    __rmul__ = __mul__

    def __floordiv__(self, other: Dimension) -> Dimension:
        return floor_divide(self, other)

    def __rfloordiv__(self, other: Dimension) -> Dimension:
        return floor_divide(other, self)

    def __mod__(self, other: Dimension) -> Dimension:
        return self - floor_divide(self, other) * other

    def __rmod__(self, other: Dimension) -> Dimension:
        return other - floor_divide(other, self) * self

    @property
    def symbols(self) -> frozenset[str]:
        """The names of all sizes that occur, also inside compound atoms."""
        return frozenset(size.name for size in named_sizes(self))

    def __str__(self) -> str:
        return " ".join(_signed(i, m, c) for i, (m, c) in enumerate(_printing_order(self.terms)))

    __repr__ = __str__


Dimension = int | Dim


def symbol(name: str, low: int = 1, high: int | None = None) -> Dim:
    """The size called `name`, from `low` to `high`."""
    return Dim(((((Symbol(name, low, high), 1),), 1),))


def is_symbol(dimension: Dimension) -> bool:
    """Whether the dimension is one bare name."""
    return isinstance(dimension, Dim) and symbol_name(dimension) is not None


def symbol_name(dimension: Dimension) -> str | None:
    """The name where the dimension is one bare name, else None."""
    if isinstance(dimension, int) or len(dimension.terms) != 1:
        return None
    (monomial, coefficient) = dimension.terms[0]
    if coefficient != 1 or len(monomial) != 1:
        return None
    atom, power = monomial[0]
    return atom.name if power == 1 and isinstance(atom, Symbol) else None


def symbols_of(dimension: Dimension) -> frozenset[str]:
    return dimension.symbols if isinstance(dimension, Dim) else frozenset()


def named_sizes(dimension: Dimension) -> frozenset[Symbol]:
    """The sizes that occur, with their ranges, also inside compound atoms."""
    if isinstance(dimension, int):
        return frozenset()
    return frozenset().union(*(_atom_sizes(a) for m, _ in dimension.terms for a, _ in m))


def _atom_sizes(atom: Atom) -> frozenset[Symbol]:
    return (
        frozenset((atom,)) if isinstance(atom, Symbol) else named_sizes(atom.left) | named_sizes(atom.right)
    )


def floor_divide(left: Dimension, right: Dimension) -> Dimension:
    """`left // right`, exact where every term divides. Raises ZeroDivisionError."""
    if isinstance(left, int) and isinstance(right, int):
        return left // right
    if right == 0:
        raise ZeroDivisionError("dimension divided by zero")
    if right == 1:
        return left
    if left == right:
        return 1
    exact = exact_divide(left, right)
    if exact is not None:
        return exact
    return _floor_by_parts(*_without_common_factor(left, right))


def _without_common_factor(left: Dimension, right: Dimension) -> tuple[Dimension, Dimension]:
    """Both over what divides every term of both: `(b*n) // (2*b)` is `n // 2`. Only named sizes
    and numbers are taken out, which are not 0."""
    monomials = [dict(m) for value in (left, right) for m, _ in _terms(value)]
    if not monomials:
        return left, right
    shared = {a: min(m.get(a, 0) for m in monomials) for a in monomials[0] if isinstance(a, Symbol)}
    powers = tuple((a, p) for a, p in shared.items() if p)
    number = gcd(content(left), content(right))
    if not powers and number == 1:
        return left, right
    factor = _normal([(tuple(sorted(powers, key=lambda item: item[0].sort_key)), number)])
    quotients = exact_divide(left, factor), exact_divide(right, factor)
    assert quotients[0] is not None
    assert quotients[1] is not None
    return quotients[0], quotients[1]


def _floor_by_parts(left: Dimension, right: Dimension) -> Dimension:
    """Takes whole multiples of `right` out of the floor."""
    whole: Dimension = 0
    rest: Dimension = 0
    for monomial, coefficient in _terms(left):
        if isinstance(right, int):
            multiple, remainder = divmod(coefficient, right)
            whole = whole + _normal([(monomial, multiple)])
            rest = rest + _normal([(monomial, remainder)])
            continue
        part = _normal([(monomial, coefficient)])
        quotient = exact_divide(part, right)
        if quotient is None:
            rest = rest + part
        else:
            whole = whole + quotient
    return whole + _floor_of_rest(rest, right)


def _floor_of_rest(rest: Dimension, right: Dimension) -> Dimension:
    """`rest // right`, as one division where `rest` holds another."""
    if isinstance(rest, int) and isinstance(right, int):
        return rest // right
    if isinstance(rest, Dim) and isinstance(right, int):
        rest, right = _without_common_number(rest, right)
        inner = _only_division(rest)
        if inner is not None and right > 0:
            others = rest - _atom(inner)
            assert isinstance(inner.right, int)
            return floor_divide(inner.left + others * inner.right, inner.right * right)
    result = _atom(Compound("//", rest, right))
    low, high = bounds(result)
    return low if low == high else result


def _without_common_number(rest: Dim, right: int) -> tuple[Dim, int]:
    """`(g*p + c) // (g*r)` is `(p + c//g) // r`."""
    common = gcd(right, *(c for m, c in rest.terms if m))
    terms = [(m, c // common) for m, c in rest.terms]
    reduced = _normal(terms)
    assert isinstance(reduced, Dim)
    return reduced, right // common


def _only_division(value: Dim) -> Compound | None:
    """The division by a positive number that is a term of `value`, where there is just one."""
    found = [
        monomial[0][0]
        for monomial, coefficient in value.terms
        if coefficient == 1 and len(monomial) == 1 and monomial[0][1] == 1
    ]
    divisions = [a for a in found if isinstance(a, Compound) and a.operator == "//"]
    if len(divisions) != 1 or not isinstance(divisions[0].right, int) or divisions[0].right < 1:
        return None
    return divisions[0]


def exact_divide(left: Dimension, right: Dimension) -> Dimension | None:
    """The quotient where `right` divides every term of `left`, else None."""
    if right == 0:
        return None
    if isinstance(left, int):
        if left == 0:
            return 0
        return left // right if isinstance(right, int) and left % right == 0 else None
    divisor = _terms(right)
    if len(divisor) != 1:
        return _proportional(left, right)
    (monomial, coefficient) = divisor[0]
    terms: list[tuple[Monomial, int]] = []
    for m, c in left.terms:
        quotient = _quotient(m, monomial)
        if quotient is None or c % coefficient:
            return None
        terms.append((quotient, c // coefficient))
    return _normal(terms)


def _proportional(left: Dim, right: Dimension) -> Dimension | None:
    """`left / right` where left is a monomial multiple of a several-term `right`."""
    lead_left, lead_right = left.terms[0], _terms(right)[0]
    monomial = _quotient(lead_left[0], lead_right[0])
    if monomial is None or lead_left[1] % lead_right[1]:
        return None
    quotient = _normal([(monomial, lead_left[1] // lead_right[1])])
    return quotient if quotient * right == left else None


def minimum(left: Dimension, right: Dimension) -> Dimension:
    return _extreme("min", left, right)


def maximum(left: Dimension, right: Dimension) -> Dimension:
    return _extreme("max", left, right)


def _extreme(operator: str, left: Dimension, right: Dimension) -> Dimension:
    kept: list[Dimension] = []
    found = dict.fromkeys((*_operands(operator, left), *_operands(operator, right)))
    for operand in sorted(found, key=str):
        if not any(_beats(operator, other, operand) for other in kept):
            kept = [other for other in kept if not _beats(operator, operand, other)] + [operand]
    first, *others = kept
    result: Dimension = first
    for operand in others:
        result = _atom(Compound(operator, result, operand))
    return result


def _operands(operator: str, value: Dimension) -> list[Dimension]:
    """The operands of nested minima (maxima), or the value itself."""
    if isinstance(value, Dim) and len(value.terms) == 1 and value.terms[0][1] == 1:
        monomial = value.terms[0][0]
        atom, power = monomial[0]
        if len(monomial) == power == 1 and isinstance(atom, Compound) and atom.operator == operator:
            return [*_operands(operator, atom.left), *_operands(operator, atom.right)]
    return [value]


def _beats(operator: str, left: Dimension, right: Dimension) -> bool:
    """Whether `left` provably is the minimum (maximum) of both, whatever the sizes."""
    difference = left - right
    return lower_bound(difference if operator == "max" else -difference) >= 0


MINUS_INFINITY = -(2**62)


def lower_bound(dimension: Dimension) -> int:
    """An integer that `dimension` is never below; MINUS_INFINITY where none is known."""
    return bounds(dimension)[0]


def bounds(dimension: Dimension) -> tuple[int, int]:
    """An interval that holds the dimension, by interval arithmetic on the ranges of its sizes;
    MINUS_INFINITY and -MINUS_INFINITY where a side is not known."""
    if isinstance(dimension, int):
        return dimension, dimension
    low, high = 0, 0
    for monomial, coefficient in dimension.terms:
        least, most = coefficient, coefficient
        for atom, power in monomial:
            for _ in range(power):
                least, most = _interval_product((least, most), _atom_bounds(atom))
        low, high = low + least, high + most
    return max(low, MINUS_INFINITY), min(high, -MINUS_INFINITY)


def _interval_product(left: tuple[int, int], right: tuple[int, int]) -> tuple[int, int]:
    corners = [a * b for a in left for b in right]
    return max(min(corners), MINUS_INFINITY), min(max(corners), -MINUS_INFINITY)


def _atom_bounds(atom: Atom) -> tuple[int, int]:
    if isinstance(atom, Symbol):
        return atom.low, -MINUS_INFINITY if atom.high is None else atom.high
    left, right = bounds(atom.left), bounds(atom.right)
    if atom.operator == "max":
        return max(left[0], right[0]), max(left[1], right[1])
    if atom.operator == "min":
        return min(left[0], right[0]), min(left[1], right[1])
    if left[0] < 0 or right[0] <= 0:
        return MINUS_INFINITY, -MINUS_INFINITY
    return left[0] // right[1], left[1] // right[0]


def evaluate(dimension: Dimension, sizes: Mapping[str, int]) -> int:
    """The number, with every size bound. Raises KeyError for a size without one."""
    result = substitute(dimension, sizes)
    if not isinstance(result, int):
        raise KeyError(next(iter(sorted(result.symbols))))
    return result


def substitute(dimension: Dimension, sizes: Mapping[str, Dimension]) -> Dimension:
    """The dimension with some sizes replaced."""
    if isinstance(dimension, int):
        return dimension
    total: Dimension = 0
    for monomial, coefficient in dimension.terms:
        product: Dimension = coefficient
        for atom, power in monomial:
            value = _substitute_atom(atom, sizes)
            for _ in range(power):
                product = product * value
        total = total + product
    return total


def _substitute_atom(atom: Atom, sizes: Mapping[str, Dimension]) -> Dimension:
    if isinstance(atom, Symbol):
        return sizes[atom.name] if atom.name in sizes else _atom(atom)
    left, right = substitute(atom.left, sizes), substitute(atom.right, sizes)
    return floor_divide(left, right) if atom.operator == "//" else _extreme(atom.operator, left, right)


def product(dimensions: Iterable[Dimension]) -> Dimension:
    result: Dimension = 1
    for d in dimensions:
        result = result * d
    return result


def divides(divisor: int, dimension: Dimension) -> bool:
    """Whether `divisor` provably divides the dimension."""
    coefficients = [c for _, c in _terms(dimension)]
    return all(c % divisor == 0 for c in coefficients)


def content(dimension: Dimension) -> int:
    """The greatest common divisor of all coefficients."""
    return gcd(*(c for _, c in _terms(dimension)))


# --- the canonical form ---------------------------------------------------------------------


def _terms(value: Dimension) -> tuple[tuple[Monomial, int], ...]:
    if isinstance(value, Dim):
        return value.terms
    return (((), value),) if value else ()


def _atom(atom: Atom) -> Dim:
    return Dim(((((atom, 1),), 1),))


def _monomial_key(monomial: Monomial) -> tuple[object, ...]:
    return (len(monomial), tuple((a.sort_key, p) for a, p in monomial))


def _normal(terms: Iterable[tuple[Monomial, int]]) -> Dimension:
    sums: dict[Monomial, int] = {}
    for monomial, coefficient in terms:
        sums[monomial] = sums.get(monomial, 0) + coefficient
    kept = [(m, c) for m, c in sums.items() if c]
    if not kept:
        return 0
    if len(kept) == 1 and not kept[0][0]:
        return kept[0][1]
    kept.sort(key=lambda term: _monomial_key(term[0]))
    return Dim(tuple(kept))


def _product(left: Monomial, right: Monomial) -> Monomial:
    if not left or not right:
        return left or right
    powers = dict(left)
    for atom, power in right:
        powers[atom] = powers.get(atom, 0) + power
    return tuple(sorted(powers.items(), key=lambda item: item[0].sort_key))


def _quotient(left: Monomial, right: Monomial) -> Monomial | None:
    powers = dict(left)
    for atom, power in right:
        if powers.get(atom, 0) < power:
            return None
        powers[atom] -= power
    return tuple((a, p) for a, p in powers.items() if p)


# --- printing -------------------------------------------------------------------------------


def _printing_order(terms: tuple[tuple[Monomial, int], ...]) -> list[tuple[Monomial, int]]:
    """Products first and the constant last, with a positive term in front where there is one."""
    ordered = sorted(terms, key=lambda t: -len(t[0]))
    positive = next((i for i, t in enumerate(ordered) if t[1] > 0), 0)
    return [ordered[positive], *ordered[:positive], *ordered[positive + 1 :]]


def _signed(index: int, monomial: Monomial, coefficient: int) -> str:
    factors = [
        str(a) if isinstance(a, Symbol) or a.operator != "//" else f"({a})"
        for a, p in monomial
        for _ in range(p)
    ]
    if not factors or abs(coefficient) != 1:
        factors.insert(0, str(abs(coefficient)))
    text = "*".join(factors)
    if index == 0:
        return f"-{text}" if coefficient < 0 else text
    return f"{'-' if coefficient < 0 else '+'} {text}"


def _bracketed(value: Dimension) -> str:
    bare = value >= 0 if isinstance(value, int) else is_symbol(value)
    return str(value) if bare else f"({value})"
