"""Symbolic sizes: solved from the shapes that are given, and checked against what is assumed."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ...graph.diagnostics import Diagnostics, Note, fail
from ...graph.ir import Assumption, Program
from ...graph.types import Dim, Dimension
from ...graph.types.dimensions import Compound, evaluate, substitute, symbols_of

_HOLDS: Mapping[str, Callable[[int, int], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True, slots=True)
class Equation:
    """A dimension as declared, its number as given, and where that was."""

    dimension: Dimension
    number: int
    place: str  # "axis 0 of input 'x'"


@dataclass
class Solution:
    """Sizes found so far, each with the place that fixed it."""

    sizes: dict[str, int] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)

    def bind(self, name: str, number: int, place: str) -> None:
        self.sizes[name] = number
        self.places[name] = place

    def explain(self, dimension: Dimension) -> str:
        """` (B is 3 by axis 0 of input 'x')`, for the sizes in a dimension."""
        parts = [
            f"{name} is {self.sizes[name]} by {self.places[name]}"
            for name in sorted(symbols_of(dimension))
            if name in self.sizes
        ]
        return f" ({'; '.join(parts)})" if parts else ""


def solve(equations: Sequence[Equation], given: Mapping[str, int] | None = None) -> dict[str, int]:
    """The sizes that make every equation true. A size is found from `n`, `a*n + b`, `n**k` and
    from products whose other sizes are known; `n // 2` and the like are only checked.

    Raises SpecError: G1331, one diagnostic an equation that disagrees, showing both places.
    """
    solution = Solution()
    for name, number in (given or {}).items():
        solution.bind(name, number, "the sizes given")
    pending = list(equations)
    while True:
        rest = [e for e in pending if not _use(e, solution)]
        if len(rest) == len(pending):
            break
        pending = rest
    found = Diagnostics()
    _report_conflicts(equations, solution, found)
    found.raise_if_errors()
    return solution.sizes


def _use(equation: Equation, solution: Solution) -> bool:
    """Binds the one unknown size of an equation. False where it has none, several, or no solution."""
    rest = substitute(equation.dimension, solution.sizes)
    if isinstance(rest, int) or len(rest.symbols) != 1:
        return False
    (name,) = rest.symbols
    number = _solve_for(rest, name, equation.number)
    if number is None:
        return False
    solution.bind(name, number, equation.place)
    return True


def _solve_for(dimension: Dim, name: str, target: int) -> int | None:
    """The size of at least 0 at which the dimension is `target`, found by bisection; None where
    there is none, or where the dimension does not just grow or just fall with the size."""
    sign = direction(dimension)
    if not sign:
        return None
    low, high = 0, 1
    while sign * (evaluate(dimension, {name: high}) - target) < 0:
        low, high = high, 2 * high
    while low < high:
        middle = (low + high) // 2
        if sign * (evaluate(dimension, {name: middle}) - target) < 0:
            low = middle + 1
        else:
            high = middle
    return low if evaluate(dimension, {name: low}) == target else None


def direction(dimension: Dim) -> int:
    """1 for a polynomial that grows with its sizes, -1 for one that falls, 0 where neither is plain."""
    if any(isinstance(atom, Compound) for monomial, _ in dimension.terms for atom, _ in monomial):
        return 0
    signs = {1 if coefficient > 0 else -1 for monomial, coefficient in dimension.terms if monomial}
    return signs.pop() if len(signs) == 1 else 0


def _report_conflicts(equations: Sequence[Equation], solution: Solution, found: Diagnostics) -> None:
    for equation in equations:
        value = substitute(equation.dimension, solution.sizes)
        if isinstance(value, int) and value != equation.number:
            shown = "" if isinstance(equation.dimension, int) else f" = {value}"
            found.error(
                "G1331",
                f"{equation.place} is {equation.number}, but {equation.dimension}{shown} is declared"
                + solution.explain(equation.dimension),
            )
        elif not isinstance(value, int) and _impossible(value, equation.number):
            found.error(
                "G1331",
                f"{equation.place} is {equation.number}, and no size makes {equation.dimension} that"
                + solution.explain(equation.dimension),
            )


def _impossible(dimension: Dim, number: int) -> bool:
    """Whether an equation in one plain unknown has no solution."""
    if len(dimension.symbols) != 1 or not direction(dimension):
        return False
    (name,) = dimension.symbols
    return _solve_for(dimension, name, number) is None


def holds(assumption: Assumption, sizes: Mapping[str, int]) -> bool | None:
    """Whether an assumption is true at these sizes; None where one of its sizes is unknown."""
    if assumption.alternatives:
        answers = [holds(a, sizes) for a in assumption.alternatives]
        return True if True in answers else None if None in answers else False
    left, right = substitute(assumption.left, sizes), substitute(assumption.right, sizes)
    if not isinstance(left, int) or not isinstance(right, int):
        return None
    return _HOLDS[assumption.operator](left, right)


def check_sizes(program: Program, sizes: Mapping[str, int]) -> None:
    """Raises SpecError: G1332 for a size outside its declared range, G1334 for a broken assumption."""
    found = Diagnostics()
    for name, number in sizes.items():
        allowed = program.sizes.get(name)
        low = allowed.low if allowed is not None else 1
        high = allowed.high if allowed is not None else None
        if number < low or (high is not None and number > high):
            limit = f"{low}..{'' if high is None else high}"
            found.error("G1332", f"{name} is {number}, outside its range {limit}")
    for assumption in program.assumptions:
        if holds(assumption, sizes) is False:
            found.error("G1334", _broken(assumption, sizes), assumption.span)
    found.raise_if_errors()


def _broken(assumption: Assumption, sizes: Mapping[str, int]) -> str:
    names = sorted(_assumption_symbols(assumption))
    values = ", ".join(f"{n} = {sizes[n]}" for n in names if n in sizes)
    reason = f"; it is needed because {assumption.reason}" if assumption.reason else ""
    return f"{assumption} does not hold at {values}{reason}"


def _assumption_symbols(assumption: Assumption) -> frozenset[str]:
    own = symbols_of(assumption.left) | symbols_of(assumption.right)
    return own.union(*(_assumption_symbols(a) for a in assumption.alternatives))


def symbols(program: Program) -> list[str]:
    """The symbolic sizes of a program's leaves and size table, sorted."""
    found = set(program.sizes)
    for leaf in program.graph.inputs:
        dims = getattr(leaf.type, "dims", None) or ()
        found |= {name for d in dims for name in symbols_of(d)}
    return sorted(found)


def unknown_sizes(given: Mapping[str, int], program: Program) -> None:
    """Raises SpecError G1336 for a size given that the program does not have."""
    known = symbols(program)
    for name in given:
        if name not in known:
            notes = (Note(f"its sizes are {', '.join(known)}" if known else "it has no symbolic size"),)
            raise fail("G1336", f"the program has no size '{name}'", notes=notes)
