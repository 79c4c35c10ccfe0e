"""Spec tests (R36-R38) as programs: one program a test, whose results are its expectations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from ..diagnostics import Diagnostic, Span, SpecError, did_you_mean, fail
from ..ir import Program, Value
from ..operators import RuleError
from ..spec import expressions as ex
from ..spec.documents import Binding, Block, Declaration, NodeDefinition, TestCase
from ..types import BOOL, Dimension, DType, TensorType
from . import arithmetic
from .calls import check_attribute, check_requirements, function_argument
from .construction import Construction, as_array
from .declarations import generate
from .document import Unit, finish, graph_frame, new_construction
from .evaluation import Poisoned, compare, evaluate, located, lookup, place
from .files import Settings, scope_of
from .meanings import FunctionValue, Items, Meaning, NodeResult, Tensor, is_tensor_like, is_weak, kind_name
from .prelude.elementwise import keeping
from .prelude.reductions import any_or_all
from .references import calls
from .scope import FileScope, Frame, Run, Target
from .signatures import UnknownDimension, dimension, fit, printed_source, resolve_dtype
from .updates import collect_updates

# torch.testing's defaults by dtype: (rtol, atol)
TOLERANCES = {
    "float16": (1e-3, 1e-5),
    "bfloat16": (1.6e-2, 1e-5),
    "float32": (1.3e-6, 1e-5),
    "float64": (1e-7, 1e-7),
}


@dataclass(frozen=True, slots=True)
class Expectation:
    """One condition of a test. The program's result `name` must be true everywhere; `left` and
    `right` name the two sides, where the condition compares two."""

    text: str
    span: Span
    name: str
    left: str | None = None
    right: str | None = None


@dataclass(frozen=True)
class CaseProgram:
    """A test ready to run: its inputs are filled by the program's initializers."""

    case: TestCase
    subject: str
    program: Program
    expectations: tuple[Expectation, ...]


def build_case(unit: Unit, case: TestCase, subject: Block) -> CaseProgram:
    """The program of a test of the unit's graph or of one of its functions. Raises SpecError."""
    build = new_construction(unit)
    frame = _open(build, unit, case, subject)
    results: dict[str, Value] = {}
    expectations = _expectations(build, frame, case, results)
    program = finish(build, frame, results, {}, "train" if case.training else "infer")
    return CaseProgram(case, subject.name.text, program, expectations)


def check_case(unit: Unit, case: TestCase, subject: Block) -> None:
    """Raises SpecError with what is wrong in a test, without making its program."""
    build = new_construction(unit)
    build.checking = True
    _expectations(build, _open(build, unit, case, subject), case, {})


def _open(build: Construction, unit: Unit, case: TestCase, subject: Block) -> Frame:
    """The run that the test describes: attributes, slots, inputs and overrides bound."""
    settings = Settings(
        sizes={**unit.settings.sizes, **_sizes(build, unit, case)},
        attributes=unit.settings.attributes,
        slots=unit.settings.slots,
    )
    file = scope_of(build, unit.document, unit.resolution, settings)
    is_graph = unit.document.body is subject
    frame = graph_frame(file, case.training) if is_graph else Frame(subject, file, "", case.training)
    frame.definitions = {t.text: n for n in subject.nodes for t in n.targets if t.text != "_"}
    frame.run = Run(
        tolerance=case.tolerance, root=frame, frames=[frame], subject=FunctionValue(subject, file)
    )
    frame.dims.update({n: v for n, v in settings.sizes.items() if n not in file.sizes})
    _bind_attributes(build, frame, case)
    _bind_slots(build, frame, case)
    _bind_overrides(frame, case)
    _bind_inputs(build, frame, case)
    for binding in case.let:
        frame.definitions = {**frame.definitions, binding.name.text: _definition(binding)}
    build.frames.append(frame)
    check_requirements(build, frame)
    return frame


def _definition(binding: Binding) -> NodeDefinition:
    return NodeDefinition((binding.name,), None, binding.expression)


