"""repeat, scan, cond and while_loop (R20-R22)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..diagnostics import Span, did_you_mean, fail
from ..ir import Value
from ..spec import expressions as ex
from ..types import BOOL, INT64, Dim, TensorType
from ..types.refinement import covers
from ..types.types import Axis
from .bodies import branch_captures, close_branch, close_loop
from .calls import Arguments, apply, call_path, function_argument, note_call
from .construction import Construction, Loop, as_array
from .evaluation import evaluate, single
from .meanings import (
    Callable,
    FunctionValue,
    Items,
    Meaning,
    NodeResult,
    PartialValue,
    Repeated,
    Results,
    Tensor,
    is_tensor_like,
    is_weak,
    kind_name,
    weak_dtype,
)
from .prelude.layout import dims_of
from .resolution import call_owns, function_name
from .scope import Frame

MAX_ROUNDS = 10_000


def _options(expression: ex.Call, allowed: Sequence[str], form: str) -> dict[str, ex.Expression]:
    found: dict[str, ex.Expression] = {}
    for keyword in expression.keywords:
        if keyword.name not in allowed:
            hint = (
                did_you_mean(keyword.name, allowed)
                or f"its form is {form}; other arguments go into partial(…)"
            )
            raise fail("G0503", f"this takes no '{keyword.name}'", keyword.span, hint=hint)
        if keyword.name in found:
            raise fail("G0505", f"'{keyword.name}' is given twice", keyword.span)
        found[keyword.name] = keyword.value
    return found


def _flag(build: Construction, frame: Frame, expression: ex.Expression | None) -> bool:
    if expression is None:
        return False
    meaning = evaluate(build, frame, expression)
    if not isinstance(meaning, bool):
        raise fail("G0506", f"true or false is wanted, not {kind_name(meaning)}", expression.span)
    return meaning


def _values(
    build: Construction, frame: Frame, expression: ex.Expression | None
) -> list[tuple[Meaning, Span]]:
    """A list of operands as written, or one of them."""
    if expression is None:
        return []
    if isinstance(expression, ex.ListOf):
        return [(evaluate(build, frame, i), i.span) for i in expression.items]
    return [(evaluate(build, frame, expression), expression.span)]


def _results(meaning: Meaning) -> list[Meaning]:
    return list(meaning.values) if isinstance(meaning, Results) else [meaning]


def _names(meaning: Meaning) -> tuple[str, ...]:
    return meaning.names if isinstance(meaning, Results) else ("y",)


# --- repeat ---------------------------------------------------------------------------------------------

REPEAT_FORM = "repeat(f, x, times=n)"


def repeat(build: Construction, frame: Frame, expression: ex.Call) -> NodeResult:
    """`repeat(f, x, times=n)`: f applied n times, each round with parameters of its own."""
    options = _options(expression, ("times",), REPEAT_FORM)
    if len(expression.arguments) != 2 or "times" not in options:
        raise fail(
            "G0501", "repeat takes a function, what is carried, and times=", expression.span, hint=REPEAT_FORM
        )
    function = function_argument(build, frame, expression.arguments[0])
    times = _times(build, frame, options["times"])
    carried = _values(build, frame, expression.arguments[1])
    owned = call_owns(build, frame.file, expression)
    path = call_path(build, frame, expression, function_name(function), owned)
    rounds: list[Frame | None] = []
    meaning: Meaning = Results((), ())
    names: tuple[str, ...] = ()
    for i in range(times):
        arguments = Arguments([*carried])
        result = apply(build, frame, function, arguments, expression.span, f"{path}.{i}")
        rounds.append(result.frame)
        meaning = result.meaning
        names = _names(meaning)
        before, carried = carried, _next_round(build, carried, _results(meaning), expression)
        if build.checking and i > 0 and _says_nothing_new(before, carried):
            rounds += [result.frame] * (times - len(rounds))
            break
    final = [m for m, _ in carried]
    result_meaning: Meaning = (
        final[0] if len(final) == 1 else Results(names or _numbered(len(final)), tuple(final))
    )
    return NodeResult(Repeated(result_meaning, tuple(rounds)), None, tuple(rounds))


def _says_nothing_new(before: Sequence[tuple[Meaning, Span]], after: Sequence[tuple[Meaning, Span]]) -> bool:
    """Whether the next round gets what this one got, as far as types tell: each further round then
    has the same errors. (The second is always made: it meets the state that the first updated.)"""
    return all(
        isinstance(old, Tensor)
        and isinstance(new, Tensor)
        and not old.weak
        and not new.weak
        and old.type == new.type
        and old.value.known is None
        and new.value.known is None
        for (old, _), (new, _) in zip(before, after, strict=True)
    )


def _numbered(count: int) -> tuple[str, ...]:
    return tuple(f"y{i}" for i in range(count))


def _times(build: Construction, frame: Frame, expression: ex.Expression) -> int:
    times = evaluate(build, frame, expression)
    if not isinstance(times, int) or isinstance(times, bool) or times < 0:
        hint = "use scan(…, times=…) for a symbolic number of rounds" if isinstance(times, Dim) else None
        raise fail(
            "G0606", f"times must be a compile-time count, not {kind_name(times)}", expression.span, hint=hint
        )
    if times > MAX_ROUNDS:
        raise fail(
            "G0606", f"repeat writes out every round: {times} are too many", expression.span, hint="use scan"
        )
    return times


def _next_round(
    build: Construction, before: Sequence[tuple[Meaning, Span]], after: Sequence[Meaning], expression: ex.Call
) -> list[tuple[Meaning, Span]]:
    if len(after) != len(before):
        raise fail(
            "G0607", f"the function returns {len(after)} values for {len(before)} carried", expression.span
        )
    for i, ((old, place), new) in enumerate(zip(before, after, strict=True)):
        if isinstance(old, Tensor) and not old.weak and isinstance(new, Tensor) and old.type != new.type:
            raise fail("G0607", f"carried value {i} changes from {old.type} to {new.type}", place)
    return [(new, place) for new, (_, place) in zip(after, before, strict=True)]


# --- scan -----------------------------------------------------------------------------------------------

SCAN_FORM = "scan(f, init=[…], over=[…], reverse=false)"


def scan(build: Construction, frame: Frame, expression: ex.Call) -> NodeResult:
    """`scan(f, init=[…], over=[…], reverse=false, times=…)` as one Scan node."""
    options = _options(expression, ("init", "over", "reverse", "times"), SCAN_FORM)
    if len(expression.arguments) != 1 or not ("over" in options or "times" in options):
        raise fail(
            "G0501", "scan takes a function, init= and over= (or times=)", expression.span, hint=SCAN_FORM
        )
    function = function_argument(build, frame, expression.arguments[0])
    reverse = _flag(build, frame, options.get("reverse"))
    states = _initial_states(build, frame, options.get("init"), function)
    over = _scanned(build, frame, options.get("over"), function, len(states))
    steps = _steps(build, frame, options, over)
    if not over:
        over = [
            (build.op("Range", *(build.cast(build.weak(v), INT64) for v in (0, steps, 1))), expression.span)
        ]
        hidden = True
    else:
        hidden = False
    path = call_path(
        build, frame, expression, function_name(function), call_owns(build, frame.file, expression)
    )
    loop = Loop(steps)
    inner_states = [build.placeholder(v.tensor) for v in states]
    slices = [loop.slice_of(build, v) for v, _ in over]
    build.loops.append(loop)
    try:
        given = [*inner_states, *([] if hidden else slices)]
        arguments = Arguments([(Tensor(v), expression.span) for v in given])
        result = apply(build, frame, function, arguments, expression.span, path)
        outputs = _body_outputs(build, states, _results(result.meaning), expression, function)
    finally:
        build.loops.pop()
    values = _scan_node(build, states, inner_states, loop, outputs, reverse)
    return _finish(build, frame, expression, result, values)


def _finish(
    build: Construction, frame: Frame, expression: ex.Call, result: NodeResult, values: Sequence[Value]
) -> NodeResult:
    if result.frame is not None:
        result.frame.closed = True
        note_call(build, frame, expression, result.frame)
    tensors = tuple(Tensor(v) for v in values)
    meaning: Meaning = tensors[0] if len(tensors) == 1 else Results(_names(result.meaning), tensors)
    return NodeResult(meaning, result.frame)


def _declared_inputs(function: Callable) -> Sequence[ex.TypeExpression | None]:
    """The declared types of a function's inputs that a loop will fill, in order."""
    named: frozenset[str] = frozenset()
    skipped = 0
    while isinstance(function, PartialValue):
        named |= frozenset(function.keywords)
        skipped += len(function.arguments)
        function = function.function
    if not isinstance(function, FunctionValue):
        return ()
    return [d.type for d in function.block.inputs if d.name.text not in named][skipped:]


