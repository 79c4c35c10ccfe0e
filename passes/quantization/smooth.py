"""The pass that moves outliers of activations into the weights that read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from ...graph.ir import Program, Value, apply, rebuild
from ..manager.application import moved_by
from ..manager.contract import Contract, Exact
from ..manager.pass_ import Context, Replacement, Result
from .calibration import calibration_batches, run
from .codes import Store
from .operands import Layer, constant_array, find_layers, stored_names

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Smooth:
    """SmoothQuant (Xiao et al., arXiv 2211.10438): the inputs of MatMul layers are divided, channel by
    channel, by s = max|x|^strength / max|w|^(1 - strength), and the weights multiplied by it. Layers
    that read one value share their s. Where the value is scaled and shifted by constants, as after a
    normalization, s goes into those and nothing is computed at run time; other layers stay as they are
    unless `everywhere`."""

    name: ClassVar[str] = "smooth"
    variants: ClassVar[frozenset[str]] = frozenset({"infer"})

    strength: float = 0.5
    everywhere: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.strength < 1:
            raise ValueError(f"strength lies between 0 and 1, not {self.strength:g}")

    @property
    def contract(self) -> Contract:
        return Exact("algebra")

    def run(self, program: Program, context: Context) -> Result:
        groups: dict[Value, list[Layer]] = {}
        for layer in find_layers(program)[0]:
            if layer.node.name == "MatMul":
                groups.setdefault(layer.input, []).append(layer)
        chosen = {x: g for x, g in groups.items() if self.everywhere or affine(x, program) is not None}
        if not chosen:
            return Result(program, notes=("no layer reads a value that constants scale",))
        peaks = channel_peaks(program, list(chosen), context)
        store, sites = Store(), list[Replacement]()
        for x, layers in chosen.items():
            factors = smoothing(peaks[x], layers, self.strength)
            moved = divided(x, factors, program, store, layers[0].name)
            sites += [scaled_site(layer, moved, factors, store) for layer in layers]
        text = f"{len(sites)} layers that read {len(chosen)} values"
        return applied(program, sites, store, text, "smooth")


def channel_peaks(program: Program, values: Sequence[Value], context: Context) -> dict[Value, Array]:
    """The largest magnitude of each channel (last axis) on calibration data."""
    peaks: dict[Value, Array] = {}
    for batch in calibration_batches(context, "smoothing"):
        for value, array in run(program, values, batch).items():
            peak = np.abs(array).reshape(-1, array.shape[-1]).max(axis=0)
            peaks[value] = np.maximum(peaks[value], peak) if value in peaks else peak
    return peaks


def smoothing(peak: Array, layers: Sequence[Layer], strength: float) -> Array:
    """s for each channel, float32, rounded to a power of two, so that moving it changes no bit of a
    product; 1 where activations or weights are all zero."""
    weight = np.max([np.abs(layer.array).max(axis=layer.out_axis) for layer in layers], axis=0)
    usable = (peak > 0) & (weight > 0) & np.isfinite(peak)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = peak.astype(np.float64) ** strength / weight.astype(np.float64) ** (1 - strength)
    bounded = np.where(usable, np.clip(found, 2.0**-13, 2.0**13), 1.0)
    power: Array = 2.0 ** np.rint(np.log2(bounded))
    return power.astype(np.float32)


def affine(x: Value, program: Program) -> tuple[Value, Value, Value | None] | None:
    """(inner, scale, shift) of x = inner * scale + shift with constant vectors; None for another form."""
    node, shift = x.node, None
    if node.name == "Add":
        for inner, constant in (node.inputs, node.inputs[::-1]):
            if inner is not None and constant is not None and _is_vector(constant, program):
                node, shift = inner.node, constant
                break
    if node.name != "Mul" or node.outputs[0].tensor.rank != x.tensor.rank:
        return None
    for inner, constant in (node.inputs, node.inputs[::-1]):
        if inner is not None and constant is not None and _is_vector(constant, program):
            return inner, constant, shift
    return None


def _is_vector(value: Value, program: Program) -> bool:
    array = constant_array(value, program)
    return array is not None and array.ndim == 1


def divided(x: Value, factors: Array, program: Program, store: Store, name: str) -> Value:
    """x / factors, with the factors in the constants of x where it has such."""
    found = affine(x, program)
    if found is None:
        return apply("Div", x, store.put(factors, f"{name}_smooth"))
    inner, scale, shift = found
    parts = [constant_array(v, program) if v is not None else None for v in (scale, shift)]
    new = [None if a is None else store.put((a / factors).astype(a.dtype), f"{name}_smooth") for a in parts]
    value = apply("Mul", inner, new[0])
    return value if new[1] is None else apply("Add", value, new[1])


def scaled_site(layer: Layer, x: Value, factors: Array, store: Store) -> Replacement:
    shape = [1] * layer.array.ndim
    shape[layer.in_axis] = -1
    array = (layer.array * factors.reshape(shape)).astype(layer.array.dtype)
    weight = store.put(array, f"{layer.name}.kernel")
    new = rebuild(layer.node, (x, weight, *layer.node.inputs[2:]))
    return Replacement((layer.node.outputs[0],), (new.outputs[0],), "smooth")


def applied(program: Program, sites: Sequence[Replacement], store: Store, text: str, rule: str) -> Result:
    """The program with these sites replaced and its weights pruned."""
    wider = program.with_weights(store.arrays)
    moved = moved_by(wider, sites)
    made = wider.with_graph(
        tuple(moved.get(v, v) for v in wider.graph.outputs),
        names={n: moved.get(v, v) for n, v in wider.names.items()},
        origins={moved.get(v, v): o for v, o in wider.origins.items()},
    )
    made = replace(made, weights=wider.weights.only(stored_names(made)))
    return Result(made, tuple(sites), (text,), {rule: len(sites)}, scratch=store.arrays)
