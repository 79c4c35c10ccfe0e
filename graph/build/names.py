"""Names checked without types: unknown ones, cycles, and what is never used (R4-R6).

These checks reach functions that nothing calls, whose bodies are never evaluated.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..diagnostics import Diagnostics, Note, SpecError, did_you_mean, fail, nearest
from ..spec import expressions as ex
from ..spec.documents import Block, Declaration, Document, Label, NodeDefinition
from ..types import DTYPES
from .evaluation import CONSTANTS
from .references import calls, references
from .resolution import SPECIAL, find_function, resolve_function
from .scope import FileScope

_FUNCTION_POSITIONS = {"repeat": (0,), "scan": (0,), "cond": (1, 2), "while_loop": (0, 1), "partial": (0,)}


def check_names(scope: FileScope, document: Document, diagnostics: Diagnostics) -> None:
    """Adds G0301, G0302, G0304, G0312 (a warning) and G0313 (a warning) for every block of a file."""
    file_names = {s.name.text for s in document.sizes}
    if document.body is not None:
        file_names |= {a.name.text for a in document.body.attributes}
        texts = [*(e for f in document.functions for e in expressions(f)), *_optimizers(document)]
        elsewhere = {r.name.name for e in texts for r in references(e)}
        check_block(scope, document.body, file_names, diagnostics, elsewhere)
    for block in document.functions:
        slots = scope
        if block.slots:
            from .calls import Arguments
            from .files import with_slots

            slots = with_slots(scope, block, Arguments(), "")
        check_block(slots, block, file_names, diagnostics, set())
    if document.body is not None:
        _unused_functions(scope, document, diagnostics)


def _optimizers(document: Document) -> Iterator[ex.Expression]:
    """Their options may name sizes and attributes."""
    for step in document.training.alternate if document.training is not None else ():
        yield from (e for e in (step.optimizer, *(call for _, call in step.groups)) if e is not None)


def check_block(
    scope: FileScope, block: Block, file_names: set[str], diagnostics: Diagnostics, extra: set[str]
) -> None:
    """The checks of one block; `extra` are names that other blocks of the file use."""
    known = _known(block) | file_names | _slot_dims(scope)
    for expression in expressions(block):
        _check_expression(scope, block, known, expression, diagnostics)
    _check_cycles(block, diagnostics)
    _check_unused(block, extra, diagnostics)
    _check_lonely_dimensions(block, file_names, diagnostics)


def _known(block: Block) -> set[str]:
    groups: Iterable[Iterable[Declaration]] = (block.inputs, block.parameters, block.state, block.noise)
    names = {d.name.text for group in groups for d in group}
    names |= {a.name.text for a in block.attributes}
    names |= {t.text for n in block.nodes for t in n.targets}
    return names | set(dimension_labels(block)) | set(CONSTANTS) | set(DTYPES) | {"training", "_"}


def _slot_dims(scope: FileScope) -> set[str]:
    found: set[str] = set()
    for slot in scope.slot_declarations:
        for t in (*slot.signature.inputs, *slot.signature.outputs):
            found |= {d.name for d in t.dims if isinstance(d, ex.Name)}
    return found


def dimension_labels(block: Block) -> dict[str, list[Label]]:
    """The names in the dimensions of the block's inputs, with every place."""
    found: dict[str, list[Label]] = {}
    for declaration in block.inputs:
        if declaration.type is not None:
            for d in declaration.type.dims:
                for r in references(d):
                    found.setdefault(r.name.name, []).append(Label(r.name.name, r.name.span))
    return found


def expressions(block: Block) -> Iterator[ex.Expression]:
    """Every expression of a block, types aside."""
    yield from (n.expression for n in block.nodes)
    yield from (u.expression for u in block.updates)
    yield from (r.expression for r in block.require)
    for group in (block.parameters, block.state, block.noise):
        yield from (d.default for d in group if d.default is not None)
    yield from (a.default for a in block.attributes if a.default is not None)


