"""Files to scopes: sizes, attributes, functions and slots of a document and of all that it uses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING

from ..diagnostics import Note, Span, did_you_mean, fail
from ..ir import Size
from ..spec.documents import Block, Document, SizeDeclaration, Use
from ..spec.resolution import PRELUDE_FILE, Resolution
from ..spec.resolution import load as load_documents
from ..types import Dim, Dimension
from .construction import Construction
from .meanings import Callable, FunctionValue, Meaning, kind_name
from .scope import FileScope, Frame

if TYPE_CHECKING:
    from .calls import Arguments


@dataclass(frozen=True)
class Settings:
    """What the user fixes from outside: `--set`, `--slot`, a test's sizes, attributes and slots.

    `sizes` binds declared sizes and dimensions that inputs introduce; `optional` names the
    optional inputs that are given.
    """

    sizes: Mapping[str, int] = field(default_factory=dict)
    attributes: Mapping[str, Meaning] = field(default_factory=dict)
    slots: Mapping[str, Callable] = field(default_factory=dict)
    optional: frozenset[str] = frozenset()


def function_label(document: Document) -> str:
    """The name that a graph is called by: hyphens become underscores (R1)."""
    return document.name.text.replace("-", "_")


def scope_of(
    build: Construction, document: Document, resolution: Resolution, settings: Settings | None = None
) -> FileScope:
    """The scope of a document, with everything it uses. Raises SpecError."""
    scopes: dict[int, FileScope] = {}
    for used in resolution.documents:
        if used is not document:
            scopes[id(used)] = _scope(build, used, resolution, scopes, Settings())
    return _scope(build, document, resolution, scopes, settings or Settings())


def _scope(
    build: Construction,
    document: Document,
    resolution: Resolution,
    scopes: Mapping[int, FileScope],
    settings: Settings,
) -> FileScope:
    scope = FileScope(document)
    used = resolution.used.get(document.source, ())
    imported: dict[str, Use] = {}
    for entry, other in zip(_entries(document, len(used)), used, strict=False):
        exported = _exported(scopes[id(other)])
        if entry.prefix is not None:
            scope.prefixes[entry.prefix.text] = FileScope(other, functions=dict(exported))
            continue
        for name, function in exported.items():
            if name in imported and scope.functions[name] is not function:
                _clash(name, imported[name], entry)
            imported[name] = entry
            scope.functions[name] = function
    for block in document.functions:
        if block.name.text in imported:
            raise fail(
                "G0310",
                f"'{block.name.text}' is also a function of '{imported[block.name.text].path.text}'",
                block.name.span,
                hint="rename one, or give the file a prefix under use:",
                notes=(Note("imported here", imported[block.name.text].path.span),),
            )
        scope.functions[block.name.text] = FunctionValue(block, scope)
    for name, function in _prelude_functions(document).items():
        scope.functions.setdefault(name, function)
    _bind_sizes(build, scope, settings)
    _bind_graph_attributes(build, scope, settings.attributes)
    if document.body is not None:
        scope.slot_declarations = document.body.slots
        scope.slots = {s.name.text: settings.slots.get(s.name.text) for s in document.body.slots}
    return scope


@cache
def _prelude_document() -> Document:
    """The library that every spec has without `use:`, parsed once."""
    document, _ = load_documents(str(PRELUDE_FILE))
    return document


def _prelude_functions(document: Document) -> dict[str, Callable]:
    prelude = _prelude_document()
    if document.source.path == prelude.source.path:
        return {}
    scope = FileScope(prelude, is_prelude=True)
    scope.functions = {b.name.text: FunctionValue(b, scope) for b in prelude.functions}
    return scope.functions


def prelude_names() -> frozenset[str]:
    """The names of the functions that every spec has without `use:`."""
    return frozenset(b.name.text for b in _prelude_document().functions)


def _entries(document: Document, count: int) -> list[Use]:
    return list(document.use)[:count] if len(document.use) == count else list(document.use)


def _exported(scope: FileScope) -> dict[str, Callable]:
    """What a file offers to those that use it: a library's functions, or a graph by its name."""
    document = scope.document
    if document.body is not None:
        return {function_label(document): FunctionValue(document.body, scope)}
    return {b.name.text: scope.functions[b.name.text] for b in document.functions}


def _clash(name: str, first: Use, second: Use) -> None:
    raise fail(
        "G0310",
        f"'{name}' is a function of both '{first.path.text}' and '{second.path.text}'",
        second.path.span,
        hint="give one of the files a prefix: use: as a mapping",
        notes=(Note("the first is used here", first.path.span),),
    )


# --- sizes and attributes -----------------------------------------------------------------------------


def _bind_sizes(build: Construction, scope: FileScope, settings: Settings) -> None:
    waiting = {s.name.text: s for s in scope.document.sizes}
    active: list[str] = []

    def bind(declaration: SizeDeclaration) -> None:
        name = declaration.name.text
        if name in scope.sizes:
            return
        if name in active:
            chain = " -> ".join([*active[active.index(name) :], name])
            raise fail("G0304", f"these sizes need each other: {chain}", declaration.name.span)
        active.append(name)
        for needed in _needed(declaration):
            if needed in waiting:
                bind(waiting[needed])
        active.pop()
        scope.sizes[name] = _size(build, scope, declaration, settings)

    for declaration in scope.document.sizes:
        bind(declaration)


