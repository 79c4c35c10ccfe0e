"""A quantization scheme: a quantized type, and how to find its scales and codes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from typing import Any

from ...graph.operators.rules.codes import SURROGATES
from ...graph.types.grids import Grid, grid
from .layout import Layout

AXES = ("tensor", "out", "in")
SCALES = ("float32", "float16", "e8m0", "e4m3", "ue5m3")
CLIPS = ("absmax", "percentile", "mse", "entropy", "four_over_six")
ROUNDINGS = ("nearest", "stochastic", "gptq", "adaround", "descent")


@dataclass(frozen=True)
class QuantScheme:
    """`axis` is the granularity: one scale (tensor), one for each output channel (out), or one for each
    `block` elements along the inputs of each output channel (in). `grid` may be `power(int4, search)`:
    the exponent is found from the weights, and so is the split into exponent and mantissa of
    `float(4, search)`. `surrogate` is the gradient of rounding in training, with its number where it
    has one: lsq, pact, `ewgs(0.2)`, `sine(auto)`. `table` rounds the levels of a codebook to int8, so that
    integer kernels run it."""

    grid: str = "int8"
    axis: str = "out"
    block: int | None = None
    scale: str = "float32"
    tensor_scale: bool = False
    zero: bool = False
    clip: str = "absmax"
    percentile: float = 99.99
    rounding: str = "nearest"
    dynamic: bool = False
    table: bool = False
    surrogate: str = "lsq"

    def __post_init__(self) -> None:
        for name, allowed in (("axis", AXES), ("scale", SCALES), ("clip", CLIPS), ("rounding", ROUNDINGS)):
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} is one of {', '.join(allowed)}, not '{getattr(self, name)}'")
        found = self.levels()
        if self.zero and not found.integer:
            raise ValueError(f"{self.grid} takes no zero point: only integer grids do")
        if (self.block is not None) != (self.axis == "in"):
            raise ValueError("axis 'in' goes with a block, and only with one")
        if self.block is not None and self.block < 1:
            raise ValueError(f"a block has at least one element, not {self.block}")
        if self.tensor_scale and self.scale in ("float32", "float16"):
            raise ValueError("a tensor scale belongs to scales on a grid: e8m0, e4m3, ue5m3")
        read_surrogate(self.surrogate)
        if not 50 < self.percentile <= 100:
            raise ValueError(f"a percentile between 50 and 100, not {self.percentile}")

    @property
    def searches_format(self) -> bool:
        """`float(4, search)`: the split into exponent and mantissa is found from the weights."""
        return self.grid.startswith("float(") and self.searches_exponent

    @property
    def searches_exponent(self) -> bool:
        return self.grid.endswith("search)")

    def levels(self, exponent: float = 0.5) -> Grid:
        """The grid; `exponent` stands for one that is to be searched."""
        if self.searches_format:
            bits = int(self.grid.partition("(")[2].partition(",")[0])
            return grid(f"float({bits // 2}, {bits - 1 - bits // 2}, 1)")
        return grid(self.grid.replace("search", f"{exponent:g}"))

    def layout(self, rank: int, out_axis: int, in_axis: int) -> Layout:
        """The layout for a weight of this rank. Axes count from the front."""
        del rank
        if self.axis == "tensor":
            return Layout()
        return Layout(out_axis) if self.axis == "out" else Layout(in_axis, self.block)

    def __str__(self) -> str:
        where = {"tensor": "tensor", "out": "channel", "in": f"block {self.block}"}[self.axis]
        parts = [self.grid, where]
        parts += [f"scale {self.scale}"] if self.scale != "float32" else []
        parts += ["zero point"] if self.zero else []
        parts += [self.clip] if self.clip != "absmax" else []
        parts += [self.rounding] if self.rounding != "nearest" else []
        parts += ["dynamic"] if self.dynamic else []
        return ", ".join(parts)


EXPONENTS = tuple(i / 20 for i in range(4, 25))
"""Exponents of power grids that are searched on activations."""


def searched_grids(scheme: QuantScheme) -> Iterator[Grid]:
    """The grids among which the scheme searches; its one grid where it does not. The real bias of a float format
    multiplies all levels, as the scale does: the search of scales is that of biases."""
    if not scheme.searches_exponent:
        yield scheme.levels()
    elif scheme.searches_format:
        bits = scheme.levels().bits
        for exponent in range(1, bits):
            yield grid(f"float({exponent}, {bits - 1 - exponent}, {2 ** (exponent - 1)})")
    else:
        yield from map(scheme.levels, EXPONENTS)


_SURROGATE = re.compile(r"(\w+)\s*(?:\(\s*(auto|[0-9.eE+-]+)\s*\))?")


def read_surrogate(text: str) -> tuple[str, float | None]:
    """(name, number) of `ewgs(0.2)`; None for `auto` or none. Raises ValueError."""
    match = _SURROGATE.fullmatch(text.strip())
    if match is None or match[1] not in SURROGATES:
        near = get_close_matches(text, SURROGATES, 1)
        hint = f"; '{near[0]}'?" if near else ""
        raise ValueError(f"surrogate is one of {', '.join(SURROGATES)}, not '{text}'{hint}")
    return match[1], None if match[2] in (None, "auto") else float(match[2])


PRESETS: Mapping[str, QuantScheme] = {
    "mxfp4": QuantScheme("e2m1", "in", 32, "e8m0"),
    "mxint4": QuantScheme("int4", "in", 32, "e8m0"),
    "nvfp4": QuantScheme("e2m1", "in", 16, "e4m3", tensor_scale=True, clip="four_over_six"),
    "nvint4": QuantScheme("int4", "in", 16, "e4m3", tensor_scale=True),
    "nupes4": QuantScheme("power(int4, search)", clip="mse"),
    "fp8": QuantScheme("e4m3"),
}
"""Formats with a name of their own."""

_OPTIONS = {f.name for f in fields(QuantScheme)}


def weight_scheme(given: Any) -> QuantScheme | None:
    """The scheme of a text (a preset or a grid, by output channel) or a mapping of options; None for
    `float`. Raises ValueError, also for what weights can't have."""
    found = _scheme(given, QuantScheme())
    if found is not None and found.dynamic:
        raise ValueError("the scales of weights are stored: 'dynamic' is for activations")
    if found is not None and found.clip == "entropy" and found.axis != "tensor":
        raise ValueError(
            "entropy compares distributions, which a channel or block of weights is too few for: axis: tensor"
        )
    return found


