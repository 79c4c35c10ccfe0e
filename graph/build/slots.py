"""Slots: graphs as arguments, one instance each (R23)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..diagnostics import Note, Span, fail
from ..spec import expressions as ex
from ..spec.documents import Block, SlotDeclaration
from ..types import Dimension, TensorType
from ..types.dimensions import symbol
from .construction import Construction
from .meanings import Callable, FunctionValue, Meaning, NodeResult, PartialValue, Results, SlotValue, Tensor
from .resolution import function_name, resolve_function
from .scope import FileScope, Frame
from .signatures import UnknownDimension, dimension, fit, resolve_dtype


def bound(build: Construction, slot: SlotValue) -> Callable | None:
    """What is bound to the slot, else its default, else None."""
    found = slot.file.slots.get(slot.name)
    if found is not None:
        return found
    default = slot.declaration.signature.default
    return None if default is None else resolve_function(slot.file, default)


def call_slot(
    build: Construction, frame: Frame, slot: SlotValue, arguments: object, span: Span
) -> NodeResult:
    """A call of a slot: the operands and results are checked against its signature."""
    from .calls import Arguments, apply, call_function

    assert isinstance(arguments, Arguments)
    signature = slot.declaration.signature
    scope = _signature_frame(frame, slot.file, span)
    if arguments.keywords or len(arguments.positional) != len(signature.inputs):
        raise fail(
            "G0501", f"the slot '{slot.name}' takes {len(signature.inputs)} positional arguments", span
        )
    operands = [
        (fit(build, scope, t, m, f"argument {i + 1} of slot '{slot.name}'", s), s)
        for i, (t, (m, s)) in enumerate(zip(signature.inputs, arguments.positional, strict=True))
    ]
    function = bound(build, slot)
    if function is None:
        return NodeResult(_stub(build, slot, scope, span))
    path, noise_path = _slot_paths(build, slot)
    given = Arguments([(m, s) for m, s in operands])
    partial_function = function
    while isinstance(partial_function, PartialValue):
        given, partial_function = given.with_partial(partial_function), partial_function.function
    if isinstance(partial_function, FunctionValue):
        result = call_function(build, partial_function, given, span, path, frame, noise_path)
    else:
        result = apply(build, frame, partial_function, given, span, path)
    return NodeResult(_checked(build, scope, slot, function, result.meaning, span), result.frame)


def _slot_paths(build: Construction, slot: SlotValue) -> tuple[str, str]:
    path = f"{slot.file.slot_path}.{slot.name}" if slot.file.slot_path else slot.name
    count = build.slot_calls.get(path, 0)
    build.slot_calls[path] = count + 1
    return path, f"{path}_{count}" if count else path


def _signature_frame(frame: Frame, file: FileScope, span: Span) -> Frame:
    """The scope of a signature: the file's sizes, and dimensions of this call."""
    scope = Frame(Block(file.document.name), file, "", frame.training, call_span=span, run=frame.run)
    scope.values = dict(file.attributes)
    return scope


def _checked(
    build: Construction, scope: Frame, slot: SlotValue, function: Callable, meaning: Meaning, span: Span
) -> Meaning:
    signature = slot.declaration.signature
    values = meaning.values if isinstance(meaning, Results) else (meaning,)
    name = function_name(function)
    if len(values) < len(signature.outputs):
        raise fail(
            "G0602",
            f"'{name}' returns {_results(len(values))}, but the slot '{slot.name}' promises "
            f"{_results(len(signature.outputs))}",
            span,
            notes=(Note("the slot is declared here", slot.declaration.name.span),),
        )
    checked = tuple(
        fit(build, scope, t, v, f"result {i + 1} of '{name}' in slot '{slot.name}'", span)
        for i, (t, v) in enumerate(zip(signature.outputs, values, strict=False))
    )
    for dim, value in scope.dims.items():
        slot.file.slot_dims.setdefault(dim, value)
    if len(checked) == 1:
        return checked[0]
    names = meaning.names[: len(checked)] if isinstance(meaning, Results) else ()
    return Results(names, checked)


def _results(count: int) -> str:
    return f"{count} result{'s' if count != 1 else ''}"


def _stub(build: Construction, slot: SlotValue, scope: Frame, span: Span) -> Meaning:
    """What an unbound slot returns where only checking is wanted. Raises G0601 otherwise."""
    if not build.allow_unbound_slots:
        raise fail(
            "G0601",
            f"nothing is bound to the slot '{slot.name}'",
            slot.declaration.name.span,
            hint=f"bind it: --slot {slot.name}=file.yaml, slots: in a test, or a default '= function'",
            notes=(Note("it is called here", span),),
        )
    outputs: list[Meaning] = []
    for t in slot.declaration.signature.outputs:
        dims = tuple(_stub_dimension(build, scope, slot, d) for d in t.dims)
        outputs.append(Tensor(build.placeholder(TensorType(resolve_dtype(build, scope, t, None), dims))))
    for dim, value in scope.dims.items():
        slot.file.slot_dims.setdefault(dim, value)
    if len(outputs) == 1:
        return outputs[0]
    return Results(tuple(f"y{i}" for i in range(len(outputs))), tuple(outputs))


def _stub_dimension(build: Construction, scope: Frame, slot: SlotValue, d: ex.Expression) -> Dimension:
    try:
        return dimension(build, scope, d)
    except UnknownDimension as error:
        found = slot.file.slot_dims.get(error.name, symbol(error.name))
        scope.dims[error.name] = found
        build.introduce(error.name)
        build.stub_sizes.add(error.name)
        return dimension(build, scope, d)


def infer_slot_dimension(build: Construction, frame: Frame, name: str) -> Dimension | None:
    """A size that only a slot's result tells (the classes of a network), by a trial call."""
    for declaration in frame.block.slots:
        if any(_mentions(t, name) for t in declaration.signature.outputs):
            with _trial(build):
                _try_slot(build, frame, declaration)
            return frame.file.slot_dims.get(name)
    return None


def _mentions(expression: ex.TypeExpression, name: str) -> bool:
    return any(isinstance(d, ex.Name) and d.name == name for d in expression.dims)


def _try_slot(build: Construction, frame: Frame, declaration: SlotDeclaration) -> None:
    from .calls import Arguments
    from .signatures import declared_type

    span = declaration.name.span
    types = [declared_type(build, frame, t, build.introduce) for t in declaration.signature.inputs]
    arguments = Arguments([(Tensor(build.placeholder(t)), span) for t in types])
    call_slot(build, frame, SlotValue(declaration, frame.file), arguments, span)


@contextmanager
def _trial(build: Construction) -> Iterator[None]:
    """Whatever is made inside is forgotten afterwards."""
    kept = {
        "origins": dict(build.origins),
        "weights": dict(build.weights),
        "leaves": dict(build.leaves),
        "initializers": dict(build.initializers),
        "size_values": dict(build.size_values),
        "assumptions": list(build.assumptions),
        "draws": dict(build.draws),
        "frames": list(build.frames),
        "slot_calls": dict(build.slot_calls),
    }
    loops, context, build.loops, build.context = build.loops, build.context, [], None
    try:
        yield
    finally:
        for name, value in kept.items():
            setattr(build, name, value)
        build.loops, build.context = loops, context