def _needed(declaration: SizeDeclaration) -> list[str]:
    from .references import references

    parts = (declaration.value, declaration.low, declaration.high)
    return [r.name.name for p in parts if p is not None for r in references(p)]


def _size(
    build: Construction, scope: FileScope, declaration: SizeDeclaration, settings: Settings
) -> Dimension:
    name = declaration.name.text
    given = settings.sizes.get(name)
    if declaration.value is not None:
        return given if given is not None else _integer(build, scope, declaration, declaration.value)
    low = _integer(build, scope, declaration, declaration.low) if declaration.low is not None else 1
    high = _integer(build, scope, declaration, declaration.high) if declaration.high is not None else None
    if not isinstance(low, int) or not isinstance(high, int | None) or (high is not None and high < low):
        raise fail("G0408", f"'{name}' needs a range of whole numbers, low..high", declaration.name.span)
    if given is not None:
        if given < low or (high is not None and given > high):
            raise fail(
                "G1301",
                f"{name}={given} is outside {low}..{'' if high is None else high}",
                declaration.name.span,
            )
        return given
    return build.introduce(name, Size(low, high))


def _integer(
    build: Construction, scope: FileScope, declaration: SizeDeclaration, expression: object
) -> Dimension:
    from ..spec import expressions as ex
    from .evaluation import evaluate

    assert isinstance(expression, ex.Expression)
    meaning = evaluate(build, plain_frame(scope), expression)
    if not isinstance(meaning, int | Dim) or isinstance(meaning, bool):
        raise fail(
            "G0408",
            f"the size '{declaration.name.text}' must be a whole number, not {kind_name(meaning)}",
            expression.span,
        )
    return meaning


def plain_frame(scope: FileScope) -> Frame:
    """A frame that sees the compile-time names of a file only."""
    block = scope.document.body or Block(scope.document.name)
    return Frame(Block(block.name), scope, "", False, is_graph=scope.document.body is not None)


def _bind_graph_attributes(build: Construction, scope: FileScope, given: Mapping[str, Meaning]) -> None:
    from .calls import check_attribute
    from .evaluation import evaluate

    if scope.document.body is None:
        return
    frame = plain_frame(scope)
    for declaration in scope.document.body.attributes:
        name = declaration.name.text
        if name in given:
            scope.attributes[name] = check_attribute(declaration, given[name], declaration.name.span)
        elif declaration.default is not None:
            scope.attributes[name] = evaluate(build, frame, declaration.default)
        frame.values = dict(scope.attributes)


def check_settings(scope: FileScope, settings: Settings, dims: frozenset[str]) -> None:
    """Raises G1301 for a size, attribute, slot or optional input that the document has not."""
    body = scope.document.body
    attributes = [a.name.text for a in body.attributes] if body else []
    slots = [s.name.text for s in body.slots] if body else []
    optional = [d.name.text for d in body.inputs if d.optional] if body else []
    for kind, given, known in (
        ("size", settings.sizes, [*scope.sizes, *dims]),
        ("attribute", settings.attributes, attributes),
        ("slot", settings.slots, slots),
        ("optional input", settings.optional, optional),
    ):
        for name in given:
            if name not in known:
                raise fail(
                    "G1301",
                    f"'{scope.document.name.text}' has no {kind} '{name}'",
                    hint=did_you_mean(name, known) or (f"it has: {', '.join(known)}" if known else None),
                )


def instantiate(build: Construction, file: FileScope, arguments: Arguments, path: str) -> FileScope:
    """A graph's file for one call of the graph: its own attributes, slots and functions."""
    body = file.document.body
    assert body is not None
    names = {a.name.text for a in body.attributes}
    given = {k: m for k, (m, _) in arguments.keywords.items() if k in names}
    slots = {s.name.text: file.slots.get(s.name.text) for s in body.slots}
    scope = FileScope(file.document, dict(file.sizes), prefixes=file.prefixes, slot_path=path)
    scope.slot_declarations, scope.slots = body.slots, slots
    for name, function in file.functions.items():
        local = isinstance(function, FunctionValue) and function.file is file
        scope.functions[name] = (
            FunctionValue(function.block, scope)
            if local and isinstance(function, FunctionValue)
            else function
        )
    _bind_slots(scope, body, arguments)
    _bind_graph_attributes(build, scope, given)
    return scope


def with_slots(file: FileScope, block: Block, arguments: Arguments, path: str) -> FileScope:
    """The file's scope as one call of a function with slots of its own sees it."""
    own = {s.name.text for s in block.slots}
    inherited = tuple(s for s in file.slot_declarations if s.name.text not in own)
    scope = replace(
        file, slot_declarations=(*block.slots, *inherited), slots=dict(file.slots), slot_path=path
    )
    scope.slots.update(dict.fromkeys(own))
    _bind_slots(scope, block, arguments)
    return scope


def _bind_slots(scope: FileScope, block: Block, arguments: Arguments) -> None:
    for slot in block.slots:
        bound = arguments.keywords.get(slot.name.text)
        if bound is not None and bound[0] is not None:
            scope.slots[slot.name.text] = _callable(bound[0], bound[1])


def _callable(meaning: Meaning, span: Span) -> Callable:
    from .resolution import is_callable

    if not is_callable(meaning):
        raise fail("G0507", f"a slot takes a function, not {kind_name(meaning)}", span)
    return meaning  # type: ignore[return-value]  # is_callable has just checked
