"""Calls: of operators, prelude functions, and functions written in YAML (R15-R19)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from ..diagnostics import Diagnostic, Note, Span, SpecError, did_you_mean, fail
from ..spec import expressions as ex
from ..spec.documents import AttributeDeclaration, Block, Declaration
from ..spec.resolution import PRELUDE_FILE
from ..types import DTYPES, Dim, DType
from .construction import Construction
from .evaluation import evaluate
from .meanings import (
    Callable,
    FunctionValue,
    Items,
    Meaning,
    NodeResult,
    OperatorValue,
    PartialValue,
    PreludeValue,
    Results,
    SlotValue,
    Tensor,
    kind_name,
)
from .operator_calls import call_operator
from .prelude import PRELUDE
from .references import references
from .resolution import call_owns, function_name, resolve_function
from .scope import Frame
from .signatures import fit

MAX_FURTHER = 100
"""The most nodes of failed calls that one build evaluates for their errors."""

MAX_DEPTH = 48
"""The deepest nesting of calls: a function that calls itself without end is caught here."""


@dataclass
class Arguments:
    """Evaluated arguments with the places they were written at."""

    positional: list[tuple[Meaning, Span]] = field(default_factory=list)
    keywords: dict[str, tuple[Meaning, Span]] = field(default_factory=dict)

    def with_partial(self, partial: PartialValue) -> Arguments:
        """These, after the partial's own; the call's keywords win."""
        first = [(m, partial.span) for m in partial.arguments]
        named = {k: (m, partial.span) for k, m in partial.keywords.items()}
        return Arguments([*first, *self.positional], {**named, **self.keywords})


def call_place(
    build: Construction, frame: Frame, expression: ex.Call, wanted: int | None = None
) -> NodeResult:
    """The result of a call, with the callee's frame where it is a function of the user's; `wanted` is
    the number of names that unpack it."""
    from .special import SPECIAL_FORMS

    name = expression.function.name if isinstance(expression.function, ex.Name) else ""
    if name in SPECIAL_FORMS and name not in frame.file.functions:
        return SPECIAL_FORMS[name](build, frame, expression)
    if name in DTYPES and name not in frame.file.functions:
        return NodeResult(_conversion(build, frame, expression, DTYPES[name]))
    function = resolve_function(frame.file, expression.function)
    owned = call_owns(build, frame.file, expression)
    path = call_path(build, frame, expression, function_name(function), owned)
    arguments = evaluate_arguments(build, frame, expression, function)
    result = apply(build, frame, function, arguments, expression.span, path, wanted)
    if result.frame is None:
        return result
    note_call(build, frame, expression, result.frame)
    if wanted is None and result.frame.file.is_prelude and isinstance(result.meaning, Results):
        return NodeResult(result.meaning.values[0], result.frame)
    return result


def note_call(build: Construction, frame: Frame, expression: ex.Call, callee: Frame) -> None:
    """Remembers a call of the node under evaluation, for `node.name`."""
    context = build.context
    if context is not None and context.frame is frame:
        owned = call_owns(build, frame.file, expression)
        context.called.append((callee, owned))


def _conversion(build: Construction, frame: Frame, expression: ex.Call, dtype: DType) -> Meaning:
    from .prelude.elementwise import convert

    if len(expression.arguments) != 1 or expression.keywords:
        raise fail("G0501", f"{dtype}(x) takes one operand", expression.span)
    return convert(build, evaluate(build, frame, expression.arguments[0]), dtype)


# --- where a call keeps what it owns ---------------------------------------------------------------


def call_path(build: Construction, frame: Frame, expression: ex.Expression, name: str, owned: bool) -> str:
    """The path of a call: the node's for the one call that owns parameters or state, else
    `node.function`, numbered from the second on (R17). Raises G0510 for a second owner."""
    context = build.context
    if context is None or context.frame is not frame:
        return frame.join(name)
    base = frame.join(context.label)
    if owned:
        if context.owner is not None and context.owner != expression.span:
            raise fail(
                "G0510",
                f"a second call in node '{context.label}' owns parameters or state",
                expression.span,
                hint="give it a node of its own: its name names the weights",
                notes=(Note("the first is here", context.owner),),
            )
        context.owner = expression.span
        return base
    count = context.counts.get(name, 0)
    context.counts[name] = count + 1
    return f"{base}.{name}_{count}" if count else f"{base}.{name}"


# --- arguments ----------------------------------------------------------------------------------------


def evaluate_arguments(
    build: Construction, frame: Frame, expression: ex.Call, function: Callable
) -> Arguments:
    """The arguments of a call; one that fills a slot of the callee is a function value."""
    slots = _slot_names(function)
    arguments = Arguments()
    for argument in expression.arguments:
        arguments.positional.append((evaluate(build, frame, argument), argument.span))
    for keyword in expression.keywords:
        if keyword.name in arguments.keywords:
            raise fail("G0505", f"'{keyword.name}' is given twice", keyword.span)
        if keyword.name in slots:
            meaning: Meaning = function_argument(build, frame, keyword.value)
        elif keyword.name == "share":
            meaning = None
            arguments.keywords.update(_shared(build, frame, keyword, function))
            continue
        else:
            meaning = evaluate(build, frame, keyword.value)
        arguments.keywords[keyword.name] = (meaning, keyword.span)
    return arguments


def _slot_names(function: Callable) -> frozenset[str]:
    while isinstance(function, PartialValue):
        function = function.function
    if not isinstance(function, FunctionValue):
        return frozenset()
    return frozenset(s.name.text for s in function.block.slots)


def _shared(
    build: Construction, frame: Frame, keyword: ex.Keyword, function: Callable
) -> Mapping[str, tuple[Meaning, Span]]:
    """`share=node`: everything that the other node's call owns, by its relative name."""
    from .evaluation import lookup, place

    if not isinstance(keyword.value, ex.Name | ex.Member):
        raise fail("G0511", "share= names a node whose call owns parameters", keyword.value.span)
    if isinstance(keyword.value, ex.Name):
        lookup(build, frame, keyword.value.name, keyword.value.span)
    found = place(build, frame, keyword.value).frame
    if found is None:
        raise fail("G0511", "share= names a node whose call owns parameters", keyword.value.span)
    return {"share": (found.path, keyword.span)}


