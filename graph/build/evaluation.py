"""Expressions to meanings: one function for each kind of expression, in one table."""

from __future__ import annotations

import math
from collections.abc import Callable as Function
from typing import Any

import numpy as np

from ..diagnostics import Note, Span, SpecError, did_you_mean, fail
from ..operators import RuleError
from ..spec import expressions as ex
from ..types import DTYPES, DType
from ..types.types import UnknownShape
from . import arithmetic
from .construction import Construction
from .declarations import declared_value
from .indexing import Index, Range, Rest, subscript
from .meanings import (
    Items,
    Meaning,
    NodeResult,
    Repeated,
    Results,
    Tensor,
    is_tensor_like,
    kind_name,
    weak_dtype,
)
from .prelude import layout
from .scope import Frame, NodeContext
from .signatures import UnknownDimension, assert_type, unknown_dimension

CONSTANTS: dict[str, float] = {"pi": math.pi, "inf": math.inf, "nan": math.nan}
TENSOR_MEMBERS = ("shape", "ndim", "dtype", "T", "mT")


class Poisoned(Exception):
    """The expression uses something that has an error of its own, already reported."""


def evaluate(build: Construction, frame: Frame, expression: ex.Expression) -> Meaning:
    """What the expression means in the call `frame`. Raises SpecError with its place, Poisoned."""
    before, build.span = build.span, expression.span  # `build.at` by hand: the hottest lines of a build
    try:
        return _TABLE[type(expression)](build, frame, expression)
    except RuleError as error:
        raise located(error, build, expression) from None
    except UnknownDimension as error:
        raise unknown_dimension(frame, error) from None
    except UnknownShape as error:
        raise unknown_shape(error, expression) from None
    finally:
        build.span = before


def located(error: RuleError, build: Construction, expression: ex.Expression) -> SpecError:
    """The diagnostic of a type rule's refusal, with notes at the operands at fault."""
    operands = _operand_spans(expression)
    notes = tuple(Note("this operand", operands[i]) for i in error.operands if i < len(operands))
    return fail(
        error.code, error.message, expression.span, hint=error.hint, notes=notes if len(operands) > 1 else ()
    )


def unknown_shape(error: UnknownShape, expression: ex.Expression) -> SpecError:
    """The diagnostic for an operand whose shape depends on data."""
    return fail(
        "G0405",
        str(error),
        expression.span,
        hint="give it a shape first: reshape(x, […]), or Reshape with a constant shape",
    )


def _operand_spans(expression: ex.Expression) -> list[Span]:
    match expression:
        case ex.Binary(left=left, right=right):
            return [left.span, right.span]
        case ex.Call(arguments=arguments):
            return [a.span for a in arguments]
        case ex.Comparison(operands=operands):
            return [o.span for o in operands]
    return []


# --- names ----------------------------------------------------------------------------------------


def _name(build: Construction, frame: Frame, expression: ex.Name) -> Meaning:
    return single(build, lookup(build, frame, expression.name, expression.span).meaning, expression.span)


def single(build: Construction, meaning: Meaning, span: Span) -> Meaning:
    """One value: a call with several results must be selected from (R16)."""
    if isinstance(meaning, Repeated):
        return single(build, meaning.result, span)
    if isinstance(meaning, Results):
        names = ", ".join(meaning.names)
        raise fail(
            "G0508",
            f"this has several results: {names}",
            span,
            hint=f"select one: .{meaning.names[0]}" if meaning.names else None,
        )
    return meaning


def lookup(build: Construction, frame: Frame, name: str, span: Span) -> NodeResult:
    """What a name in value position means: a value, dimension or node of the call, or a
    compile-time name of the file."""
    if name in frame.broken:
        raise Poisoned
    if name in frame.values:
        return NodeResult(frame.values[name])
    if name in frame.definitions:
        return evaluate_node(build, frame, name, span)
    declared = declared_value(build, frame, name)
    if declared is not None:
        return NodeResult(declared)
    if name in frame.dims:
        return NodeResult(frame.dims[name])
    return NodeResult(_file_name(build, frame, name, span))


