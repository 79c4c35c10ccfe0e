"""What every part of the reader needs: checked access to nodes, all errors collected."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from ..diagnostics import Diagnostics, Note, Source, Span, SpecError, did_you_mean
from .core_scalars import CoreValue, core_value, has_leading_zero
from .documents import Binding, Label
from .expression_parser import parse_expression
from .expressions import Expression, ListOf, Name, Number, Unary
from .keys import Key, contexts_of
from .names import check_name, check_path
from .vocabulary import Vocabulary
from .yaml_nodes import YamlMapping, YamlNode, YamlScalar, YamlSequence

T = TypeVar("T")

_INFINITE = {".inf": "inf", "inf": "inf", ".nan": "nan", "nan": "nan"}


class Reading:
    """One text being read. Methods report and return None where a node is not as it should be."""

    def __init__(self, source: Source, diagnostics: Diagnostics, vocabulary: Vocabulary) -> None:
        self.source = source
        self.diagnostics = diagnostics
        self.vocabulary = vocabulary
        self.error = diagnostics.error

    def attempt(self, parse: Callable[..., T], *arguments: object) -> T | None:
        """`parse(*arguments)`; its SpecError is collected."""
        try:
            return parse(*arguments)
        except SpecError as error:
            self.diagnostics.extend(error)
            return None

    # --- collections ---

    def mapping(self, node: YamlNode, what: str) -> YamlMapping | None:
        if isinstance(node, YamlMapping):
            return None if self._is_cut(node) else node
        self.wrong_kind(node, what, "a mapping")
        return None

    def sequence(self, node: YamlNode, what: str) -> YamlSequence | None:
        if isinstance(node, YamlSequence):
            return None if self._is_cut(node) else node
        self.wrong_kind(node, what, "a list")
        return None

    def entries(self, node: YamlNode, what: str) -> Iterator[tuple[YamlScalar, YamlNode]]:
        """The entries of a mapping that have a value; others are reported."""
        mapping = self.mapping(node, what)
        for key, value in mapping.entries if mapping is not None else ():
            if isinstance(value, YamlScalar) and value.is_empty:
                self.no_value(key)
            else:
                yield key, value

    def items(self, node: YamlNode, what: str) -> Iterator[YamlNode]:
        sequence = self.sequence(node, what)
        for item in sequence.items if sequence is not None else ():
            if isinstance(item, YamlScalar) and item.is_empty:
                self.error("G0013", "an entry without a value", item.span, hint="write a value after '-'")
            else:
                yield item

    def fields(
        self, node: YamlNode, keys: tuple[Key, ...], what: str, owner: Span
    ) -> dict[str, YamlNode] | None:
        """The known keys of a mapping. Unknown, missing and empty ones are reported; `owner` is
        where a missing key is reported. None where the node is no mapping."""
        if not isinstance(node, YamlMapping):
            self.wrong_kind(node, what, "a mapping")
            return None
        if self._is_cut(node):
            return None
        known = {key.name for key in keys}
        found: dict[str, YamlNode] = {}
        for key, value in node.entries:
            if key.text not in known:
                self._unknown_key(key, keys, what)
            elif isinstance(value, YamlScalar) and value.is_empty:
                self.no_value(key)
            else:
                found[key.text] = value
        for wanted in keys:
            if wanted.required and wanted.name not in node.places:
                self.error("G0103", f"{what} needs '{wanted.name}:'", owner, hint=wanted.doc)
        return found

    def _unknown_key(self, key: YamlScalar, keys: tuple[Key, ...], what: str) -> None:
        elsewhere = contexts_of(key.text)
        hint = did_you_mean(key.text, [k.name for k in keys])
        if elsewhere:
            place = f"'{key.text}' is a key of {' and of '.join(elsewhere)}"
            hint = f"{hint} {place}" if hint is not None else place
        elif hint is None:
            hint = f"its keys are {' '.join(k.name for k in keys)}"
        self.error("G0102", f"{what} has no key '{key.text}'", key.span, hint=hint)

    def no_value(self, key: YamlScalar) -> None:
        if key.flow:
            self.error(
                "G0013",
                f"'{key.text}' has no value",
                key.span,
                hint="use block style: one 'key: value' a line",
            )
        else:
            hint = "write a value, or remove the key"
            self.error("G0013", f"'{key.text}' has no value", key.span, hint=hint)

    def wrong_kind(self, node: YamlNode, what: str, wanted: str) -> None:
        hint = None
        if isinstance(node, YamlScalar) and node.is_empty:
            self.error("G0013", f"{what} has no value", node.span)
            return
        if isinstance(node, YamlMapping | YamlSequence) and self._is_cut(node):
            return
        if wanted == "a list":
            hint = "write '[a, b]', or one '- …' a line"
        elif wanted == "a mapping":
            hint = "write one 'key: value' a line, indented"
        self.error("G0106", f"{what} must be {wanted}, not {describe(node)}", node.span, hint=hint)

    def _is_cut(self, node: YamlMapping | YamlSequence) -> bool:
        """Reports values that a comma or bracket of a flow collection has cut (R32)."""
        if not node.flow:
            return False
        scalars: list[YamlNode] = []
        if isinstance(node, YamlSequence):
            scalars.extend(node.items)
        else:
            for key, value in node.entries:
                scalars.extend((key, value))
        for scalar in scalars:
            if isinstance(scalar, YamlScalar) and not scalar.style and not is_balanced(scalar.text):
                self.error(
                    "G0012",
                    f"'{scalar.text}' is only a part of a value: in '{{…}}' and '[…]' a comma ends it",
                    scalar.span,
                    hint="use block style (one 'key: value' or '- value' a line), or quote the value",
                )
                return True
        return False

    # --- scalars ---

    def scalar(self, node: YamlNode, what: str, wanted: str) -> YamlScalar | None:
        if isinstance(node, YamlScalar) and not node.is_empty:
            return node
        self.wrong_kind(node, what, wanted)
        return None

    def text(self, node: YamlNode, what: str) -> Label | None:
        """A text; a number, boolean or null there is an error (R34)."""
        scalar = self.scalar(node, what, "a text")
        if scalar is None:
            return None
        value = core_value(scalar)
        if not isinstance(value, str):
            kind = "a boolean" if isinstance(value, bool) else "null" if value is None else "a number"
            message = f"{what} must be a text, and YAML reads '{scalar.text}' as {kind}"
            self.error("G0106", message, scalar.span, hint=f'quote it: "{scalar.text}"')
            return None
        return Label(value, scalar.at(0, len(value)))

    def value(self, node: YamlNode, what: str, wanted: str) -> tuple[CoreValue, Span] | None:
        scalar = self.scalar(node, what, wanted)
        if scalar is None:
            return None
        if has_leading_zero(scalar):
            hint = f"write '{scalar.text.lstrip('+-0') or '0'}'"
            self.error("G0106", f"{what}: '{scalar.text}' has a leading zero", scalar.span, hint=hint)
            return None
        return core_value(scalar), scalar.span

    def number(self, node: YamlNode, what: str, *, low: float, open_low: bool = False) -> float | None:
        """A finite number from `low` on (above it where `open_low`)."""
        found = self.value(node, what, "a number")
        if found is None:
            return None
        value, span = found
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.error("G0106", f"{what} must be a number, not {describe(node)}", span)
            return None
        if not low <= value < float("inf") or (open_low and value == low):
            bound = f"above {low:g}" if open_low else f"at least {low:g}"
            self.error("G0113", f"{what} must be {bound} and finite", span)
            return None
        return float(value)

    def integer(self, node: YamlNode, what: str, *, low: int) -> int | None:
        found = self.value(node, what, "an integer")
        if found is None:
            return None
        value, span = found
        if isinstance(value, bool) or not isinstance(value, int):
            self.error("G0106", f"{what} must be an integer, not {describe(node)}", span)
            return None
        if not low <= value < 2**63:
            self.error("G0113", f"{what} must be at least {low} and fit 63 bits", span)
            return None
        return value

    def boolean(self, node: YamlNode, what: str) -> bool | None:
        found = self.value(node, what, "true or false")
        if found is None:
            return None
        if not isinstance(found[0], bool):
            self.error("G0106", f"{what} must be true or false, not {describe(node)}", found[1])
            return None
        return found[0]

    def choice(self, node: YamlNode, what: str, choices: tuple[str, ...]) -> str | None:
        label = self.text(node, what)
        if label is None:
            return None
        if label.text not in choices:
            hint = did_you_mean(label.text, choices) or f"one of {' '.join(choices)}"
            self.error("G0113", f"{what} cannot be '{label.text}'", label.span, hint=hint)
            return None
        return label.text

    # --- names and expressions ---

    def key_name(self, key: YamlScalar, what: str) -> Label | None:
        label = Label(key.text, key.at(0, len(key.text)))
        return self.attempt(checked_name, label, what)

    def paths(self, node: YamlNode, what: str) -> tuple[Label, ...]:
        """Path prefixes: a list, or a single one."""
        nodes = [node] if isinstance(node, YamlScalar) else list(self.items(node, what))
        found = (self.path(item, what) for item in nodes)
        return tuple(label for label in found if label is not None)

    def path(self, node: YamlNode, what: str) -> Label | None:
        label = self.text(node, what)
        if label is None:
            return None
        return self.attempt(_checked_path, label)

    def expression(self, node: YamlNode, what: str) -> Expression | None:
        """An expression: a scalar's text, or a list of numbers (R12)."""
        if isinstance(node, YamlSequence):
            return self.constant(node, what)
        scalar = self.scalar(node, what, "an expression")
        return None if scalar is None else self.attempt(parse_expression, scalar)

    def expressions(self, node: YamlNode, what: str) -> tuple[Expression, ...]:
        """A list of expressions, or a single one."""
        nodes = [node] if isinstance(node, YamlScalar) else list(self.items(node, what))
        found = [self._condition(item, what) for item in nodes]
        return tuple(e for e in found if e is not None)

    def _condition(self, node: YamlNode, what: str) -> Expression | None:
        scalar = self.scalar(node, what, "an expression")
        return None if scalar is None else self.attempt(parse_expression, scalar)

    def bindings(self, node: YamlNode, what: str, *, dotted: bool = False) -> tuple[Binding, ...]:
        """`name: expression` entries; `dotted` names may be paths."""
        found: list[Binding] = []
        for key, value in self.entries(node, what):
            label = self._path_key(key, what) if dotted else self.key_name(key, f"an entry of {what}")
            expression = self.expression(value, f"'{key.text}'")
            if label is not None and expression is not None:
                found.append(Binding(label, expression))
        return tuple(found)

    def _path_key(self, key: YamlScalar, what: str) -> Label | None:
        label = Label(key.text, key.at(0, len(key.text)))
        return self.attempt(_checked_path, label)

    # --- constants ---

    def constant(self, node: YamlSequence, what: str) -> Expression | None:
        """A YAML list as nested ListOf of numbers of equal lengths."""
        if self._is_cut(node):
            return None
        items: list[Expression] = []
        for item in node.items:
            found = (
                self.constant(item, what)
                if isinstance(item, YamlSequence)
                else self._constant_item(item, what)
            )
            if found is None:
                return None
            items.append(found)
        lengths = {len(item.items) if isinstance(item, ListOf) else None for item in items}
        if len(lengths) > 1:
            message = f"the rows of {what} differ in length"
            self.error("G0115", message, node.span, hint="every row has the same number of entries")
            return None
        return ListOf(node.span, tuple(items))

    def _constant_item(self, node: YamlNode, what: str) -> Expression | None:
        value = core_value(node) if isinstance(node, YamlScalar) else None
        if isinstance(node, YamlScalar) and not node.style:
            sign, text = ("-", node.text[1:]) if node.text[:1] == "-" else ("", node.text)
            if text in _INFINITE:
                named = Name(node.span, _INFINITE[text])
                return Unary(node.span, "-", named) if sign else named
            if isinstance(value, int | float) and not isinstance(value, bool) and not has_leading_zero(node):
                number = Number(node.span, abs(value))
                return Unary(node.span, "-", number) if sign else number
        hint = "a YAML list holds numbers; write an expression as text: 'array([a, b])' in quotes"
        self.error("G0114", f"{what} is a list of constants, and this is no number", node.span, hint=hint)
        return None


def checked_name(label: Label, what: str) -> Label:
    """The label, if it may name `what`. Raises SpecError (G0107, G0108)."""
    check_name(label.text, label.span, what)
    return label


def _checked_path(label: Label) -> Label:
    check_path(label.text, label.span, "path")
    return label


def describe(node: YamlNode) -> str:
    """What a node is, for messages."""
    if isinstance(node, YamlMapping):
        return "a mapping"
    if isinstance(node, YamlSequence):
        return "a list"
    assert isinstance(node, YamlScalar)
    value = core_value(node)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return f"'{node.text}'"
    text = node.text if len(node.text) <= 30 else f"{node.text[:27]}…"
    return f"the text '{text}'" if isinstance(value, str) else f"the number {text}"


def is_balanced(text: str) -> bool:
    """Whether brackets close in order, outside quotes."""
    if not any(bracket in text for bracket in "()[]{}"):
        return True
    expected: list[str] = []
    quote = ""
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character in "([{":
            expected.append({"(": ")", "[": "]", "{": "}"}[character])
        elif character in ")]}" and (not expected or expected.pop() != character):
            return False
    return not expected


def first_note(label: Label) -> tuple[Note, ...]:
    return (Note(f"'{label.text}' stands here first", label.span),)