def function_argument(build: Construction, frame: Frame, expression: ex.Expression) -> Callable:
    """A function value: a name, `prefix.name`, or `partial(…)` (R19)."""
    if isinstance(expression, ex.Call) and isinstance(expression.function, ex.Name):
        if expression.function.name == "partial":
            return partial(build, frame, expression)
    if isinstance(expression, ex.Name | ex.Member):
        return resolve_function(frame.file, expression)
    raise fail("G0507", "a function's name or partial(…) is wanted here", expression.span)


def partial(build: Construction, frame: Frame, expression: ex.Call) -> PartialValue:
    """`partial(f, key=value, …)`."""
    if not expression.arguments:
        raise fail("G0501", "partial needs a function", expression.span, hint="partial(f, key=value)")
    function = function_argument(build, frame, expression.arguments[0])
    rest = ex.Call(expression.span, expression.function, expression.arguments[1:], expression.keywords)
    arguments = evaluate_arguments(build, frame, rest, function)
    return PartialValue(
        function,
        tuple(m for m, _ in arguments.positional),
        {k: m for k, (m, _) in arguments.keywords.items()},
        expression.span,
    )


# --- applying -----------------------------------------------------------------------------------------


def apply(
    build: Construction,
    frame: Frame,
    function: Callable,
    arguments: Arguments,
    span: Span,
    path: str,
    wanted: int | None = None,
) -> NodeResult:
    """A call of any callable with evaluated arguments."""
    while isinstance(function, PartialValue):
        arguments, function = arguments.with_partial(function), function.function
    if isinstance(function, OperatorValue):
        return NodeResult(call_operator(build, function.name, arguments, span, wanted))
    if isinstance(function, PreludeValue):
        return NodeResult(_call_prelude(build, function.name, arguments, span))
    if isinstance(function, SlotValue):
        from .slots import call_slot

        return call_slot(build, frame, function, arguments, span)
    assert isinstance(function, FunctionValue)
    return call_function(build, function, arguments, span, path, frame)


