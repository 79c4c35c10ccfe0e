"""The operator tables: one lookup for leaves, the standard's operators and ours."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from .blocks import BLOCKS, BLOCKS_DOMAIN
from .graphwright import GRAPHWRIGHT
from .leaves import LEAF_DOMAIN, LEAVES
from .operator import KnownRule, Operator, TypeRule
from .rules import EXTRA_ATTRIBUTES, EXTRA_INPUTS, KNOWN_RULES, TRAIT_SETS, TYPE_RULES


def operator(name: str, domain: str = "") -> Operator:
    """The operator. Raises KeyError for an unknown one."""
    return _find(name, domain)


@cache
def _find(name: str, domain: str) -> Operator:
    # one cache key an operator: `cache` tells operator("Add") from operator("Add", "")
    if domain == LEAF_DOMAIN:
        return LEAVES[name]
    if domain == "graphwright":
        return GRAPHWRIGHT[name]
    if domain == BLOCKS_DOMAIN:
        return BLOCKS[name]
    if domain == "ai.onnx":
        return _find(name, "")
    if domain:
        raise KeyError(f"{domain}.{name}")
    return _standard(name)


def _standard(name: str) -> Operator:
    from .schema import attribute_specs, formals, schema

    found = schema(name)
    return Operator(
        "",
        name,
        found.since_version,
        formals(found.inputs) + EXTRA_INPUTS.get(name, ()),
        formals(found.outputs),
        {**attribute_specs(found), **{s.name: s for s in EXTRA_ATTRIBUTES.get(name, ())}},
        TYPE_RULES.get(name),
        KNOWN_RULES.get(name),
        TRAIT_SETS.get(name, frozenset()),
        found.doc or "",
    )


def operator_names() -> frozenset[str]:
    """The names that a spec may use as operators: the standard's."""
    from .schema import standard_names

    return standard_names()


def type_rules() -> Mapping[str, TypeRule]:
    return TYPE_RULES


def known_rules() -> Mapping[str, KnownRule]:
    return KNOWN_RULES
