"""The base of passes that are nothing but rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ...graph.ir import Program
from ..manager.contract import Contract, Exact
from ..manager.pass_ import Context, Result
from .rule import Rule
from .sweep import Rewritten, rewrite


@dataclass(frozen=True)
class RewritingPass:
    """A pass whose work is `rules()`, run by `sweep.rewrite`."""

    name: ClassVar[str]
    variants: ClassVar[frozenset[str]] = frozenset({"train", "infer"})
    sense: ClassVar[str] = "bits"

    @property
    def contract(self) -> Contract:
        return Exact(self.sense)

    def rules(self, program: Program) -> tuple[Rule, ...]:
        """The rules for this program, in order of preference."""
        raise NotImplementedError

    def run(self, program: Program, context: Context) -> Result:
        return result_of(rewrite(program, self.rules(program), self.name, context.firings))


def result_of(rewritten: Rewritten, notes: tuple[str, ...] = ()) -> Result:
    counters = rewritten.counters
    return Result(
        rewritten.program,
        rewritten.replacements,
        notes,
        dict(counters.hits),
        counters.visits,
        counters.attempts,
    )
