"""A JSON Schema (draft 7) of the language for editors, from the reader's own key tables.

It completes and describes keys, pass options and names; expressions and types are texts to it,
checked by `graphwright check`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .keys import (
    BOUNDS_KEYS,
    CERTIFICATE_KEYS,
    DATA_KEYS,
    FORMAT_VERSION,
    FUNCTION_KEYS,
    GENERATED_KEYS,
    GRAPH_KEYS,
    GROUP_KEYS,
    KINDS,
    LIBRARY_KEYS,
    LOGIC_KEYS,
    PASS_KEYS,
    PROGRAM_KEYS,
    QUANTIZE_KEYS,
    RECIPE_KEYS,
    RELATION_KEYS,
    ROUNDED,
    STEP_KEYS,
    TEST_KEYS,
    TOLERANCE_KEYS,
    TRAINING_KEYS,
    Key,
)
from .program_reader import APPROXIMATED, ARITHMETICS, CERTIFICATE_KINDS, METRICS, SPECIAL_CASES
from .recipe_reader import VERIFY
from .vocabulary import Entry, Option, Table, Vocabulary

Schema = dict[str, Any]

_IDENTIFIER = "^[A-Za-z_][A-Za-z0-9_]*$"
_PATH = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*$"
_EXPRESSION: Schema = {"type": ["string", "number", "boolean", "null"]}
_CONSTANT: Schema = {"type": ["string", "number", "boolean", "null", "array"]}


def json_schema(vocabulary: Vocabulary | None = None) -> Schema:
    """The schema as plain data; `vocabulary` adds passes, optimisers, data sets and backends."""
    words = vocabulary or Vocabulary()
    definitions: Schema = {
        "graph": _object(GRAPH_KEYS, words),
        "library": _object(LIBRARY_KEYS, words),
        "recipe": _object(RECIPE_KEYS, words),
        "function": _object(FUNCTION_KEYS, words),
        "test": _object(TEST_KEYS, words),
        "training": _object(TRAINING_KEYS, words),
        "quantize": _object(QUANTIZE_KEYS, words),
        "step": _object(STEP_KEYS, words),
        "group": _object(GROUP_KEYS, words),
        "data": _object(DATA_KEYS, words),
        "tolerance": _object(TOLERANCE_KEYS, words),
        "logic": _object(LOGIC_KEYS, words),
        "relation": _object(RELATION_KEYS, words),
        "bounds": _object(BOUNDS_KEYS, words),
        "generated": _object(GENERATED_KEYS, words),
        "program": _object(PROGRAM_KEYS, words),
        "certificate": _object(CERTIFICATE_KEYS, words),
    }
    checked = ("graph", "library", "recipe", "logic")
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Graphwright spec",
        "type": "object",
        "required": ["graphwright", "kind", "name"],
        "properties": {
            "graphwright": {"const": FORMAT_VERSION, "description": _doc(GRAPH_KEYS, "graphwright")},
            "kind": {"enum": list(KINDS), "description": _doc(GRAPH_KEYS, "kind")},
        },
        "allOf": [
            {"if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]}, "then": _reference(kind)}
            for kind in checked
        ],
        "definitions": definitions,
    }


def _doc(keys: tuple[Key, ...], name: str) -> str:
    return next(key.doc for key in keys if key.name == name)


def _reference(name: str) -> Schema:
    return {"$ref": f"#/definitions/{name}"}


def _object(keys: tuple[Key, ...], words: Vocabulary) -> Schema:
    shapes = _shapes(words)
    return {
        "type": "object",
        "properties": {key.name: {**shapes[key.shape], "description": key.doc} for key in keys},
        "required": [key.name for key in keys if key.required],
        "additionalProperties": False,
    }


def _shapes(words: Vocabulary) -> Mapping[str, Schema]:
    """What each shape of the key tables allows."""
    text: Schema = {"type": "string"}
    condition = _one_or_many({"type": ["string", "boolean"]})
    call = _known_names(words.optimizers)
    optimizer: Schema = {"anyOf": [call, {"type": "array", "items": _reference("group")}]}
    source = _known_names(words.data)
    return {
        "version": {"const": FORMAT_VERSION},
        "kind": {"enum": list(KINDS)},
        "document_name": {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_-]*$"},
        "text": text,
        "provenance": {"type": "object", "additionalProperties": text},
        "declarations": _mapping(_IDENTIFIER, text),
        "attributes": _mapping(_IDENTIFIER, _CONSTANT),
        "slots": _mapping(_IDENTIFIER, text),
        "sizes": _mapping(_IDENTIFIER, {"type": ["string", "integer"]}),
        "nodes": {"type": "object", "additionalProperties": _CONSTANT},
        "updates": _mapping(_IDENTIFIER, _EXPRESSION),
        "bindings": _mapping(_PATH, _CONSTANT),
        "expressions": condition,
        "outputs": {"anyOf": [{"type": "array", "items": text, "minItems": 1}, _mapping(_IDENTIFIER, text)]},
        "tests": {"type": "array", "items": _reference("test")},
        "use": {"anyOf": [{"type": "array", "items": text}, _mapping(_IDENTIFIER, text)]},
        "functions": {
            "type": "object",
            "additionalProperties": {"anyOf": [_reference("function"), _EXPRESSION]},
        },
        "training": _reference("training"),
        "quantize": _reference("quantize"),
        "scheme": {"type": ["string", "object"]},
        "named_schemes": {"type": "object", "additionalProperties": {"type": ["string", "object"]}},
        "rules": {"type": "array", "items": {"type": "object"}},
        "names": _one_or_many(text),
        "rounded": {"enum": list(ROUNDED)},
        "data_sets": _mapping(_IDENTIFIER, text),
        "passes": {"type": "array", "items": _passes(words.passes)},
        "verify": {"enum": list(VERIFY)},
        "boolean": {"type": "boolean"},
        "natural": {"type": "integer", "minimum": 0},
        "positive": {"type": "integer", "minimum": 1},
        "positive_number": {"type": "number", "exclusiveMinimum": 0},
        "positive_or_zero": {"type": "number", "minimum": 0},
        "share": {"type": "number", "minimum": 0, "exclusiveMaximum": 1},
        "tolerance": _reference("tolerance"),
        "backends": _one_or_many(_known_names(words.backends, closed=True)),
        "code": {"type": "string", "pattern": "^G[0-9]{4}$"},
        "path": {"type": "string", "pattern": _PATH},
        "paths": _one_or_many({"type": "string", "pattern": _PATH}),
        "call": call,
        "optimizer": optimizer,
        "alternate": {"type": "array", "items": _reference("step")},
        "data": {"anyOf": [source, _reference("data")]},
        "data_source": source,
        **_theory_shapes(text),
        **_program_shapes(),
    }


def _program_shapes() -> Mapping[str, Schema]:
    """The shapes of `program:` and its certificates."""
    bound: Schema = {"type": ["string", "number"]}
    facts: Schema = {"type": ["string", "number", "boolean"]}
    return {
        "program": _reference("program"),
        "approximated": {"enum": list(APPROXIMATED)},
        "metric": {"enum": list(METRICS)},
        "bound": bound,
        "bounds_pair": {"type": "array", "items": bound, "minItems": 2, "maxItems": 2},
        "special_values": {
            "type": "object",
            "properties": dict.fromkeys(SPECIAL_CASES, facts),
            "additionalProperties": False,
        },
        "certificates": {"type": "array", "items": _reference("certificate")},
        "certificate_kind": {"enum": list(CERTIFICATE_KINDS)},
        "arithmetic": {"enum": list(ARITHMETICS)},
        "costs": _mapping(_IDENTIFIER, {"type": "integer", "minimum": 1}),
        "facts": _mapping(_IDENTIFIER, facts),
    }


def _theory_shapes(text: Schema) -> Mapping[str, Schema]:
    """The shapes of `kind: logic`. Symbols may be operators, so their keys are free."""
    formula: Schema = {"type": ["string", "number"]}
    names: Schema = {"type": "object", "additionalProperties": formula}
    table: Schema = {"type": ["string", "integer", "boolean", "array"]}
    return {
        "sorts": {"anyOf": [_mapping(_IDENTIFIER, formula), {"type": "array", "items": text}]},
        "symbols": names,
        "relations": {"type": "object", "additionalProperties": {"anyOf": [text, _reference("relation")]}},
        "formulas": names,
        "statements": {"anyOf": [names, {"type": "array", "items": formula}]},
        "models": {
            "type": "object",
            "additionalProperties": {
                "anyOf": [
                    _reference("generated"),
                    {
                        "type": "object",
                        "not": {"required": ["depth"]},
                        "additionalProperties": table,
                    },
                ]
            },
        },
        "bounds": _reference("bounds"),
        "counts": {"type": "array", "items": {"type": "integer", "minimum": 1}},
        "counts_by_sort": _mapping(_IDENTIFIER, {"type": "integer", "minimum": 1}),
    }


def _mapping(pattern: str, value: Schema) -> Schema:
    return {"type": "object", "patternProperties": {pattern: value}, "additionalProperties": False}


def _one_or_many(item: Schema) -> Schema:
    return {"anyOf": [item, {"type": "array", "items": item}]}


def _known_names(table: Table, *, closed: bool = False) -> Schema:
    """A text; the table's names are offered, and nothing else allowed where `closed`."""
    if not table:
        return {"type": "string"}
    names: Schema = {"enum": list(table)}
    return names if closed else {"anyOf": [names, {"type": "string"}]}