def _call_prelude(build: Construction, name: str, arguments: Arguments, span: Span) -> Meaning:
    function = PRELUDE[name]
    keywords = {k: m for k, (m, _) in arguments.keywords.items()}
    try:
        bound = function.signature.bind(*(m for m, _ in arguments.positional), **keywords)
    except TypeError as error:
        raise _prelude_misuse(name, arguments, str(error), span) from None
    return function.run(build, *bound.args, **bound.kwargs)


def _prelude_misuse(name: str, arguments: Arguments, reason: str, span: Span) -> SpecError:
    function = PRELUDE[name]
    parameters = list(function.signature.parameters)
    for keyword, (_, place) in arguments.keywords.items():
        if keyword not in parameters:
            hint = did_you_mean(keyword, parameters) or f"its form is {function}"
            return fail("G0503", f"{name} has no argument '{keyword}'", place, hint=hint)
    return fail("G0501", f"{name}: {reason}", span, hint=f"its form is {function}")


def call_function(
    build: Construction,
    function: FunctionValue,
    arguments: Arguments,
    span: Span,
    path: str,
    caller: Frame,
    noise_path: str | None = None,
) -> NodeResult:
    """A call of a function or graph written in YAML. Errors inside it get a note at the call."""
    if build.depth >= MAX_DEPTH:
        raise fail("G0512", f"calls of '{function.name}' are nested more than {MAX_DEPTH} deep", span)
    before, build.context, build.depth = build.context, None, build.depth + 1
    note = Note(f"'{function.name}' is called from here", span)
    build.callers.append(note)
    try:
        with build.generating(build.target):
            frame = open_frame(build, function, arguments, span, path, caller)
            frame.noise_path = noise_path
            build.frames.append(frame)
            frame.run.frames.append(frame)
            check_requirements(build, frame)
            try:
                return NodeResult(_results(build, frame), frame)
            except SpecError as error:
                raise SpecError([*error.diagnostics, *_further_errors(build, frame)]) from None
    except SpecError as error:
        raise SpecError(
            d if _at_call(d.span, span) else _from_call(d, note) for d in error.diagnostics
        ) from None
    finally:
        build.context, build.depth = before, build.depth - 1
        build.callers.pop()


def _further_errors(build: Construction, frame: Frame) -> list[Diagnostic]:
    """What else is wrong in a call whose evaluation failed: the errors of the nodes that its results
    need for certain, so that all are reported at once. At most MAX_FURTHER of a build."""
    from .evaluation import Poisoned, evaluate_node

    found: list[Diagnostic] = []
    for name in _certain_nodes(frame):
        if name in frame.broken or frame.nodes.get(name) is not None or build.further >= MAX_FURTHER:
            continue
        build.further += 1
        try:
            evaluate_node(build, frame, name)
        except SpecError as error:
            found += error.diagnostics
        except Poisoned:
            continue
    return found


def _certain_nodes(frame: Frame) -> list[str]:
    """The nodes that the results need whatever its conditions say, in the order of the text."""
    reached: set[str] = set()
    waiting = [o.name.text for o in frame.block.outputs]
    while waiting:
        name = waiting.pop()
        if name in frame.definitions and name not in reached:
            reached.add(name)
            needed = references(frame.definitions[name].expression)
            waiting += [r.name.name for r in needed if not r.conditional]
    return [name for name in frame.definitions if name in reached]


def _from_call(found: Diagnostic, call: Note) -> Diagnostic:
    """The diagnostic with a note at the call that led to it. Of a function that every spec has, the text of
    the call is at fault: nobody who reads the message wrote the function."""
    source = found.span.source if found.span is not None else None
    if source is None or call.span is None or call.span.source is source or source.path != str(PRELUDE_FILE):
        return found.with_notes(call)
    inside = (note for note in found.notes if note.span is None or note.span.source is not source)
    return replace(found, span=call.span, notes=tuple(inside))