def _sizes(build: Construction, unit: Unit, case: TestCase) -> dict[str, int]:
    from .files import plain_frame

    frame = plain_frame(FileScope(unit.document))
    found: dict[str, int] = {}
    for binding in case.sizes:
        meaning = evaluate(build, frame, binding.expression)
        if not isinstance(meaning, int) or isinstance(meaning, bool) or meaning < 0:
            raise fail(
                "G0408", f"a size is a whole number, not {kind_name(meaning)}", binding.expression.span
            )
        found[binding.name.text] = meaning
    return found


def _bind_attributes(build: Construction, frame: Frame, case: TestCase) -> None:
    given = {b.name.text: b for b in case.attributes}
    target = frame.file.attributes if frame.is_graph else frame.values
    for declaration in frame.block.attributes:
        name = declaration.name.text
        if name in given:
            meaning = evaluate(build, frame, given[name].expression)
            target[name] = check_attribute(declaration, meaning, given[name].expression.span)
        elif name not in target and declaration.default is not None:
            target[name] = evaluate(build, frame, declaration.default)
        elif name not in target:
            raise fail(
                "G0513",
                f"the test gives no value for the attribute '{name}'",
                case.span,
                hint="attributes: …",
            )
    if frame.is_graph:
        frame.values.update(frame.file.attributes)


def _bind_slots(build: Construction, frame: Frame, case: TestCase) -> None:
    bound = {b.name.text: function_argument(build, frame, b.expression) for b in case.slots}
    if frame.is_graph:
        frame.file.slots.update(bound)
    elif frame.block.slots:
        own = frame.block.slots
        frame.file = replace(
            frame.file, slot_declarations=own, slots={**dict.fromkeys(s.name.text for s in own), **bound}
        )


def _bind_overrides(frame: Frame, case: TestCase) -> None:
    for binding in (*case.parameters, *case.state, *case.noise):
        frame.run.overrides[binding.name.text] = (binding.expression, frame)


# --- inputs -----------------------------------------------------------------------------------------------


def _bind_inputs(build: Construction, frame: Frame, case: TestCase) -> None:
    """Literal inputs bind dimensions first; then generated ones are drawn in declared order."""
    given = {b.name.text: b for b in case.inputs}
    literal = {n for n, b in given.items() if not calls(b.expression) and _is_literal(b.expression)}
    ordered = sorted(frame.block.inputs, key=lambda d: d.name.text not in literal)
    for declaration in ordered:
        name = declaration.name.text
        if name in given:
            frame.values[name] = _input(build, frame, declaration, given[name].expression, name in literal)
        elif declaration.optional:
            frame.values[name] = None
        else:
            raise fail(
                "G0806", f"the test gives no input '{name}'", case.span, hint=f"inputs: {name}: normal()"
            )


def _is_literal(expression: ex.Expression) -> bool:
    return isinstance(expression, ex.ListOf | ex.Number | ex.Boolean | ex.Unary)


def _input(
    build: Construction, frame: Frame, declaration: Declaration, expression: ex.Expression, literal: bool
) -> Meaning:
    name = declaration.name.text
    if declaration.type is None:  # an input of a one-line function takes whatever it is given
        type_ = None
    else:
        type_ = None if literal else _known_type(build, frame, declaration)
    if type_ is not None:
        value = generate(build, frame, expression, type_, name)
    else:
        value = _free_value(build, frame, declaration, expression)
    leaf = build.add_leaf("Input", name, value.tensor)
    build.initializers[name] = value
    if declaration.type is not None:
        return fit(build, frame, declaration.type, Tensor(leaf), f"input '{name}'", expression.span)
    return Tensor(leaf)


def _known_type(build: Construction, frame: Frame, declaration: Declaration) -> TensorType | None:
    """The declared type, where sizes and literals tell all of it."""
    assert declaration.type is not None
    if declaration.type.like is not None:
        found = frame.values.get(declaration.type.like)
        return found.type if isinstance(found, Tensor) else None
    dims: list[Dimension] = []
    for d in declaration.type.dims:
        if isinstance(d, ex.Ellipsis) or (isinstance(d, ex.Name) and d.name == "_"):
            return None
        try:
            dims.append(dimension(build, frame, d))
        except UnknownDimension:
            return None
    return TensorType(resolve_dtype(build, frame, declaration.type, None), tuple(dims))


