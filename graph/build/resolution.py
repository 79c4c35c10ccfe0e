"""Names of functions: which function, operator or slot a call means (R5, R19), and who owns what."""

from __future__ import annotations

from ..diagnostics import Span, did_you_mean, fail
from ..operators import operator_names
from ..spec import expressions as ex
from ..types import DTYPES
from .construction import Construction
from .meanings import Callable, FunctionValue, Meaning, OperatorValue, PartialValue, PreludeValue, SlotValue
from .prelude import PRELUDE
from .references import calls
from .scope import FileScope

SPECIAL = frozenset(
    (
        "partial",
        "repeat",
        "scan",
        "cond",
        "while_loop",
        "grad",
        "hex",
        "load",
        "self",
        "after",
        "allclose",
        *DTYPES,
    )
)
_TAKES_FUNCTIONS = {"repeat": 1, "scan": 1, "cond": 3, "while_loop": 2, "partial": 1}


def find_function(file: FileScope, expression: ex.Expression) -> Callable | None:
    """The callable that a name or `prefix.name` means in a file, or None."""
    if isinstance(expression, ex.Member) and isinstance(expression.base, ex.Name):
        library = file.prefixes.get(expression.base.name)
        return None if library is None else library.functions.get(expression.name)
    if not isinstance(expression, ex.Name):
        return None
    name = expression.name
    for slot in _slots(file):
        if slot.name == name:
            return slot
    if name in file.functions:
        return file.functions[name]
    if name in PRELUDE:
        return PreludeValue(name)
    return OperatorValue(name) if name[:1].isupper() and name in operator_names() else None


def _slots(file: FileScope) -> list[SlotValue]:
    return [SlotValue(d, file) for d in file.slot_declarations]


def resolve_function(file: FileScope, expression: ex.Expression) -> Callable:
    """As `find_function`, raising the diagnostic for an unknown name."""
    found = find_function(file, expression)
    if found is not None:
        return found
    if isinstance(expression, ex.Member) and isinstance(expression.base, ex.Name):
        raise _unknown_member(file, expression)
    if not isinstance(expression, ex.Name):
        raise fail("G0507", "a function's name is wanted here", expression.span)
    raise unknown_function(file, expression.name, expression.span)


def _unknown_member(file: FileScope, expression: ex.Member) -> Exception:
    assert isinstance(expression.base, ex.Name)
    prefix = expression.base.name
    if prefix not in file.prefixes:
        near = did_you_mean(prefix, file.prefixes) or f"'{prefix}' is no prefix of use:"
        return fail("G0302", f"unknown function '{prefix}.{expression.name}'", expression.span, hint=near)
    names = file.prefixes[prefix].functions
    hint = did_you_mean(expression.name, names)
    return fail("G0302", f"'{prefix}' has no function '{expression.name}'", expression.name_span, hint=hint)


def unknown_function(file: FileScope, name: str, span: Span) -> Exception:
    """The diagnostic for a call of a name that no function has."""
    from ..diagnostics import nearest

    slots = [s.name for s in _slots(file)]
    near: str | None = nearest(name, [*file.functions, *slots, *PRELUDE, *SPECIAL])
    operators = operator_names()
    if name[:1].isupper():
        by_case = nearest(name, operators)
        near = by_case or near
        kind = "operator"
    else:
        near = near or nearest(name, operators)
        kind = "function"
    hint = (
        f"did you mean '{near}'?" if near else "functions stand under functions: or come from a file in use:"
    )
    return fail("G0302", f"unknown {kind} '{name}'", span, hint=hint)


def owns(build: Construction, function: Callable, supplied: frozenset[str] = frozenset()) -> bool:
    """Whether a call of the function has parameters or state of its own (R17). Decided from the
    text alone, so that no value changes the names of weights."""
    if isinstance(function, PartialValue):
        return owns(build, function.function, supplied | frozenset(function.keywords))
    if not isinstance(function, FunctionValue):
        return False
    declared = {d.name.text for d in (*function.block.parameters, *function.block.state)}
    if declared - supplied and "share" not in supplied:
        return True
    return "share" not in supplied and _inner_owns(build, function)


def _inner_owns(build: Construction, function: FunctionValue) -> bool:
    key = id(function.block)
    if key in build.ownership:
        return build.ownership[key]
    build.ownership[key] = False  # a function that calls itself owns what its other calls own
    expressions = [n.expression for n in function.block.nodes]
    found = any(call_owns(build, function.file, c) for e in expressions for c in calls(e))
    build.ownership[key] = found
    return found


def call_owns(build: Construction, file: FileScope, call: ex.Call) -> bool:
    """Whether this very call owns parameters or state; nested calls are asked for themselves."""
    supplied = frozenset(k.name for k in call.keywords)
    if isinstance(call.function, ex.Name) and call.function.name in _TAKES_FUNCTIONS:
        if call.function.name == "partial":
            return False  # the call that takes the partial owns
        count = _TAKES_FUNCTIONS[call.function.name]
        first = 1 if call.function.name == "cond" else 0
        return any(_argument_owns(build, file, a, supplied) for a in call.arguments[first:count])
    function = find_function(file, call.function)
    return function is not None and owns(build, function, supplied)


def _argument_owns(
    build: Construction, file: FileScope, argument: ex.Expression, supplied: frozenset[str]
) -> bool:
    if (
        isinstance(argument, ex.Call)
        and isinstance(argument.function, ex.Name)
        and argument.function.name == "partial"
    ):
        names = supplied | frozenset(k.name for k in argument.keywords)
        return bool(argument.arguments) and _argument_owns(build, file, argument.arguments[0], names)
    function = find_function(file, argument)
    return function is not None and owns(build, function, supplied)


def function_name(function: Callable) -> str:
    """What a message calls it."""
    return function_name(function.function) if isinstance(function, PartialValue) else function.name


def is_callable(meaning: Meaning) -> bool:
    """Whether it is a function value."""
    return isinstance(meaning, OperatorValue | PreludeValue | FunctionValue | SlotValue | PartialValue)