# --- passes -------------------------------------------------------------------------------


def _passes(table: Table) -> Schema:
    if not table:
        one: Schema = {"type": "object", "minProperties": 1, "maxProperties": 1}
        return {"anyOf": [{"type": "string"}, one]}
    bare = {"enum": [name for name, entry in table.items() if not _needs_options(entry)]}
    mapping: Schema = {
        "type": "object",
        "properties": {name: _pass_options(entry) for name, entry in table.items()},
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }
    return {"anyOf": [bare, mapping]}


def _needs_options(entry: Entry) -> bool:
    return any(option.required for option in entry.options.values())


def _pass_options(entry: Entry) -> Schema:
    shapes = _shapes(Vocabulary())
    common = {key.name: {**shapes[key.shape], "description": key.doc} for key in PASS_KEYS}
    return {
        "type": "object",
        "description": entry.doc,
        "properties": {**{name: _option(option) for name, option in entry.options.items()}, **common},
        "required": [name for name, option in entry.options.items() if option.required],
        "additionalProperties": entry.open,
    }


_JSON_TYPES = {
    "int": "integer", "float": "number", "bool": "boolean", "str": "string", "list": "array", "map": "object",
}  # fmt: skip


def _option(option: Option) -> Schema:
    found: Schema = {}
    if option.choices:
        found["enum"] = list(option.choices)
    elif option.kind in _JSON_TYPES:
        found["type"] = _JSON_TYPES[option.kind]
    if option.doc:
        found["description"] = option.doc
    if isinstance(option.default, bool | int | float | str):
        found["default"] = option.default
    return found
