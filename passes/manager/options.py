"""Options of passes: the fields of a pass's dataclass, checked against what a recipe or the command
line says."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from ...graph.diagnostics import Diagnostics, Span, did_you_mean
from ...graph.spec.vocabulary import Entry, Option


@dataclass(frozen=True)
class OptionSpec:
    """One option: `annotation` is the field's type, `default` is MISSING where it is required."""

    name: str
    annotation: Any
    default: Any
    doc: str

    @property
    def required(self) -> bool:
        return self.default is MISSING

    @property
    def kind(self) -> str:
        """One of the kinds of `vocabulary.Option`."""
        return _kind(self.annotation)

    @property
    def choices(self) -> tuple[str, ...]:
        annotation = self.annotation
        return tuple(map(str, get_args(annotation))) if get_origin(annotation) is Literal else ()


_KINDS: dict[Any, str] = {
    int: "int",
    float: "float",
    bool: "bool",
    str: "str",
    list: "list",
    tuple: "list",
    frozenset: "list",
    dict: "map",
    Mapping: "map",
}


def _kind(annotation: Any) -> str:
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        kinds = {_kind(a) for a in get_args(annotation) if a is not type(None)}
        return kinds.pop() if len(kinds) == 1 else "any"
    if origin is Literal:
        return "str"
    base = origin if origin is not None else annotation
    if base in _KINDS:
        return _KINDS[base]
    return "map" if getattr(base, "__name__", "") == "Mapping" else "any"


def option_specs(pass_class: type) -> dict[str, OptionSpec]:
    """The options of a pass class, in order."""
    hints = get_type_hints(pass_class)
    found = {}
    for field in fields(pass_class):
        if not field.init:
            continue
        default = field.default
        if default is MISSING and field.default_factory is not MISSING:
            default = field.default_factory()
        found[field.name] = OptionSpec(field.name, hints[field.name], default, field.metadata.get("doc", ""))
    return found


def entry_of(pass_class: type) -> Entry:
    """The pass as an entry of the language's vocabulary."""
    specs = option_specs(pass_class)
    options = {
        name: Option(s.kind, s.doc, s.required, s.choices, None if s.required else s.default)
        for name, s in specs.items()
    }
    return Entry((pass_class.__doc__ or "").strip(), options)


def build_pass(
    pass_class: type,
    given: Mapping[str, object],
    spans: Mapping[str, Span],
    place: Span | None,
    found: Diagnostics,
) -> Any:
    """The pass with these options; None where `found` got an error: G1011 for an unknown option,
    G1012 for a value of another kind, G1013 for a required one that is missing."""
    specs = option_specs(pass_class)
    name = getattr(pass_class, "name", pass_class.__name__)
    before = len(found.errors)
    values = {}
    for option, value in given.items():
        spec = specs.get(option)
        span = spans.get(option, place)
        if spec is None:
            hint = did_you_mean(option, specs) or _all_options(name, specs)
            found.error("G1011", f"pass {name} has no option '{option}'", span, hint=hint)
            continue
        problem, converted = convert(spec.annotation, value)
        if problem is not None:
            found.error("G1012", f"option {option} of {name} takes {problem}, not {value!r}", span)
            continue
        values[option] = converted
    for option, spec in specs.items():
        if spec.required and option not in given:
            found.error("G1013", f"pass {name} needs the option '{option}'", place)
    if len(found.errors) > before:
        return None
    return _construct(pass_class, name, values, place, found)


def _construct(
    pass_class: type, name: str, values: Mapping[str, Any], place: Span | None, found: Diagnostics
) -> Any:
    """A dataclass may refuse a combination in `__post_init__` with a ValueError."""
    try:
        return pass_class(**values)
    except ValueError as error:
        found.error("G1012", f"options of {name}: {error}", place)
        return None


def _all_options(name: str, specs: Mapping[str, OptionSpec]) -> str:
    return f"its options are {', '.join(specs)}" if specs else "it has no options"


def convert(annotation: Any, value: object) -> tuple[str | None, Any]:
    """(None, the value as the annotation wants it) or (what is wanted, None)."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation is Any or annotation is object:
        return None, value
    if origin in (Union, types.UnionType):
        return _convert_union(arguments, value)
    if origin is Literal:
        return (None, value) if value in arguments else (" or ".join(map(repr, arguments)), None)
    base = origin if origin is not None else annotation
    if base in (tuple, list, frozenset):
        return _convert_list(base, arguments, value)
    if base is dict or getattr(base, "__name__", "") == "Mapping":
        return (None, dict(value)) if isinstance(value, Mapping) else ("a mapping", None)
    return _convert_scalar(base, value)


def _convert_union(arguments: tuple[Any, ...], value: object) -> tuple[str | None, Any]:
    wanted = []
    for argument in arguments:
        if argument is type(None):
            if value is None:
                return None, None
            wanted.append("null")
            continue
        problem, converted = convert(argument, value)
        if problem is None:
            return None, converted
        wanted.append(problem)
    return " or ".join(wanted), None


def _convert_list(base: Any, arguments: tuple[Any, ...], value: object) -> tuple[str | None, Any]:
    if isinstance(value, str) or not isinstance(value, list | tuple | frozenset):
        return "a list", None
    element = arguments[0] if arguments else Any
    items = []
    for item in value:
        problem, converted = convert(element, item)
        if problem is not None:
            return f"a list of {problem}", None
        items.append(converted)
    return None, base(items)


_SCALARS = {bool: "true or false", int: "an integer", float: "a number", str: "a text"}


def _convert_scalar(base: Any, value: object) -> tuple[str | None, Any]:
    if base is float and isinstance(value, int | float) and not isinstance(value, bool):
        return None, float(value)
    if base in _SCALARS:
        right = isinstance(value, base) and not (base is int and isinstance(value, bool))
        return (None, value) if right else (_SCALARS[base], None)
    return (None, value) if isinstance(value, base) else (f"a {base.__name__}", None)