def _at_call(found: Span | None, span: Span) -> bool:
    """Whether a diagnostic already stands inside the call's own text."""
    return (
        found is not None
        and found.source is span.source
        and (span.line, span.column) <= (found.line, found.column) <= (span.end_line, span.end_column)
    )


def _results(build: Construction, frame: Frame) -> Meaning:
    from .evaluation import lookup, single

    values: list[Meaning] = []
    for output in frame.block.outputs:
        meaning = single(
            build, lookup(build, frame, output.name.text, output.name.span).meaning, output.name.span
        )
        if output.type is not None:
            meaning = fit(
                build, frame, output.type, meaning, f"output '{output.name.text}'", output.name.span
            )
        values.append(meaning)
    if len(values) == 1:
        return values[0]
    return Results(tuple(o.name.text for o in frame.block.outputs), tuple(values), frame)


def open_frame(
    build: Construction, function: FunctionValue, arguments: Arguments, span: Span, path: str, caller: Frame
) -> Frame:
    """A frame for the call, with inputs and attributes bound and nothing evaluated."""
    from .files import instantiate, with_slots

    block = function.block
    is_graph = function.file.document.body is block
    if is_graph:
        file = instantiate(build, function.file, arguments, path)
    elif block.slots:
        file = with_slots(function.file, block, arguments, path)
    else:
        file = function.file
    frame = Frame(block, file, path, caller.training, call_span=span, is_graph=is_graph, run=caller.run)
    frame.definitions = {t.text: n for n in block.nodes for t in n.targets if t.text != "_"}
    _bind(build, frame, arguments, span)
    return frame


def _bind(build: Construction, frame: Frame, arguments: Arguments, span: Span) -> None:
    block = frame.block
    positional = _positional(block, arguments, span)
    given = {**positional, **arguments.keywords}
    _check_keywords(build, block, given, arguments)
    _bind_attributes(build, frame, given)
    for declaration in block.inputs:
        _bind_input(build, frame, declaration, given, span)
    owned = {d.name.text for d in (*block.parameters, *block.state, *block.noise)}
    frame.supplied = {k: m for k, (m, _) in given.items() if k in owned}
    if "share" in given:
        shared, place = given["share"]
        frame.supplied = {**_shared_values(build, frame, str(shared), place), **frame.supplied}
        frame.path = str(shared)


def _shared_values(build: Construction, frame: Frame, path: str, span: Span) -> dict[str, Meaning]:
    block = frame.block
    found: dict[str, Meaning] = {}
    for declaration in (*block.parameters, *block.state):
        name = f"{path}.{declaration.name.text}" if path else declaration.name.text
        if name in build.leaves:
            found[declaration.name.text] = Tensor(build.leaves[name])
    return found


def _positional(block: Block, arguments: Arguments, span: Span) -> dict[str, tuple[Meaning, Span]]:
    names = [d.name.text for d in block.inputs]
    if block.one_line:
        names += [a.name.text for a in block.attributes]
    if len(arguments.positional) > len(names):
        raise fail(
            "G0501",
            f"'{block.name.text}' takes {len(names)} positional argument{'s' if len(names) != 1 else ''}, "
            f"not {len(arguments.positional)}",
            arguments.positional[len(names)][1],
            hint=_form(block),
            notes=(Note(f"'{block.name.text}' is defined here", block.name.span),),
        )
    found = dict(zip(names, arguments.positional, strict=False))
    twice = next((n for n in found if n in arguments.keywords), None)
    if twice is not None:
        raise fail("G0505", f"'{twice}' is given twice", arguments.keywords[twice][1])
    return found


