"""Which rule firing, or which site, makes the outputs go wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from ...graph.ir import Program
from .application import with_sites
from .pass_ import Context, Pass, Replacement, Result


@dataclass(frozen=True)
class Culprit:
    """The first firing after which the outputs are wrong; `result` is the pass stopped there."""

    number: int
    replacement: Replacement
    result: Result


def bisect(
    pass_: Pass, program: Program, context: Context, full: Result, broken: Callable[[Result], bool]
) -> Culprit | None:
    """Searches the number of firings by halves: with none the outputs are right, with all wrong.
    None for a pass that neither counts firings nor gives sites of the program that it was given."""
    total = len(full.replacements)
    if not total:
        return None
    stopped = _by_firings if full.hits else _by_sites

    def attempt(count: int) -> Result | None:
        return stopped(pass_, program, context, full, count)

    low, high, last = 0, total, full
    while high - low > 1:
        middle = (low + high) // 2
        result = attempt(middle)
        if result is None:
            return None
        if broken(result):
            high, last = middle, result
        else:
            low = middle
    if last is full and high < total:
        return None
    return Culprit(high, full.replacements[high - 1], last)


def _by_firings(pass_: Pass, program: Program, context: Context, full: Result, count: int) -> Result | None:
    result = pass_.run(program, replace(context, firings=count))
    return result if len(result.replacements) <= count else None


def _by_sites(pass_: Pass, program: Program, context: Context, full: Result, count: int) -> Result | None:
    """The program with the first `count` sites replaced, where all sites are its own values."""
    kept = full.replacements[:count]
    outputs = with_sites(program, kept)
    weights = full.program.weights
    return replace(full, program=program.with_graph(outputs, weights=weights), replacements=kept)
