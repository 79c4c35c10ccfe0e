"""State after a run (R30): the updates of every call that was made."""

from __future__ import annotations

from ..diagnostics import Note, Span, SpecError, fail
from ..ir import Value
from ..spec.documents import Update
from .construction import Construction
from .evaluation import evaluate, lookup
from .meanings import Tensor, is_tensor_like, kind_name
from .scope import Frame, NodeContext


def collect_updates(build: Construction, frames: list[Frame]) -> dict[str, Value]:
    """State name -> its value after the run. An update that changes nothing is dropped."""
    found: dict[str, Value] = {}
    callers: dict[str, Frame] = {}
    done = 0
    while done < len(frames):  # an update may call functions that have updates of their own
        frame = frames[done]
        done += 1
        for update in frame.block.updates:
            name, value = state_update(build, frame, update)
            if value is build.leaves.get(name):
                continue
            if name in found and found[name] is not value:
                raise fail(
                    "G0708",
                    f"the state '{name}' is updated twice, to different values",
                    update.state.span,
                    hint="a slot or shared state may be updated by one call only",
                    notes=_callers(callers[name], frame),
                )
            found[name], callers[name] = value, frame
    return found


def _callers(*frames: Frame) -> tuple[Note, ...]:
    return tuple(
        Note(f"'{f.block.name.text}' is called from here", f.call_span)
        for f in frames
        if f.call_span is not None
    )


def state_update(build: Construction, frame: Frame, update: Update) -> tuple[str, Value]:
    """The full name of an updated state and its new value, of the state's type."""
    name = update.state.text
    try:
        state = lookup(build, frame, name, update.state.span).meaning
        overridden = frame.join(name) in frame.run.overrides
        if not isinstance(state, Tensor) or not (overridden or state.value.role == "State"):
            raise fail(
                "G0709",
                f"'{name}' is no state of '{frame.block.name.text}'",
                update.state.span,
                hint="this call was given a tensor in its place: give it a state, or let it own one",
            )
        before, build.context = build.context, NodeContext(frame, f"after_{name}")
        try:
            meaning = evaluate(build, frame, update.expression)
        finally:
            build.context = before
        if not is_tensor_like(meaning):
            raise fail("G0414", f"an update needs a tensor, not {kind_name(meaning)}", update.expression.span)
        with build.at(update.expression.span):
            weak = not isinstance(meaning, Tensor) or meaning.weak
            value = build.value(meaning, state.dtype if weak else None)
            if value.tensor.dtype is state.dtype and value.tensor != state.type and value.tensor.rank == 0:
                value = build.op("Expand", value, build.shape_value(state.type.shape))
        if value.tensor != state.type:
            raise fail(
                "G0710",
                f"the state '{name}' is {state.type}, but its update is {value.type}",
                update.expression.span,
                notes=(Note("the state is declared here", _declared(frame, name)),),
            )
        full = frame.join(name) if overridden else str(state.value.node.attribute("name"))
        return full, value
    except SpecError as error:
        if frame.call_span is None:
            raise
        note = Note(f"'{frame.block.name.text}' is called from here", frame.call_span)
        raise SpecError(d.with_notes(note) for d in error.diagnostics) from None


def _declared(frame: Frame, name: str) -> Span | None:
    return next((d.name.span for d in frame.block.state if d.name.text == name), None)