def _typed(build: Construction, meaning: Meaning, declared: ex.TypeExpression | None, span: Span) -> Value:
    """An operand of a loop as a value: a weak one takes the dtype that the function declares."""
    from ..types import DTYPES

    if isinstance(meaning, Items):
        meaning = as_array(build, meaning)
    if not is_tensor_like(meaning):
        raise fail("G0414", f"a tensor is wanted here, not {kind_name(meaning)}", span)
    with build.at(span):
        if not is_weak(meaning):
            return build.value(meaning)
        name = declared.dtype if declared is not None else ""
        if name in DTYPES:
            return build.value(meaning, DTYPES[name])
        own = weak_dtype(meaning)
        return build.value(meaning, build.default_float if name == "float" or own.is_float else own)


def _initial_states(
    build: Construction, frame: Frame, expression: ex.Expression | None, function: Callable
) -> list[Value]:
    declared = _declared_inputs(function)
    return [
        _typed(build, m, declared[i] if i < len(declared) else None, s)
        for i, (m, s) in enumerate(_values(build, frame, expression))
    ]


def _scanned(
    build: Construction, frame: Frame, expression: ex.Expression | None, function: Callable, states: int
) -> list[tuple[Value, Span]]:
    declared = _declared_inputs(function)
    found: list[tuple[Value, Span]] = []
    for i, (meaning, span) in enumerate(_values(build, frame, expression)):
        at = states + i
        value = _typed(build, meaning, declared[at] if at < len(declared) else None, span)
        if value.tensor.rank == 0:
            raise fail("G0608", "scan goes over axis 0; a scalar has none", span)
        found.append((value, span))
    return found


