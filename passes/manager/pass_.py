"""The protocol of a pass and what it returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from ...graph.ir import Program, Value
from .contract import Contract

if TYPE_CHECKING:
    from .budget import Meter


@dataclass(frozen=True, slots=True)
class Replacement:
    """A site: `old` values were replaced by `new` ones by `rule`. Both are built on the same
    operands, so the manager finds where they part, evaluates both from there, and an error is
    found where it is made.

    `sense` overrides the sense of the pass's Exact contract ("bits" or "algebra"; "" keeps it),
    `bound` is the site's own error bound under a Bounded contract, `in_body` marks a site in a
    closed body, whose arguments have no values outside of it.
    """

    old: tuple[Value, ...]
    new: tuple[Value, ...]
    rule: str
    sense: str = ""
    bound: float | None = None
    in_body: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """The transformed program; the sites changed (empty for a pass without pairs, which is then
    compared at the outputs); remarks for the report; rule name -> how often it fired; node visits
    and rule attempts. `scratch` holds the weights that sites mention and the program has not."""

    program: Program
    replacements: tuple[Replacement, ...] = ()
    notes: tuple[str, ...] = ()
    hits: Mapping[str, int] = field(default_factory=dict)
    visits: int = 0
    attempts: int = 0
    scratch: Mapping[str, np.ndarray[Any, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Context:
    """What a pass may use besides the program. Same program, options, data and seed give the same
    result.

    `data` are data sets by name, `calibration` is the name of the one that the pass's step gave it,
    `meter` measures metrics on them, `sizes` binds symbolic sizes for counts of operations. `firings`
    stops rewriting after so many rule firings (bisection). `progress` is told of each cycle of a search.
    """

    seed: int = 0
    data: dict[str, Any] = field(default_factory=dict)
    backend: str = "torch"
    meter: Meter | None = None
    sizes: Mapping[str, int] = field(default_factory=dict)
    firings: int | None = None
    calibration: str | None = None
    progress: Callable[[Any], None] | None = None


class Pass(Protocol):
    """A frozen dataclass whose fields are its options in YAML and on the command line."""

    name: ClassVar[str]
    variants: ClassVar[frozenset[str]]  # of {"train", "infer"}

    @property
    def contract(self) -> Contract: ...

    def run(self, program: Program, context: Context) -> Result: ...
