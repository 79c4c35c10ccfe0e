"""Constant folding: what depends on constants alone is computed now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...graph.ir import Node, Program, Value, constant
from ...graph.operators.leaves import CONSTANT, WEIGHT
from ...graph.types import TensorType
from ..rewriting import Procedure, Rule, Site
from ..rewriting.rewriting_pass import RewritingPass

Array = np.ndarray[Any, Any]

KEPT = frozenset({"DequantizeLinear", "Dequantize"})
"""Never folded: its operand is the compact form that a quantization pass made."""

_UNFOLDABLE = frozenset({"random", "control", "host", "leaf"})


@dataclass(frozen=True)
class FoldConstants(RewritingPass):
    """Computes every node whose operands are all constant, and integer tensors whose content the
    types already tell.

    A result that is larger than all operands together is stored only if it has at most
    `max_output` elements and no operand more than `max_input` (the limits of the onnxscript
    optimizer); one that is not larger always is. Exact in algebra: the constant is the reference
    evaluator's, which may round a sum in another order than the backend.
    """

    name: ClassVar[str] = "fold_constants"
    sense: ClassVar[str] = "algebra"

    max_input: int = 8192
    max_output: int = 262144

    def rules(self, program: Program) -> tuple[Rule, ...]:
        return folding_rules(self.max_input, self.max_output)


def folding_rules(max_input: int = 8192, max_output: int = 262144) -> tuple[Rule, ...]:
    """The rule that computes nodes of constants, of at most these numbers of elements."""

    def fold(node: Node, site: Site) -> Sequence[Value] | str | None:
        for value in node.inputs:
            if value is not None:
                operator = value.node.operator
                if operator is not CONSTANT and operator is not WEIGHT:
                    if site.refuse:
                        site.refuse(f"operand {operator.name} is no constant")
                    return None
        return _folded(node, site, max_input, max_output)

    return (
        Procedure("known-content", ("",), known_content, "bits"),
        Procedure("constant-operands", ("",), fold, "algebra"),
    )


def known_content(node: Node, site: Site) -> Sequence[Value] | str | None:
    """An integer tensor whose elements the types tell is a constant."""
    outputs = node.outputs
    if len(outputs) != 1 or outputs[0].known is None:
        return None
    value = outputs[0]
    array = known_array(value)
    return (constant(array),) if array is not None else "its content depends on a symbolic size"


def known_array(value: Value) -> Array | None:
    """The content of an integer tensor whose elements are all known numbers, else None."""
    known = value.known
    if known is None or not isinstance(value.type, TensorType) or not value.type.is_static:
        return None
    for element in known:
        if type(element) is not int:
            return None
    shape: tuple[int, ...] = value.type.shape  # type: ignore[assignment]  # static: all are ints
    return np.array(known, dtype=value.type.dtype.numpy).reshape(shape)


def _folded(node: Node, site: Site, max_input: int, max_output: int) -> Sequence[Value] | str | None:
    reason = refusal(node, site.in_body)
    if reason is not None:
        return reason
    arrays = [None if v is None else site.array(v) for v in node.inputs]
    if any(a is None and v is not None for a, v in zip(arrays, node.inputs, strict=True)):
        return "the content of a weight is not at hand"
    grown = growth(node, [a.size for a in arrays if a is not None], max_input, max_output)
    if grown is not None:
        return grown
    shared = _shared_weight(node, site, max_output)
    if shared is not None:
        return shared
    results = evaluated(node, arrays)
    if isinstance(results, str):
        return results
    like = _label(node)
    leaves = [site.constant(a, like) for a in results]
    return None if None in leaves else [v for v in leaves if v is not None]


def _shared_weight(node: Node, site: Site, max_output: int) -> str | None:
    """Why folding would store a large weight twice: something else reads it too (a tied table and
    its transpose)."""
    for value in node.inputs:
        if value is None or value.node.operator is not WEIGHT or not isinstance(value.type, TensorType):
            continue
        size = value.type.size
        if isinstance(size, int) and size > max_output and site.readers(value) > 1:
            return (
                f"the weight '{value.node.attribute('name')}' is read elsewhere too and would be stored twice"
            )
    return None


def _label(node: Node) -> str:
    """The name of the weight that a folded constant comes from, for people."""
    for value in node.inputs:
        if value is not None and value.node.operator is WEIGHT:
            name: str = value.node.attribute("name")
            return name
    return "folded"


def refusal(node: Node, in_body: bool = False) -> str | None:
    """Why the node may not be computed ahead, whatever its operands; None where it may."""
    operator = node.operator
    if operator.traits & _UNFOLDABLE or operator.domain not in ("", "graphwright"):
        return f"{operator.name} is never folded"
    if operator.name in KEPT:
        return f"{operator.name} keeps its operand's compact form"
    if any(a.kind == "graph" for a in node.attributes.values()):
        return f"{operator.name} holds a body"
    for value in node.outputs:
        if not isinstance(value.type, TensorType) or not value.type.is_static:
            return f"its result {value.type} has no fixed size"
        if value.type.dtype.kind == "string":
            return "its result holds strings"
    return None


def growth(node: Node, sizes: Sequence[int], max_input: int, max_output: int) -> str | None:
    """Why the result is too large to store; None where it is not."""
    size = sum(v.tensor.size for v in node.outputs)
    assert isinstance(size, int)
    if size <= sum(sizes) or size <= 1:
        return None
    largest = max(sizes, default=0)
    if largest > max_input:
        return f"an operand has {largest} elements (max_input is {max_input}) and the result is larger"
    if size > max_output:
        return f"the result would have {size} elements (max_output is {max_output})"
    return None


def evaluated(node: Node, arrays: Sequence[Array | None]) -> list[Array] | str:
    """The node's results by the reference evaluator, or why there are none."""
    from ...backends.reference import evaluate_node

    try:
        with np.errstate(all="ignore"):
            results = evaluate_node(node, arrays)
    except NotImplementedError as error:
        return f"the reference evaluator has no {node.name}: {error}"
    except (ValueError, IndexError, ZeroDivisionError, TypeError) as error:
        return f"the reference evaluator refuses it: {error}"
    for value, array in zip(node.outputs, results, strict=True):
        wanted = value.tensor
        if array.dtype != wanted.dtype.numpy or array.shape != wanted.dims:
            return f"the reference evaluator gives {array.dtype}{list(array.shape)}, not {wanted}"
    return list(results)
