"""Recipes, and passes named on the command line, to a pipeline of passes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...graph.diagnostics import Diagnostics, Source, Span, SpecError, did_you_mean, fail
from ...graph.spec.documents import PassStep, Recipe
from ...graph.spec.expressions import Expression
from ..catalogue import PASSES, pass_class
from .budget import metrics_in
from .options import build_pass
from .pass_ import Pass


@dataclass(frozen=True)
class Step:
    """A pass in a pipeline: the data set that it calibrates or measures on, its budgets (with their
    text), and where it was written."""

    pass_: Pass
    data: str | None = None
    budgets: tuple[tuple[Expression, str], ...] = ()
    span: Span | None = None


@dataclass(frozen=True)
class Pipeline:
    """Passes in order, the budgets of the whole, and how much to verify."""

    steps: tuple[Step, ...]
    budgets: tuple[tuple[Expression, str], ...] = ()
    verify: str = "each"


def pipeline(recipe: Recipe, passes: Mapping[str, str] = PASSES) -> Pipeline:
    """The recipe's passes, all errors reported at once: G1010 for an unknown pass, G1031 for a budget that is
    none, and those of `options.build_pass`."""
    found = Diagnostics()
    steps = [_step(step, passes, found) for step in recipe.passes]
    for expression in (*recipe.budget, *(e for step in recipe.passes for e in step.budget)):
        try:
            metrics_in(expression)
        except SpecError as error:
            found.extend(error)
    found.raise_if_errors()
    whole = tuple((e, text_of(e)) for e in recipe.budget)
    return Pipeline(tuple(s for s in steps if s is not None), whole, recipe.verify)


def _step(step: PassStep, passes: Mapping[str, str], found: Diagnostics) -> Step | None:
    name, span = step.name.text, step.name.span
    if name not in passes:
        found.error("G1010", f"there is no pass '{name}'", span, hint=did_you_mean(name, passes))
        return None
    built = build_pass(pass_class(name), step.options, step.option_spans, span, found)
    if built is None:
        return None
    budgets = tuple((e, text_of(e)) for e in step.budget)
    return Step(built, step.data.text if step.data else None, budgets, span)


def text_of(expression: Expression) -> str:
    """The expression as it was written."""
    span = expression.span
    lines = [span.source.line(n) for n in range(span.line, span.end_line + 1)]
    if not lines:
        return ""
    lines[-1] = lines[-1][: span.end_column - 1]
    lines[0] = lines[0][span.column - 1 :]
    return " ".join(line.strip() for line in lines)


# --- `--pass name{option=1, other=text}` -----------------------------------------------------------

_PASS = re.compile(r"\s*(\w+)\s*(?:\{(.*)\}\s*)?", re.DOTALL)
_ITEM = re.compile(r"\s*(\w+)\s*=\s*(.+?)\s*")


def parse_passes(texts: Sequence[str]) -> Pipeline:
    """The pipeline of `--pass` texts. Raises SpecError: G1014 for a text of another form, and as
    `pipeline` does."""
    found = Diagnostics()
    steps = []
    for text in texts:
        step = _parse(text, found)
        if step is not None:
            steps.append(step)
    found.raise_if_errors()
    return Pipeline(tuple(steps))


def _parse(text: str, found: Diagnostics) -> Step | None:
    source = Source("--pass", text)
    match = _PASS.fullmatch(text)
    if match is None:
        hint = "write it as name or name{option=1, other=text}"
        found.error("G1014", f"'{text}' names no pass", _span(source, 0, len(text)), hint=hint)
        return None
    name, span = match[1], _span(source, match.start(1), match.end(1))
    if name not in PASSES:
        found.error("G1010", f"there is no pass '{name}'", span, hint=did_you_mean(name, PASSES))
        return None
    options: dict[str, object] = {}
    spans: dict[str, Span] = {}
    start = match.start(2)
    for item in split_items(match[2] or ""):
        parts = _ITEM.fullmatch(item)
        place = _span(source, start, start + len(item))
        start += len(item) + 1
        if parts is None:
            found.error("G1014", f"'{item.strip()}' is no option=value", place)
            return None
        options[parts[1]] = plain_value(parts[2])
        spans[parts[1]] = place
    built = build_pass(pass_class(name), options, spans, span, found)
    return None if built is None else Step(built, span=span)


def split_items(text: str) -> list[str]:
    """The text at its commas, those inside brackets left alone."""
    if not text.strip():
        return []
    items, depth, current = [], 0, ""
    for character in text:
        depth += (character in "[{(") - (character in "]})")
        if character == "," and depth == 0:
            items.append(current)
            current = ""
        else:
            current += character
    return [*items, current]


def plain_value(text: str) -> object:
    """A number, true, false, null, a bracketed list of these, else the text itself."""
    if text.startswith("[") and text.endswith("]"):
        return [plain_value(t.strip()) for t in split_items(text[1:-1])]
    constants: dict[str, Any] = {
        "true": True,
        "True": True,
        "false": False,
        "False": False,
        "null": None,
        "None": None,
    }
    if text in constants:
        return constants[text]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text.strip("'\"")


def _span(source: Source, start: int, end: int) -> Span:
    return Span(source, 1, start + 1, 1, end + 1)


__all__ = ["Pipeline", "Step", "fail", "parse_passes", "pipeline", "text_of"]
