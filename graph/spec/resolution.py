"""`use:` followed: the library documents that a document names, transitively (R26)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..diagnostics import Diagnostics, Note, Source, SpecError, did_you_mean
from .documents import Document, Label
from .files import is_inside, read_source
from .reader import parse_document
from .vocabulary import Vocabulary

STANDARD_LIBRARY = Path(__file__).resolve().parents[2] / "specs"
PRELUDE_FILE = STANDARD_LIBRARY / "lowerings" / "prelude.yaml"
"""The library that every spec has without `use:`."""
MAX_LIBRARIES = 500
MAX_CHAIN = 50


@dataclass(frozen=True, slots=True)
class Resolution:
    """A document and all that it uses.

    `documents` holds each file once, what is used before what uses it, the document itself last.
    `used[source]` are the documents of that source's `use:` entries, in the same order.
    """

    documents: tuple[Document, ...]
    used: Mapping[Source, tuple[Document, ...]] = field(default_factory=dict)


def resolve(
    document: Document,
    *,
    root: Path | None = None,
    standard_library: Path = STANDARD_LIBRARY,
    vocabulary: Vocabulary | None = None,
) -> tuple[Resolution, Diagnostics]:
    """Loads every document named under `use:`, from the file's own folder or the standard library.

    `root` is the folder that paths may not leave (by default the folder of the document's file).
    Diagnostics: G0118 (not found), G0111 (leaves the root), G0119 (a cycle), G0120 (nothing to
    call in it), and whatever is wrong in the files; entries with errors are left out of `used`.
    """
    loader = _Loader(root or _folder(document.source), standard_library, vocabulary or Vocabulary())
    loader.follow(document, _real(Path(document.source.path)))
    return Resolution(tuple(loader.order), loader.used), loader.diagnostics


def load(
    path: str, *, root: Path | None = None, vocabulary: Vocabulary | None = None
) -> tuple[Document, Resolution]:
    """The document in a file and all that it uses. Raises SpecError with every diagnostic."""
    document, diagnostics = parse_document(read_source(path, root), vocabulary)
    if document is None:
        raise SpecError(diagnostics.items)
    resolution, found = resolve(document, root=root, vocabulary=vocabulary)
    for item in found.items:
        diagnostics.add(item)
    diagnostics.raise_if_errors()
    return document, resolution


@dataclass(frozen=True, slots=True)
class _Step:
    """A file being followed, and the `use:` entry that led to it."""

    path: str
    entry: Label | None


class _Loader:
    def __init__(self, root: Path, standard_library: Path, vocabulary: Vocabulary) -> None:
        self.root = root
        self.standard_library = standard_library
        self.vocabulary = vocabulary
        self.diagnostics = Diagnostics()
        self.order: list[Document] = []
        self.used: dict[Source, tuple[Document, ...]] = {}
        self.loaded: dict[str, Document | None] = {}
        self.chain: list[_Step] = []

    def follow(self, document: Document, real: str, entry: Label | None = None) -> None:
        self.chain.append(_Step(real, entry))
        targets = [self._target(document, use.path) for use in document.use]
        self.used[document.source] = tuple(target for target in targets if target is not None)
        self._check_names(document, targets)
        self.chain.pop()
        self.order.append(document)

    def _target(self, document: Document, entry: Label) -> Document | None:
        path = self._find(document.source, entry)
        if path is None:
            return None
        real = _real(path)
        if any(step.path == real for step in self.chain):
            self._cycle(entry, real)
            return None
        if real not in self.loaded:
            self.loaded[real] = None
            self.loaded[real] = self._load(path, real, entry)
        return self.loaded[real]

    def _load(self, path: Path, real: str, entry: Label) -> Document | None:
        if len(self.loaded) > MAX_LIBRARIES or len(self.chain) > MAX_CHAIN:
            message = f"more than {MAX_LIBRARIES} libraries, or a chain of more than {MAX_CHAIN}"
            self.diagnostics.error("G0009", message, entry.span)
            return None
        try:
            document, found = parse_document(read_source(str(path)), self.vocabulary)
        except SpecError as error:
            for item in error.diagnostics:
                self.diagnostics.add(item.with_notes(Note("used here", entry.span)))
            return None
        for item in found.items:
            self.diagnostics.add(item.with_notes(Note("used here", entry.span)))
        if document is None:
            return None
        if document.kind not in ("library", "graph"):
            message = f"'{entry.text}' is a {document.kind} document: there is nothing to call in it"
            self.diagnostics.error("G0120", message, entry.span, hint="'use:' names libraries and graphs")
            return None
        self.follow(document, real, entry)
        return document

    def _check_names(self, document: Document, targets: list[Document | None]) -> None:
        """Reports (G0310) functions that a list under `use:` brings in under a name already taken."""
        slots = document.body.slots if document.body is not None else ()
        local = {
            label.text: label for label in (*(f.name for f in document.functions), *(s.name for s in slots))
        }
        brought: dict[str, Label] = {}
        for use, target in zip(document.use, targets, strict=True):
            if target is None or use.prefix is not None:
                continue
            for name, label in exported_names(target):
                other = local.get(name) or brought.setdefault(name, label)
                if other is label:
                    continue
                span = other.span if name in local else use.path.span
                places = (label,) if name in local else (other, label)
                notes = tuple(Note(f"'{name}' is defined here", place.span) for place in places)
                message = f"the name '{name}' comes from two places"
                hint = "rename one, or give the library a prefix: 'use:' then 'prefix: path'"
                self.diagnostics.error("G0310", message, span, hint=hint, notes=notes)

    # --- where a path leads ---

    def _find(self, source: Source, entry: Label) -> Path | None:
        folder, root = _folder(source), self.root
        if is_inside(folder, self.standard_library):
            root = self.standard_library
        leaves = False
        for base, limit in ((folder, root), (self.standard_library, self.standard_library)):
            candidate = base / entry.text
            if not is_inside(candidate, limit):
                leaves = leaves or base is folder
            elif candidate.is_file():
                return candidate
        if leaves:
            hint = "move the file below the root, or name a wider root"
            message = f"'{entry.text}' leaves the root folder '{root}'"
            self.diagnostics.error("G0111", message, entry.span, hint=hint)
        else:
            self._not_found(folder, entry)
        return None

    def _not_found(self, folder: Path, entry: Label) -> None:
        known = [*_spec_files(folder), *_spec_files(self.standard_library)]
        by_name = [path for path in known if path.rsplit("/", 1)[-1] == entry.text.rsplit("/", 1)[-1]]
        hint = f"did you mean '{by_name[0]}'?" if by_name else did_you_mean(entry.text, known)
        message = f"there is no library '{entry.text}', neither beside this file nor in the standard library"
        self.diagnostics.error("G0118", message, entry.span, hint=hint)

    def _cycle(self, entry: Label, real: str) -> None:
        start = next(i for i, step in enumerate(self.chain) if step.path == real)
        notes = tuple(
            Note(f"'{step.entry.text}' is used here", step.entry.span)
            for step in self.chain[start + 1 :]
            if step.entry is not None
        )
        names = " -> ".join(Path(step.path).name for step in self.chain[start:])
        message = f"libraries use each other in a circle: {names} -> {Path(real).name}"
        hint = "move what both need into a third library"
        self.diagnostics.error("G0119", message, entry.span, hint=hint, notes=notes)


def exported_names(document: Document) -> list[tuple[str, Label]]:
    """What a document offers to those that use it: a library its functions, a graph itself (with
    `_` for the hyphens of its name)."""
    if document.kind == "graph":
        return [(document.name.text.replace("-", "_"), document.name)]
    return [(function.name.text, function.name) for function in document.functions]


def _folder(source: Source) -> Path:
    return Path(source.path).parent


def _real(path: Path) -> str:
    return os.path.realpath(path)


def _spec_files(folder: Path, limit: int = 300, depth: int = 4) -> list[str]:
    """Relative paths of YAML files below a folder, for suggestions; at most `limit` folders."""
    found: list[str] = []
    for visited, (base, folders, names) in enumerate(os.walk(folder)):
        relative = os.path.relpath(base, folder).replace(os.sep, "/")
        prefix = "" if relative == "." else f"{relative}/"
        found.extend(prefix + name for name in sorted(names) if name.endswith((".yaml", ".yml")))
        if visited >= limit or len(found) >= limit:
            break
        folders[:] = sorted(f for f in folders if not f.startswith(".")) if prefix.count("/") < depth else []
    return found
