"""Shapes of results that our rules leave open, asked of ONNX's own inference."""

from __future__ import annotations

import onnx

MOST_BYTES = 2**28


def complete_output_shapes(model: onnx.ModelProto) -> None:
    """Gives outputs without a shape the rank that `onnx.shape_inference` finds, as the standard wants
    one of every output. Large models are left as they are."""
    unshaped = [o for o in model.graph.output if _open(o)]
    if not unshaped or model.ByteSize() > MOST_BYTES:
        return
    try:
        inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    except onnx.shape_inference.InferenceError:
        return
    found = {o.name: o.type for o in inferred.graph.output}
    for output in unshaped:
        output.type.CopyFrom(found[output.name])


def _open(info: onnx.ValueInfoProto) -> bool:
    return info.type.WhichOneof("value") == "tensor_type" and not info.type.tensor_type.HasField("shape")
