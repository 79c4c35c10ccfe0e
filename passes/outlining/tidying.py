"""What a program is rid of before it is written as a spec, so that it reads as if written by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from ...graph.ir import Node, Program, Value, make_node
from ...graph.operators.leaves import CONSTANT
from ...graph.types.types import TensorType
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
            Procedure("default-attributes", WINDOWED, _default_attributes, "bits"),
            *identity_rules(),
            *shape_rules(),
            *chain_rules(),
            *dead_code_rules(),
        )

    def run(self, program: Program, context: Context) -> Result:
        found = rewrite(program, self.rules(program), self.name, context.firings)
        return replace(result_of(found), program=prune(found.program))


WINDOWED = ("Conv", "ConvTranspose", "MaxPool", "AveragePool", "LpPool")


def _default_attributes(node: Node, site: Site) -> Sequence[Value] | None:
    """Without the attributes that say what is so without them: strides of 1, no padding, the shape
    of a kernel that is at hand."""
    kept = {name: a for name, a in node.attributes.items() if not _is_default(node, name, a.value)}
    if len(kept) == len(node.attributes):
        return None
    return make_node(node.operator, node.inputs, kept, len(node.outputs)).outputs


def _is_default(node: Node, name: str, value: object) -> bool:
    if name in ("strides", "dilations") and isinstance(value, tuple):
        return all(v == 1 for v in value)
    if name == "pads" and isinstance(value, tuple):
        return not any(value)
    if name == "kernel_shape" and node.name in ("Conv", "ConvTranspose"):
        kernel = node.inputs[1]
        return (
            kernel is not None
            and isinstance(kernel.type, TensorType)
            and (kernel.type.dims or ())[2:] == value
        )
    return False


def _small_constants() -> Rule:
    """Constant folding where every operand is a constant of the node itself, not a stored weight."""
    fold = folding_rules(LARGEST_FOLDED, LARGEST_FOLDED)[1]
    assert isinstance(fold, Procedure)

    def small(node: Node, site: Site) -> Sequence[Value] | str | None:
        if any(v is not None and v.node.operator is not CONSTANT for v in node.inputs):
            return None
        return fold.rewrite(node, site)

    return Procedure("small-constants", ("",), small, "algebra")
