"""A spec file to a Document, with every mistake that the text alone shows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..diagnostics import Diagnostics, Source, Span, did_you_mean
from ..ir import collector_paused
from .block_reader import read_block, read_functions, read_sizes
from .documents import Block, Document, Label, Use
from .files import read_source
from .keys import FORMAT_VERSION, GRAPH_KEYS, KINDS, LIBRARY_KEYS, RECIPE_KEYS
from .names import check_document_name
from .namespaces import check_function_names
from .paths import relative_path_problem
from .program_reader import read_program
from .reading import Reading, checked_name, first_note
from .recipe_reader import read_recipe
from .training_reader import read_training
from .vocabulary import Vocabulary
from .yaml_nodes import YamlMapping, YamlNode, YamlScalar
from .yaml_reader import read_yaml

_HEADER_KEYS = ("graphwright", "kind", "name", "doc", "source")


def read_document(path: str, *, root: Path | None = None, vocabulary: Vocabulary | None = None) -> Document:
    """The document in the file `path` (inside `root`, if given).

    Raises SpecError with every diagnostic: G00xx for the file and its YAML, G01xx for the
    document, G02xx for expressions, G08xx and G09xx for tests, training and recipes.
    """
    document, diagnostics = parse_document(read_source(path, root), vocabulary)
    diagnostics.raise_if_errors()
    assert document is not None
    return document


def parse_document(
    source: Source, vocabulary: Vocabulary | None = None
) -> tuple[Document | None, Diagnostics]:
    """The document in a text, and what is wrong with it; raises nothing.

    With errors the document holds what could be read, or is None.
    """
    with collector_paused():
        return _parse(source, vocabulary or Vocabulary())


def _parse(source: Source, vocabulary: Vocabulary) -> tuple[Document | None, Diagnostics]:
    root, diagnostics = read_yaml(source)
    if root is None:
        return None, diagnostics
    reading = Reading(source, diagnostics, vocabulary)
    if not isinstance(root, YamlMapping):
        message = "a spec is a mapping of keys to values"
        hint = "start with 'graphwright: 1', 'kind: graph' and 'name: …'"
        diagnostics.error(
            "G0101", message, Span(source, root.line, root.column, root.line, root.column + 1), hint=hint
        )
        return None, diagnostics
    return _document(reading, root), diagnostics


@dataclass(frozen=True, slots=True)
class _Header:
    name: Label
    doc: str
    provenance: dict[str, str]


def _document(reading: Reading, root: YamlMapping) -> Document | None:
    first = root.entries[0][0].span if root.entries else root.span
    kind = _kind(reading, root)
    if kind in ("logic", "search"):
        return _foreign_document(reading, root, kind, first)
    keys = {"graph": GRAPH_KEYS, "library": LIBRARY_KEYS, "recipe": RECIPE_KEYS}[kind]
    fields = reading.fields(root, keys, f"a {kind}", first)
    if fields is None:
        return None
    header = _header(reading, fields, first)
    use = _use(reading, fields["use"]) if "use" in fields else ()
    if kind == "recipe":
        recipe = read_recipe(reading, fields)
        return Document(reading.source, kind, header.name, header.doc, header.provenance, recipe=recipe)
    functions = read_functions(reading, fields["functions"]) if "functions" in fields else ()
    if kind == "library":
        if "functions" not in fields:
            reading.error(
                "G0103", "a library needs 'functions:'", first, hint="a library holds functions only"
            )
        return Document(
            reading.source, kind, header.name, header.doc, header.provenance, use, functions=functions
        )
    return _graph(reading, root, fields, header, use, functions)


def _graph(
    reading: Reading,
    root: YamlMapping,
    fields: dict[str, YamlNode],
    header: _Header,
    use: tuple[Use, ...],
    functions: tuple[Block, ...],
) -> Document:
    sizes = read_sizes(reading, fields["sizes"]) if "sizes" in fields else ()
    block_fields = {key: node for key, node in fields.items() if key != "doc"}
    body = read_block(reading, header.name, block_fields, sizes)
    check_function_names(reading, functions, [slot.name for slot in body.slots])
    training_key = root.key("training")
    training = None
    if "training" in fields and training_key is not None:
        training = read_training(reading, fields["training"], training_key.span)
    program_key = root.key("program")
    program = None
    if "program" in fields and program_key is not None:
        program = read_program(reading, fields["program"], program_key.span)
    return Document(
        reading.source,
        "graph",
        header.name,
        header.doc,
        header.provenance,
        use,
        sizes,
        body,
        functions,
        training,
        program=program,
    )


def _foreign_document(reading: Reading, root: YamlMapping, kind: str, first: Span) -> Document:
    """Header only; the rest is read by the parser of that kind from the node tree."""
    fields = {k: v for k in _HEADER_KEYS if (v := root.get(k)) is not None}
    for wanted in ("graphwright", "name"):
        if wanted not in fields:
            reading.error("G0103", f"a {kind} document needs '{wanted}:'", first)
    header = _header(reading, fields, first)
    return Document(reading.source, kind, header.name, header.doc, header.provenance, root=root)


# --- header ---


def _kind(reading: Reading, root: YamlMapping) -> str:
    """The kind; where it is missing or unknown (reported), the one that the keys suggest."""
    node = root.get("kind")
    if isinstance(node, YamlScalar) and node.text in KINDS:
        return node.text
    if isinstance(node, YamlScalar) and not node.is_empty:
        hint = did_you_mean(node.text, KINDS) or f"one of {' '.join(KINDS)}"
        reading.error("G0105", f"there is no kind '{node.text}'", node.span, hint=hint)
    elif node is not None and not isinstance(node, YamlScalar):
        reading.wrong_kind(node, "'kind:'", "a text")
    if "passes" in root.places:
        return "recipe"
    return "library" if "functions" in root.places and "outputs" not in root.places else "graph"


def _header(reading: Reading, fields: dict[str, YamlNode], first: Span) -> _Header:
    if "graphwright" in fields:
        _check_version(reading, fields["graphwright"])
    label = reading.text(fields["name"], "'name:'") if "name" in fields else None
    if label is not None:
        reading.attempt(check_document_name, label.text, label.span)
    doc = reading.text(fields["doc"], "'doc:'") if "doc" in fields else None
    provenance: dict[str, str] = {}
    for key, value in reading.entries(fields["source"], "'source:'") if "source" in fields else ():
        text = reading.text(value, f"'{key.text}' of 'source:'")
        if text is not None:
            provenance[key.text] = text.text
    return _Header(label or Label("", first), doc.text if doc is not None else "", provenance)


def _check_version(reading: Reading, node: YamlNode) -> None:
    found = reading.value(node, "'graphwright:'", "the format version")
    if found is not None and (found[0] != FORMAT_VERSION or isinstance(found[0], bool | float)):
        message = f"the format version is {FORMAT_VERSION}"
        reading.error("G0104", message, found[1], hint=f"write 'graphwright: {FORMAT_VERSION}'")


# --- use ---


def _use(reading: Reading, node: YamlNode) -> tuple[Use, ...]:
    found: list[Use] = []
    if isinstance(node, YamlMapping):
        for key, value in reading.entries(node, "'use:'"):
            prefix = reading.attempt(checked_name, Label(key.text, key.span), "a prefix")
            path = _use_path(reading, value)
            if prefix is not None and path is not None:
                found.append(Use(path, prefix))
    else:
        for item in reading.items(node, "'use:'"):
            path = _use_path(reading, item)
            if path is not None:
                found.append(Use(path))
    first: dict[str, Label] = {}
    for use in found:
        if first.setdefault(use.path.text, use.path) is not use.path:
            message = f"the library '{use.path.text}' is named twice"
            reading.error("G0109", message, use.path.span, notes=first_note(first[use.path.text]))
    return tuple(found)


def _use_path(reading: Reading, node: YamlNode) -> Label | None:
    label = reading.text(node, "a path under 'use:'")
    if label is None:
        return None
    problem = relative_path_problem(label.text, may_climb=True)
    if problem is not None:
        reading.error("G0110", f"{problem[0]}: '{label.text}'", label.span, hint=problem[1])
        return None
    if not label.text.endswith((".yaml", ".yml")):
        message = f"'{label.text}' is no YAML file"
        reading.error("G0110", message, label.span, hint=f"write '{label.text}.yaml'")
        return None
    return label
