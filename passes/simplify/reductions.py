"""Reductions: over axes of size 1, and with axes that a later operation removes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from ...graph.ir import Node, Value, make_node
from ...graph.operators.attributes import Attribute
from ..rewriting import Procedure, Rule, Site
from .chains import MOVES, reshaped, shape_target

SELECTING = frozenset(("ReduceMax", "ReduceMin"))
"""Reductions whose result over one element is that element, bit for bit."""
SUMMING = frozenset(("ReduceSum", "ReduceMean", "ReduceProd"))
"""Reductions whose result over one element is that element as a number (a sum that starts from 0.0
loses the sign of -0.0)."""
REDUCTIONS = (
    SELECTING
    | SUMMING
    | frozenset(("ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceSumSquare"))
)


@cache
def reduction_rules() -> tuple[Rule, ...]:
    """Of `simplify` and `simplify_algebra`."""
    return (
        Procedure("reduce-selecting-one", tuple(sorted(SELECTING)), _reduce_one),
        Procedure("reduce-one", tuple(sorted(SUMMING)), _reduce_one, "algebra"),
        Procedure("reduce-without-axes", MOVES, _without_axes, operands=(REDUCTIONS,)),
    )


def reduced_axes(node: Node) -> tuple[int, ...] | None:
    """The axes that a reduction removes, from 0 up; None where they or the rank are not known."""
    x = node.inputs[0]
    assert x is not None
    dims = x.tensor.dims
    axes = node.inputs[1] if len(node.inputs) > 1 else None
    if dims is None:
        return None
    if axes is None:
        return () if node.attribute("noop_with_empty_axes", 0) else tuple(range(len(dims)))
    if axes.known is None or not all(isinstance(a, int) for a in axes.known):
        return None
    if not axes.known:
        return () if node.attribute("noop_with_empty_axes", 0) else tuple(range(len(dims)))
    return tuple(sorted(a % len(dims) for a in axes.known if isinstance(a, int)))


def _reduce_one(node: Node, site: Site) -> Sequence[Value] | str:
    x = node.inputs[0]
    assert x is not None
    axes = reduced_axes(node)
    if axes is None:
        return "its axes are not known"
    dims = x.tensor.dims
    assert dims is not None
    larger = [a for a in axes if dims[a] != 1]
    if larger:
        return f"axis {larger[0]} has {dims[larger[0]]} elements"
    wanted = node.outputs[0].tensor.dims
    if wanted == dims:
        return (x,)
    if wanted is None:
        return "the rank of the result is unknown"
    target = shape_target(dims, wanted)
    return (reshaped(x, target),) if target is not None else f"no constant says the shape {wanted}"


def _without_axes(node: Node, site: Site) -> Sequence[Value] | str:
    """A shape that is the reduction's without the reduced axes: it need not keep them at all."""
    value = node.inputs[0]
    assert value is not None
    inner = value.node
    if inner.name not in REDUCTIONS:
        return f"{inner.name} is no reduction"
    if site.readers(value) > 1:
        return f"the result of {inner.name} has several readers"
    axes = reduced_axes(inner)
    if axes is None or not inner.attribute("keepdims", 1):
        return f"{inner.name} keeps no axes of size 1, or they are not known"
    kept = {k: v for k, v in inner.attributes.items() if k != "keepdims"}
    found = make_node(inner.operator, inner.inputs, {**kept, "keepdims": Attribute("int", 0)}).outputs
    if found[0].type != node.outputs[0].type or value.tensor.dims is None:
        return f"its shape {node.outputs[0].type} is not that without the reduced axes"
    return found
