"""YAML text to a node tree: YAML 1.2 core, bounded, with a diagnostic for every mistake.

libyaml's event stream is read (PyYAML's Python parser where libyaml is absent), so that depth,
number of nodes and alias expansion are limited while reading, before memory is taken, and no
recursion depends on the text.
"""

from __future__ import annotations

from typing import Any

import yaml

from ..diagnostics import Diagnostic, Diagnostics, Note, Source, Span, SpecError, fail
from .yaml_errors import yaml_error
from .yaml_nodes import YamlMapping, YamlNode, YamlScalar, YamlSequence
from .yaml_text import check_text

MAX_DEPTH = 64
MAX_NODES = 500_000
MAX_ALIAS_WEIGHT = 200_000  # characters that aliases may add

_CORE = "tag:yaml.org,2002:"
_SCALAR_TAGS = frozenset(("str", "int", "float", "bool", "null"))
_KIND_OF_TAG = {"seq": "a list", "map": "a mapping"}

_Open = tuple[YamlMapping | YamlSequence, str | None]


def read_yaml(source: Source) -> tuple[YamlNode | None, Diagnostics]:
    """The tree of the only document in `source`, and what is wrong with it.

    The tree is None where the text is no YAML; repeated keys leave the tree usable.
    """
    diagnostics = Diagnostics()
    try:
        text = check_text(source)
        root = _TreeReader(source, text, diagnostics).read()
    except SpecError as error:
        diagnostics.extend(error)
        return None, diagnostics
    return root, diagnostics


