"""Type expressions: what a declaration says, and how a call's operands fit it (R3, R4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..diagnostics import Note, Span, did_you_mean, fail
from ..ir import Assumption, Value
from ..operators import RuleError
from ..spec import expressions as ex
from ..types import DTYPES, INT64, Dim, Dimension, DType, TensorType, dtype
from ..types.dimensions import exact_divide, symbol, symbols_of
from ..types.types import Axis, UnknownShape
from .construction import Construction
from .meanings import Items, Meaning, Tensor, is_tensor_like, is_weak, kind_name, weak_dtype
from .scope import Frame

Evaluate = Callable[[Frame, ex.Expression], Meaning]
FLEXIBLE = ("float", "int", "any")


class UnknownDimension(Exception):
    """A dimension expression uses a name that nothing has introduced yet."""

    def __init__(self, name: str, span: Span) -> None:
        self.name, self.span = name, span


def known_dimension(build: Construction, frame: Frame, name: ex.Name) -> Dimension:
    """What a name means as a dimension. Raises UnknownDimension."""
    if name.name in frame.dims:
        return frame.dims[name.name]
    found = frame.values.get(name.name)
    if found is None:
        found = frame.file.sizes.get(name.name, frame.file.attributes.get(name.name))
    if found is None and frame.file.document.body is not None and frame.is_graph is False:
        found = None
    if isinstance(found, int | Dim) and not isinstance(found, bool):
        return found
    if found is not None:
        raise fail("G0408", f"'{name.name}' is {kind_name(found)}, not a size", name.span)
    raise UnknownDimension(name.name, name.span)


def dimension(build: Construction, frame: Frame, expression: ex.Expression) -> Dimension:
    """The value of a dimension expression. Raises UnknownDimension, SpecError."""
    if isinstance(expression, ex.Number):
        if not isinstance(expression.value, int) or expression.value < 0:
            raise fail("G0408", f"a dimension is a whole number, not {expression.value}", expression.span)
        return expression.value
    if isinstance(expression, ex.Name):
        return known_dimension(build, frame, expression)
    if isinstance(expression, ex.Unary) and expression.operator in "+-":
        inner = dimension(build, frame, expression.operand)
        return inner if expression.operator == "+" else -inner
    if isinstance(expression, ex.Binary):
        return _arithmetic(build, frame, expression)
    if isinstance(expression, ex.Member | ex.Subscript | ex.Call):
        from .evaluation import evaluate

        found = evaluate(build, frame, expression)
        if isinstance(found, int | Dim) and not isinstance(found, bool):
            return found
    raise fail("G0408", "a dimension is arithmetic on whole numbers and sizes", expression.span)


def _arithmetic(build: Construction, frame: Frame, expression: ex.Binary) -> Dimension:
    left = dimension(build, frame, expression.left)
    right = dimension(build, frame, expression.right)
    symbol_ = expression.operator
    if symbol_ in ("//", "/", "%") and right == 0:
        raise fail("G0416", "division by zero in a dimension", expression.span)
    if symbol_ == "+":
        return left + right
    if symbol_ == "-":
        return left - right
    if symbol_ == "*":
        return left * right
    if symbol_ == "//":
        return left // right
    if symbol_ == "%":
        return left % right
    if symbol_ == "/":
        return _exactly(build, left, right, expression.span)
    if symbol_ == "**" and isinstance(left, int) and isinstance(right, int) and 0 <= right <= 62:
        return int(left**right)
    raise fail("G0408", f"'{symbol_}' has no meaning in a dimension", expression.operator_span)


def _exactly(build: Construction, left: Dimension, right: Dimension, span: Span) -> Dimension:
    """`n/2` in a type divides exactly and assumes that n is even."""
    quotient = exact_divide(left, right)
    if quotient is not None:
        return quotient
    if isinstance(left, int) and isinstance(right, int):
        raise fail("G0409", f"{left} is not divisible by {right}", span, hint="write '//' for the floor")
    build.assumptions.append(Assumption(left % right, "==", 0, f"{right} divides {left}", span))
    return left // right


def unknown_dimension(frame: Frame, error: UnknownDimension) -> Exception:
    """The diagnostic for a dimension that nothing introduced."""
    names = [*frame.dims, *frame.file.sizes, *(n for n, v in frame.values.items() if isinstance(v, int))]
    return fail(
        "G0305",
        f"unknown dimension '{error.name}'",
        error.span,
        hint=did_you_mean(error.name, names)
        or "dimensions are introduced by inputs and slot types; other sizes stand under sizes:",
    )


def resolve_dtype(
    build: Construction, frame: Frame, expression: ex.TypeExpression, actual: DType | None
) -> DType:
    """The dtype of a type expression; `float` and `int` are bound on their first use in a call."""
    name = expression.dtype
    if name in DTYPES:
        return dtype(name)
    if name == "any":
        return actual or build.default_float
    if name not in FLEXIBLE:
        raise fail(
            "G0221",
            f"unknown dtype '{name}'",
            expression.dtype_span,
            hint=did_you_mean(name, [*DTYPES, *FLEXIBLE]) or "float32, int64, bool, float, int, any",
        )
    bound = frame.dtypes.get(name)
    if bound is not None:
        return bound
    fits = actual is not None and (actual.is_float if name == "float" else actual.is_integer)
    found = actual if fits and actual is not None else build.default_float if name == "float" else INT64
    frame.dtypes[name] = found
    return found


def declared_type(
    build: Construction,
    frame: Frame,
    expression: ex.TypeExpression,
    introduce: Callable[[str], Dimension] | None = None,
    copied: Callable[[str], TensorType] | None = None,
) -> TensorType:
    """The type that a declaration states. `introduce` makes a size of an unknown name (graph
    inputs); without it an unknown name is an error. `copied` finds the type for `like(x)`."""
    if expression.like is not None:
        assert copied is not None
        return copied(expression.like)
    dims = [_declared_dimension(build, frame, d, introduce) for d in expression.dims]
    return TensorType(resolve_dtype(build, frame, expression, None), tuple(dims))


def _declared_dimension(
    build: Construction, frame: Frame, d: ex.Expression, introduce: Callable[[str], Dimension] | None
) -> Dimension:
    if isinstance(d, ex.Ellipsis) or (isinstance(d, ex.Name) and d.name == "_"):
        text = "..." if isinstance(d, ex.Ellipsis) else "_"
        raise fail("G0307", f"'{text}' says nothing about a shape that must be made here", d.span)
    try:
        return dimension(build, frame, d)
    except UnknownDimension as error:
        if introduce is None:
            raise unknown_dimension(frame, error) from None
        if isinstance(d, ex.Name):
            return introduce(error.name)
        introduce(error.name)
        return _declared_dimension(build, frame, d, introduce)


# --- fitting operands to declared types ---------------------------------------------------------


def fit(
    build: Construction, frame: Frame, expression: ex.TypeExpression, meaning: Meaning, what: str, span: Span
) -> Tensor:
    """An operand as a tensor of the declared type; binds the call's dimensions and dtypes.

    Raises SpecError: a dtype or shape that does not fit shows both types."""
    if isinstance(meaning, Items):
        from .construction import as_array

        meaning = as_array(build, meaning)
    if not is_tensor_like(meaning):
        raise fail("G0414", f"{what} needs a tensor, not {kind_name(meaning)}", span)
    value = _typed(build, frame, expression, meaning, what, span)
    if expression.like is None:
        _fit_shape(build, frame, expression, value, what, span)
    return Tensor(value)


def _typed(
    build: Construction, frame: Frame, expression: ex.TypeExpression, meaning: Meaning, what: str, span: Span
) -> Value:
    with build.at(span):
        if is_weak(meaning):
            own = build.settle(weak_dtype(meaning))
            matches = expression.dtype == "any" or _kind_matches(expression.dtype, own)
            return build.value(meaning, resolve_dtype(build, frame, expression, own if matches else None))
        assert isinstance(meaning, Tensor)
        wanted = resolve_dtype(build, frame, expression, meaning.dtype)
        if wanted is not meaning.dtype:
            raise fail(
                "G0403",
                f"{what} is declared {printed(expression)}, but gets {meaning.type}",
                span,
                hint=f"convert explicitly: {wanted}(…)",
                notes=(Note(f"declared {printed(expression)} here", expression.span),),
            )
        return meaning.value


def _kind_matches(name: str, own: DType) -> bool:
    return (name == "float" and own.is_float) or (name == "int" and own.is_integer)


def printed(expression: ex.TypeExpression) -> str:
    """The type as the user wrote it."""
    return printed_source(expression.span)


def printed_source(span: Span) -> str:
    """The user's own text at a place; its first line where it has several."""
    line = span.source.line(span.line)
    return (
        line[span.column - 1 : span.end_column - 1]
        if span.line == span.end_line
        else line[span.column - 1 :] + " …"
    )