def activation_scheme(given: Any) -> QuantScheme | None:
    """As `weight_scheme`; integers have one scale for the tensor and a zero point. Scales for rows (axis out) or
    blocks are computed when the model runs, without zero points unless `zero` says so. Raises ValueError for
    what activations can't have."""
    found = _scheme(given, QuantScheme(axis="tensor", zero=True))
    if found is None:
        return None
    if found.axis != "tensor" and not _says(given, "dynamic"):
        found = replace(found, dynamic=True)
    if found.rounding != "nearest":
        raise ValueError(f"activations are rounded to nearest when the model runs, not by {found.rounding}")
    if found.axis != "tensor" and not found.dynamic:
        raise ValueError("a fixed scale of activations is one for the tensor; rows and blocks are dynamic")
    if found.dynamic and found.searches_exponent:
        raise ValueError(f"{found.grid}: a search needs calibration data, so not with dynamic scales")
    if found.dynamic and found.clip not in ("absmax", "four_over_six"):
        raise ValueError(
            f"dynamic scales cover what they meet: clip is absmax or four_over_six, not {found.clip}"
        )
    if found.dynamic and found.clip == "four_over_six" and found.levels().integer:
        raise ValueError("four_over_six is for grids whose last step is wide, as E2M1's, not for integers")
    return found


def _says(given: Any, name: str) -> bool:
    return isinstance(given, Mapping) and name in given


def _scheme(given: Any, default: QuantScheme) -> QuantScheme | None:
    if given is None or given == "float":
        return None
    if isinstance(given, QuantScheme):
        return given
    if isinstance(given, str):
        if given in PRESETS:
            return PRESETS[given]
        given = {"grid": given}
    if not isinstance(given, Mapping):
        raise ValueError(f"a scheme is a name or a mapping, not {given!r}")
    unknown = [name for name in given if name not in _OPTIONS]
    if unknown:
        near = get_close_matches(unknown[0], _OPTIONS, 1)
        raise ValueError(f"a scheme has no '{unknown[0]}'" + (f"; '{near[0]}'?" if near else ""))
    options = dict(given)
    found = QuantScheme(str(options.get("grid", default.grid)))
    whole = {"axis": default.axis, "zero": default.zero and found.levels().integer}
    if "block" in options:
        whole["axis"] = "in"
    if options.get("axis", whole["axis"]) != "tensor":
        whole["zero"] = False
    return replace(found, **{**whole, **options})
