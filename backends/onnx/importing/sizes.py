"""Sizes of imported models: names for dimensions, and what a model takes to be equal."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ....graph.types.dimensions import (
    LARGEST_SIZE,
    Compound,
    Dim,
    Dimension,
    Symbol,
    floor_divide,
    maximum,
    minimum,
    substitute,
    symbol,
    symbol_name,
    symbols_of,
)
from ....graph.types.types import OptionalType, SequenceType, TensorType, Type

LONGEST_TEXT = 200


@dataclass
class Sizes:
    """Symbol names of one model. `given` and what was found equal are substituted on reading."""

    replaced: dict[str, Dimension] = field(default_factory=dict)
    ranges: dict[str, tuple[int, int | None]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)  # dim_param text -> symbol name

    def parse(self, text: str) -> Dimension:
        """The dimension of a `dim_param`: an expression over names, or else one name for the text."""
        if text.isidentifier():
            return self.resolve(self._named(text))
        parsed = self._parsed(text) if len(text) <= LONGEST_TEXT else None
        if parsed is None:
            return self.resolve(self._named(text))
        for name in symbols_of(parsed):
            self.names.setdefault(name, name)
        return self.resolve(parsed)

    def fresh(self, stem: str) -> Dimension:
        """The size of an unnamed dimension; the same on every reading of a model."""
        return self.resolve(self._named(f"?{stem}"))

    def _named(self, text: str) -> Dimension:
        name = self.names.get(text)
        if name is None:
            name = _unused(_identifier(text), set(self.names.values()))
            self.names[text] = name
        return self.symbol(name)

    def symbol(self, name: str) -> Dimension:
        """The size called `name`, with the range that is known of it."""
        return symbol(name, *self.ranges.get(name, (1, None)))

    def _parsed(self, text: str) -> Dimension | None:
        """The dimension that an expression such as `2*n + 1` or `max(n, m) // 2` states, else None."""
        try:
            found = _value(ast.parse(text.strip(), mode="eval").body, self)
        except (SyntaxError, ValueError, ZeroDivisionError, RecursionError, MemoryError, KeyError):
            return None
        return None if isinstance(found, int) and not 0 <= found <= LARGEST_SIZE else found

    def resolve(self, dimension: Dimension) -> Dimension:
        """The dimension with everything that was found equal put in."""
        while isinstance(dimension, Dim) and not self.replaced.keys().isdisjoint(symbols_of(dimension)):
            changed = substitute(dimension, self.replaced)
            if changed == dimension:
                break
            dimension = changed
        return dimension

    def resolve_type(self, given: Type) -> Type:
        if isinstance(given, TensorType) and given.axes is not None:
            axes = tuple(None if d is None else self.resolve(d) for d in given.axes)
            return TensorType.of(given.dtype, axes)
        if isinstance(given, SequenceType):
            return SequenceType(self.resolve_type(given.element))
        if isinstance(given, OptionalType):
            return OptionalType(self.resolve_type(given.element))
        return given

    def equate(self, left: Dimension, right: Dimension) -> bool:
        """Makes two dimensions equal by replacing a size. False where no size can be replaced."""
        left, right = self.resolve(left), self.resolve(right)
        if left == right:
            return True
        found = self._narrowed(left, right) or self._narrowed(right, left) or _solve(left - right, self)
        if found is None:
            return False
        self.replaced.update(found)
        return True

    def _narrowed(self, extreme: Dimension, size: Dimension) -> Mapping[str, Dimension] | None:
        """`min(128, n) == n` says that n is at most 128, `max(2, n) == n` that it is at least 2: the
        same size with a narrower range."""
        name = symbol_name(size)
        atom = only_atom(extreme)
        if name is None or not isinstance(atom, Compound) or size not in (atom.left, atom.right):
            return None
        limit = atom.left if atom.right == size else atom.right
        if not isinstance(limit, int) or atom.operator not in ("min", "max"):
            return None
        low, high = self.ranges.get(name, (1, None))
        self.ranges[name] = (low, limit) if atom.operator == "min" else (max(low, limit), high)
        return {name: self.symbol(name)}


def only_atom(dimension: Dimension) -> Symbol | Compound | None:
    """The atom where a dimension is just that, else None."""
    if isinstance(dimension, int) or len(dimension.terms) != 1:
        return None
    ((monomial, coefficient),) = dimension.terms
    if coefficient != 1 or len(monomial) != 1 or monomial[0][1] != 1:
        return None
    return monomial[0][0]


def _identifier(text: str) -> str:
    name = re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_") or "size"
    return name if not name[0].isdigit() else f"d{name}"


def _unused(name: str, taken: set[str]) -> str:
    if name not in taken:
        return name
    return next(f"{name}_{k}" for k in range(2, len(taken) + 3) if f"{name}_{k}" not in taken)


# --- solving ----------------------------------------------------------------------------------


def _solve(difference: Dimension, sizes: Sizes) -> Mapping[str, Dimension] | None:
    """A replacement of one size that makes `difference` zero, or brings it nearer to that."""
    if isinstance(difference, int):
        return None
    candidates: list[tuple[str, Dimension]] = []
    for monomial, coefficient in difference.terms:
        if len(monomial) != 1 or monomial[0][1] != 1 or not isinstance(monomial[0][0], Symbol):
            continue
        name = monomial[0][0].name
        rest = difference - coefficient * symbol(name, monomial[0][0].low, monomial[0][0].high)
        if abs(coefficient) == 1:
            candidates.append((name, rest * -coefficient))
        elif isinstance(rest, int) and rest % coefficient == 0 and -rest // coefficient > 0:
            return {name: -rest // coefficient}
    for name, value in sorted(candidates, key=_generated_last, reverse=True):
        if name not in symbols_of(value) and not (isinstance(value, int) and value < 0):
            return {name: value}
    return _divisible(difference, sizes)


def _generated_last(candidate: tuple[str, Dimension]) -> tuple[int, str]:
    """Prefers to replace by a number, then to replace the later name."""
    name, value = candidate
    return (int(isinstance(value, int)), name)


def _divisible(difference: Dim, sizes: Sizes) -> Mapping[str, Dimension] | None:
    """`2*(h // 2) == h` says that 2 divides h: replaces h by 2 times a new size."""
    for monomial, _ in difference.terms:
        for atom, _power in monomial:
            if not isinstance(atom, Compound) or atom.operator != "//" or not isinstance(atom.right, int):
                continue
            plain = [s for s in sorted(symbols_of(atom.left)) if s in symbols_of(difference)]
            if len(plain) == 1 and atom.right > 1:
                part = sizes.fresh(f"{plain[0]}_by_{atom.right}")
                return {plain[0]: part * atom.right}
    return None


# --- dim_param expressions --------------------------------------------------------------------


def _value(node: ast.expr, sizes: Sizes) -> Dimension:
    match node:
        case ast.Constant(value=int(number)) if not isinstance(number, bool):
            return number
        case ast.Name(id=name) if name.isascii():
            return sizes.symbol(name)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand, sizes)
        case ast.BinOp(left=left, op=op, right=right):
            return _binary(op, _value(left, sizes), _value(right, sizes))
        case ast.Call(func=ast.Name(id="min" | "max" as name), args=[left, right], keywords=[]):
            return (minimum if name == "min" else maximum)(_value(left, sizes), _value(right, sizes))
    raise ValueError


def _binary(op: ast.operator, left: Dimension, right: Dimension) -> Dimension:
    match op:
        case ast.Add():
            return left + right
        case ast.Sub():
            return left - right
        case ast.Mult():
            return left * right
        case ast.FloorDiv():
            return floor_divide(left, right)
        case ast.Mod():
            return left - floor_divide(left, right) * right
    raise ValueError