def _fit_shape(
    build: Construction, frame: Frame, expression: ex.TypeExpression, value: Value, what: str, span: Span
) -> None:
    declared = expression.dims
    actual = value.tensor.axes
    if actual is None:
        if len(declared) == 1 and isinstance(declared[0], ex.Ellipsis):
            return
        raise UnknownShape("the rank of this tensor is unknown")
    rest = next((i for i, d in enumerate(declared) if isinstance(d, ex.Ellipsis)), None)
    fixed = len(declared) - (rest is not None)
    if len(actual) < fixed or (rest is None and len(actual) != fixed):
        raise _misfit(expression, value, what, span, f"rank {len(actual)} does not fit")
    if rest is None:
        pairs = list(zip(declared, actual, strict=True))
    else:
        tail = len(declared) - rest - 1
        pairs = list(zip(declared[:rest], actual[:rest], strict=True))
        pairs += list(zip(declared[rest + 1 :], actual[len(actual) - tail :], strict=True)) if tail else []
    for expected, found in pairs:
        _fit_dimension(build, frame, expected, found, expression, value, what, span)


def _fit_dimension(
    build: Construction,
    frame: Frame,
    expected: ex.Expression,
    found: Axis,
    expression: ex.TypeExpression,
    value: Value,
    what: str,
    span: Span,
) -> None:
    if isinstance(expected, ex.Name) and expected.name == "_":
        return
    if found is None:
        why = "only a run tells this size; '_' stands for any"
        raise _misfit(expression, value, what, expected.span, why)
    try:
        wanted = dimension(build, frame, expected)
    except UnknownDimension as error:
        if isinstance(expected, ex.Name):
            frame.dims[error.name] = found
            return
        frame.dims[error.name] = _solve(build, frame, expected, error.name, found, span)
        wanted = dimension(build, frame, expected)
    if wanted != found:
        raise _misfit(expression, value, what, span, f"cannot prove {wanted} == {found}")


