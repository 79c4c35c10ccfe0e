"""Our inferred types against the strict inference of `onnx.shape_inference`.

Types are compared by value name, in the main graph. A size that ONNX invents (`unk__3`) says
nothing; a size that a model names is compared by what it says about others: our types may put a
number or an expression where ONNX keeps a name, never the reverse.
"""

from __future__ import annotations

from typing import Any

import onnx

from ...graph.ir import Program
from ...graph.ir.opaque import from_type_proto
from ...graph.types import OptionalType, SequenceType
from .cases import Case
from .outcome import Outcome, absent, failed, passed

SIZES_UNKNOWN = "no sizes"
"""How the detail begins where ONNX knows an axis at most by its place, and we know none."""


def check_types(case: Case, program: Program) -> Outcome:
    """Passes where each of our types equals or refines ONNX's."""
    try:
        theirs = strict_types(case.model)
    except onnx.shape_inference.InferenceError as error:
        return absent(f"strict inference refuses the model: {' '.join(str(error).split())[:160]}")
    compared = 0
    for name, type in theirs.items():
        value = program.outputs.get(name) or program.names.get(name)
        if value is None:
            continue
        compared += 1
        if not refines(value.type, type):
            kind = f"{SIZES_UNKNOWN}: " if _only_rank(value.type, type) else ""
            return failed(f"{kind}'{name}' is {value.type} for us, {type} for ONNX")
    return passed(compared=compared)


def strict_types(model: onnx.ModelProto) -> dict[str, Any]:
    """Value name -> ONNX's type, for all values of the main graph, with what the model says about
    inner and output types taken out. Raises InferenceError."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.value_info[:]
    for output in copy.graph.output:
        output.ClearField("type")
    inferred = onnx.shape_inference.infer_shapes(copy, strict_mode=True, data_prop=True)
    infos = (*inferred.graph.value_info, *inferred.graph.output)
    return {i.name: from_type_proto(i.type) for i in infos if i.type.WhichOneof("value") is not None}


def refines(ours: Any, theirs: Any) -> bool:
    """Whether our type says at least what ONNX's does, and nothing else."""
    if isinstance(theirs, SequenceType | OptionalType):
        return type(ours) is type(theirs) and refines(ours.element, theirs.element)
    if ours.dtype is not theirs.dtype or theirs.dims is None:
        return ours.dtype is theirs.dtype
    if ours.dims is None or len(ours.dims) != len(theirs.dims):
        return False
    return all(_size_refines(a, b) for a, b in zip(ours.dims, theirs.dims, strict=True))


def _only_rank(ours: Any, theirs: Any) -> bool:
    """Whether ONNX has axes of sizes that it can't tell, and we have no axes."""
    if isinstance(theirs, SequenceType | OptionalType):
        return type(ours) is type(theirs) and _only_rank(ours.element, theirs.element)
    if ours.dtype is not theirs.dtype or ours.dims is not None:
        return False
    return any(not isinstance(d, int) for d in theirs.dims or ())


def _size_refines(ours: Any, theirs: Any) -> bool:
    return ours == theirs or (not isinstance(theirs, int) and (isinstance(ours, int) or _invented(theirs)))


def _invented(size: Any) -> bool:
    return str(size).startswith("unk__")
