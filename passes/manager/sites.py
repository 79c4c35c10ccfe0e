"""Sites: where a pass changed the graph, and the values from which both forms are computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...graph.ir import Node, Value
from ...graph.operators.leaves import CONSTANT, WEIGHT
from ...graph.types import TensorType
from .pass_ import Replacement

Array = np.ndarray[Any, Any]

DEPTHS = (1, 2, 3, 4, 6, 8, 12, 16, 32)
LARGEST = 2000
"""A site with more nodes than this has no boundary of its own; the outputs are compared."""


@dataclass(frozen=True)
class Region:
    """A replacement with its boundary: both forms depend on `boundary` and on constants only.
    `old_nodes` and `new_nodes` lie between, operands first."""

    replacement: Replacement
    boundary: tuple[Value, ...]
    old_nodes: tuple[Node, ...]
    new_nodes: tuple[Node, ...]
    depth: int

    @property
    def weights(self) -> tuple[Value, ...]:
        """The large constants among the operands, which need their content."""
        found: dict[Value, None] = {}
        for node in (*self.old_nodes, *self.new_nodes):
            for value in (*node.inputs, *node.outputs):
                if value is not None and value.node.operator is WEIGHT:
                    found[value] = None
        for value in self.replacement.new:
            if value.node.operator is WEIGHT:
                found[value] = None
        return tuple(v for v in found if v not in self.boundary)


def region_of(replacement: Replacement, least: int = 1) -> Region | None:
    """The smallest region in which the new form meets the old one, `least` or more steps behind the
    site; None where there is none within reach. A deeper one holds where a rule rests on where an
    operand comes from (Floor of a Floor)."""
    if all(map(is_constant, replacement.new)):
        found = _expression(replacement)
        if found is not None:
            return found
    for depth in DEPTHS:
        if depth < least:
            continue
        found = _region(replacement, depth, least)
        if found is not None:
            return found
    return None


def _expression(replacement: Replacement) -> Region | None:
    """The region of a constant computed ahead: the whole expression, without a boundary. None where
    the old value is no expression over constants."""
    order: list[Node] = []
    seen: set[Node] = set()
    stack = [(v.node, False) for v in replacement.old]
    while stack:
        node, finished = stack.pop()
        if finished:
            order.append(node)
            continue
        if node in seen:
            continue
        seen.add(node)
        if len(seen) > LARGEST or not node.inputs:
            return None
        stack.append((node, True))
        stack.extend((v.node, False) for v in node.inputs if v is not None and not is_constant(v))
    return Region(replacement, (), tuple(order), (), 0)


def _region(replacement: Replacement, depth: int, least: int) -> Region | None:
    cone = _cone(replacement.old, depth)
    if cone is None:
        return None
    met = _meeting(replacement.new, cone, least)
    if met is None:
        return None
    new_nodes, cut = met
    old_nodes, rim = _between(replacement.old, cut, cone, depth)
    inner = set(new_nodes).difference(v.node for v in replacement.new)
    if inner and _depends(rim, inner):
        return None
    boundary = dict.fromkeys((*cut, *rim))
    return Region(replacement, tuple(boundary), tuple(old_nodes), tuple(new_nodes), depth)


def _cone(values: tuple[Value, ...], depth: int) -> dict[Value, int] | None:
    """Every value within `depth` steps behind `values`, with the least number of steps."""
    level = dict.fromkeys(values, 0)
    front = list(values)
    for step in range(1, depth + 1):
        following = []
        for node in dict.fromkeys(v.node for v in front):
            for value in node.inputs:
                if value is not None and value not in level:
                    level[value] = step
                    following.append(value)
        if len(level) > LARGEST:
            return None
        front = following
    return level


def is_constant(value: Value) -> bool:
    return value.node.operator is CONSTANT or value.node.operator is WEIGHT


def _meeting(
    new: tuple[Value, ...], cone: Mapping[Value, int], least: int
) -> tuple[list[Node], dict[Value, None]] | None:
    """The nodes of the new form and the values of the old cone that it is built on; None where
    it is built on something else. A new form may contain the old value (quantized, for one)."""
    cut: dict[Value, None] = {}
    order: list[Node] = []
    seen: set[Node] = set()
    stack: list[tuple[Node, bool]] = []

    def enter(value: Value) -> bool:
        if is_constant(value):
            return True
        level = cone.get(value, -1)
        if level >= least or (level > 0 and value.is_leaf):
            cut[value] = None
            return True
        if value.is_leaf:
            return False
        stack.append((value.node, False))
        return True

    if not all(enter(v) for v in new):
        return None
    while stack:
        node, finished = stack.pop()
        if finished:
            order.append(node)
            continue
        if node in seen:
            continue
        seen.add(node)
        if len(seen) > LARGEST:
            return None
        stack.append((node, True))
        if not all(enter(v) for v in node.inputs if v is not None):
            return None
    return order, cut


def _depends(values: list[Value], nodes: set[Node]) -> bool:
    """Whether some value is computed by way of these nodes. A boundary that is, beside a form that
    computes the nodes anew, would hold two roundings of one number."""
    seen: set[Node] = set()
    stack = [v.node for v in values]
    while stack and len(seen) <= LARGEST:
        node = stack.pop()
        if node in nodes:
            return True
        if node not in seen:
            seen.add(node)
            stack.extend(v.node for v in node.inputs if v is not None)
    return False


def _between(
    old: tuple[Value, ...], cut: Mapping[Value, None], cone: Mapping[Value, int], depth: int
) -> tuple[list[Node], list[Value]]:
    """The nodes of the old form down to the cut, and the values where the walk ended elsewhere."""
    order: list[Node] = []
    rim: dict[Value, None] = {}
    seen: set[Node] = set()
    stack = [(v.node, False) for v in old if v not in cut]
    while stack:
        node, finished = stack.pop()
        if finished:
            order.append(node)
            continue
        if node in seen:
            continue
        seen.add(node)
        stack.append((node, True))
        for value in node.inputs:
            if value is None or value in cut or is_constant(value):
                continue
            if cone.get(value, depth) >= depth or value.is_leaf:
                rim[value] = None
            else:
                stack.append((value.node, False))
    return order, [v for v in rim if v.node not in seen]


# --- boundary values ----------------------------------------------------------------------------


def redrawn(value: Value, array: Array, generator: np.random.Generator) -> Array:
    """Other numbers of the same kind: elements of `array` drawn again, floats moved by a quarter
    within its range, so that positive ones stay positive and indices stay indices. Integers of
    rank 0 and 1 (shapes, axes, limits) stay."""
    if not array.size or array.dtype == object:
        return array
    if array.dtype.kind in "iu" and array.ndim < 2:
        return array
    drawn = generator.choice(array.reshape(-1), size=array.shape)
    if array.dtype.kind != "f" or array.size < 2:
        return np.asarray(drawn, dtype=array.dtype)
    finite = array[np.isfinite(array)]
    if not finite.size:
        return np.asarray(drawn, dtype=array.dtype)
    moved = drawn * (1 + 0.25 * generator.standard_normal(array.shape))
    return np.asarray(np.clip(moved, finite.min(), finite.max()), dtype=array.dtype)


def from_type(value: Value, sizes: Mapping[str, int], generator: np.random.Generator) -> Array | None:
    """Numbers for a value of which only the type is known (an argument of a body): normal floats,
    zeros otherwise; None where the type has no fixed shape."""
    from ...graph.types.dimensions import evaluate

    type = value.type
    if not isinstance(type, TensorType) or type.dims is None or type.dtype.kind in ("string", "complex"):
        return None
    try:
        shape = tuple(evaluate(d, sizes) for d in type.dims)
    except KeyError:
        return None
    if value.known is not None and all(type_is_int(k) for k in value.known):
        return np.asarray(value.known, dtype=type.dtype.numpy).reshape(shape)
    if type.dtype.is_float:
        return np.asarray(generator.standard_normal(shape), dtype=type.dtype.numpy)
    if type.dtype.kind == "bool":
        return generator.integers(0, 2, shape).astype(bool)
    return np.zeros(shape, type.dtype.numpy)


def type_is_int(value: object) -> bool:
    return type(value) is int
