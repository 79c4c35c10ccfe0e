"""The pass that evens out the ranges of channels between layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from ...graph.ir import Node, Program, Value, apply, consumers, rebuild
from ..manager.contract import Contract, Exact
from ..manager.pass_ import Context, Replacement, Result
from .codes import Store
from .operands import Layer, constant_array, find_layers
from .smooth import applied

Array = np.ndarray[Any, Any]
Readers = Mapping[Value, Sequence[tuple[Node, int]]]

HOMOGENEOUS = frozenset(
    {"Relu", "LeakyRelu", "PRelu", "Identity", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool"}
)
"""f(s x) = s f(x) for s > 0, channel by channel."""
_SHAPES = frozenset({"Reshape", "Flatten"})


@dataclass(frozen=True)
class Equalize:
    """Cross-layer equalization (Nagel et al., arXiv 1906.04721): the output channels of a layer are divided,
    and the inputs of the next multiplied, by s = sqrt(range of the one / range of the other), through
    activations that let a positive factor pass. So that one scale fits more channels. s is a power of two:
    no bit of a product changes. `sweeps` bounds the passes over a chain of layers."""

    name: ClassVar[str] = "equalize"
    variants: ClassVar[frozenset[str]] = frozenset({"infer"})

    sweeps: int = 20

    @property
    def contract(self) -> Contract:
        return Exact("algebra")

    def run(self, program: Program, context: Context) -> Result:
        store, sites, joints = Store(), list[Replacement](), 0
        for chain in find_chains(program):
            joints += len(chain) - 1
            factors = equalized(chain, self.sweeps)
            if any((f != 1).any() for f in factors):
                sites.append(_site(chain, factors, program, store))
        if not sites:
            return Result(program, notes=(f"nothing to even out at {joints} joints of layers",))
        return applied(program, sites, store, f"{joints} joints in {len(sites)} chains of layers", "equalize")


@dataclass
class Link:
    """A layer of a chain: `path` are the nodes from its result to the next layer's input, `spread` how many
    inputs of the next one each channel becomes (a kernel's places after a reshape)."""

    layer: Layer
    path: list[Node] = field(default_factory=list)
    spread: int = 1

    @property
    def depthwise(self) -> bool:
        return self.layer.node.name == "Conv" and self.layer.node.attribute("group", 1) > 1


def find_chains(program: Program) -> list[list[Link]]:
    """Layers of which each alone reads the one before. Longest chains, in order of computation."""
    layers = [x for x in find_layers(program)[0] if _takes_part(x)]
    by_node = {x.node: x for x in layers}
    readers = consumers(program.graph.nodes)
    outputs = set(program.graph.outputs)
    links: dict[Node, Link] = {}
    following: dict[Node, Node] = {}
    for layer in layers:
        found = _following(layer, by_node, readers, outputs, program)
        links[layer.node] = Link(layer)
        if found is not None:
            links[layer.node].path, links[layer.node].spread, following[layer.node] = found
    targets = set(following.values())
    chains = []
    for node in (x.node for x in layers if x.node not in targets):
        chain = [links[node]]
        while chain[-1].layer.node in following:
            chain.append(links[following[chain[-1].layer.node]])
        if len(chain) > 1:
            chains.append(chain)
    return chains


def _takes_part(layer: Layer) -> bool:
    group = layer.node.attribute("group", 1) if layer.node.name == "Conv" else 1
    plain = layer.node.name in ("Conv", "MatMul", "Gemm") and not layer.node.attribute("transA", 0)
    return plain and (group == 1 or layer.array.shape[1] == 1)


def _following(
    layer: Layer, by_node: Mapping[Node, Layer], readers: Readers, outputs: set[Value], program: Program
) -> tuple[list[Node], int, Node] | None:
    """(nodes between, spread, the next layer's node)."""
    value, path, channels = layer.node.outputs[0], list[Node](), layer.array.shape[layer.out_axis]
    axis = 1 if layer.node.name == "Conv" else value.tensor.rank - 1
    spread = 1
    while True:
        users = readers.get(value, ())
        if len(users) != 1 or value in outputs:
            return None
        node, position = users[0]
        if node in by_node:
            fits = position == 0 and _inputs(by_node[node]) == channels * spread
            return (path, spread, node) if fits else None
        if node.name in _SHAPES:
            found = _spread_by(node, axis, channels)
            if found is None or spread != 1:
                return None
            spread, axis = found, 1
        elif node.name == "Add":
            if _bias(node, value, channels, program) is None or axis != value.tensor.rank - 1:
                return None
        elif node.name not in HOMOGENEOUS or position != 0 or (axis != 1 and "Pool" in node.name):
            return None
        path.append(node)
        value = node.outputs[0]


def _inputs(layer: Layer) -> int:
    """Inputs that a factor can go to: a depthwise kernel has one for each of its outputs."""
    depthwise = layer.node.name == "Conv" and layer.node.attribute("group", 1) > 1
    return int(layer.array.shape[layer.out_axis if depthwise else layer.in_axis])


def _spread_by(node: Node, axis: int, channels: int) -> int | None:
    """Into how many neighbouring inputs a flattening makes each channel; None for another change of shape."""
    before, after = node.inputs[0], node.outputs[0]
    if before is None or axis != 1 or before.tensor.dims is None or after.tensor.dims is None:
        return None
    inner, last = before.tensor.shape[1:], after.tensor.shape[-1]
    if after.tensor.rank != 2 or not all(isinstance(d, int) for d in (*inner, last)):
        return None
    size = int(np.prod([int(str(d)) for d in inner]))
    return size // channels if size == last and size % channels == 0 else None


def _bias(node: Node, value: Value, channels: int, program: Program) -> Array | None:
    """The constant vector that an Add adds."""
    other = node.inputs[1] if node.inputs[0] is value else node.inputs[0]
    array = constant_array(other, program) if other is not None else None
    return array if array is not None and array.shape == (channels,) else None


# --- factors -----------------------------------------------------------------------------------------


def equalized(chain: Sequence[Link], sweeps: int) -> list[Array]:
    """For each joint what the channels before it are divided by, powers of two."""
    arrays = [np.abs(link.layer.array).astype(np.float64) for link in chain]
    factors = [np.ones(link.layer.array.shape[link.layer.out_axis]) for link in chain[:-1]]
    for _ in range(sweeps):
        moved = False
        for i, factor in enumerate(factors):
            out, into = _out_range(chain[i], arrays[i]), _in_range(chain[i], chain[i + 1], arrays[i + 1])
            usable = (out > 0) & (into > 0)
            ratio = np.where(usable, out / np.where(usable, into, 1), 1)
            step = 2.0 ** np.rint(np.log2(np.where(usable, ratio, 1)) / 2)
            if (step != 1).any():
                moved = True
                factor *= step
                arrays[i] = _scaled_out(chain[i].layer, arrays[i], 1 / step)
                arrays[i + 1] = _scaled_in(chain[i], chain[i + 1], arrays[i + 1], step)
        if not moved:
            break
    return factors


def _out_range(link: Link, array: Array) -> Array:
    moved = np.moveaxis(array, link.layer.out_axis, 0)
    found: Array = moved.reshape(len(moved), -1).max(axis=1)
    return found


def _in_range(before: Link, link: Link, array: Array) -> Array:
    moved = np.moveaxis(array, link.layer.out_axis if link.depthwise else link.layer.in_axis, 0)
    found: Array = moved.reshape(len(moved) // before.spread, -1).max(axis=1)
    return found


def _along(factor: Array, axis: int, rank: int) -> Array:
    return factor.reshape([-1 if i == axis else 1 for i in range(rank)])


def _scaled_out(layer: Layer, array: Array, factor: Array) -> Array:
    return array * _along(factor, layer.out_axis, array.ndim)


def _scaled_in(before: Link, link: Link, array: Array, factor: Array) -> Array:
    axis = link.layer.out_axis if link.depthwise else link.layer.in_axis
    return array * _along(np.repeat(factor, before.spread), axis, array.ndim)


# --- the new chain --------------------------------------------------------------------------------------


def _site(chain: Sequence[Link], factors: Sequence[Array], program: Program, store: Store) -> Replacement:
    """The chain's last result from its first input, with the factors in the weights."""
    value = chain[0].layer.input
    for i, link in enumerate(chain):
        layer = link.layer
        array = layer.array
        if i:
            array = _scaled_in(chain[i - 1], link, array, factors[i - 1])
        out = 1 / factors[i] if i < len(factors) else np.ones(layer.array.shape[layer.out_axis])
        array = _scaled_out(layer, array, out).astype(layer.array.dtype)
        rest = [_scaled_bias(b, out, layer.name, program, store) for b in layer.node.inputs[2:]]
        value = rebuild(layer.node, (value, store.put(array, f"{layer.name}.kernel"), *rest)).outputs[0]
        if i == len(chain) - 1:
            break
        for node in link.path:
            old = node.inputs[0] if node.inputs[0] is not None else None
            if node.name == "Add":
                constants = [
                    v for v in node.inputs if v is not None and constant_array(v, program) is not None
                ]
                value = apply("Add", value, _scaled_bias(constants[0], out, layer.name, program, store))
            else:
                assert old is not None
                value = rebuild(node, (value, *node.inputs[1:])).outputs[0]
    return Replacement((chain[-1].layer.node.outputs[0],), (value,), "equalize")


def _scaled_bias(
    bias: Value | None, factor: Array, name: str, program: Program, store: Store
) -> Value | None:
    if bias is None or (factor == 1).all():
        return bias
    array = constant_array(bias, program)
    if array is None:
        return apply("Mul", bias, store.put(factor.astype(np.float32), f"{name}.factor"))
    return store.put((array * factor).astype(array.dtype), f"{name}.bias")
