"""Program -> ModelProto, and -> file."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

import onnx

from ....graph.diagnostics import fail
from ....graph.ir import Program, collector_paused
from ....graph.operators.schema import OPSET
from .layout import ExternalLayout
from .lowering import lower
from .shapes import complete_output_shapes
from .target import DEFAULT, OLDEST, Kernels, Target
from .writer import Writer

EXTERNAL_ABOVE = 2**30
"""Bytes of weights from which `save` writes them to a file of their own."""


def emit(
    program: Program,
    *,
    opset: int = DEFAULT,
    external_data: str | None = None,
    kernels: Kernels | None = None,
) -> onnx.ModelProto:
    """The model of a program.

    Inputs, states and noise are its inputs; results, then new states (`<state>.next`) its
    outputs; parameters and weights initializers. Values and nodes have the program's names, nodes
    the spec lines that they come from (`graphwright.spec`). Operators that the opset lacks are
    written in operators that it has, and so are those that the runtime behind `kernels` lacks.
    With `external_data`, a file name, weights of a kibibyte or more are references to that file,
    which `save` writes.

    Raises SpecError: G1110 (operator not in the opset), G1111 (a parameter without value), G1112
    (a type that ONNX has not), G1113 (over 2 GB in one message), G1115 (no kernel), G1116 (opset).
    """
    layout = ExternalLayout(external_data) if external_data is not None else None
    return write_model(program, Target(_checked(opset), kernels), layout).model


def write_model(
    program: Program,
    target: Target,
    layout: ExternalLayout | None = None,
    fed_parameters: Iterable[str] = (),
) -> Writer:
    """The writer that holds the model, and which node comes from where."""
    with collector_paused():
        writer = Writer(lower(program, target), target, layout)
        writer.write(fed_parameters)
        complete_output_shapes(writer.model)
        return writer


def _checked(opset: int) -> int:
    if not OLDEST <= opset <= OPSET:
        raise fail("G1116", f"opset {opset} can't be written; {OLDEST} to {OPSET} can")
    return opset


def save(
    program: Program,
    path: str | os.PathLike[str],
    *,
    opset: int = DEFAULT,
    external_data: bool | None = None,
    kernels: Kernels | None = None,
) -> Path:
    """Writes the model to `path`, whole or not at all, after the ONNX checker has passed it.

    Weights go to `<path>.data` with `external_data`, by default where they are a gibibyte or more;
    they are streamed, so memory-mapped ones are never held in memory. Returns the path.

    Raises SpecError as `emit` does; G1117 where the checker refuses the model, G1118 where the
    file can't be written.
    """
    target = Path(path)
    outside = external_data if external_data is not None else program.weights.nbytes >= EXTERNAL_ABOVE
    layout = ExternalLayout(f"{target.name}.data") if outside else None
    model = write_model(program, Target(_checked(opset), kernels), layout).model
    try:
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as folder:
            written = Path(folder) / target.name
            if layout is not None:
                with open(Path(folder) / layout.location, "wb") as file:
                    layout.stream(file)
            written.write_bytes(model.SerializeToString())
            check(written if _all_shaped(model) else model)
            if layout is not None:
                os.replace(Path(folder) / layout.location, target.parent / layout.location)
            os.replace(written, target)
    except OSError as error:
        raise fail("G1118", f"cannot write '{target}': {error.strerror or error}") from error
    return target


def check(model: onnx.ModelProto | Path) -> None:
    """Raises SpecError G1117 where the ONNX checker, types and shapes included, refuses a model."""
    if isinstance(model, onnx.ModelProto) and not _all_shaped(model):
        model = _shaped(model)
    try:
        onnx.checker.check_model(str(model) if isinstance(model, Path) else model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError, ValueError) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise fail(
            "G1117", f"the ONNX checker refuses the model: {lines[0] if lines else 'no reason'}"
        ) from error


def _all_shaped(model: onnx.ModelProto) -> bool:
    return all(_has_shape(v) for v in (*model.graph.input, *model.graph.output))


def _has_shape(info: onnx.ValueInfoProto) -> bool:
    if info.type.WhichOneof("value") != "tensor_type":
        return True
    return bool(info.type.tensor_type.HasField("shape"))


def _shaped(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy for the checker, which wants a shape of every input and output: where nobody knows the
    rank, any does."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for info in (*copy.graph.input, *copy.graph.output):
        if not _has_shape(info):
            info.type.tensor_type.shape.SetInParent()
    return copy
