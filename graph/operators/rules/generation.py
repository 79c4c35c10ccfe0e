"""Operators that make tensors: Constant, ConstantOfShape, Range, Shape, Size, EyeLike, OneHot,
random draws, windows of known size."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any

import numpy as np

from ...types.dimensions import Dimension, lower_bound, maximum
from ...types.dtypes import BY_CODE, FLOAT32, INT64, STRING, UINT8, DType, from_numpy
from ...types.types import TensorType, Type
from ..operator import Call, Known, KnownRule, RuleError, TypeRule
from .broadcasting import require_equal, shown
from .contents import LIMIT, small_integer
from .operands import (
    asked_sizes,
    choice,
    content,
    dtype_attribute,
    floats,
    integers,
    may_be_one,
    normal_axis,
    refuse,
    require_rank,
    tensor,
    whole_content,
)

# --- Constant ---------------------------------------------------------------------------------

_CONSTANTS: dict[str, DType] = {
    "value_float": FLOAT32,
    "value_floats": FLOAT32,
    "value_int": INT64,
    "value_ints": INT64,
    "value_string": STRING,
    "value_strings": STRING,
}


def constant_array(call: Call) -> np.ndarray[Any, Any]:
    """The array that a Constant node holds. Raises RuleError G0560 unless one attribute is given."""
    if len(call.attributes) != 1:
        raise RuleError("G0560", "Constant needs exactly one attribute: value, value_int, value_ints, …")
    (name,) = call.attributes
    value = call.attribute(name)
    if name not in _CONSTANTS:
        return np.asarray(value)
    return np.array(value, dtype=_CONSTANTS[name].numpy)


def _constant(call: Call) -> Sequence[Type]:
    array = constant_array(call)
    return (TensorType(from_numpy(array.dtype), array.shape),)


def _known_constant(call: Call, types: Sequence[Type]) -> Sequence[Known | None]:
    array = constant_array(call)
    if array.dtype.kind not in "iub" or array.size > LIMIT:
        return (None,)
    return (tuple(map(int, array.ravel().tolist())),)


def _fill_value(call: Call) -> np.ndarray[Any, Any]:
    value = call.attribute("value")
    return np.zeros(1, np.float32) if value is None else np.asarray(value)


def _constant_of_shape(call: Call) -> Sequence[Type]:
    require_rank(call, 0, 1, 1)
    fill = _fill_value(call)
    if fill.size != 1:
        raise refuse(call, f"the value must have one element, not {fill.size}")
    axes = asked_sizes(call, 0)
    if axes is not None and any(isinstance(a, int) and a < 0 for a in axes):
        raise RuleError("G0465", f"ConstantOfShape: {shown(axes)} has a negative size", (0,))
    return (TensorType.of(from_numpy(fill.dtype), axes),)


def _known_constant_of_shape(call: Call, types: Sequence[Type]) -> Sequence[Known | None]:
    result = types[0]
    if not small_integer(result) or not isinstance(result, TensorType):
        return (None,)
    size = result.size
    return ((int(_fill_value(call).ravel()[0]),) * size if isinstance(size, int) else None,)


# --- Shape, Size, Range -----------------------------------------------------------------------


def shape_bounds(call: Call, rank: int) -> tuple[int, int]:
    """The part of the shape that a Shape node takes, clamped to 0..rank."""
    start, end = call.attribute("start", 0), call.attribute("end", rank)
    start, end = (min(max(b + rank if b < 0 else b, 0), rank) for b in (start, end))
    return start, max(start, end)


def _shape(call: Call) -> Sequence[Type]:
    found = tensor(call, 0)
    if found.axes is None:
        return (TensorType.of(INT64, (None,)),)
    start, end = shape_bounds(call, len(found.axes))
    return (TensorType(INT64, (end - start,)),)


def _known_shape(call: Call, types: Sequence[Type]) -> Sequence[Known | None]:
    found = tensor(call, 0)
    if found.axes is None:
        return (None,)
    start, end = shape_bounds(call, len(found.axes))
    taken = found.axes[start:end]
    return (taken if found.dims is not None or any(a is not None for a in taken) else None,)


def _size(call: Call) -> Sequence[Type]:
    return (TensorType(INT64, ()),)


def _known_size(call: Call, types: Sequence[Type]) -> Sequence[Known | None]:
    found = tensor(call, 0)
    return ((found.size,) if found.dims is not None else None,)


def _range(call: Call) -> Sequence[Type]:
    for index in range(3):
        found = tensor(call, index)
        if not may_be_one(found):
            raise RuleError("G0405", f"Range needs scalars; this is {found}", (index,))
    return (TensorType.of(tensor(call, 0).dtype, (_range_length(call),)),)


def _range_length(call: Call) -> Dimension | None:
    """max(ceil((limit - start) / delta), 0), None where a bound is not known."""
    start, limit, delta = (content(call, i) for i in range(3))
    if start is None or limit is None or delta is None:
        return _float_range_length(call)
    first, last, step = start[0], limit[0], delta[0]
    if first is None or last is None or not isinstance(step, int):
        return None
    if step == 0:
        raise refuse(call, "the step is 0", (2,))
    span = last - first if step > 0 else first - last
    return (maximum(span, 0) + abs(step) - 1) // abs(step)


def _float_range_length(call: Call) -> int | None:
    start, limit, delta = (floats(call, i) for i in range(3))
    if start is None or limit is None or delta is None:
        return None
    if delta[0] == 0:
        raise refuse(call, "the step is 0", (2,))
    count = (limit[0] - start[0]) / delta[0]
    return max(ceil(count), 0) if np.isfinite(count) else None


def _known_range(call: Call, types: Sequence[Type]) -> Sequence[Known | None]:
    start, delta, result = whole_content(call, 0), whole_content(call, 2), types[0]
    if start is None or delta is None or not isinstance(result, TensorType) or not small_integer(result):
        return (None,)
    size = result.size
    return (tuple(start[0] + i * delta[0] for i in range(size)) if isinstance(size, int) else None,)


# --- EyeLike, OneHot, random ------------------------------------------------------------------


def _like(call: Call) -> Sequence[Type]:
    found = tensor(call, 0)
    return (found.with_dtype(dtype_attribute(call, "dtype") or found.dtype),)


def _eye_like(call: Call) -> Sequence[Type]:
    require_rank(call, 0, 2, 2)
    return _like(call)


def _one_hot(call: Call) -> Sequence[Type]:
    indices, values, depth = tensor(call, 0), require_rank(call, 2, 1, 1), whole_content(call, 1)
    if values.axes is not None:
        require_equal(call, values.axes[0], 2, (2,))
    if depth is None and (constant := floats(call, 1)) is not None:
        depth = tuple(int(c) for c in constant)
    if indices.axes is None:
        return (TensorType(values.dtype, None),)
    axis = normal_axis(call, call.attribute("axis"), len(indices.axes) + 1)
    count = depth[0] if depth is not None else None
    return (TensorType.of(values.dtype, (*indices.axes[:axis], count, *indices.axes[axis:])),)


def _random(call: Call) -> Sequence[Type]:
    shape = call.attribute("shape")
    if any(lower_bound(d) < 0 for d in shape):
        raise RuleError("G0465", f"{call.operator.name}: {list(shape)} has a negative size")
    return (TensorType(BY_CODE[call.attribute("dtype")], tuple(shape)),)


def _multinomial(call: Call) -> Sequence[Type]:
    found, dtype = require_rank(call, 0, 2, 2), dtype_attribute(call, "dtype")
    assert dtype is not None
    return (TensorType.of(dtype, (found.size_of(0), call.attribute("sample_size"))),)


def _image_decoder(call: Call) -> Sequence[Type]:
    channels = {"RGB": 3, "BGR": 3, "Grayscale": 1}
    format_ = choice(call, "pixel_format", tuple(channels))
    require_rank(call, 0, 1, 1)
    return (TensorType.of(UINT8, (None, None, channels[format_])),)


def _window(call: Call) -> Sequence[Type]:
    require_rank(call, 0, 0, 1)
    size, dtype = whole_content(call, 0), dtype_attribute(call, "output_datatype")
    assert dtype is not None
    return (TensorType.of(dtype, (None if size is None else size[0],)),)


def _mel_weights(call: Call) -> Sequence[Type]:
    bins, length, dtype = integers(call, 0), whole_content(call, 1), dtype_attribute(call, "output_datatype")
    assert dtype is not None
    frequencies = length[0] // 2 + 1 if length is not None else None
    return (TensorType.of(dtype, (frequencies, bins[0] if bins is not None else None)),)


_RANDOM = "Bernoulli Multinomial RandomNormal RandomNormalLike RandomUniform RandomUniformLike"

TYPES: dict[str, TypeRule] = {
    "Bernoulli": _like,
    "BlackmanWindow": _window,
    "Constant": _constant,
    "ConstantOfShape": _constant_of_shape,
    "EyeLike": _eye_like,
    "HammingWindow": _window,
    "HannWindow": _window,
    "ImageDecoder": _image_decoder,
    "MelWeightMatrix": _mel_weights,
    "Multinomial": _multinomial,
    "OneHot": _one_hot,
    "RandomNormal": _random,
    "RandomNormalLike": _like,
    "RandomUniform": _random,
    "RandomUniformLike": _like,
    "Range": _range,
    "Shape": _shape,
    "Size": _size,
}

KNOWN: dict[str, KnownRule] = {
    "Constant": _known_constant,
    "ConstantOfShape": _known_constant_of_shape,
    "Range": _known_range,
    "Shape": _known_shape,
    "Size": _known_size,
}

TRAITS: dict[str, frozenset[str]] = {name: frozenset({"random"}) for name in _RANDOM.split()}
