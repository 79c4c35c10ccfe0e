"""`check`: everything that can be said of a document without running it, all at once (R6)."""

from __future__ import annotations

from dataclasses import replace

from ..diagnostics import Diagnostics, SpecError
from ..ir import collector_paused
from ..spec.documents import Block
from .cases import check_case
from .construction import Construction
from .document import Unit, new_construction, open_graph, output_value
from .evaluation import Poisoned, evaluate_node
from .files import scope_of
from .names import check_names, check_unused_nodes, unknown_outputs
from .references import references
from .scope import Frame
from .training import check_training
from .updates import collect_updates


def check_unit(unit: Unit) -> Diagnostics:
    """Every error and warning of a document and its tests. Slots may be unbound."""
    diagnostics = Diagnostics()
    with collector_paused():
        _check_files(unit, diagnostics)
        if unit.document.body is not None and not diagnostics.errors:
            for training in (False, True):
                for optional in _optional_choices(unit.document.body):
                    _check_variant(unit, training, optional, diagnostics)
        if not diagnostics.errors:
            _check_tests(unit, diagnostics)
    return diagnostics


def _check_files(unit: Unit, diagnostics: Diagnostics) -> None:
    build = new_construction(unit)
    try:
        scope = scope_of(build, unit.document, unit.resolution, unit.settings)
    except SpecError as error:
        diagnostics.extend(error)
        return
    check_names(scope, unit.document, diagnostics)
    for block in _blocks(unit):
        unknown_outputs(block, diagnostics)
    if unit.document.body is not None:
        check_unused_nodes(unit.document.body, _training_names(unit), diagnostics)


def _blocks(unit: Unit) -> list[Block]:
    body = [unit.document.body] if unit.document.body is not None else []
    return [*body, *unit.document.functions]


def _training_names(unit: Unit) -> set[str]:
    training = unit.document.training
    if training is None:
        return set()
    found = {step.loss.text for step in training.alternate}
    for expression in [
        *(m.expression for m in training.metrics),
        *(u.expression for u in training.after_step),
    ]:
        found |= {r.name.name for r in references(expression)}
    return found


def _optional_choices(body: Block) -> list[frozenset[str]]:
    """No optional input, and all of them."""
    names = frozenset(d.name.text for d in body.inputs if d.optional)
    return [frozenset(), names] if names else [names]


def _check_variant(unit: Unit, training: bool, optional: frozenset[str], diagnostics: Diagnostics) -> None:
    settings = replace(unit.settings, optional=unit.settings.optional | optional)
    build = new_construction(unit)
    build.allow_unbound_slots = build.checking = True
    try:
        frame = open_graph(build, replace(unit, settings=settings), training)
    except SpecError as error:
        diagnostics.extend(error)
        return
    everything = optional == frozenset(d.name.text for d in frame.block.inputs if d.optional)
    names = list(frame.definitions) if everything else _wanted(unit)
    check_frame(build, frame, names, diagnostics)
    if everything:
        check_training(unit, build, frame, diagnostics)
    for warning in build.diagnostics.items:
        diagnostics.add(warning)


def _wanted(unit: Unit) -> list[str]:
    """The nodes that results need: without its optional inputs a graph may not build the others."""
    body = unit.document.body
    assert body is not None
    names = {o.name.text for o in body.outputs} | _training_names(unit)
    return [t.text for n in body.nodes for t in n.targets if t.text in names]


def check_frame(build: Construction, frame: Frame, names: list[str], diagnostics: Diagnostics) -> None:
    """The nodes `names`, outputs and updates of a frame; an error in one leaves the others to be checked."""
    for name in names:
        if name in frame.broken:
            continue
        try:
            evaluate_node(build, frame, name)
        except SpecError as error:
            diagnostics.extend(error)
        except Poisoned:
            continue
    for output in frame.block.outputs:
        if output.name.text in frame.broken:
            continue
        try:
            output_value(build, frame, output.name.text)
        except SpecError as error:
            diagnostics.extend(error)
        except Poisoned:
            continue
    if not diagnostics.errors:
        try:
            collect_updates(build, frame.run.frames)
        except SpecError as error:
            diagnostics.extend(error)
        except Poisoned:
            return


def _check_tests(unit: Unit, diagnostics: Diagnostics) -> None:
    for block in _blocks(unit):
        for case in block.tests:
            try:
                check_case(unit, case, block)
            except SpecError as error:
                if case.expect_error is None or all(d.code != case.expect_error for d in error.diagnostics):
                    diagnostics.extend(error)
            except Poisoned:
                continue
