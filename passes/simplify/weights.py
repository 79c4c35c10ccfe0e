"""Weights with equal content become one."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from ...graph.ir import Program, Value, Weights, substitute
from ...graph.operators.leaves import WEIGHT
from ..manager.contract import Contract, Exact
from ..manager.pass_ import Context, Result

SAMPLES = 64


@dataclass(frozen=True)
class MergeWeights:
    """Makes one weight of all that have the same dtype, shape and content. A few elements are
    compared first; content is hashed only where those agree, so weights mapped from a file are
    not read for nothing."""

    name: ClassVar[str] = "merge_weights"
    variants: ClassVar[frozenset[str]] = frozenset({"train", "infer"})

    @property
    def contract(self) -> Contract:
        return Exact("bits")

    def run(self, program: Program, context: Context) -> Result:
        pairs = duplicates(program)
        if not pairs:
            return Result(program)
        return Result(merged(program, pairs), notes=(f"{len(pairs)} duplicate weights",), visits=len(program.graph.nodes))


def merged(program: Program, pairs: dict[Value, Value]) -> Program:
    names = list(program.names)
    tracked = list(program.origins)
    roots = (*program.graph.outputs, *(program.names[n] for n in names), *tracked)
    values = substitute(roots, pairs)
    count, end = len(program.graph.outputs), len(program.graph.outputs) + len(names)
    moved = zip(values[end:], tracked, strict=True)
    return replace(
        program.with_graph(values[:count]),
        names=dict(zip(names, values[count:end], strict=True)),
        origins={m: program.origins[v] for m, v in moved},
    )


def duplicates(program: Program) -> dict[Value, Value]:
    """Weight leaf -> the earlier one (in topological order) with the same content."""
    likely: dict[tuple[object, ...], list[Value]] = defaultdict(list)
    for node in program.graph.nodes:
        if node.operator is WEIGHT:
            value = node.outputs[0]
            array = program.weights.arrays.get(node.attributes["name"].value)
            if array is not None and value.tensor.dtype.kind != "string":
                likely[(value.type, _sample(array))].append(value)
    pairs: dict[Value, Value] = {}
    for values in likely.values():
        if len(values) > 1:
            pairs.update(_equal(values, program.weights))
    return pairs


def _equal(values: list[Value], weights: Weights) -> dict[Value, Value]:
    first: dict[str, Value] = {}
    pairs = {}
    for value in values:
        digest = weights.digest(value.node.attribute("name"))
        if digest in first:
            pairs[value] = first[digest]
        else:
            first[digest] = value
    return pairs


def _sample(array: np.ndarray[Any, Any]) -> bytes:
    """Some elements, spread over the array."""
    flat = array.reshape(-1)
    return flat[:: max(1, flat.size // SAMPLES)][:SAMPLES].tobytes()
