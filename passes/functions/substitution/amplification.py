"""How much of an error at a value reaches the outputs: first-order condition numbers, on samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ....graph.diagnostics import SpecError
from ....graph.ir import Graph, Program, Value
from ....graph.types import TensorType
from ...manager.evaluation import Samples, leaf_arrays

ELEMENTS = 6
"""Elements of the outputs whose gradients are taken a sample: the largest, and others drawn."""


@dataclass(frozen=True)
class Amplification:
    """The largest over output elements j of sqrt(sum over the place's elements i of (dy_j / ds_i)²), in every call
    of the body that it lies in: what independent errors of size 1 there are expected to add up to. `relative` counts
    errors of the size of each element."""

    absolute: float = 0.0
    relative: float = 0.0

    def joined(self, other: Amplification) -> Amplification:
        return Amplification(max(self.absolute, other.absolute), max(self.relative, other.relative))


def amplification(
    program: Program, places: Mapping[Graph, Sequence[Value]], samples: Sequence[Samples], seed: int
) -> dict[tuple[Graph, Value], Amplification] | None:
    """For each value of the graph or of a body; None where the program has no gradient."""
    from ....backends.torch_fx import TorchEvaluator

    found = {(g, v): Amplification() for g, values in places.items() for v in values}
    wanted = tuple(
        v for v in program.graph.outputs if isinstance(v.type, TensorType) and v.type.dtype.is_float
    )
    if not wanted:
        return found
    generator = np.random.default_rng(seed)
    graph = Graph(program.graph.inputs, wanted)
    placed = {(graph if g is program.graph else g): tuple(values) for g, values in places.items()}
    for sample in samples:
        try:
            sizes = _measured(TorchEvaluator(), graph, leaf_arrays(program, sample.feeds), placed, generator)
        except (RuntimeError, NotImplementedError, SpecError):
            return None
        for (place, value), size in sizes.items():
            key = (program.graph if place is graph else place), value
            found[key] = found[key].joined(size)
    return found


def _measured(
    evaluator: Any,
    graph: Graph,
    given: Mapping[Value, np.ndarray[Any, Any]],
    places: Mapping[Graph, Sequence[Value]],
    generator: np.random.Generator,
) -> dict[tuple[Graph, Value], Amplification]:
    """On one sample."""
    import torch

    met: dict[tuple[Graph, Value], list[Any]] = {(g, v): [] for g, values in places.items() for v in values}

    def see(place: Graph, value: Value, tensor: Any) -> None:
        if not tensor.requires_grad:
            tensor.requires_grad_()
        met[place, value].append(tensor)

    outputs = evaluator.observe(graph, given, places, see, float64=True, gradients=True)
    flat = torch.cat([r.reshape(-1) for r in outputs if r.numel()])
    found = dict.fromkeys(met, Amplification())
    if not flat.requires_grad:
        return found
    chosen = {int(flat.detach().abs().argmax()), *generator.integers(0, flat.numel(), ELEMENTS - 1).tolist()}
    tensors = list({id(t): t for rows in met.values() for t in rows}.values())
    for element in sorted(chosen):
        gradients = torch.autograd.grad(flat[element], tensors, retain_graph=True, allow_unused=True)
        by_tensor = {id(t): g for t, g in zip(tensors, gradients, strict=True) if g is not None}
        for key, rows in met.items():
            found[key] = found[key].joined(
                _total([(t, by_tensor[id(t)]) for t in rows if id(t) in by_tensor])
            )
    return found


def _total(calls: Sequence[tuple[Any, Any]]) -> Amplification:
    """Of every call together. Infinite elements count for nothing: no error reaches them."""
    absolute = relative = 0.0
    for tensor, gradient in calls:
        clean = gradient.nan_to_num(0.0, 0.0, 0.0)
        absolute += float(clean.square().sum())
        relative += float((clean * tensor.detach().nan_to_num(0.0, 0.0, 0.0)).square().sum())
    return Amplification(absolute**0.5, relative**0.5)