def _file_name(build: Construction, frame: Frame, name: str, span: Span) -> Meaning:
    file = frame.file
    if name in file.sizes:
        return file.sizes[name]
    if name in file.attributes:
        return file.attributes[name]
    if name == "training":
        return frame.training
    if name in CONSTANTS:
        return CONSTANTS[name]
    if name in DTYPES:
        return DTYPES[name]
    if name in file.slot_dims:
        return file.slot_dims[name]
    from .slots import infer_slot_dimension

    inferred = infer_slot_dimension(build, frame, name)
    if inferred is not None:
        return inferred
    raise unknown_name(build, frame, name, span)


def unknown_name(build: Construction, frame: Frame, name: str, span: Span) -> SpecError:
    """The diagnostic for a name that means nothing here."""
    from .resolution import find_function

    if find_function(frame.file, ex.Name(span, name)) is not None:
        return fail("G0303", f"'{name}' is a function; call it, or pass it where a function is taken", span)
    block = frame.block
    names = [
        *frame.values,
        *frame.definitions,
        *frame.dims,
        *frame.file.sizes,
        *frame.file.attributes,
        *(d.name.text for d in (*block.inputs, *block.parameters, *block.state, *block.noise)),
        *CONSTANTS,
        "training",
    ]
    hint = did_you_mean(name, names)
    if hint is None and not frame.is_graph and _is_graph_tensor(frame, name):
        hint = "a function sees no tensors of the graph: pass it as an argument"
    if hint is None and _is_graph_attribute(frame, name):
        hint = "sizes are made of numbers and other sizes only"
    return fail("G0301", f"unknown name '{name}'", span, hint=hint)


def _is_graph_attribute(frame: Frame, name: str) -> bool:
    body = frame.file.document.body
    return body is not None and any(a.name.text == name for a in body.attributes)


def _is_graph_tensor(frame: Frame, name: str) -> bool:
    body = frame.file.document.body
    if body is None:
        return False
    declared = {d.name.text for d in (*body.inputs, *body.parameters, *body.state, *body.noise)}
    return name in declared | {t.text for n in body.nodes for t in n.targets}


# --- nodes ----------------------------------------------------------------------------------------


def evaluate_node(build: Construction, frame: Frame, name: str, span: Span | None = None) -> NodeResult:
    """The node's result. What it needs for certain is evaluated first, without recursion, so that a
    chain of any length works; a cycle raises G0304 that prints it."""
    stack = [name]
    active = {name: None}
    while stack:
        current = stack[-1]
        if frame.nodes.get(current) is not None:
            stack.pop()
            active.pop(current, None)
            continue
        needed = build.needs(frame.definitions[current])
        waiting = next((n for n in needed if _is_waiting(frame, n.name)), None)
        if waiting is None:
            _evaluate_definition(build, frame, current)
            continue
        if waiting.name in active:
            members = stack[stack.index(waiting.name) :]
            frame.broken.update(members)
            raise cycle(frame, [*members, waiting.name], waiting.span)
        stack.append(waiting.name)
        active[waiting.name] = None
    found = frame.nodes[name]
    assert found is not None
    return found


def _is_waiting(frame: Frame, name: str) -> bool:
    """Whether it is a node that has not been evaluated."""
    return (
        name in frame.definitions
        and name not in frame.nodes
        and name not in frame.broken
        and name not in frame.values
    )


def cycle(frame: Frame, names: list[str], span: Span) -> SpecError:
    """The diagnostic that prints a cycle of nodes."""
    notes = tuple(
        Note(f"'{n}' is defined here", frame.definitions[n].targets[0].span) for n in dict.fromkeys(names)
    )
    return fail("G0304", f"these nodes need each other: {' -> '.join(names)}", span, notes=notes)


def _evaluate_definition(build: Construction, frame: Frame, name: str) -> None:
    definition = frame.definitions[name]
    targets = [t.text for t in definition.targets]
    if name in frame.nodes:
        raise cycle(frame, [name, name], definition.expression.span)
    for target in targets:
        frame.nodes[target] = None
    try:
        before = build.context, build.path, build.target
        build.context, build.path = (
            NodeContext(frame, definition.owner.text),
            frame.join(definition.owner.text),
        )
        build.target = None
        try:
            _store_results(build, frame, name)
        finally:
            build.context, build.path, build.target = before
    except (SpecError, Poisoned):
        for target in targets:
            frame.nodes.pop(target, None)
            frame.broken.add(target)
        raise


