"""Expressions over constants: which values are, and their content, computed in float64 and rounded
once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

import numpy as np

from ...graph.ir import Node, Program, Value, substitute, topological
from ...graph.operators.leaves import CONSTANT, WEIGHT
from ...graph.types import FLOAT32, FLOAT64
from ..manager.pass_ import Replacement
from ..rewriting.constants import folded_constant
from .folding import growth, refusal

Array = np.ndarray[Any, Any]


class ConstantExpressions:
    """Remembers which nodes depend on constants alone and may be computed ahead."""

    def __init__(self) -> None:
        self._known: dict[Node, bool] = {}

    def __call__(self, value: Value) -> bool:
        known = self._known
        stack = [value.node]
        while stack:
            node = stack[-1]
            if node in known:
                stack.pop()
                continue
            if node.operator is CONSTANT or node.operator is WEIGHT:
                known[node] = True
            elif value_is_leaf(node) or refusal(node) is not None:
                known[node] = False
            else:
                operands = [v.node for v in node.inputs if v is not None]
                if any(known.get(n) is False for n in operands):
                    known[node] = False
                else:
                    waiting = [n for n in operands if n not in known]
                    if waiting:
                        stack.extend(waiting)
                        continue
                    known[node] = bool(operands)
            stack.pop()
        return known[value.node]


def value_is_leaf(node: Node) -> bool:
    return bool(node.outputs) and node.outputs[0].is_leaf


@dataclass(frozen=True)
class Folded:
    program: Program
    replacements: tuple[Replacement, ...]
    weights: Mapping[str, Array]


def fold_expressions(
    program: Program, is_constant: ConstantExpressions, max_input: int = 8192, max_output: int = 262144
) -> Folded:
    """The program with every constant expression that something else reads, computed in float64 and
    rounded once to its own dtype. Large results become weights."""
    pairs: dict[Value, Value] = {}
    weights: dict[str, Array] = {}
    for value in _frontier(program, is_constant):
        array = _content(value, program, max_input, max_output)
        if array is None:
            continue
        pairs[value], stored = folded_constant(array, _source_name(value), _identity(value))
        weights.update(stored)
    if not pairs:
        return Folded(program, (), {})
    kept = (*program.graph.outputs, *program.names.values(), *program.origins)
    moved = dict(zip(kept, substitute(kept, pairs), strict=True))
    folded = replace(
        program.with_graph(tuple(moved[v] for v in program.graph.outputs)),
        names={name: moved[v] for name, v in program.names.items()},
        origins={moved[v]: origin for v, origin in program.origins.items()},
        weights=program.weights.with_arrays(weights),
    )
    sites = tuple(Replacement((o,), (n,), "constant-expression", "algebra") for o, n in pairs.items())
    return Folded(folded, sites, weights)


def _frontier(program: Program, is_constant: ConstantExpressions) -> list[Value]:
    found: dict[Value, None] = {}
    for node in program.graph.nodes:
        if not node.inputs or is_constant(node.outputs[0]):
            continue
        for value in node.inputs:
            if value is not None and not value.is_leaf and is_constant(value):
                found[value] = None
    for value in program.graph.outputs:
        if not value.is_leaf and is_constant(value):
            found[value] = None
    return list(found)


def _content(value: Value, program: Program, max_input: int, max_output: int) -> Array | None:
    leaves = [n for n in topological([value]) if n.operator is WEIGHT or n.operator is CONSTANT]
    sizes = [n.outputs[0].tensor.size for n in leaves]
    if growth(value.node, [s for s in sizes if isinstance(s, int)], max_input, max_output) is not None:
        return None

    def array_of(leaf: Value) -> Array | None:
        return program.weights.arrays.get(leaf.node.attribute("name"))

    scaled = _scaled_weight(value, array_of)
    if scaled is not None:
        return scaled
    array = content(value, array_of)
    return None if array is None else array.astype(value.tensor.dtype.numpy)


def _scaled_weight(value: Value, array_of: Callable[[Value], Array | None]) -> Array | None:
    """A weight times an expression over smaller ones, as folding batch norm makes it: multiplied in
    float64 piece by piece and rounded once, without a copy of the weight in float64. None for
    another expression."""
    if value.node.name != "Mul" or value.tensor.dtype not in (FLOAT32, FLOAT64):
        return None
    for weight, other in (value.node.inputs, value.node.inputs[::-1]):
        if weight is None or other is None or weight.node.operator is not WEIGHT or weight.type != value.type:
            continue
        array, factor = array_of(weight), content(other, array_of)
        if array is not None and factor is not None and factor.size < array.size:
            result = np.empty(array.shape, array.dtype)
            with np.errstate(all="ignore"):
                return np.multiply(array, factor, dtype=np.float64, out=result, casting="same_kind")
    return None


def content(value: Value, array_of: Callable[[Value], Array | None]) -> Array | None:
    """A constant expression's content in float64, `array_of` giving that of weights; None where a
    weight is not at hand or the evaluator refuses."""
    from ...backends.reference import ReferenceEvaluator

    leaves = [n.outputs[0] for n in topological([value]) if n.operator is WEIGHT]
    given = {v: a for v in leaves if (a := array_of(v)) is not None}
    if len(given) < len(leaves):
        return None
    try:
        with np.errstate(all="ignore"):
            (array,) = ReferenceEvaluator().evaluate([value], given, float64=True)
    except (NotImplementedError, ValueError, IndexError, TypeError, ZeroDivisionError):
        return None
    return np.asarray(array)


def _source_name(value: Value) -> str:
    """The largest weight that goes into the expression, for the new weight's name."""
    best, name = -1, "folded"
    for node in topological([value]):
        size = node.outputs[0].tensor.size if node.operator is WEIGHT else -1
        if isinstance(size, int) and size > best:
            best, name = size, node.attribute("name")
    return name


def _identity(value: Value) -> str:
    """Twelve digits of a hash of the expression. Its weights count by name, which stands for one
    content; so does the hash, then, and that of a larger expression over the new weight."""
    hasher = sha256()
    numbers: dict[Node, int] = {}
    for node in topological([value]):
        operands = [None if v is None else (numbers[v.node], v.index) for v in node.inputs]
        hasher.update(repr((node.operator.qualified_name, operands)).encode())
        for name, attribute in sorted(node.attributes.items()):
            content = attribute.value
            if isinstance(content, np.ndarray):
                hasher.update(f"{name}{content.dtype.str}{content.shape}".encode() + content.tobytes())
            else:
                hasher.update(repr((name, content)).encode())
        numbers[node] = len(numbers)
    return hasher.hexdigest()[:12]
