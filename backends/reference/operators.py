"""Evaluation of one node: a kernel of ours where there is one, else the standard's reference."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...graph.ir import Node
from ...graph.operators.leaves import CONSTANT, LEAF_DOMAIN
from ...graph.types.dtypes import BY_CODE
from .codes import CODES
from .contraction import CONTRACTION
from .control import CONTROL
from .elementwise import ELEMENTWISE
from .function_programs import FUNCTION_PROGRAMS
from .kernel import Datum, Kernel
from .layout import LAYOUT
from .linear_algebra import LINEAR_ALGEBRA
from .sequences import SEQUENCES
from .standard import evaluate_standard
from .state_space import STATE_SPACE
from .walk import shadow

KERNELS: dict[tuple[str, str], Kernel] = {
    **{("", name): k for name, k in {**ELEMENTWISE, **LAYOUT, **CONTRACTION, **SEQUENCES}.items()},
    **{
        ("graphwright", name): k
        for table in (LINEAR_ALGEBRA, CODES, STATE_SPACE, FUNCTION_PROGRAMS)
        for name, k in table.items()
    },
}


def evaluate_node(node: Node, inputs: Sequence[Datum], *, float64: bool = False) -> list[Datum]:
    """The results of a node, with the standard's semantics, from its operands (None for an absent
    one; a sequence is a list of arrays, an optional its content or None).

    With `float64` the operands hold float64 where the types say a narrower float, and so do the
    results. Raises KeyError for a leaf other than a constant, and whatever NumPy raises for
    operands that the operator can't take (an index out of range).
    """
    operator = node.operator
    if operator.domain == LEAF_DOMAIN:
        results: Sequence[Datum] = [_constant(node)]
    elif operator.name in CONTROL and not operator.domain:
        results = CONTROL[operator.name](node, inputs, float64)
    else:
        with np.errstate(all="ignore"):
            results = _evaluate(node, inputs, float64)
    return [shadow(r) for r in results] if float64 else [_as_array(r) for r in results]


def _evaluate(node: Node, inputs: Sequence[Datum], float64: bool) -> Sequence[Datum]:
    operator = node.operator
    if float64 and operator.name in ("Cast", "CastLike") and _widens(node, inputs):
        return [np.asarray(inputs[0]).astype(np.float64)]
    kernel = KERNELS.get((operator.domain, operator.name))
    return kernel(node, inputs) if kernel is not None else evaluate_standard(node, inputs)


def _widens(node: Node, inputs: Sequence[Datum]) -> bool:
    """Whether a cast of a shadow run gives float64 instead of a narrower float."""
    if inputs[0].dtype == object:
        return False
    if node.operator.name == "Cast":
        target = BY_CODE[node.attribute("to")]
    else:
        target = node.outputs[0].tensor.dtype
    return target.is_float and target.bits >= 16


def _constant(node: Node) -> Datum:
    if node.operator is not CONSTANT:
        raise KeyError(f"the {node.operator.name.lower()} '{node.attribute('name', '')}' has no array")
    return node.attribute("value")


def _as_array(result: Datum) -> Datum:
    return result if isinstance(result, list) or result is None else np.asarray(result)