def _store_results(build: Construction, frame: Frame, name: str) -> None:
    definition = frame.definitions[name]
    context = build.context
    assert context is not None
    if len(definition.targets) == 1 and definition.targets[0].text != "_":
        found = evaluate_wide(build, frame, definition.expression, None)
        meaning = found.meaning
        rounds = meaning.rounds if isinstance(meaning, Repeated) else ()
        inner = meaning.result if isinstance(meaning, Repeated) else meaning
        if definition.type is not None:
            inner = assert_type(build, frame, definition.type, inner, f"'{name}'", definition.expression.span)
        frame.nodes[name] = NodeResult(_storable(build, inner), _frame_of(context, found), rounds)
        return
    results = evaluate_wide(build, frame, definition.expression, len(definition.targets))
    values = _unpack(build, results.meaning, len(definition.targets), definition.expression.span)
    inner_frame = _frame_of(context, results)
    for target, value in zip(definition.targets, values, strict=True):
        if target.text != "_":
            frame.nodes[target.text] = NodeResult(_storable(build, value), inner_frame)


def _storable(build: Construction, meaning: Meaning) -> Meaning:
    """A node written as a list of numbers is a constant (R12)."""
    if isinstance(meaning, Items):
        from .construction import as_array

        try:
            return as_array(build, meaning)
        except SpecError:
            return meaning
    return meaning


def _frame_of(context: NodeContext, outermost: NodeResult) -> Frame | None:
    """The call that `node.name` looks into: the one that owns parameters, else the outermost."""
    owning = [f for f, owned in context.called if owned]
    if owning:
        return owning[0]
    return outermost.frame or (context.called[-1][0] if context.called else None)


def _unpack(build: Construction, meaning: Meaning, count: int, span: Span) -> tuple[Meaning, ...]:
    if isinstance(meaning, Repeated):
        meaning = meaning.result
    values = meaning.values if isinstance(meaning, Results) else (meaning,)
    if isinstance(meaning, Items):
        values = meaning.items
    if len(values) != count:
        names = f" ({', '.join(meaning.names)})" if isinstance(meaning, Results) else ""
        raise fail(
            "G0509",
            f"{count} names for {len(values)} result{'s' if len(values) != 1 else ''}{names}",
            span,
            hint="write _ for a result that is not needed",
        )
    return values


def evaluate_wide(
    build: Construction, frame: Frame, expression: ex.Expression, wanted: int | None
) -> NodeResult:
    """As `evaluate`, but several results are allowed, and a call is told how many are wanted."""
    if not isinstance(expression, ex.Call):
        if isinstance(expression, ex.Name):
            return lookup(build, frame, expression.name, expression.span)
        return NodeResult(evaluate(build, frame, expression))
    from .calls import call_place

    with build.at(expression.span):
        try:
            return call_place(build, frame, expression, wanted)
        except RuleError as error:
            raise located(error, build, expression) from None
        except UnknownDimension as error:
            raise unknown_dimension(frame, error) from None
        except UnknownShape as error:
            raise unknown_shape(error, expression) from None


# --- members and subscripts -------------------------------------------------------------------------


def place(build: Construction, frame: Frame, expression: ex.Expression) -> NodeResult:
    """What an expression reaches, with the frame that a further `.name` looks into."""
    if isinstance(expression, ex.Name):
        return lookup(build, frame, expression.name, expression.span)
    if isinstance(expression, ex.Member):
        return _member_place(build, frame, expression)
    if isinstance(expression, ex.Subscript) and len(expression.items) == 1:
        base = place(build, frame, expression.base)
        if base.rounds:
            return _round(build, frame, base, expression)
    if isinstance(expression, ex.Call):
        from .calls import call_place

        return call_place(build, frame, expression)
    return NodeResult(evaluate(build, frame, expression))