def _free_value(
    build: Construction, frame: Frame, declaration: Declaration, expression: ex.Expression
) -> Value:
    """An input whose own expression tells its shape."""

    name = declaration.name.text
    dtype = _target_dtype(build, frame, declaration)
    with build.generating(Target(None, dtype or build.default_float, name)), build.at(expression.span):
        try:
            meaning = evaluate(build, frame, expression)
        except SpecError as error:
            raise _open_size(build, frame, declaration, error) from None
        if isinstance(meaning, Items):
            meaning = as_array(build, meaning)
        if not is_tensor_like(meaning):
            raise fail("G0414", f"input '{name}' needs a tensor, not {kind_name(meaning)}", expression.span)
        return build.value(meaning, dtype if is_weak(meaning) else None)


def _target_dtype(build: Construction, frame: Frame, declaration: Declaration) -> DType | None:
    if declaration.type is None or declaration.type.dtype == "any" or declaration.type.like is not None:
        return None
    return resolve_dtype(build, frame, declaration.type, None)


def _open_size(build: Construction, frame: Frame, declaration: Declaration, error: SpecError) -> SpecError:
    """A generator without a shape means that the test leaves a size open: say which."""
    if all(d.code != "G0436" for d in error.diagnostics) or declaration.type is None:
        return error
    missing: list[str] = []
    for d in declaration.type.dims:
        try:
            if not isinstance(d, ex.Ellipsis):
                dimension(build, frame, d)
        except UnknownDimension as unknown:
            missing.append(unknown.name)
    if not missing:
        return error
    return SpecError(
        replace(d, hint=f"the test leaves {', '.join(missing)} open: give a number under sizes:")
        for d in error.diagnostics
    )


# --- expectations -------------------------------------------------------------------------------------------


def _expectations(
    build: Construction, frame: Frame, case: TestCase, results: dict[str, Value]
) -> tuple[Expectation, ...]:
    """All conditions of a test. Raises SpecError with the mistakes of all of them.

    A test that expects an error has none: there the outputs are made, so that it can come."""
    if case.expect_error is not None:
        for output in frame.block.outputs:
            lookup(build, frame, output.name.text, output.name.span)
    found: list[Expectation] = []
    errors: list[Diagnostic] = []
    for index, expression in enumerate(case.expect):
        try:
            found.append(_expectation(build, frame, expression, index, results))
        except SpecError as error:
            errors += error.diagnostics
        except Poisoned:  # it uses a node that an earlier condition has found wrong
            continue
    if errors:
        raise SpecError(errors)
    return tuple(found)


def _expectation(
    build: Construction, frame: Frame, expression: ex.Expression, index: int, results: dict[str, Value]
) -> Expectation:
    text = " ".join(printed_source(expression.span).split())
    _refuse_unequal(expression)
    with build.at(expression.span):
        meaning, sides = _condition(build, frame, expression)
        if not (isinstance(meaning, bool) or (is_tensor_like(meaning) and _is_bool(meaning))):
            raise fail("G0807", f"an expectation is a condition, not {kind_name(meaning)}", expression.span)
        name = f"expect.{index}"
        results[name] = build.value(meaning, BOOL) if not isinstance(meaning, Tensor) else meaning.value
        if sides is None:
            return Expectation(text, expression.span, name)
        for side, value in zip(("left", "right"), sides, strict=True):
            results[f"{side}.{index}"] = build.value(value)
    return Expectation(text, expression.span, name, f"left.{index}", f"right.{index}")


def _is_bool(meaning: Meaning) -> bool:
    if isinstance(meaning, Tensor):
        return meaning.dtype is BOOL
    return isinstance(meaning, np.ndarray) and meaning.dtype.kind == "b"


def _refuse_unequal(expression: ex.Expression) -> None:
    if isinstance(expression, ex.Comparison) and expression.operators == ("!=",):
        raise fail(
            "G0808",
            "is it meant that some element differs, or that all do?",
            expression.span,
            hint="write any(a != b) or all(a != b)",
        )


