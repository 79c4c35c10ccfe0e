"""How much of an error at a value reaches the outputs: first-order condition numbers, on samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ....graph.ir import Graph, Program, Value, apply, leaf, rebuild
from ....graph.types import TensorType
from ...manager.evaluation import Samples, leaf_arrays

Array = np.ndarray[Any, Any]
ELEMENTS = 6
"""Elements of the outputs whose gradients are taken a sample: the largest, and others drawn."""


@dataclass(frozen=True)
class Amplification:
    """The largest over output elements j of sqrt(sum over the site's elements i of (dy_j / ds_i)²): what
    independent errors of size 1 at them are expected to add up to. `relative` counts errors of the size of
    each element."""

    absolute: float = 0.0
    relative: float = 0.0

    def joined(self, other: Amplification) -> Amplification:
        return Amplification(max(self.absolute, other.absolute), max(self.relative, other.relative))


def amplification(
    program: Program, sites: Sequence[Value], samples: Sequence[Samples], seed: int
) -> dict[Value, Amplification] | None:
    """For each site; None where the program has no gradient."""
    from ....backends.torch_fx import TorchEvaluator

    outputs, shifts = _shifted(program, sites)
    wanted = [v for v in outputs if isinstance(v.type, TensorType) and v.type.dtype.name == "float32"]
    found = dict.fromkeys(sites, Amplification())
    if not wanted:
        return found
    generator = np.random.default_rng(seed)
    evaluator = TorchEvaluator()
    for sample in samples:
        given = leaf_arrays(program, sample.feeds)
        values = evaluator.evaluate(list(sites), given)
        leaves = [v for v in Graph((), tuple(wanted)).nodes if v.outputs and v.outputs[0] in given]
        arguments = [n.outputs[0] for n in leaves]
        run = evaluator.function(wanted, [*arguments, *shifts])
        try:
            gradients = _gradients(run, [given[v] for v in arguments], values, generator)
        except (RuntimeError, NotImplementedError):
            return None
        for site, size in zip(sites, gradients, strict=True):
            found[site] = found[site].joined(size)
    return found


def _shifted(program: Program, sites: Sequence[Value]) -> tuple[tuple[Value, ...], list[Value]]:
    """The outputs with a leaf added at every site."""
    moved: dict[Value, Value] = {}
    shifts: dict[Value, Value] = {}
    chosen = set(sites)
    for node in program.graph.nodes:
        new = rebuild(node, [None if v is None else moved.get(v, v) for v in node.inputs])
        for old, value in zip(node.outputs, new.outputs, strict=True):
            if old in chosen:
                shift = leaf("Input", f"shift_{len(shifts)}", old.type)
                shifts[old] = shift
                value = apply("Add", value, shift)
            moved[old] = value
    return tuple(moved[v] for v in program.graph.outputs), [shifts[s] for s in sites]


def _gradients(
    run: Any, arrays: Sequence[Array], values: Sequence[Array], generator: np.random.Generator
) -> list[Amplification]:
    import torch

    from ....backends.torch_fx.arrays import to_torch

    shifts = [torch.zeros(v.shape, dtype=torch.float64, requires_grad=True) for v in values]
    results = [r.reshape(-1) for r in run(*map(to_torch, arrays), *shifts)]
    flat = torch.cat([r for r in results if r.numel()])
    if not flat.requires_grad:
        return [Amplification()] * len(shifts)
    chosen = {int(flat.detach().abs().argmax())}
    chosen.update(generator.integers(0, flat.numel(), ELEMENTS - 1).tolist())
    sizes = [to_torch(v).to(torch.float64) for v in values]
    most = [Amplification()] * len(shifts)
    for element in sorted(chosen):
        gradients = torch.autograd.grad(flat[element], shifts, retain_graph=True, allow_unused=True)
        most = [
            m if g is None else m.joined(Amplification(_norm(g), _norm(g * size)))
            for m, g, size in zip(most, gradients, sizes, strict=True)
        ]
    return most


def _norm(gradient: Any) -> float:
    """Infinite elements count for nothing: no error reaches them."""
    return float(gradient.nan_to_num(0.0, 0.0, 0.0).norm())