class _TreeReader:
    """Turns the events of one text into nodes."""

    def __init__(self, source: Source, text: str, diagnostics: Diagnostics) -> None:
        self.source = source
        self.text = text
        self.diagnostics = diagnostics
        self.stack: list[_Open] = []
        self.keys: list[YamlScalar | None] = []  # of each open mapping: the key whose value comes next
        self.flow_depth = 0
        self.anchors: dict[str, YamlNode] = {}
        self.open_anchors: dict[str, YamlNode] = {}
        self.root: YamlNode | None = None
        self.count = 0
        self.alias_weight = 0

    def read(self) -> YamlNode:
        loader = _event_loader(self.source, self.text)
        try:
            self._read_events(loader)
        except yaml.MarkedYAMLError as error:
            raise yaml_error(self.source, error) from None
        except yaml.YAMLError as error:
            message = str(getattr(error, "reason", None) or error)
            raise fail("G0001", f"this is not YAML: {message}", _start(self.source)) from None
        finally:
            loader.dispose()
        if self.root is None:
            raise fail(
                "G0002",
                "the file holds no document",
                _start(self.source),
                hint="start with 'graphwright: 1', 'kind: graph' and 'name: …'",
            )
        return self.root

    def _read_events(self, loader: Any) -> None:
        documents = 0
        next_event = loader.get_event
        while True:
            event = next_event()
            kind = type(event)
            if kind is yaml.ScalarEvent:
                self._scalar(event)
            elif kind is yaml.MappingStartEvent:
                self._open(event, YamlMapping)
            elif kind is yaml.SequenceStartEvent:
                self._open(event, YamlSequence)
            elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
                self._close(event)
            elif kind is yaml.AliasEvent:
                self._alias(event)
            elif kind is yaml.DocumentStartEvent:
                documents += 1
                if documents > 1:
                    raise fail(
                        "G0008",
                        "a file holds one document; a second one starts here",
                        self._span(event),
                        hint="remove this '---' or put the second document into its own file",
                    )
            elif kind is yaml.StreamEndEvent:
                return

    def _span(self, event: Any) -> Span:
        start, end = event.start_mark, event.end_mark
        return Span(self.source, start.line + 1, start.column + 1, end.line + 1, end.column + 1)

    # --- nodes ---

    def _scalar(self, event: Any) -> None:
        start, end = event.start_mark, event.end_mark
        text = event.value
        tag = None if event.tag is None else self._scalar_tag(event)
        node = YamlScalar(
            self.source,
            start.line + 1,
            start.column + 1,
            end.line + 1,
            end.column + 1,
            tag,
            self.flow_depth > 0,
            len(text) + 16,
            text,
            event.style or "",
        )
        if event.anchor is not None:
            self.anchors[event.anchor] = node
        self._place(node)

    def _open(self, event: Any, make: type[YamlMapping] | type[YamlSequence]) -> None:
        if event.tag is not None:
            self._collection_tag(event, "map" if make is YamlMapping else "seq")
        if len(self.stack) >= MAX_DEPTH:
            raise fail("G0009", f"nested deeper than {MAX_DEPTH} levels", self._span(event))
        start, end = event.start_mark, event.end_mark
        self.flow_depth += bool(event.flow_style)
        node = make(
            self.source,
            start.line + 1,
            start.column + 1,
            end.line + 1,
            end.column + 1,
            None,
            bool(event.flow_style),
            16,
        )
        if event.anchor is not None:
            self.open_anchors[event.anchor] = node
        self.stack.append((node, event.anchor))
        self.keys.append(None)

    def _close(self, event: Any) -> None:
        node, anchor = self.stack.pop()
        self.keys.pop()
        if node.flow:
            self.flow_depth -= 1
            node.end_line, node.end_column = event.end_mark.line + 1, event.end_mark.column + 1
        else:
            _end_at_last_child(node)
        if anchor is not None:
            del self.open_anchors[anchor]
            self.anchors[anchor] = node
        self._place(node)

    def _alias(self, event: Any) -> None:
        span, name = self._span(event), event.anchor
        if name in self.open_anchors:
            raise fail("G0010", f"'*{name}' stands inside what '&{name}' names: it never ends", span)
        node = self.anchors.get(name)
        if node is None:
            raise fail(
                "G0010",
                f"'*{name}' names no anchor",
                span,
                hint=f"in YAML a leading '*' is an alias; quote the text: '*{name}'",
            )
        self.alias_weight += node.weight
        if self.alias_weight > MAX_ALIAS_WEIGHT:
            message = f"aliases expand to more than {MAX_ALIAS_WEIGHT} characters"
            raise fail("G0009", message, span, notes=(Note("the anchor is here", node.span),))
        self._place(node)

    def _place(self, node: YamlNode) -> None:
        """Puts a finished node into the collection that is open."""
        self.count += 1
        if self.count > MAX_NODES:
            raise fail("G0009", f"more than {MAX_NODES} YAML nodes", node.span)
        if not self.stack:
            self.root = node
            return
        parent = self.stack[-1][0]
        parent.weight += node.weight
        if isinstance(parent, YamlSequence):
            parent.items.append(node)
            return
        key = self.keys[-1]
        if key is None:
            self.keys[-1] = self._checked_key(node)
            return
        self.keys[-1] = None
        first = parent.places.setdefault(key.text, len(parent.entries))
        if first == len(parent.entries):
            parent.entries.append((key, node))
        else:
            self._repeated(key, parent.entries[first][0])

    def _checked_key(self, node: YamlNode) -> YamlScalar:
        if not isinstance(node, YamlScalar):
            raise fail(
                "G0005",
                "a key must be a name, not a list or a mapping",
                node.span,
                hint="quote a value that starts with '[' or '{', or use block style",
            )
        if node.text == "<<" and not node.style:
            raise fail(
                "G0006",
                "merge keys ('<<') are not part of the language",
                node.span,
                hint="repeat the entries, or move them into a function or a library",
            )
        return node

    def _repeated(self, key: YamlScalar, first: YamlScalar) -> None:
        note = Note(f"'{key.text}' stands here first", first.span)
        self.diagnostics.add(
            Diagnostic("G0004", f"the key '{key.text}' is given twice", key.span, None, (note,))
        )

    # --- tags ---

    def _scalar_tag(self, event: Any) -> str:
        tag: str = event.tag
        short = tag.removeprefix(_CORE)
        if tag == "!":
            return "str"
        if tag.startswith(_CORE) and short in _SCALAR_TAGS:
            return short
        if tag.startswith(_CORE) and short in _KIND_OF_TAG:
            raise fail(
                "G0007", f"'!!{short}' wants {_KIND_OF_TAG[short]}, this is a scalar", self._span(event)
            )
        raise self._bad_tag(event)

    def _collection_tag(self, event: Any, wanted: str) -> None:
        if event.tag not in ("!", _CORE + wanted):
            raise self._bad_tag(event)

    def _bad_tag(self, event: Any) -> SpecError:
        tag = event.tag.replace(_CORE, "!!")
        hint = "quote the value if it should start with '!'" if not tag.startswith("!!") else None
        return fail(
            "G0007",
            f"the tag '{tag}' is not allowed: only YAML's core tags are",
            self._span(event),
            hint=hint,
        )


def _event_loader(source: Source, text: str) -> Any:
    loader = getattr(yaml, "CLoader", None) or yaml.Loader
    return loader(text)


def _end_at_last_child(node: YamlMapping | YamlSequence) -> None:
    """A block collection ends where its last child does (YAML's own mark is the next token's)."""
    last: YamlNode | None = None
    if isinstance(node, YamlSequence):
        last = node.items[-1] if node.items else None
    elif node.entries:
        last = node.entries[-1][1]
    if last is not None and (last.end_line, last.end_column) > (node.line, node.column):
        node.end_line, node.end_column = last.end_line, last.end_column


def _start(source: Source) -> Span:
    return Span(source, 1, 1, 1, 2)
