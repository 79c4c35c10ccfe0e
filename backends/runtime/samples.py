"""Sample runs: sizes and inputs drawn from a program's own declarations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ...graph.diagnostics import fail
from ...graph.ir import Assumption, Program, Size
from ...graph.types import OptionalType, SequenceType, TensorType
from ...graph.types.dimensions import substitute, symbol_name
from . import domains
from .allocation import concrete_shape
from .feeds import Array, complete
from .input_domains import input_domains
from .philox import derived_seed, stream
from .protocols import Evaluator, Feeds
from .sizes import check_sizes, direction, holds, symbols, unknown_sizes

_TYPICAL = 12  # sizes are drawn near here: small enough to be quick, large enough to tell axes apart
_SPREAD = 4
"""Sizes drawn lie within so much (and two more for each size) of the least: small ones show what large
ones do, and checking a pass costs in proportion to their product."""
_ATTEMPTS = 500


def size_choices(program: Program, seed: int = 0) -> list[dict[str, int]]:
    """Sizes to try a program at: two draws in which all symbolic sizes differ from one another and
    from the other draw, then every size as small as it may be. One empty choice where no size is
    symbolic. Raises SpecError G1342 where no sizes tried satisfy the assumptions."""
    names = symbols(program)
    if not names:
        return [{}]
    first = _search(program, names, _drawn(program, names, seed, 0, {}))
    if first is None:
        first = _search(program, names, _smallest(program, names))
    if first is None:
        raise fail(
            "G1342",
            f"no sizes found for {', '.join(names)} that satisfy {'; '.join(map(str, program.assumptions))}",
        )
    second = _search(program, names, _drawn(program, names, seed, 1, first))
    least = _search(program, names, _smallest(program, names))
    found: list[dict[str, int]] = []
    for choice in (first, second, least):
        if choice is not None and choice not in found:
            found.append(choice)
    return found


def draw(
    program: Program,
    seed: int,
    sizes: Mapping[str, int] | None = None,
    *,
    evaluator: Evaluator | None = None,
) -> Feeds:
    """An array for every leaf: inputs from their domains (declared, or what the operators demand),
    parameters, states and noise as `prepare` fills them. Sizes not given come from the first of
    `size_choices`. `evaluator` computes initializers; the reference one by default.

    Raises SpecError as `prepare` does, and G1342.
    """
    chosen = _sizes(program, seed, sizes or {})
    arrays: dict[str, Array] = {}
    for name, domain in input_domains(program).items():
        leaf = program.inputs[name]
        inner, wrapped = leaf.type, False
        if isinstance(inner, OptionalType | SequenceType):
            inner, wrapped = inner.element, isinstance(inner, SequenceType)
        if not isinstance(inner, TensorType):
            raise fail("G1343", f"input '{name}' is a {leaf.type}: no sample of it can be drawn")
        concrete_shape(name, inner, chosen)
        array = domains.draw(name, inner, domain, chosen, seed)
        arrays[name] = [array, array] if wrapped else array  # type: ignore[assignment]  # a sequence is a list
    return complete(program, arrays, chosen, seed=seed, evaluator=evaluator)


def _sizes(program: Program, seed: int, given: Mapping[str, int]) -> dict[str, int]:
    unknown_sizes(given, program)
    names = symbols(program)
    if set(names) <= set(given):
        check_sizes(program, given)
        return dict(given)
    candidates = ({**c, **given} for c in (*_drawn(program, names, seed, 0, {}), *_smallest(program, names)))
    found = _search(program, names, candidates, given)
    if found is None:
        raise fail("G1342", f"no sizes found for {', '.join(names)} beside {dict(given)}")
    return found


# --- candidates ---------------------------------------------------------------------------------


def _ranges(program: Program, names: Sequence[str]) -> dict[str, tuple[int, int]]:
    """What each size may be, the least raised to what comparisons with a bare size demand of it;
    sizes without a bound end where all of them have room."""
    lows = {n: max(program.sizes.get(n, Size()).low, 1) for n in names}
    for _ in names:
        for assumption in program.assumptions:
            if not assumption.alternatives:
                _raise_lows(assumption, lows)
    room = max(2 * max(lows.values()), max(lows.values()) + _TYPICAL)
    highs = {n: program.sizes.get(n, Size()).high for n in names}
    return {n: (lows[n], room if (high := highs[n]) is None else high) for n in names}


_LEFT_ABOVE = {">": 1, ">=": 0, "==": 0}
_RIGHT_ABOVE = {"<": 1, "<=": 0, "==": 0}


def _raise_lows(assumption: Assumption, lows: dict[str, int]) -> None:
    left, right = assumption.left, assumption.right
    for side, other, margins in ((left, right, _LEFT_ABOVE), (right, left, _RIGHT_ABOVE)):
        name = symbol_name(side)
        least = substitute(other, lows)
        grows = isinstance(other, int) or direction(other) == 1
        if name is not None and assumption.operator in margins and grows and isinstance(least, int):
            lows[name] = max(lows.get(name, 1), least + margins[assumption.operator])


def _drawn(
    program: Program, names: Sequence[str], seed: int, draw: int, avoided: Mapping[str, int]
) -> Iterator[dict[str, int]]:
    """Random sizes within range: distinct from one another and, by name, from `avoided`, at least
    2, as far as the ranges allow."""
    ranges = _ranges(program, names)
    for attempt in range(_ATTEMPTS):
        words = stream(derived_seed(seed, "sizes", draw), str(attempt)).words(0, len(names))
        taken: set[int] = set()
        choice = {}
        for name, word in zip(names, words, strict=True):
            low, high = ranges[name]
            low, high = (max(low, 2) if high >= 2 else low), min(high, low + _SPREAD + 2 * len(names))
            allowed = [n for n in range(low, high + 1) if n not in taken and n != avoided.get(name)]
            pool = allowed or list(range(low, max(high, low) + 1))
            choice[name] = pool[int(word) % len(pool)]
            taken.add(choice[name])
        yield choice


def _smallest(program: Program, names: Sequence[str]) -> Iterator[dict[str, int]]:
    """All sizes at their least, then with rising sums."""
    ranges = _ranges(program, names)
    count = 0
    for extra in range(4 * _TYPICAL):
        for added in _compositions(extra, len(names)):
            choice = {n: ranges[n][0] + more for n, more in zip(names, added, strict=True)}
            if all(choice[n] <= ranges[n][1] for n in names):
                yield choice
            count += 1
            if count > 4 * _ATTEMPTS:
                return


def _compositions(total: int, parts: int) -> Iterator[tuple[int, ...]]:
    if parts == 1:
        yield (total,)
        return
    for first in range(total + 1):
        for rest in _compositions(total - first, parts - 1):
            yield (first, *rest)


def _search(
    program: Program,
    names: Sequence[str],
    candidates: Iterator[dict[str, int]],
    fixed: Mapping[str, int] | None = None,
) -> dict[str, int] | None:
    """The first candidate, moved onto the equalities assumed, that satisfies everything."""
    for candidate in candidates:
        moved = {**_onto_equalities(program, candidate), **(fixed or {})}
        inside = all(_inside(program, n, moved[n]) for n in names)
        if inside and all(holds(a, moved) is not False for a in program.assumptions):
            return moved
    return None


def _inside(program: Program, name: str, number: int) -> bool:
    allowed = program.sizes.get(name, Size())
    return allowed.low <= number and (allowed.high is None or number <= allowed.high)


def _onto_equalities(program: Program, candidate: Mapping[str, int]) -> dict[str, int]:
    """Sizes set to what an assumption `n == expression` says, one after the other."""
    moved = dict(candidate)
    for assumption in program.assumptions:
        if assumption.operator != "==" or assumption.alternatives:
            continue
        for side, other in ((assumption.left, assumption.right), (assumption.right, assumption.left)):
            name = symbol_name(side)
            value = substitute(other, moved)
            if name is not None and isinstance(value, int):
                moved[name] = value
                break
    return moved
