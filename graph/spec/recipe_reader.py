"""`kind: recipe`: passes with options, data and budgets (R42)."""

from __future__ import annotations

from collections.abc import Mapping

from ..diagnostics import Span, did_you_mean
from .documents import Binding, Label, PassStep, Recipe
from .expression_parser import parse_expression
from .expressions import Expression, Subscript, Text
from .keys import PASS_KEYS
from .paths import is_file_name
from .plain import plain_value
from .reading import Reading, describe
from .training_reader import data_source
from .vocabulary import Entry, Option
from .yaml_nodes import YamlMapping, YamlNode, YamlScalar

VERIFY = ("none", "final", "each")
_COMMON = frozenset(key.name for key in PASS_KEYS)


def read_recipe(reading: Reading, fields: dict[str, YamlNode]) -> Recipe:
    """The recipe in a document's fields; mistakes are collected in `reading`."""
    data = _data_sets(reading, fields["data"]) if "data" in fields else ()
    passes: list[PassStep] = []
    for item in reading.items(fields["passes"], "'passes:'") if "passes" in fields else ():
        step = _pass(reading, item)
        if step is not None:
            passes.append(step)
            _check_data_name(reading, step, data)
    verify = reading.choice(fields["verify"], "'verify:'", VERIFY) if "verify" in fields else None
    return Recipe(
        tuple(passes),
        data=data,
        metrics=reading.bindings(fields["metrics"], "'metrics:'") if "metrics" in fields else (),
        budget=reading.expressions(fields["budget"], "'budget:'") if "budget" in fields else (),
        verify=verify or "each",
    )


def _data_sets(reading: Reading, node: YamlNode) -> tuple[Binding, ...]:
    found: list[Binding] = []
    for key, value in reading.entries(node, "'data:'"):
        label = reading.key_name(key, "a data set")
        source = data_source(reading, value)
        if label is None or source is None or not isinstance(value, YamlScalar):
            continue
        expression = _source_expression(reading, value)
        if expression is not None:
            found.append(Binding(label, expression))
    return tuple(found)


def _source_expression(reading: Reading, node: YamlScalar) -> Expression | None:
    """A built-in name as an expression; a file's path as a Text, sliced or not."""
    name, bracket, _ = node.text.partition("[")
    if not is_file_name(name.strip()):
        return reading.attempt(parse_expression, node)
    path = Text(node.at(0, len(name)), name.strip())
    if not bracket:
        return path
    sliced = reading.attempt(parse_expression, _Tail(node, len(name)))
    return Subscript(node.span, path, sliced.items) if isinstance(sliced, Subscript) else None


class _Tail:
    """`rows[…]` for the part of a scalar from `offset` on, so that its slice can be parsed."""

    def __init__(self, node: YamlScalar, offset: int) -> None:
        self.node = node
        self.offset = offset
        self.text = "_" * offset + node.text[offset:] if offset else node.text

    def at(self, start: int, end: int) -> Span:
        return self.node.at(start, end)


# --- passes ---


def _pass(reading: Reading, item: YamlNode) -> PassStep | None:
    if isinstance(item, YamlScalar):
        label = reading.text(item, "a pass")
        return None if label is None else _named(reading, label)
    mapping = reading.mapping(item, "a pass")
    if mapping is None or not mapping.entries:
        return None
    key, value = mapping.entries[0]
    if len(mapping.entries) > 1:
        _flat_options(reading, mapping, key, value)
        return None
    label = Label(key.text, key.span)
    if isinstance(value, YamlScalar) and value.is_empty:
        hint = f"write '- {key.text}', or indent its options below it"
        reading.error("G0910", f"the pass '{key.text}' has no options after ':'", key.span, hint=hint)
        return None
    options = reading.mapping(value, f"the options of '{key.text}'")
    return None if options is None else _with_options(reading, label, options)