def _check_expression(
    scope: FileScope, block: Block, known: set[str], expression: ex.Expression, diagnostics: Diagnostics
) -> None:
    functions = set()
    for call in calls(expression):
        name = call.function.name if isinstance(call.function, ex.Name) else ""
        functions |= {id(a) for i, a in enumerate(call.arguments) if i in _FUNCTION_POSITIONS.get(name, ())}
        functions |= _slot_arguments(scope, call)
        if name not in SPECIAL:
            _try_resolve(scope, call.function, diagnostics)
    for reference in references(expression):
        node = reference.name
        if id(node) in functions:
            if not (node.name in SPECIAL or find_function(scope, node)):
                _try_resolve(scope, node, diagnostics)
        elif node.name not in known and node.name not in scope.prefixes:
            _unknown(scope, node, known, diagnostics)


def _slot_arguments(scope: FileScope, call: ex.Call) -> set[int]:
    from .meanings import FunctionValue

    function = find_function(scope, call.function)
    if not isinstance(function, FunctionValue):
        return set()
    slots = {s.name.text for s in function.block.slots}
    return {id(k.value) for k in call.keywords if k.name in slots}


def _try_resolve(scope: FileScope, expression: ex.Expression, diagnostics: Diagnostics) -> None:
    try:
        resolve_function(scope, expression)
    except SpecError as error:
        diagnostics.extend(error)


def _unknown(scope: FileScope, node: ex.Name, known: set[str], diagnostics: Diagnostics) -> None:
    if find_function(scope, node) is not None:
        diagnostics.error(
            "G0303", f"'{node.name}' is a function; call it, or pass it where a function is taken", node.span
        )
        return
    hint = did_you_mean(node.name, sorted(known - {"_"}))
    body = scope.document.body
    if hint is None and body is not None and node.name in _known(body):
        hint = "a function sees no tensors of the graph: pass it as an argument"
    diagnostics.error("G0301", f"unknown name '{node.name}'", node.span, hint=hint)


# --- cycles -------------------------------------------------------------------------------------------------


def _check_cycles(block: Block, diagnostics: Diagnostics) -> None:
    """One diagnostic for each cycle among the nodes, iteratively."""
    definitions = {t.text: n for n in block.nodes for t in n.targets if t.text != "_"}
    needs = {
        name: [r.name for r in references(n.expression) if r.name.name in definitions]
        for name, n in definitions.items()
    }
    done: set[str] = set()
    for start in definitions:
        path: list[str] = []
        stack: list[tuple[str, int]] = [(start, 0)]
        while stack:
            name, position = stack.pop()
            if position == 0:
                if name in done:
                    continue
                path.append(name)
            if position < len(needs[name]):
                stack.append((name, position + 1))
                needed = needs[name][position]
                if needed.name in path:
                    names = [*path[path.index(needed.name) :], needed.name]
                    _cycle(definitions, names, needed, diagnostics)
                    done.update(path)
                elif needed.name not in done:
                    stack.append((needed.name, 0))
            else:
                path.remove(name)
                done.add(name)


def _cycle(
    definitions: dict[str, NodeDefinition], names: list[str], at: ex.Name, diagnostics: Diagnostics
) -> None:
    notes = [Note(f"'{n}' is defined here", definitions[n].targets[0].span) for n in dict.fromkeys(names)]
    diagnostics.error(
        "G0304", f"these nodes need each other: {' -> '.join(names)}", at.span, notes=tuple(notes[:6])
    )


# --- never used ---------------------------------------------------------------------------------------------


def _used(block: Block) -> set[str]:
    used = {r.name.name for e in expressions(block) for r in references(e)}
    used |= {o.name.text for o in block.outputs} | {u.state.text for u in block.updates}
    for group in (block.inputs, block.parameters, block.state, block.noise):
        for declaration in group:
            if declaration.type is not None:
                used |= {r.name.name for d in declaration.type.dims for r in references(d)}
                used |= {declaration.type.like} if declaration.type.like else set()
    for case in block.tests:
        bindings = (*case.let, *case.inputs)
        texts = [*case.expect, *(b.expression for b in bindings)]
        used |= {r.name.name for e in texts for r in references(e)}
    return used


def _check_unused(block: Block, extra: set[str], diagnostics: Diagnostics) -> None:
    """Warns of inputs, attributes, parameters, states, noise and nodes that nothing mentions."""
    used = _used(block) | extra
    groups = (
        ("input", block.inputs),
        ("parameter", block.parameters),
        ("state", block.state),
        ("noise", block.noise),
        ("attribute", block.attributes),
    )
    for kind, group in groups:
        for declaration in group:
            if declaration.name.text not in used and not block.one_line:
                diagnostics.warning(
                    "G0312", f"{kind} '{declaration.name.text}' is never used", declaration.name.span
                )