def _condition(
    build: Construction, frame: Frame, expression: ex.Expression
) -> tuple[Meaning, tuple[Meaning, Meaning] | None]:
    """What a condition means, and the two sides of `a == b` or `allclose(a, b)`, for the report of a
    failure. Each side is evaluated once: a second run would draw other numbers."""
    if isinstance(expression, ex.Comparison) and len(expression.operands) == 2:
        if expression.operators[0] not in ("is", "is not"):
            left, right = (evaluate(build, frame, o) for o in expression.operands)
            meaning = _located(
                build, expression, lambda: compare(build, expression.operators[0], left, right)
            )
            return meaning, _shown(left, right)
    if _is_allclose(frame, expression):
        assert isinstance(expression, ex.Call)
        left, right, options = _close_operands(build, frame, expression)
        meaning = _located(build, expression, lambda: _close(build, frame, left, right, options))
        return meaning, _shown(left, right)
    return evaluate(build, frame, expression), None


def _located(build: Construction, expression: ex.Expression, condition: Callable[[], Meaning]) -> Meaning:
    try:
        return condition()
    except RuleError as error:
        raise located(error, build, expression) from None


def _shown(left: Meaning, right: Meaning) -> tuple[Meaning, Meaning] | None:
    return (left, right) if is_tensor_like(left) and is_tensor_like(right) else None


def _is_allclose(frame: Frame, expression: ex.Expression) -> bool:
    return (
        isinstance(expression, ex.Call)
        and isinstance(expression.function, ex.Name)
        and expression.function.name == "allclose"
        and "allclose" not in frame.file.functions
    )


# --- what only tests may call: allclose, self, after ----------------------------------------------------------


def allclose(build: Construction, frame: Frame, expression: ex.Call) -> NodeResult:
    """`allclose(a, b, rtol=, atol=)`: |a - b| ≤ atol + rtol |b| everywhere, shapes broadcasting."""
    return NodeResult(_close(build, frame, *_close_operands(build, frame, expression)))


def _close_operands(
    build: Construction, frame: Frame, expression: ex.Call
) -> tuple[Meaning, Meaning, dict[str, Meaning]]:
    if len(expression.arguments) != 2 or any(k.name not in ("rtol", "atol") for k in expression.keywords):
        raise fail(
            "G0501",
            "allclose takes two tensors, rtol= and atol=",
            expression.span,
            hint="allclose(a, b, atol=1e-4)",
        )
    a, b = (evaluate(build, frame, x) for x in expression.arguments)
    return a, b, {k.name: evaluate(build, frame, k.value) for k in expression.keywords}


def _close(
    build: Construction, frame: Frame, a: Meaning, b: Meaning, given: Mapping[str, Meaning]
) -> Meaning:
    dtype = arithmetic.common_dtype(build, (a, b))
    rtol, atol = TOLERANCES.get(dtype.name if dtype is not None else "float64", (0.0, 0.0))
    default = {"rtol": rtol, "atol": atol, **(frame.run.tolerance or {})}
    chosen = {n: given.get(n, v) for n, v in default.items()}
    if dtype is not None and not dtype.is_float:
        return any_or_all("all")(build, arithmetic.binary(build, "==", a, b))
    distance = keeping("abs")(build, arithmetic.binary(build, "-", a, b))
    allowed = arithmetic.binary(build, "*", keeping("abs")(build, b), chosen["rtol"])
    allowed = arithmetic.binary(build, "+", allowed, chosen["atol"])
    # equal infinities have no difference, so they count by equality
    near = arithmetic.binary(build, "<=", distance, allowed)
    same = arithmetic.binary(build, "==", a, b)
    return any_or_all("all")(build, arithmetic.logical(build, "or", (near, same)))


