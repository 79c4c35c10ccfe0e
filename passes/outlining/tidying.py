"""What a program is rid of before it is written as a spec, so that it reads as if written by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from ...graph.ir import Node, Program, Value
from ...graph.operators.leaves import CONSTANT
from ..manager.pass_ import Context, Result
from ..rewriting import Procedure, Rule, Site, rewrite
from ..rewriting.rewriting_pass import RewritingPass, result_of
from ..simplify.chains import chain_rules
from ..simplify.dead_code import dead_code_rules, prune
from ..simplify.folding import folding_rules, known_content
from ..simplify.identities import identity_rules
from ..simplify.shapes import shape_rules

LARGEST_FOLDED = 4096


@dataclass(frozen=True)
class Tidy(RewritingPass):
    """Folds small constants and shape arithmetic, removes identities and joins layout operations.

    Weights keep their names and layouts: nothing is computed of one, no batch norm is folded.
    """

    name: ClassVar[str] = "tidy"
    sense: ClassVar[str] = "algebra"

    def rules(self, program: Program) -> tuple[Rule, ...]:
        return (
            Procedure("known-content", ("",), known_content, "bits"),
            _small_constants(),
            *identity_rules(),
            *shape_rules(),
            *chain_rules(),
            *dead_code_rules(),
        )

    def run(self, program: Program, context: Context) -> Result:
        found = rewrite(program, self.rules(program), self.name, context.firings)
        return replace(result_of(found), program=prune(found.program))


def _small_constants() -> Rule:
    """Constant folding where every operand is a constant of the node itself, not a stored weight."""
    fold = folding_rules(LARGEST_FOLDED, LARGEST_FOLDED)[1]
    assert isinstance(fold, Procedure)

    def small(node: Node, site: Site) -> Sequence[Value] | str | None:
        if any(v is not None and v.node.operator is not CONSTANT for v in node.inputs):
            return None
        return fold.rewrite(node, site)

    return Procedure("small-constants", ("",), small, "algebra")