def _form(block: Block) -> str:
    inputs = [d.name.text + ("=None" if d.optional else "") for d in block.inputs]
    attributes = [a.name.text + ("" if a.default is None else "=…") for a in block.attributes]
    return f"its form is {block.name.text}({', '.join([*inputs, *attributes])})"


def _check_keywords(
    build: Construction, block: Block, given: Mapping[str, tuple[Meaning, Span]], arguments: Arguments
) -> None:
    groups = (block.inputs, block.parameters, block.state, block.noise)
    names = [d.name.text for group in groups for d in group]
    names += [a.name.text for a in block.attributes] + [s.name.text for s in block.slots] + ["share"]
    for name, (_, place) in arguments.keywords.items():
        if name not in names:
            raise fail(
                "G0503",
                f"'{block.name.text}' has no argument '{name}'",
                place,
                hint=did_you_mean(name, names) or _form(block),
                notes=(Note(f"'{block.name.text}' is defined here", block.name.span),),
            )


def _bind_attributes(build: Construction, frame: Frame, given: Mapping[str, tuple[Meaning, Span]]) -> None:
    for declaration in frame.block.attributes:
        name = declaration.name.text
        if name in given:
            meaning, place = given[name]
            frame.values[name] = check_attribute(declaration, meaning, place)
        elif declaration.default is not None or declaration.kind == "any":
            default = declaration.default
            frame.values[name] = None if default is None else evaluate(build, frame, default)
        else:
            raise fail(
                "G0513",
                f"'{frame.block.name.text}' needs the attribute '{name}'",
                frame.call_span,
                hint=f"give {name}=…",
                notes=(Note("declared here, without a default", declaration.name.span),),
            )


_KINDS: dict[str, tuple[type, ...]] = {
    "int": (int, Dim),
    "float": (float, int, Dim),
    "bool": (bool,),
    "str": (str,),
    "dtype": (DType,),
    "list": (Items,),
}


def check_attribute(declaration: AttributeDeclaration, meaning: Meaning, span: Span) -> Meaning:
    """An attribute's value, which must be known while compiling and of the declared kind."""
    name = declaration.name.text
    notes = (Note(f"'{name}' is declared here", declaration.name.span),)
    if isinstance(meaning, Tensor):
        raise fail(
            "G0514",
            f"attribute '{name}' must be known while compiling, but this is {kind_name(meaning)}",
            span,
            hint="make it an input, or pass a number",
            notes=notes,
        )
    kinds = _KINDS.get(declaration.kind)
    wrong_bool = isinstance(meaning, bool) and declaration.kind in ("int", "float")
    nullable = meaning is None and isinstance(declaration.default, ex.Nothing)
    if kinds is not None and not nullable and (wrong_bool or not isinstance(meaning, kinds)):
        if declaration.default is None or not isinstance(meaning, np.ndarray):
            raise fail(
                "G0504",
                f"attribute '{name}' takes {declaration.kind}, not {kind_name(meaning)}",
                span,
                notes=notes,
            )
    return float(meaning) if declaration.kind == "float" and isinstance(meaning, int) else meaning


def _bind_input(
    build: Construction,
    frame: Frame,
    declaration: Declaration,
    given: Mapping[str, tuple[Meaning, Span]],
    span: Span,
) -> None:
    name = declaration.name.text
    meaning, place = given.get(name, (None, span))
    if meaning is None:
        if not declaration.optional:
            raise fail(
                "G0501",
                f"'{frame.block.name.text}' needs the input '{name}'",
                place,
                hint=_form(frame.block),
                notes=(Note("declared here", declaration.name.span),),
            )
        frame.values[name] = None
        return
    if declaration.type is None:
        frame.values[name] = meaning
        return
    what = f"input '{name}' of '{frame.block.name.text}'"
    frame.values[name] = fit(build, frame, declaration.type, meaning, what, place)


def check_requirements(build: Construction, frame: Frame) -> None:
    """The block's `require:`: false raises with the call's line; undecided ones become
    assumptions, checked when a run starts (R27)."""
    from .requirements import require

    for requirement in frame.block.require:
        require(build, frame, requirement.expression)