def _steps(
    build: Construction, frame: Frame, options: dict[str, ex.Expression], over: Sequence[tuple[Value, Span]]
) -> Axis:
    """How many steps there are; None where only a run tells."""
    lengths = [(v.tensor.size_of(0), s) for v, s in over]
    if "times" in options:
        meaning = evaluate(build, frame, options["times"])
        (times,) = dims_of(build, meaning, "times")
        lengths.insert(0, (times, options["times"].span))
    first = lengths[0][0]
    for length, span in lengths[1:]:
        first = length if first is None else first
        if length is not None and length != first:
            raise fail(
                "G0608", f"the lengths of what is scanned differ: cannot prove {length} == {first}", span
            )
    return first


def _body_outputs(
    build: Construction,
    states: Sequence[Value],
    results: Sequence[Meaning],
    expression: ex.Call,
    function: Callable,
) -> list[Value]:
    name = function_name(function)
    if len(results) < len(states):
        raise fail(
            "G0607",
            f"'{name}' returns {len(results)} results, but {len(states)} states are carried",
            expression.arguments[0].span,
            hint="it returns the new states first, then what is stacked over the steps",
        )
    outputs: list[Value] = []
    for i, meaning in enumerate(results):
        meaning = single(build, meaning, expression.span)
        if not isinstance(meaning, Items) and not is_tensor_like(meaning):
            raise fail(
                "G0607", f"result {i} of '{name}' is {kind_name(meaning)}, not a tensor", expression.span
            )
        state = states[i] if i < len(states) else None
        value = build.value(meaning, state.tensor.dtype if state is not None and is_weak(meaning) else None)
        if state is not None and not covers(state.tensor, value.tensor):
            raise fail(
                "G0607",
                f"state {i} of the loop starts as {state.type}, but '{name}' returns {value.type}",
                expression.span,
                hint="a state keeps its type: convert it in the function or at init=",
            )
        outputs.append(value)
    return outputs


