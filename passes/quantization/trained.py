"""The pass that turns what quantized training left into codes."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from ...graph.diagnostics import fail
from ...graph.ir import Node, Program, Value, consumers, rebuild
from ...graph.ir.quantized import QUANTIZATION_KEY
from ...graph.types.grids import Grid, grid
from ..manager.application import moved_by
from ..manager.contract import Budget, Contract
from ..manager.pass_ import Context, Replacement, Result
from .bias import whole_bias
from .codes import Store, fixed_activation, weight_value
from .coverage import Row, float_row, left_row, notes, quantized_row
from .fake import FakeInput, FakeLayer, read_plan
from .lattice import lattice
from .operands import Layer, constant_array, find_layers, stored_names
from .rounding import QuantizedArray
from .scheme import QuantScheme

Array = np.ndarray[Any, Any]

_MONOTONE = frozenset({"MaxPool", "Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Identity"})
"""Rounding before them is rounding after them."""


@dataclass(frozen=True)
class QuantizeTrained:
    """Gives the layers that training rounded (`quantize:` of `training:`) the codes and scales that it
    ended with; nothing is chosen. After `freeze_parameters` and `simplify`: weights that a batch norm was
    folded into keep their codes, only scales and signs change."""

    name: ClassVar[str] = "quantize_trained"
    variants: ClassVar[frozenset[str]] = frozenset({"infer"})

    metric: str = "kl"
    max_drop: float = 0.001

    @property
    def contract(self) -> Contract:
        return Budget(self.metric, self.max_drop)

    def run(self, program: Program, context: Context) -> Result:
        text = program.metadata.get(QUANTIZATION_KEY)
        if text is None:
            raise fail(
                "G1047",
                "the weights were not trained with rounded layers",
                hint="train with 'quantize:' in 'training:', and give the file with --weights",
            )
        return Conversion(program, {x.layer: x for x in read_plan(text).layers}).run()


class Conversion:
    """One run of the pass."""

    def __init__(self, program: Program, plan: Mapping[str, FakeLayer]) -> None:
        self.program, self.plan = program, plan
        self.store = Store()
        self.rows: list[Row] = []
        self.sites: list[Replacement] = []
        self.scales: dict[Value, float] = {}

    def run(self) -> Result:
        readers = consumers(self.program.graph.nodes)
        inputs = [s for n in self.program.graph.nodes if (s := self._input(n, readers)) is not None]
        self.sites += [s for pair in inputs for s in pair]
        layers, left = find_layers(self.program)
        for layer in layers:
            item = self.plan.get(layer.name)
            if item is None:
                self.rows.append(float_row(layer, "training left it float"))
            else:
                self.sites.append(self._weight(layer, item))
        self.rows += [left_row(x) for x in left]
        hits = {"layer": sum(s.rule == "layer" for s in self.sites), "result": len(inputs)}
        return Result(self._applied(), tuple(self.sites), notes(self.rows), hits)

    def _weight(self, layer: Layer, item: FakeLayer) -> Replacement:
        found = lattice(layer.array, grid(item.grid), item.layout)
        if found is None:
            origin = self.program.origin(layer.node.outputs[0])
            raise fail(
                "G1047",
                f"the weights of '{layer.name}' are no longer levels of {item.grid} times a scale",
                origin.spans[0] if origin.spans else None,
                hint="run quantize_trained after freeze_parameters and simplify only",
            )
        scheme = QuantScheme(
            item.grid, "in" if item.block else "tensor" if item.axis is None else "out", item.block
        )
        self.rows.append(quantized_row(layer, scheme, found, "as trained"))
        weight = weight_value(found, layer.name, self.store)
        rest = list(layer.node.inputs[2:])
        if layer.node.name == "Conv" and rest and rest[0] is not None and item.input is not None:
            rest[0] = self._bias(rest[0], found, item.input, layer)
        new = rebuild(layer.node, (layer.node.inputs[0], weight, *rest))
        return Replacement((layer.node.outputs[0],), (new.outputs[0],), "layer")

    def _bias(self, bias: Value, weight: QuantizedArray, entry: FakeInput, layer: Layer) -> Value:
        array, scale = constant_array(bias, self.program), self.scales.get(layer.input)
        if array is None or scale is None:
            return bias
        whole = whole_bias(array, weight, scale, entry.levels.bits < 8)
        return bias if whole is None else self.store.put(whole, f"{layer.name}_bias")

    def _input(
        self, node: Node, readers: Mapping[Value, Sequence[tuple[Node, int]]]
    ) -> tuple[Replacement, ...] | None:
        """The value rounded where it arises, and again where the layer reads it, which changes nothing but
        is what the runtime looks for; None for any other node."""
        if node.name != "FakeQuantize" or node.inputs[0] is None or node.inputs[1] is None:
            return None
        scale = constant_array(node.inputs[1], self.program)
        if scale is None or scale.size != 1:
            return None
        number = float(np.maximum(np.abs(scale.reshape(())), np.float32(2.0**-40)))
        levels = _grid_of(tuple(node.attribute("levels")))
        self.scales[node.outputs[0]] = number
        source = self._source(node.inputs[0], readers)
        if source is None:
            coded = fixed_activation(node.inputs[0], number, levels)
            return (Replacement((node.outputs[0],), (coded,), "result"),)
        after = (
            node.inputs[0] if source is node.inputs[0] else fixed_activation(node.inputs[0], number, levels)
        )
        return (
            Replacement((source,), (fixed_activation(source, number, levels),), "result"),
            Replacement((node.outputs[0],), (after,), "result"),
        )

    def _source(self, value: Value, readers: Mapping[Value, Sequence[tuple[Node, int]]]) -> Value | None:
        """Where a value that one node reads arises, before pools and changes of shape: there the runtime
        makes one kernel of a convolution and its rounding. None where others read it too."""
        outputs = set(self.program.graph.outputs)
        if not _alone(value, readers, outputs):
            return None
        while value.node.name in _MONOTONE and value.index == 0:
            before = value.node.inputs[0]
            if before is None or not _alone(before, readers, outputs):
                break
            value = before
        return value

    def _applied(self) -> Program:
        program = replace(self.program, weights=self.program.weights.with_arrays(self.store.arrays))
        moved = moved_by(program, self.sites)
        made = program.with_graph(
            tuple(moved.get(v, v) for v in program.graph.outputs),
            names={n: moved.get(v, v) for n, v in program.names.items()},
            origins={moved.get(v, v): o for v, o in program.origins.items()},
        )
        return replace(made, weights=made.weights.only(stored_names(made)))


def _alone(value: Value, readers: Mapping[Value, Sequence[tuple[Node, int]]], outputs: set[Value]) -> bool:
    """Whether one node reads the value, which is computed and no output."""
    return not value.is_leaf and value not in outputs and len(readers.get(value, ())) == 1


def _grid_of(levels: tuple[float, ...]) -> Grid:
    """The grid with these levels; integers as such."""
    whole = all(b - a == 1 for a, b in itertools.pairwise(levels)) and levels[0] == int(levels[0])
    return Grid("trained", levels, max(1, (len(levels) - 1).bit_length()), integer=whole)