def _flat_options(reading: Reading, mapping: YamlMapping, key: YamlScalar, value: YamlNode) -> None:
    second = mapping.entries[1][0]
    empty = isinstance(value, YamlScalar) and value.is_empty
    message = (
        f"the options of '{key.text}' stand at its own indent"
        if empty
        else "an entry of 'passes:' is one pass"
    )
    hint = (
        f"indent '{second.text}:' by four more blanks than '- {key.text}:'"
        if empty
        else f"write '- {second.text}' as an entry of its own"
    )
    reading.error("G0910", message, second.span, hint=hint)


def _named(reading: Reading, label: Label) -> PassStep | None:
    entry = _entry(reading, label)
    if entry is not None:
        _check_required(reading, label, entry, {})
    return PassStep(label)


def _with_options(reading: Reading, label: Label, mapping: YamlMapping) -> PassStep:
    entry = _entry(reading, label)
    options: dict[str, object] = {}
    spans: dict[str, Span] = {}
    data: Label | None = None
    budget: tuple[Expression, ...] = ()
    for key, value in mapping.entries:
        if isinstance(value, YamlScalar) and value.is_empty:
            reading.no_value(key)
        elif key.text == "data":
            data = reading.path(value, "'data:'")
        elif key.text == "budget":
            budget = reading.expressions(value, "'budget:'")
        else:
            options[key.text] = plain_value(value)
            spans[key.text] = key.span
            if entry is not None:
                _check_option(reading, label, entry, key, value)
    if entry is not None:
        _check_required(reading, label, entry, options)
    return PassStep(label, options, spans, data, budget)


def _entry(reading: Reading, label: Label) -> Entry | None:
    known = reading.vocabulary.passes
    if not known or label.text in known:
        return known.get(label.text)
    hint = did_you_mean(label.text, known) or "'graphwright list passes' shows them"
    reading.error("G0911", f"there is no pass '{label.text}'", label.span, hint=hint)
    return None


def _check_option(reading: Reading, label: Label, entry: Entry, key: YamlScalar, value: YamlNode) -> None:
    option = entry.options.get(key.text)
    if option is None:
        if not entry.open:
            names = [*entry.options, *_COMMON]
            hint = did_you_mean(key.text, names) or f"its options are {' '.join(entry.options) or 'none'}"
            reading.error("G0912", f"'{label.text}' has no option '{key.text}'", key.span, hint=hint)
        return
    if not _fits(option, plain_value(value)):
        message = f"'{key.text}:' of '{label.text}' must be {_wanted(option)}, not {describe(value)}"
        near = did_you_mean(value.text, option.choices) if isinstance(value, YamlScalar) else None
        reading.error("G0912", message, value.span, hint=near or option.doc or None)


def _check_required(reading: Reading, label: Label, entry: Entry, given: Mapping[str, object]) -> None:
    for name, option in entry.options.items():
        if option.required and name not in given:
            message = f"the pass '{label.text}' needs '{name}:'"
            reading.error("G0912", message, label.span, hint=option.doc or None)


_TYPES: dict[str, tuple[type, ...]] = {
    "int": (int,), "float": (int, float), "bool": (bool,), "str": (str,), "list": (list,), "map": (dict,),
}  # fmt: skip
_WORDS = {
    "int": "an integer",
    "float": "a number",
    "bool": "true or false",
    "str": "a text",
    "list": "a list",
    "map": "a mapping",
}


def _fits(option: Option, value: object) -> bool:
    if option.choices:
        return value in option.choices
    wanted = _TYPES.get(option.kind)
    if wanted is None:
        return True
    return isinstance(value, wanted) and (option.kind == "bool" or not isinstance(value, bool))


def _wanted(option: Option) -> str:
    return f"one of {' '.join(option.choices)}" if option.choices else _WORDS[option.kind]


def _check_data_name(reading: Reading, step: PassStep, data: tuple[Binding, ...]) -> None:
    if step.data is None:
        return
    names = [binding.name.text for binding in data]
    if step.data.text not in names:
        hint = did_you_mean(step.data.text, names) or "name it under 'data:' of the recipe"
        reading.error("G0913", f"the recipe has no data '{step.data.text}'", step.data.span, hint=hint)
