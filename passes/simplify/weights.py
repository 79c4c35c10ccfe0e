"""Weights with equal content become one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...graph.ir import Node, Program, Value, Weights
from ...graph.operators.leaves import WEIGHT
from ..rewriting import Procedure, Rule, Site
from ..rewriting.rewriting_pass import RewritingPass

SAMPLES = 64


@dataclass(frozen=True)
class MergeWeights(RewritingPass):
    """Makes one weight of all that have the same dtype, shape and content. A few elements are
    compared first; content is hashed only where those agree, so weights mapped from a file are
    not read for nothing."""

    name: ClassVar[str] = "merge_weights"

    def rules(self, program: Program) -> tuple[Rule, ...]:
        return merging_rules(program)


def merging_rules(program: Program) -> tuple[Rule, ...]:
    """No rule where no two weights are equal."""
    pairs = duplicates(program)

    def merge(node: Node, site: Site) -> Sequence[Value] | str:
        first = pairs.get(node.outputs[0])
        return (first,) if first is not None else "no other weight has the same content"

    return (Procedure("equal-weights", ("Weight",), merge),) if pairs else ()


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
