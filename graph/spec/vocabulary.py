"""Names that other layers define: passes, optimisers, data sources, metrics, backends.

`graph` imports none of those layers; the caller hands their tables in, so that the reader can
check recipes and training blocks and the JSON Schema can offer completions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

OPTION_KINDS = ("int", "float", "bool", "str", "list", "map", "any")


@dataclass(frozen=True, slots=True)
class Option:
    """An option or argument: `kind` is one of OPTION_KINDS, `choices` the only texts allowed."""

    kind: str = "any"
    doc: str = ""
    required: bool = False
    choices: tuple[str, ...] = ()
    default: object = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One name of a table with its options by name, in order. `open`: other options are allowed."""

    doc: str = ""
    options: Mapping[str, Option] = field(default_factory=dict)
    open: bool = False


Table = Mapping[str, Entry]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What the caller knows. An empty table means "unknown": nothing is checked against it."""

    passes: Table = field(default_factory=dict)
    optimizers: Table = field(default_factory=dict)
    data: Table = field(default_factory=dict)
    metrics: Table = field(default_factory=dict)
    backends: Table = field(default_factory=dict)
    operators: Table = field(default_factory=dict)
