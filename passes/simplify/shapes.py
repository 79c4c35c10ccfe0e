"""Shape arithmetic: what the types already tell is not computed at run time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np

from ...graph.ir import Node, Program, Value, apply, constant, make_node
from ...graph.types.dimensions import Dimension
from ..rewriting import Procedure, Rule, Site
from ..rewriting.rewriting_pass import RewritingPass
from .chains import reshaped, shape_target
from .folding import known_content


@dataclass(frozen=True)
class SimplifyShapes(RewritingPass):
    """Turns integer tensors whose content is known into constants (Shape of known sizes and all that
    is computed from it), and gives Reshape and Expand constant targets, with -1 or 0 (the size of
    the same axis) for a symbolic size."""

    name: ClassVar[str] = "simplify_shapes"

    def rules(self, program: Program) -> tuple[Rule, ...]:
        return (Procedure("known-content", ("",), known_content), *shape_rules())


@cache
def shape_rules() -> tuple[Rule, ...]:
    return (
        Procedure("reshape-target", ("Reshape",), _reshape_target),
        Procedure("expand-target", ("Expand",), _expand_target),
        Procedure("shape-of-elementwise", ("Shape", "Size"), _shape_of),
    )


def _reshape_target(node: Node, site: Site) -> Sequence[Value] | str:
    x, target = node.inputs
    assert x is not None and target is not None
    if target.constant is not None:
        return "its target is constant"
    wanted = node.outputs[0].tensor.dims
    if wanted is None:
        return "the rank of the result is unknown"
    found = shape_target(x.tensor.dims, wanted)
    return (reshaped(x, found),) if found is not None else "more than one size has to be computed"


def _expand_target(node: Node, site: Site) -> Sequence[Value] | str:
    x, target = node.inputs
    assert x is not None and target is not None
    if target.constant is not None:
        return "its target is constant"
    wanted, given = node.outputs[0].tensor.dims, x.tensor.dims
    if wanted is None or given is None:
        return "a rank is unknown"
    found = _expansion(given, wanted)
    if found is None:
        return "a size has to be computed"
    return (apply("Expand", x, constant(np.array(found, dtype=np.int64))),)


def _expansion(given: Sequence[Dimension], wanted: Sequence[Dimension]) -> list[int] | None:
    """The target of an Expand: numbers, and 1 where the operand has the size already."""
    padded = [None] * (len(wanted) - len(given)) + list(given)
    found = []
    for have, want in zip(padded, wanted, strict=True):
        if have == want:
            found.append(1)
        elif isinstance(want, int):
            found.append(want)
        else:
            return None
    return found


_SAME_SHAPE = frozenset(
    "Abs Neg Relu Tanh Sigmoid Exp Log Sqrt Erf Gelu Cast Not Floor Ceil Round Sign Softmax LogSoftmax "
    "LayerNormalization Identity".split()
)


def _shape_of(node: Node, site: Site) -> Sequence[Value] | str:
    """The shape of a result is that of the operand it came from, which need not be computed."""
    x = node.inputs[0]
    assert x is not None
    inner = x.node
    if inner.name not in _SAME_SHAPE or x.index != 0 or not inner.inputs or inner.inputs[0] is None:
        return f"{inner.name} is no operation that keeps the shape"
    return make_node(node.operator, (inner.inputs[0],), node.attributes).outputs
