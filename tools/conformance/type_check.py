"""Our inferred types against the strict inference of `onnx.shape_inference`.

Types are compared by value name, in the main graph, inputs first. A size that ONNX can't tell (it has
no name, or an invented one such as `unk__3`) says nothing; a size that the model names is compared by
what it says about others: our types may put a number, an expression or another name where ONNX keeps a
name, the same one wherever that name stands, never the reverse.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import onnx

from ...graph.ir import Program
from ...graph.ir.opaque import from_type_proto
from ...graph.types import Dimension, OptionalType, SequenceType, TensorType
from ...graph.types.types import Axis
from .cases import Case
from .outcome import Outcome, absent, failed, passed


def check_types(case: Case, program: Program) -> Outcome:
    """Passes where each of our types equals or refines ONNX's."""
    try:
        theirs = strict_types(case.model)
    except onnx.shape_inference.InferenceError as error:
        return absent(f"strict inference refuses the model: {' '.join(str(error).split())[:160]}")
    compared, refinement = 0, Refinement()
    for name, type in theirs.items():
        value = program.outputs.get(name) or program.names.get(name)
        if value is None:
            continue
        compared += 1
        if not refinement.holds(value.type, type):
            return failed(f"'{name}' is {value.type} for us, {type} for ONNX")
    return passed(compared=compared)


def strict_types(model: onnx.ModelProto) -> dict[str, Any]:
    """Value name -> ONNX's type, for all values of the main graph, inputs first. What the model says
    about inner and output types, in bodies too, is taken out: it is no inference. Raises
    InferenceError."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    _forget_types(copy.graph)
    inferred = onnx.shape_inference.infer_shapes(copy, strict_mode=True, data_prop=True)
    infos = (*inferred.graph.input, *inferred.graph.value_info, *inferred.graph.output)
    return {i.name: from_type_proto(i.type) for i in infos if i.type.WhichOneof("value") is not None}


def _forget_types(graph: onnx.GraphProto) -> None:
    del graph.value_info[:]
    for output in graph.output:
        output.ClearField("type")
    for node in graph.node:
        for attribute in node.attribute:
            for body in (attribute.g, *attribute.graphs):
                _forget_types(body)


@dataclass
class Refinement:
    """Whether our types of one model say at least what ONNX's do. `sizes`: what each of the model's
    names for a size is in our types. A name may be a number or an expression of ours, two names may be
    one size, but one name is one size everywhere: what ONNX says is equal is equal for us."""

    sizes: dict[Any, Axis] = field(default_factory=dict)

    def holds(self, ours: Any, theirs: Any) -> bool:
        """Whether our type says at least what ONNX's does, and nothing else."""
        if isinstance(theirs, SequenceType | OptionalType):
            return type(ours) is type(theirs) and self.holds(ours.element, theirs.element)
        if not isinstance(ours, TensorType) or ours.dtype is not theirs.dtype:
            return False
        if theirs.axes is None:
            return True
        if ours.axes is None or len(ours.axes) != len(theirs.axes):
            return False
        return all(self._size(a, b) for a, b in zip(ours.axes, theirs.axes, strict=True))

    def _size(self, ours: Axis, theirs: Axis) -> bool:
        if theirs is None or is_invented(theirs):
            return True
        if ours is None or isinstance(theirs, int):
            return ours == theirs
        return self.sizes.setdefault(theirs, ours) == ours


def is_invented(size: Dimension) -> bool:
    """Whether ONNX made the name up for a size that it can't tell; nothing follows from it."""
    return str(size).startswith("unk__")