def another_run(build: Construction, frame: Frame, expression: ex.Call) -> NodeResult:
    """`self(name=value, …)`: the same run with inputs, parameters, state, noise or training replaced."""
    subject = frame.run.subject
    root = frame.run.root
    if subject is None or root is None:
        raise fail("G0809", "self(…) is for tests", expression.span)
    if expression.arguments:
        raise fail("G0501", "self takes names: self(x=…)", expression.arguments[0].span)
    run = Run({**root.run.overrides}, root.run.tolerance, None, [], subject)
    training = root.training
    replaced: dict[str, ex.Keyword] = {}
    for keyword in expression.keywords:
        if keyword.name == "training":
            training = bool(evaluate(build, frame, keyword.value))
        else:
            replaced[keyword.name] = keyword
    other = Frame(root.block, root.file, "", training, is_graph=root.is_graph, run=run)
    other.definitions, other.call_span = root.definitions, expression.span
    run.root, run.frames = other, [other]
    _rebind(build, frame, root, other, replaced)
    build.frames.append(other)
    single_output = None
    if len(other.block.outputs) == 1:
        output = other.block.outputs[0].name
        single_output = lookup(build, other, output.text, output.span).meaning
    return NodeResult(single_output, other)


def _rebind(
    build: Construction, frame: Frame, root: Frame, other: Frame, replaced: dict[str, ex.Keyword]
) -> None:
    block = root.block
    inputs = {d.name.text: d for d in block.inputs}
    attributes = {a.name.text for a in block.attributes}
    fixed = {d.name.text for d in (*block.parameters, *block.state, *block.noise)}
    for name, value in root.values.items():
        if name in inputs or name in attributes:
            other.values[name] = value
    other.dims = {n: v for n, v in root.dims.items() if n not in _input_dims(root)}
    for name, keyword in replaced.items():
        if name in inputs:
            other.values[name] = _replacement(build, frame, root, inputs[name], keyword)
        elif name in fixed or "." in name:
            other.run.overrides[name] = (keyword.value, frame)
        else:
            known = [*inputs, *fixed, "training"]
            raise fail(
                "G0803",
                f"nothing here is called '{name}'",
                keyword.span,
                hint=did_you_mean(name, known) or f"self takes: {', '.join(known)}",
            )
    for name, declaration in inputs.items():
        if other.values.get(name) is not None and declaration.type is not None:
            other.values[name] = fit(
                build, other, declaration.type, other.values[name], f"input '{name}'", declaration.name.span
            )


def _input_dims(root: Frame) -> set[str]:
    """Dimensions that the inputs bind: another run with other inputs may have others."""
    return {
        d.name for i in root.block.inputs if i.type is not None for d in i.type.dims if isinstance(d, ex.Name)
    }


def _replacement(
    build: Construction, frame: Frame, root: Frame, declaration: Declaration, keyword: ex.Keyword
) -> Meaning:
    before = root.values.get(declaration.name.text)
    if isinstance(before, Tensor):
        target = Target(before.type.shape, before.dtype, f"self.{declaration.name.text}")
        with build.generating(target):
            return evaluate(build, frame, keyword.value)
    return evaluate(build, frame, keyword.value)


def after(build: Construction, frame: Frame, expression: ex.Call) -> NodeResult:
    """`after(path)`: a state after the run."""
    if len(expression.arguments) != 1 or expression.keywords:
        raise fail("G0501", "after takes one state", expression.span, hint="after(norm.running_mean)")
    if frame.run.subject is None:
        raise fail("G0809", "after(…) is for tests", expression.span)
    found = place(build, frame, expression.arguments[0])
    meaning = found.meaning
    if not isinstance(meaning, Tensor):
        raise fail("G0810", f"after takes a state, not {kind_name(meaning)}", expression.arguments[0].span)
    updates = collect_updates(build, frame.run.frames)
    if meaning.value.role == "State":
        return NodeResult(Tensor(updates.get(str(meaning.value.node.attribute("name")), meaning.value)))
    path = _dotted(expression.arguments[0])
    if path in updates:
        return NodeResult(Tensor(updates[path]))
    if path in frame.run.overrides:
        return NodeResult(meaning)
    raise fail("G0810", "after takes a state of the graph", expression.arguments[0].span)


def _dotted(expression: ex.Expression) -> str:
    if isinstance(expression, ex.Member):
        return f"{_dotted(expression.base)}.{expression.name}"
    return expression.name if isinstance(expression, ex.Name) else ""
