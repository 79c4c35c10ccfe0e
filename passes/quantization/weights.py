"""Codes for one layer's weights: the scheme's grid, its exponent where it is searched, scales, rounding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...graph.types.grids import Grid, full_range, grid, whole_levels
from .exponents import learned_exponent
from .layout import Layout
from .observers import Observer, clipped_range
from .operands import Layer
from .reconstruction import Problem, compensated, damped, reconstruct
from .rounding import QuantizedArray, quantize_array
from .scheme import QuantScheme, searched_grids
from .statistics import input_rows

Array = np.ndarray[Any, Any]
Inputs = Sequence[tuple[Array, Array]]
"""(float input, input from the layers quantized so far), batch by batch."""


def fitted(scheme: QuantScheme, layer: Layer) -> tuple[QuantScheme, str]:
    """The scheme that fits the layer, and what was changed. A block longer than the axis is one scale
    for each output channel."""
    length = layer.array.shape[layer.in_axis]
    if scheme.block is not None and scheme.block > length:
        scales = "float32" if scheme.scale == "e8m0" else scheme.scale
        changed = replace(scheme, axis="out", block=None, scale=scales)
        return changed, f"block {scheme.block} is longer than the axis ({length}): a scale for each channel"
    return scheme, ""


def plain_weights(layer: Layer, scheme: QuantScheme, seed: int = 0) -> QuantizedArray:
    """The layer's weights, each rounded to the nearest level (stochastically where the scheme says so).
    Raises ValueError for numbers that are not finite."""
    layout = scheme.layout(layer.array.ndim, layer.out_axis, layer.in_axis)
    found = weight_grid(layer.array, scheme, layout)
    generator = np.random.default_rng(seed) if scheme.rounding == "stochastic" else None
    array, clip = layer.array, scheme.clip
    if clip == "entropy":
        array, clip = _entropy_clipped(array, found, scheme.zero), "absmax"
    return quantize_array(
        array,
        found,
        layout,
        scale=scheme.scale,
        tensor_scale=scheme.tensor_scale,
        zero=scheme.zero,
        clip=clip,
        percentile=scheme.percentile,
        generator=generator,
    )


def _entropy_clipped(array: Array, found: Grid, zero: bool) -> Array:
    """The array within the range whose levels keep its distribution best, as for activations."""
    seen = Observer()
    seen.update(array)
    low, high = clipped_range(seen, full_range(found) if zero else found, "entropy", 100.0, zero)
    bounds = (low, high) if zero else (-max(-low, high), max(-low, high))
    clipped: Array = np.clip(array, np.float32(bounds[0]), np.float32(bounds[1]))
    return clipped


def weight_grid(array: Array, scheme: QuantScheme, layout: Layout) -> Grid:
    """The scheme's grid, with its exponent searched, or its levels rounded to int8."""
    if scheme.searches_format:
        found = best_format(array, scheme, layout)
    elif scheme.searches_exponent:
        found = scheme.levels(best_exponent(array, scheme, layout))
    else:
        found = scheme.levels()
    return whole_levels(found) if scheme.table else found


EXPONENTS = tuple(float(a) for a in np.linspace(0.3, 1.0, 8))


def best_exponent(array: Array, scheme: QuantScheme, layout: Layout) -> float:
    """The exponent with the least squared error, which has one minimum (PowerQuant, arXiv 2301.09858):
    a coarse grid, then twice half its step."""

    def error(exponent: float) -> float:
        clip = "mse" if scheme.clip in ("mse", "entropy") else scheme.clip
        found = quantize_array(array, scheme.levels(exponent), layout, scale=scheme.scale, clip=clip)
        return float(np.sum((found.dequantize().astype(np.float64) - array) ** 2))

    scores = {a: error(a) for a in EXPONENTS}
    for step in (0.05, 0.025):
        centre = min(scores, key=lambda a: scores[a])
        for near in (centre - step, centre + step):
            if 0.2 <= near <= 1.2 and near not in scores:
                scores[near] = error(near)
    best = min(scores, key=lambda a: scores[a])
    return round(best, 4)


def best_format(array: Array, scheme: QuantScheme, layout: Layout) -> Grid:
    """The split of exponent and mantissa bits with the least squared error on the tensor (Chen et al.,
    arXiv 2408.06995). A real bias multiplies all levels, as a scale does: the search of scales, fitted
    by least squares for each group, is the search of biases."""
    scores: dict[str, float] = {}
    for found in searched_grids(scheme):
        made = quantize_array(array, found, layout, scale=scheme.scale, clip="mse")
        scores[found.name] = float(np.sum((made.dequantize().astype(np.float64) - array) ** 2))
    return grid(min(scores, key=lambda n: scores[n]))


def optimised_weights(layer: Layer, scheme: QuantScheme, inputs: Inputs) -> QuantizedArray:
    """The layer's weights with codes chosen for its output on calibration inputs; an exponent that is
    searched is learned for it too."""
    hessian, cross = moments(layer, inputs)
    target = compensated(layer.matrix(layer.array).astype(np.float64), hessian, cross)
    moved = replace(layer, array=np.ascontiguousarray(layer.from_matrix(target).astype(np.float32)))
    plain = replace(scheme, rounding="nearest")
    start = plain_weights(moved, plain)
    if scheme.searches_exponent and not scheme.searches_format:
        start = plain_weights(moved, _with_learned_exponent(moved, plain, target, hessian))
    codes = reconstruct(_problem(layer, start, target, hessian), scheme.rounding)
    return start.with_codes(np.ascontiguousarray(layer.from_matrix(codes)))


def _problem(layer: Layer, start: QuantizedArray, target: Array, hessian: Array) -> Problem:
    shape = layer.array.shape

    def spread(scales: Array) -> Array:
        return layer.matrix(np.broadcast_to(start.layout.spread(scales, shape), shape))

    zero = None if start.zero is None else spread(start.zero)
    return Problem(target, spread(start.scale), start.grid, hessian, zero)


def _with_learned_exponent(layer: Layer, scheme: QuantScheme, target: Array, hessian: Array) -> QuantScheme:
    """The scheme with the exponent that its search and then the layer's output give."""
    layout = scheme.layout(layer.array.ndim, layer.out_axis, layer.in_axis)
    first = best_exponent(layer.array, scheme, layout)
    start = plain_weights(
        layer, replace(scheme, grid=scheme.grid.replace("search", f"{first:g}"), table=False)
    )
    found = learned_exponent(_problem(layer, start, target, hessian), start.grid.bits, first)
    return replace(scheme, grid=scheme.grid.replace("search", f"{found:g}"))


def moments(layer: Layer, inputs: Inputs) -> tuple[Array, Array]:
    """(damped X̂ᵀX̂, X̂ᵀX with the same damping), float64 [fan in, fan in]."""
    hessian = np.zeros((layer.fan_in, layer.fan_in))
    cross = np.zeros_like(hessian)
    for before, after in inputs:
        rows = input_rows(layer, after)  # summed in float64, batch by batch in float32
        product = rows.T @ rows
        hessian += product
        cross += product if before is after else rows.T @ input_rows(layer, before)
    whole = damped(hessian)
    return whole, cross + (whole - hessian)