def _scan_node(
    build: Construction,
    states: Sequence[Value],
    inner_states: Sequence[Value],
    loop: Loop,
    outputs: Sequence[Value],
    reverse: bool,
) -> tuple[Value, ...]:
    body = close_loop(build, outputs, [*inner_states, *(inner for _, inner in loop.scanned)])
    stacked = len(outputs) - len(states)
    directions: dict[str, Any] = {
        "scan_input_directions": [int(reverse)] * len(loop.scanned),
        "scan_output_directions": [int(reverse)] * stacked,
    }
    return build.ops(
        "Scan",
        *states,
        *(outer for outer, _ in loop.scanned),
        *body.captures,
        outputs=len(outputs),
        body=body.graph,
        num_scan_inputs=len(loop.scanned),
        captures=len(body.captures),
        **(directions if reverse else {}),
    )


# --- cond -----------------------------------------------------------------------------------------------

COND_FORM = "cond(p, f, g, x, …)"


def cond(build: Construction, frame: Frame, expression: ex.Call) -> NodeResult:
    """`cond(p, f, g, x, y)`: f(x, y) or g(x, y); only one of them runs."""
    _options(expression, (), COND_FORM)
    if len(expression.arguments) < 3:
        raise fail(
            "G0501",
            "cond takes a condition, two functions and their arguments",
            expression.span,
            hint=COND_FORM,
        )
    condition = evaluate(build, frame, expression.arguments[0])
    functions = [function_argument(build, frame, a) for a in expression.arguments[1:3]]
    operands = [(evaluate(build, frame, a), a.span) for a in expression.arguments[3:]]
    owned = call_owns(build, frame.file, expression)
    path = call_path(build, frame, expression, "cond", owned)
    if isinstance(condition, bool):
        chosen = functions[0] if condition else functions[1]
        return apply(build, frame, chosen, Arguments(operands), expression.span, path)
    if not isinstance(condition, Tensor) or condition.dtype is not BOOL or condition.type.rank:
        raise fail(
            "G0609", f"cond needs a scalar bool, not {kind_name(condition)}", expression.arguments[0].span
        )
    return _branches(build, frame, expression, condition.value, functions, operands, path)


def _branches(
    build: Construction,
    frame: Frame,
    expression: ex.Call,
    condition: Value,
    functions: Sequence[Callable],
    operands: Sequence[tuple[Meaning, Span]],
    path: str,
) -> NodeResult:
    inner = [(_stand_in(build, m), s) for m, s in operands]
    held: dict[Value, Tensor] = {}
    functions = [_holding(build, f, held) for f in functions]
    results = [
        apply(build, frame, f, Arguments(list(inner)), expression.span, _branch_path(path, functions, i))
        for i, f in enumerate(functions)
    ]
    outputs = _equal_types(build, [_results(r.meaning) for r in results], expression)
    pairs = [
        (p.value, o.value)
        for (p, _), (o, _) in zip(inner, operands, strict=True)
        if isinstance(p, Tensor) and isinstance(o, Tensor)
    ]
    pairs += [(p.value, outer) for outer, p in held.items()]
    placeholders = [p for p, _ in pairs]
    captured = tuple(dict.fromkeys(c for side in outputs for c in branch_captures(side, placeholders)))
    bodies = [close_branch(build, side, placeholders, captured).graph for side in outputs]
    values = build.ops(
        "If",
        condition,
        *(outer for _, outer in pairs),
        *captured,
        outputs=len(outputs[0]),
        then_branch=bodies[0],
        else_branch=bodies[1],
        captures=len(pairs) + len(captured),
    )
    return _finish(build, frame, expression, results[0], values)


def _branch_path(path: str, functions: Sequence[Callable], index: int) -> str:
    names = [function_name(f) for f in functions]
    return path if names[0] == names[1] and index == 0 else f"{path}.{names[index]}"


def _holding(build: Construction, function: Callable, held: dict[Value, Tensor]) -> Callable:
    """A branch whose partial holds computed tensors: they are operands like the others, so that what
    computes them stays outside. `held` maps each to its stand-in, the same in both branches."""
    if not isinstance(function, PartialValue):
        return function

    def opened(meaning: Meaning) -> Meaning:
        if not isinstance(meaning, Tensor) or meaning.value.is_leaf:
            return meaning
        if meaning.value not in held:
            stand_in = _stand_in(build, meaning)
            assert isinstance(stand_in, Tensor)
            held[meaning.value] = stand_in
        return held[meaning.value]

    return PartialValue(
        _holding(build, function.function, held),
        tuple(opened(m) for m in function.arguments),
        {k: opened(m) for k, m in function.keywords.items()},
        function.span,
    )


