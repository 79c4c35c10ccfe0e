"""`require:` (R27): decided while compiling where possible, else checked when a run starts."""

from __future__ import annotations

from ..diagnostics import Note, fail
from ..ir import Assumption
from ..spec import expressions as ex
from ..types import Dim
from .arithmetic import decide
from .construction import Construction
from .evaluation import evaluate
from .meanings import Meaning, kind_name
from .scope import Frame
from .signatures import printed_source

_OPERATORS = ("==", "!=", "<", "<=", ">", ">=")


def require(build: Construction, frame: Frame, expression: ex.Expression) -> None:
    """Raises G0516 where the condition is false for this call; keeps what symbolic sizes leave open."""
    text = printed_source(expression.span)
    decided = _condition(build, frame, expression, text)
    if decided is False:
        sizes = {
            n: v for n, v in {**frame.file.sizes, **frame.values, **frame.dims}.items() if _shown(v, n, text)
        }
        shown = ", ".join(f"{n} = {v}" for n, v in sizes.items())
        raise fail(
            "G0516",
            f"'{frame.block.name.text}' requires {text}" + (f", but {shown}" if shown else ""),
            frame.call_span or expression.span,
            notes=(Note("required here", expression.span),),
        )
    if isinstance(decided, Assumption):
        build.assumptions.append(decided)


def _shown(value: object, name: str, text: str) -> bool:
    import re

    return isinstance(value, int | float | str | Dim) and re.search(rf"\b{name}\b", text) is not None


def _condition(build: Construction, frame: Frame, expression: ex.Expression, text: str) -> bool | Assumption:
    if isinstance(expression, ex.Logical):
        return _logical(build, frame, expression, text)
    if isinstance(expression, ex.Comparison) and all(o in _OPERATORS for o in expression.operators):
        return _comparison(build, frame, expression, text)
    meaning = evaluate(build, frame, expression)
    if isinstance(meaning, bool):
        return meaning
    raise _undecidable(meaning, expression)


def _undecidable(meaning: Meaning, expression: ex.Expression) -> Exception:
    return fail(
        "G0517",
        f"require: takes conditions on sizes and attributes; this is {kind_name(meaning)}",
        expression.span,
    )


def _logical(build: Construction, frame: Frame, expression: ex.Logical, text: str) -> bool | Assumption:
    stop = expression.operator == "or"
    parts: list[bool | Assumption] = []
    for operand in expression.operands:
        parts.append(_condition(build, frame, operand, text))
        if parts[-1] is stop:  # what follows may make sense only where this does not decide
            return stop
    open_parts = [p for p in parts if isinstance(p, Assumption)]
    if not open_parts:
        return not stop
    if not stop:
        build.assumptions += open_parts[:-1]
        return open_parts[-1]
    return Assumption(0, "==", 0, text, expression.span, tuple(open_parts))


def _comparison(build: Construction, frame: Frame, expression: ex.Comparison, text: str) -> bool | Assumption:
    operands = [evaluate(build, frame, o) for o in expression.operands]
    undecided: list[Assumption] = []
    for operator, left, right in zip(expression.operators, operands, operands[1:], strict=False):
        if isinstance(left, int | Dim) and isinstance(right, int | Dim):
            result = decide(operator, left, right)
            if result is False:
                return False
            if result is None:
                undecided.append(Assumption(left, operator, right, text, expression.span))
            continue
        from .evaluation import compare

        meaning = compare(build, operator, left, right)
        if not isinstance(meaning, bool):
            raise _undecidable(meaning, expression)
        if not meaning:
            return False
    build.assumptions += undecided[:-1]
    return undecided[-1] if undecided else True
