"""The protocol of a pass and what it returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from ...graph.ir import Program, Value
from .contract import Contract


@dataclass(frozen=True, slots=True)
class Replacement:
    """A site: `old` values were replaced by `new` ones by `rule`. The manager evaluates both on
    boundary values, so an error is found where it is made."""

    old: tuple[Value, ...]
    new: tuple[Value, ...]
    rule: str


@dataclass(frozen=True, slots=True)
class Result:
    """The transformed program; the sites changed (empty for a pass without pairs, which is then
    compared at the outputs); remarks for the report."""

    program: Program
    replacements: tuple[Replacement, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Context:
    """What a pass may use besides the program: the seed, data sets by name, and options of the
    compile. Same program, options, data and seed give the same result."""

    seed: int = 0
    data: dict[str, Any] = field(default_factory=dict)
    backend: str = "torch"


class Pass(Protocol):
    """A frozen dataclass whose fields are its options in YAML and on the command line."""

    name: ClassVar[str]
    variants: ClassVar[frozenset[str]]  # of {"train", "infer"}

    @property
    def contract(self) -> Contract: ...

    def run(self, program: Program, context: Context) -> Result: ...