def _round(build: Construction, frame: Frame, base: NodeResult, expression: ex.Subscript) -> NodeResult:
    index = evaluate(build, frame, expression.items[0])
    if (
        not isinstance(index, int)
        or isinstance(index, bool)
        or not -len(base.rounds) <= index < len(base.rounds)
    ):
        if isinstance(base.meaning, Tensor):
            return NodeResult(evaluate(build, frame, expression))
        raise fail("G0422", f"this repeat has rounds 0 to {len(base.rounds) - 1}", expression.items[0].span)
    return NodeResult(base.meaning, base.rounds[index])


def _member_place(build: Construction, frame: Frame, expression: ex.Member) -> NodeResult:
    name = expression.name
    base = place(build, frame, expression.base)
    meaning = base.meaning
    if isinstance(meaning, Repeated):
        meaning = meaning.result
    if isinstance(meaning, Results) and name in meaning.names:
        return NodeResult(meaning.get(name))
    if base.frame is not None and has_name(base.frame, name):
        if base.frame.closed and name in base.frame.definitions:
            raise fail(
                "G0604",
                f"'{name}' exists once for each step of a scan; it can't be read from outside",
                expression.name_span,
                hint="return it from the function: it is then stacked over the steps",
            )
        return lookup(build, base.frame, name, expression.name_span)
    if is_tensor_like(meaning) and name in TENSOR_MEMBERS:
        return NodeResult(_tensor_member(build, meaning, name))
    raise _unknown_member(base, meaning, expression)


def has_name(frame: Frame, name: str) -> bool:
    """Whether a call has a value, node, parameter, state or noise of that name."""
    block = frame.block
    return (
        name in frame.values
        or name in frame.definitions
        or any(d.name.text == name for d in (*block.parameters, *block.state, *block.noise))
    )


def _unknown_member(base: NodeResult, meaning: Meaning, expression: ex.Member) -> SpecError:
    names: list[str] = list(meaning.names) if isinstance(meaning, Results) else []
    if base.frame is not None:
        block = base.frame.block
        names += [*base.frame.definitions]
        names += [d.name.text for d in (*block.parameters, *block.state, *block.noise)]
    if is_tensor_like(meaning):
        names += TENSOR_MEMBERS
    hint = did_you_mean(expression.name, names) or (f"it has: {', '.join(names[:12])}" if names else None)
    return fail("G0309", f"nothing here is called '{expression.name}'", expression.name_span, hint=hint)


def _tensor_member(build: Construction, meaning: Meaning, name: str) -> Meaning:
    if name == "T":
        return layout.transpose_matrix(build, meaning)
    if name == "mT":
        return layout.swap_last(build, meaning)
    if name == "dtype":
        return meaning.dtype if isinstance(meaning, Tensor) else build.settle(weak_dtype(meaning))
    if name == "ndim":
        return meaning.type.rank if isinstance(meaning, Tensor) else np.ndim(np.asarray(meaning))
    return layout.shape(build, meaning)


def _member(build: Construction, frame: Frame, expression: ex.Member) -> Meaning:
    return single(build, _member_place(build, frame, expression).meaning, expression.span)


def _subscript(build: Construction, frame: Frame, expression: ex.Subscript) -> Meaning:
    base_place = place(build, frame, expression.base)
    if base_place.rounds and len(expression.items) == 1 and not isinstance(base_place.meaning, Tensor):
        return single(build, _round(build, frame, base_place, expression).meaning, expression.span)
    base = single(build, base_place.meaning, expression.base.span)
    return subscript(build, base, [_index(build, frame, i) for i in expression.items])


def _index(build: Construction, frame: Frame, item: ex.Expression) -> Index:
    if isinstance(item, ex.Slice):
        parts = [None if p is None else evaluate(build, frame, p) for p in (item.start, item.stop, item.step)]
        return Range(*parts)
    if isinstance(item, ex.Ellipsis):
        return Rest()
    return evaluate(build, frame, item)


# --- the rest ---------------------------------------------------------------------------------------


def _call(build: Construction, frame: Frame, expression: ex.Call) -> Meaning:
    return single(build, evaluate_wide(build, frame, expression, None).meaning, expression.span)


def _binary(build: Construction, frame: Frame, expression: ex.Binary) -> Meaning:
    left = evaluate(build, frame, expression.left)
    right = evaluate(build, frame, expression.right)
    return arithmetic.binary(build, expression.operator, left, right)