def _solve(
    build: Construction, frame: Frame, expected: ex.Expression, name: str, found: Dimension, span: Span
) -> Dimension:
    """The size `name` from a linear dimension such as 2*n + 1."""
    trial = symbol(f"\0{name}")
    frame.dims[name] = trial
    try:
        form = dimension(build, frame, expected)
    except UnknownDimension as error:
        raise unknown_dimension(frame, error) from None
    finally:
        del frame.dims[name]
    if isinstance(form, Dim) and symbols_of(form) >= {f"\0{name}"}:
        from ..types.dimensions import substitute

        offset = substitute(form, {f"\0{name}": 0})
        slope = substitute(form, {f"\0{name}": 1}) - offset
        solution = exact_divide(found - offset, slope) if slope != 0 else None
        if solution is not None and substitute(form, {f"\0{name}": solution}) == found:
            return solution
    raise fail(
        "G0402",
        f"no whole number '{name}' makes this dimension {found}",
        span,
        notes=(Note("declared here", expected.span),),
    )


def _misfit(expression: ex.TypeExpression, value: Value, what: str, span: Span, why: str) -> Exception:
    return fail(
        "G0402",
        f"{what} is declared {printed(expression)}, but gets {value.type}: {why}",
        span,
        notes=(Note(f"declared {printed(expression)} here", expression.span),),
    )


def assert_type(
    build: Construction, frame: Frame, expression: ex.TypeExpression, meaning: Meaning, what: str, span: Span
) -> Tensor:
    """A checked assertion (a typed node, an output with a type): nothing is introduced."""
    before = dict(frame.dims)
    result = fit(build, frame, expression, meaning, what, span)
    introduced = [n for n in frame.dims if n not in before]
    if introduced:
        frame.dims.clear()
        frame.dims.update(before)
        raise unknown_dimension(frame, UnknownDimension(introduced[0], expression.span))
    return result


def operand_notes(error: RuleError, spans: Sequence[Span | None], types: Sequence[str]) -> tuple[Note, ...]:
    """Notes at the operands that a type rule complains of."""
    return tuple(
        Note(f"this is {types[i]}", spans[i])
        for i in error.operands
        if i < len(spans) and spans[i] is not None and i < len(types)
    )
