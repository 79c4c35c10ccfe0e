"""The pass that rotates what a product sums over, so that outliers spread over a block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...graph.ir import Program, Value, apply, constant, rebuild
from ..manager.contract import Bounded, Contract
from ..manager.pass_ import Context, Replacement, Result
from .codes import Store
from .operands import Layer, find_layers
from .smooth import applied

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Hadamard:
    """Rotates the inputs of MatMul layers by an orthogonal matrix in blocks of `block`, signs drawn by `seed`,
    and the weights by its inverse: (x R)(Rᵀ W) = x W (QuaRot, Ashkboos et al., arXiv 2404.00456). Layers
    that read one value share its rotation, which is one small product at run time. Good for uniform grids
    and heavy tails; E2M1 with small blocks gets worse. Layers whose inputs are no multiple of `block` stay."""

    name: ClassVar[str] = "hadamard"
    variants: ClassVar[frozenset[str]] = frozenset({"infer"})

    block: int = 16
    seed: int = 0

    def __post_init__(self) -> None:
        if self.block < 2 or self.block & (self.block - 1):
            raise ValueError(f"block is a power of two, not {self.block}")

    @property
    def contract(self) -> Contract:
        return Bounded("max_rel", 1e-4)

    def run(self, program: Program, context: Context) -> Result:
        groups: dict[Value, list[Layer]] = {}
        for layer in find_layers(program)[0]:
            if layer.node.name == "MatMul" and layer.fan_in % self.block == 0:
                groups.setdefault(layer.input, []).append(layer)
        if not groups:
            return Result(program, notes=(f"no product sums over a multiple of {self.block}",))
        rotation = signed_hadamard(self.block, self.seed)
        store, sites = Store(), list[Replacement]()
        for x, layers in groups.items():
            turned = _rotated(x, rotation, store)
            sites += [_site(layer, turned, rotation, store) for layer in layers]
        return applied(
            program, sites, store, f"{len(sites)} layers that read {len(groups)} values", "hadamard"
        )


def signed_hadamard(size: int, seed: int) -> Array:
    """D H / sqrt(size) with Sylvester's H and random signs D: orthogonal, float32[size, size]."""
    found = np.ones((1, 1))
    while len(found) < size:
        found = np.block([[found, found], [found, -found]])
    signs = np.random.default_rng(seed).choice([-1.0, 1.0], (size, 1))
    matrix: Array = (signs * found / np.sqrt(size)).astype(np.float32)
    return matrix


def _rotated(x: Value, rotation: Array, store: Store) -> Value:
    """x R, block by block of its last axis."""
    size, rank = len(rotation), x.tensor.rank
    split = constant(np.array([*[0] * (rank - 1), -1, size], np.int64))
    whole = constant(np.array([*[0] * (rank - 1), x.tensor.shape[-1]], np.int64))
    turned = apply("MatMul", apply("Reshape", x, split), store.put(rotation, "rotation"))
    return apply("Reshape", turned, whole)


def _site(layer: Layer, x: Value, rotation: Array, store: Store) -> Replacement:
    size = len(rotation)
    blocks = layer.array.astype(np.float64).reshape(-1, size, layer.array.shape[1])
    array = (rotation.T.astype(np.float64) @ blocks).reshape(layer.array.shape).astype(layer.array.dtype)
    weight = store.put(array, f"{layer.name}.kernel")
    new = rebuild(layer.node, (x, weight, *layer.node.inputs[2:]))
    return Replacement((layer.node.outputs[0],), (new.outputs[0],), "hadamard")