def _unary(build: Construction, frame: Frame, expression: ex.Unary) -> Meaning:
    operand = evaluate(build, frame, expression.operand)
    match expression.operator:
        case "-":
            return arithmetic.negate(build, operand)
        case "not":
            return arithmetic.negation(build, operand)
        case "~":
            return arithmetic.invert(build, operand)
    if not is_tensor_like(operand):
        raise fail("G0414", f"'+' needs a number or a tensor, not {kind_name(operand)}", expression.span)
    return operand


def _comparison(build: Construction, frame: Frame, expression: ex.Comparison) -> Meaning:
    if expression.operators[0] in ("is", "is not"):
        return _identity(build, frame, expression)
    operands = [evaluate(build, frame, o) for o in expression.operands]
    parts = [
        compare(build, operator, left, right)
        for operator, left, right in zip(expression.operators, operands, operands[1:], strict=False)
    ]
    return parts[0] if len(parts) == 1 else arithmetic.logical(build, "and", parts)


def compare(build: Construction, operator: str, left: Meaning, right: Meaning) -> Meaning:
    """`left operator right` for tensors, numbers, lists, texts and dtypes."""
    if isinstance(left, str | DType) or isinstance(right, str | DType):
        if operator not in ("==", "!="):
            raise fail(
                "G0414", f"'{operator}' can't order {kind_name(left)} and {kind_name(right)}", build.span
            )
        return (left == right) if operator == "==" else (left != right)
    return arithmetic.binary(build, operator, left, right)


def _identity(build: Construction, frame: Frame, expression: ex.Comparison) -> Meaning:
    if len(expression.operators) != 1 or not isinstance(expression.operands[1], ex.Nothing):
        raise fail(
            "G0208",
            "'is' tests for None only",
            expression.span,
            hint="write 'x is None' or 'x is not None'; compare values with ==",
        )
    absent = evaluate(build, frame, expression.operands[0]) is None
    return absent if expression.operators[0] == "is" else not absent


def _logical(build: Construction, frame: Frame, expression: ex.Logical) -> Meaning:
    """Static operands decide early, so that what is not reached does not exist (R10)."""
    word = expression.operator
    operands: list[Meaning] = []
    for operand in expression.operands:
        meaning = evaluate(build, frame, operand)
        if isinstance(meaning, bool):
            if meaning == (word == "or"):
                return meaning
            continue
        operands.append(meaning)
    if not operands:
        return word == "and"
    if len(operands) == 1:
        return (
            Tensor(arithmetic.truth(build, operands[0], word))
            if isinstance(operands[0], Tensor)
            else operands[0]
        )
    return arithmetic.logical(build, word, operands)


def _choice(build: Construction, frame: Frame, expression: ex.Choice) -> Meaning:
    condition = evaluate(build, frame, expression.condition)
    if not isinstance(condition, bool):
        raise fail(
            "G0605",
            f"the condition of 'a if c else b' is decided while compiling, but this is {kind_name(condition)}",
            expression.condition.span,
            hint="choose per element with where(c, a, b), or run one branch with cond(c, f, g, …)",
        )
    return evaluate(build, frame, expression.then if condition else expression.otherwise)


def _list(build: Construction, frame: Frame, expression: ex.ListOf) -> Meaning:
    return Items(tuple(evaluate(build, frame, i) for i in expression.items))


def _misplaced(build: Construction, frame: Frame, expression: ex.Expression) -> Meaning:
    raise fail("G0202", "this may stand in a subscript only", expression.span)


_TABLE: dict[type[ex.Expression], Function[[Construction, Frame, Any], Meaning]] = {
    ex.Number: lambda build, frame, e: arithmetic.normal_static(build, e.value),
    ex.Text: lambda build, frame, e: e.value,
    ex.Boolean: lambda build, frame, e: e.value,
    ex.Nothing: lambda build, frame, e: None,
    ex.Name: _name,
    ex.Member: _member,
    ex.ListOf: _list,
    ex.Unary: _unary,
    ex.Binary: _binary,
    ex.Comparison: _comparison,
    ex.Logical: _logical,
    ex.Choice: _choice,
    ex.Call: _call,
    ex.Subscript: _subscript,
    ex.Slice: _misplaced,
    ex.Ellipsis: _misplaced,
}