def check_unused_nodes(block: Block, extra: set[str], diagnostics: Diagnostics) -> None:
    """Warns of nodes that no output, update, test or name in `extra` (losses, metrics) needs."""
    definitions = {t.text: n for n in block.nodes for t in n.targets if t.text != "_"}
    roots = {o.name.text for o in block.outputs} | extra
    roots |= {r.name.name for u in block.updates for r in references(u.expression)}
    roots |= {r.name.name for q in block.require for r in references(q.expression)}
    for case in block.tests:
        for e in (*case.expect, *(b.expression for b in case.let)):
            roots |= {r.name.name for r in references(e)} | _member_names(e)
    reached: set[str] = set()
    waiting = [r for r in roots if r in definitions]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += [
                r.name.name for r in references(definitions[name].expression) if r.name.name in definitions
            ]
    for node in block.nodes:
        names = [t for t in node.targets if t.text != "_"]
        if names and not any(t.text in reached for t in names):
            diagnostics.warning(
                "G0312",
                f"node '{names[0].text}' is never used: no output, loss, update or test needs it",
                names[0].span,
            )


def _member_names(expression: ex.Expression) -> set[str]:
    """Names after a dot, such as those of `self(…).loss`."""
    from ..spec.static_rules import children

    found: set[str] = set()
    stack = [expression]
    while stack:
        node = stack.pop()
        if isinstance(node, ex.Member):
            found.add(node.name)
        stack += children(node)
    return found


def _unused_functions(scope: FileScope, document: Document, diagnostics: Diagnostics) -> None:
    mentioned: set[str] = set()
    blocks = [*document.functions, *([document.body] if document.body else [])]
    for block in blocks:
        found = list(expressions(block))
        for case in block.tests:
            bindings = (*case.let, *case.inputs, *case.slots, *case.parameters, *case.state, *case.noise)
            found += [*case.expect, *(b.expression for b in bindings)]
        found += [s.signature.default for s in block.slots if s.signature.default is not None]
        for expression in found:
            mentioned |= {c.function.name for c in calls(expression) if isinstance(c.function, ex.Name)}
            mentioned |= {r.name.name for r in references(expression)}
    training = document.training
    if training is not None:
        bound = training.data.bind if training.data is not None else ()
        parts = [b.expression for b in (*training.metrics, *bound)] + [
            u.expression for u in training.after_step
        ]
        for expression in parts:
            mentioned |= {c.function.name for c in calls(expression) if isinstance(c.function, ex.Name)}
    for block in document.functions:
        if block.name.text not in mentioned and not block.tests:
            diagnostics.warning("G0312", f"function '{block.name.text}' is never used", block.name.span)


# --- dimensions that look misspelt ----------------------------------------------------------------------------


def _check_lonely_dimensions(block: Block, file_names: set[str], diagnostics: Diagnostics) -> None:
    """Warns of a dimension that occurs once in the block and is close to another name (R4)."""
    labels = dimension_labels(block)
    used = {r.name.name for e in expressions(block) for r in references(e)}
    for group in (block.parameters, block.state, block.noise):
        for declaration in group:
            if declaration.type is not None:
                used |= {r.name.name for d in declaration.type.dims for r in references(d)}
    others = (_known(block) | file_names) - set(CONSTANTS) - set(DTYPES) - {"_", "training"}
    for name, places in labels.items():
        if len(places) == 1 and name not in used | file_names and len(name) > 2:
            near = nearest(name, others - {name})
            if near is not None and near.lower() != name.lower():
                diagnostics.warning(
                    "G0313",
                    f"dimension '{name}' occurs once and is close to '{near}'",
                    places[0].span,
                    hint=f"did you mean '{near}'?",
                )


def unknown_outputs(block: Block, diagnostics: Diagnostics) -> None:
    """Adds G0301 for outputs that name nothing in the block."""
    known = _known(block)
    for output in block.outputs:
        if output.name.text not in known:
            hint = did_you_mean(output.name.text, sorted(known))
            diagnostics.extend(
                fail("G0301", f"output '{output.name.text}' is no value here", output.name.span, hint=hint)
            )