def _stand_in(build: Construction, meaning: Meaning) -> Meaning:
    if isinstance(meaning, Tensor):
        return Tensor(build.placeholder(meaning.type, meaning.value.known), meaning.weak)
    return meaning


def _equal_types(
    build: Construction, sides: Sequence[Sequence[Meaning]], expression: ex.Call
) -> list[list[Value]]:
    if len(sides[0]) != len(sides[1]):
        raise fail(
            "G0610", f"the branches return {len(sides[0])} and {len(sides[1])} results", expression.span
        )
    outputs: list[list[Value]] = [[], []]
    for a, b in zip(*sides, strict=True):
        typed = next((m for m in (a, b) if isinstance(m, Tensor) and not m.weak), None)
        dtype = typed.dtype if typed is not None else None
        pair = [build.value(m, dtype if is_weak(m) else None) for m in (a, b)]
        if pair[0].type != pair[1].type:
            raise fail("G0610", f"the branches return {pair[0].type} and {pair[1].type}", expression.span)
        outputs[0].append(pair[0])
        outputs[1].append(pair[1])
    return outputs


# --- while_loop -------------------------------------------------------------------------------------------

WHILE_FORM = "while_loop(test, f, init=[…], max_times=n)"


def while_loop(build: Construction, frame: Frame, expression: ex.Call) -> NodeResult:
    """`while_loop(test, f, init=[…], max_times=n)` as one Loop node; what f returns behind the new states
    is stacked over the steps, of which only a run tells how many there are."""
    options = _options(expression, ("init", "max_times"), WHILE_FORM)
    if len(expression.arguments) != 2 or "init" not in options or "max_times" not in options:
        raise fail(
            "G0501",
            "while_loop takes a test, a function, init= and max_times=",
            expression.span,
            hint=WHILE_FORM,
        )
    test, function = (function_argument(build, frame, a) for a in expression.arguments)
    states = _initial_states(build, frame, options["init"], function)
    (times,) = dims_of(build, evaluate(build, frame, options["max_times"]), "max_times")
    path = call_path(
        build, frame, expression, function_name(function), call_owns(build, frame.file, expression)
    )
    start = _test(build, frame, test, states, expression, f"{path}.{function_name(test)}")
    iteration = build.placeholder(TensorType(INT64, ()))
    going = build.placeholder(TensorType(BOOL, ()))
    inner = [build.placeholder(v.tensor) for v in states]
    build.loops.append(Loop(times, iteration=iteration))
    try:
        arguments = Arguments([(Tensor(v), expression.span) for v in inner])
        result = apply(build, frame, function, arguments, expression.span, path)
        outputs = _body_outputs(build, states, _results(result.meaning), expression, function)
        kept = outputs[: len(states)]
        again = _test(build, frame, test, kept, expression, f"{path}.{function_name(test)}_1")
    finally:
        build.loops.pop()
    body = close_loop(build, [again, *outputs], [iteration, going, *inner])
    values = build.ops(
        "Loop",
        build.cast(build.size_value(times), INT64),
        start,
        *states,
        *body.captures,
        outputs=len(outputs),
        body=body.graph,
        captures=len(body.captures),
    )
    return _finish(build, frame, expression, result, values)


def _test(
    build: Construction, frame: Frame, test: Callable, states: Sequence[Value], expression: ex.Call, path: str
) -> Value:
    arguments = Arguments([(Tensor(v), expression.span) for v in states])
    meaning = single(
        build, apply(build, frame, test, arguments, expression.span, path).meaning, expression.span
    )
    if isinstance(meaning, bool):
        return build.constant(np.asarray(meaning), BOOL)
    if not isinstance(meaning, Tensor) or meaning.dtype is not BOOL or meaning.type.rank:
        raise fail(
            "G0609",
            f"the test of while_loop must be a scalar bool, not {kind_name(meaning)}",
            expression.arguments[0].span,
        )
    return meaning.value
