"""Activations with scales from their own numbers, computed when the model runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...graph.ir import Value, apply, apply_all, constant
from ...graph.types.dtypes import DTYPES, FLOAT32, UINT8, DType
from ...graph.types.grids import Grid, full_range, grid
from .scheme import QuantScheme

Array = np.ndarray[Any, Any]

INT8, FLOAT16 = DTYPES["int8"], DTYPES["float16"]

STEP = 1.5
"""Four over six: with a scale 1.5 times as large a block's maximum lands on E2M1's 4."""


def dynamic_activation(x: Value, scheme: QuantScheme) -> Value:
    """x quantized and dequantized with one scale for the tensor, one for each row of its last axis (`axis`
    out), or one for each block of it. Integers are QuantizeLinear's (8 bits for the tensor with a zero point:
    DynamicQuantizeLinear), other grids graphwright's."""
    found = scheme.levels()
    if found.name == "int8" and scheme.zero and (scheme.axis, scheme.scale) == ("tensor", "float32"):
        codes, scale, zero = apply_all("DynamicQuantizeLinear", x)
        return apply("DequantizeLinear", codes, scale, zero)
    groups = Groups(x, scheme)
    if found.integer:
        return _integers(groups, full_range(found) if scheme.zero else found)
    wanted = groups.wanted(found)
    scale = groups.held(wanted, found)
    if scheme.clip == "four_over_six":
        scale = groups.better(scale, groups.held(apply("Mul", wanted, _number(STEP)), found), found)
    return groups.by_levels(scale, found)


@dataclass(frozen=True)
class Groups:
    """The parts of x that share a scale. A block that does not divide the axis is the whole of it."""

    x: Value
    scheme: QuantScheme

    @property
    def block(self) -> int | None:
        """Elements of a block; None for a scale for the tensor."""
        if self.scheme.axis == "tensor":
            return None
        last = self.x.tensor.shape[-1]
        block = self.scheme.block
        fits = block and isinstance(last, int) and last % block == 0
        return block if fits else last  # type: ignore[return-value]  # layers read a last axis of known length

    @property
    def layout(self) -> dict[str, Any]:
        """Attributes of the operators that quantize."""
        return {} if self.block is None else {"axis": -1, "block_size": self.block}

    def split(self, x: Value) -> Value:
        """[..., blocks, block]."""
        shape = constant(np.array([*[0] * (x.tensor.rank - 1), -1, self.block]))
        return apply("Reshape", x, shape)

    def reduced(self, operator: str, x: Value) -> Value:
        """ReduceMax or its kin over each group: scalar, or [..., blocks]."""
        if self.block is None:
            return apply(operator, x, keepdims=0)
        return apply(operator, self.split(x), constant(np.array([-1])), keepdims=0)

    def wanted(self, found: Grid) -> Value:
        """The scale that puts each group's largest magnitude on the last level; for E8M0 on that level's power
        of two, the OCP rule."""
        top = found.largest if self.scheme.scale != "e8m0" else 2.0 ** np.floor(np.log2(found.largest))
        return apply("Div", self.reduced("ReduceMax", apply("Abs", self.x)), _number(float(top)))

    def held(self, wanted: Value, found: Grid) -> Value:
        """The scales that are wanted, in the scheme's format; 1 where a group is zero."""
        one, kind = _number(1), self.scheme.scale
        if kind == "float32":
            return _or_one(wanted, one)
        if kind == "float16":
            return _or_one(apply("Cast", apply("Cast", wanted, to=FLOAT16.code), to=FLOAT32.code), one)
        scales, outer = grid("e4m3_scale" if kind == "e4m3" else kind), one
        if self.scheme.tensor_scale:
            whole = apply("ReduceMax", apply("Abs", self.x), keepdims=0)
            outer = _or_one(apply("Div", whole, _number(found.largest * scales.levels[-1])), one)
        if kind == "e8m0":
            # 3/4 of a number is nearest to the power of two at or below it (half-way goes up).
            wanted = apply("Mul", wanted, _number(0.75))
        levels = {"levels": scales.levels}
        codes = apply("Quantize", _or_one(wanted, one), outer, domain="graphwright", **levels)
        return apply("Dequantize", codes, outer, domain="graphwright", **levels)

    def by_levels(self, scale: Value, found: Grid) -> Value:
        """x on the levels of any grid."""
        layout = {"levels": found.levels, **self.layout}
        codes = apply("Quantize", self.x, scale, domain="graphwright", **layout)
        return apply("Dequantize", codes, scale, domain="graphwright", **layout)

    def better(self, scale: Value, other: Value, found: Grid) -> Value:
        """Of two scales for each group the one with the least squared error."""
        errors = []
        for tried in (scale, other):
            difference = apply("Sub", self.by_levels(tried, found), self.x)
            errors.append(self.reduced("ReduceSum", apply("Mul", difference, difference)))
        return apply("Where", apply("Less", errors[1], errors[0]), other, scale)


def _integers(groups: Groups, found: Grid) -> Value:
    """x in integers: symmetric, or with a zero point from the range of each group, which includes 0."""
    low, high = int(found.levels[0]), int(found.levels[-1])
    if groups.scheme.zero:
        scale, point = _with_zero(groups, found)
        return _coded(groups, scale, point, UINT8, 0, high - low)
    scale = groups.held(groups.wanted(found), found)
    if groups.block is None:  # unsigned, as for fixed scales: the runtime's fast kernels take those
        return _coded(groups, scale, constant(np.uint8(-low)), UINT8, 0, high - low)
    return _coded(groups, scale, None, UINT8 if low >= 0 else INT8, low, high)


def _with_zero(groups: Groups, found: Grid) -> tuple[Value, Value]:
    """(scale, zero point in uint8) of each group."""
    zero, steps = _number(0), _number(len(found.levels) - 1)
    least = apply("Min", groups.reduced("ReduceMin", groups.x), zero)
    most = apply("Max", groups.reduced("ReduceMax", groups.x), zero)
    wanted = apply("Div", apply("Sub", most, least), steps)
    point = apply("Round", apply("Div", apply("Neg", least), _or_one(wanted, _number(1))))
    return groups.held(wanted, found), apply("Cast", apply("Clip", point, zero, steps), to=UINT8.code)


def _coded(groups: Groups, scale: Value, point: Value | None, dtype: DType, low: int, high: int) -> Value:
    codes = apply("QuantizeLinear", groups.x, scale, point, output_dtype=dtype.code, **groups.layout)
    least, most = (constant(np.asarray(v, dtype.numpy)) for v in (low, high))
    return apply("DequantizeLinear", apply("Clip", codes, least, most), scale, point, **groups.layout)


def _number(value: float) -> Value:
    return constant(np.float32(value))


def _or_one(scale: Value, one: Value) -> Value:
    positive = apply("Greater", scale, constant(np.float32(0)))
    return apply("Where", positive, scale, one)
