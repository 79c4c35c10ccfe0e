"""Operators and attributes that older opsets lack, in operators that they have."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ....graph.ir import Graph, Node, Value, apply, apply_all, argument, constant, make_node
from ....graph.types.dtypes import BY_CODE, FLOAT32, DType
from ....graph.types.types import TensorType
from .state_space_tables import turned


def cumulative_product(node: Node) -> Sequence[Value] | None:
    """CumProd (opset 26) as a Scan along its axis, which must be a constant."""
    x, axis_value = node.inputs[0], node.inputs[1]
    assert x is not None
    assert axis_value is not None
    if axis_value.constant is None or x.tensor.dims is None:
        return None
    axis = int(axis_value.constant.reshape(-1)[0])
    dtype, rank = x.tensor.dtype, x.tensor.rank
    dims = x.tensor.shape
    slice_type = TensorType(dtype, dims[: axis % rank] + dims[axis % rank + 1 :])
    product, element = argument(0, slice_type), argument(1, slice_type)
    following = apply("Mul", product, element)
    shown = product if node.attribute("exclusive") else following
    body = Graph((product, element), (following, apply("Identity", shown)))
    first = apply("Gather", apply("Shape", x), constant(np.delete(np.arange(rank), axis)))
    ones = apply("Expand", constant(np.ones((), dtype.numpy)), first)
    direction = (1,) if node.attribute("reverse") else (0,)
    results = apply_all(
        "Scan",
        ones,
        x,
        outputs=2,
        body=body,
        num_scan_inputs=1,
        captures=0,
        scan_input_axes=(axis,),
        scan_output_axes=(axis,),
        scan_input_directions=direction,
        scan_output_directions=direction,
    )
    return (results[1],)


def tensor_scatter(node: Node) -> Sequence[Value] | None:
    """TensorScatter (opset 24) as ScatterElements at `write_indices[b] + 0 … length-1`."""
    cache, update = node.inputs[0], node.inputs[1]
    start = node.inputs[2] if len(node.inputs) > 2 else None
    assert cache is not None
    assert update is not None
    if cache.tensor.dims is None or update.tensor.dims is None:
        return None
    rank = cache.tensor.rank
    axis = node.attribute("axis", -2) % rank
    length = _scalar_size(update, axis)
    positions = apply("Range", constant(np.int64(0)), length, constant(np.int64(1)))
    shape = [1] * rank
    shape[axis] = -1
    places = apply("Reshape", positions, constant(np.array(shape, np.int64)))
    if start is not None:
        batch = constant(np.array([-1] + [1] * (rank - 1), np.int64))
        places = apply("Add", places, apply("Reshape", start, batch))
    if node.attribute("mode", "linear") == "circular":
        places = apply("Mod", places, _scalar_size(cache, axis))
    everywhere = apply("Expand", places, apply("Shape", update))
    return (apply("ScatterElements", cache, everywhere, update, axis=axis),)


def _scalar_size(value: Value, axis: int) -> Value:
    return apply("Squeeze", apply("Shape", value, start=axis, end=axis + 1), constant(np.array([0])))


def dequantize(node: Node) -> Sequence[Value] | None:
    """DequantizeLinear with `output_dtype` (opset 23): computed in the scale's dtype, then cast."""
    code = node.attribute("output_dtype", 0)
    if not code:
        return None
    attributes = {n: a for n, a in node.attributes.items() if n != "output_dtype"}
    plain = make_node(node.operator, node.inputs, attributes).outputs[0]
    return (apply("Cast", plain, to=code),)


def quantize(node: Node) -> Sequence[Value] | None:
    """QuantizeLinear with `precision` (opset 23): operands cast to that dtype first."""
    code = node.attribute("precision", 0)
    if not code or code not in BY_CODE:
        return None
    wanted = BY_CODE[code]
    x, scale, *rest = node.inputs
    attributes = {n: a for n, a in node.attributes.items() if n != "precision"}
    inputs = (_cast(x, wanted), _cast(scale, wanted), *rest)
    return make_node(node.operator, inputs, attributes).outputs


def _cast(value: Value | None, dtype: DType) -> Value:
    assert value is not None
    return value if value.tensor.dtype is dtype else apply("Cast", value, to=dtype.code)


def range_(node: Node) -> Sequence[Value] | None:
    """Range of a low-precision float (opset 27): computed in float32, then rounded."""
    found = node.outputs[0].tensor
    if found.dtype.name not in ("float16", "bfloat16") or not node.attribute("stash_type", 1):
        return None
    wide = [apply("Cast", v, to=FLOAT32.code) for v in node.inputs if v is not None]
    return (apply("Cast", apply("Range", *wide), to=found.dtype.code),)


def rotary_embedding(node: Node) -> Sequence[Value] | None:
    """RotaryEmbedding (opset 23) of whole heads [batch, heads, steps, 2 M] by angles of every step."""
    x, cos, sin, *positions = node.inputs
    assert x is not None and cos is not None and sin is not None
    named = any(node.attribute(n, 0) for n in ("interleaved", "rotary_embedding_dim"))
    if positions or named or x.tensor.rank != 4 or not isinstance(cos.tensor.shape[-1], int):
        return None
    axis = constant(np.array([1], np.int64))
    return (turned(x, *(apply("Unsqueeze", v, axis) for v in (cos, sin))),)


NEWER: Mapping[str, Callable[[Node], Sequence[Value] | None]] = {
    "CumProd": cumulative_product,
    "TensorScatter": tensor_scatter,
    "DequantizeLinear": dequantize,
    "QuantizeLinear": quantize,
    "Range": range_,
    "RotaryEmbedding": rotary_embedding,
}
