"""Type rules, known-value rules and traits, one file for each of the standard's groups.

Each file holds `TYPES: dict[str, TypeRule]`, and where it has them `KNOWN: dict[str, KnownRule]`
and `TRAITS: dict[str, frozenset[str]]`; this file merges them.
"""

from __future__ import annotations

from ..operator import KnownRule, TypeRule

TYPE_RULES: dict[str, TypeRule] = {}
KNOWN_RULES: dict[str, KnownRule] = {}
TRAIT_SETS: dict[str, frozenset[str]] = {}
