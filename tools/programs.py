"""Programs from files: specs and ONNX models, with weights from safetensors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..graph.build.document import build_program
from ..graph.diagnostics import did_you_mean, fail
from ..graph.ir import Program, nested_graphs
from ..graph.ir.quantized import QUANTIZATION_KEY
from ..graph.operators.foreign import is_foreign
from .documents import Overrides, open_unit


def open_program(
    path: str, overrides: Overrides | None = None, *, training: bool = False, opaque: bool = False
) -> Program:
    """The program of a spec (gradients resolved) or of an `.onnx` model; with `opaque`, operators of
    domains that the model does not define are carried along. Raises SpecError."""
    if path.endswith(".onnx"):
        from ..backends.onnx.importing import import_model

        return import_model(path, opaque=opaque)
    from ..passes.autodiff.resolution import resolve_gradients

    program = build_program(open_unit(path, overrides), "train" if training else "infer")
    return resolve_gradients(program)[0]


def foreign_names(program: Program) -> list[str]:
    """The operators of other domains that a program carries along, `domain.name`, each once."""
    operators = {n.operator for g in nested_graphs(program.graph) for n in g.nodes}
    return sorted(o.qualified_name for o in operators if is_foreign(o))


def load_weights(program: Program, path: str) -> Program:
    """The program with the parameters and states of a safetensors file. Where training rounded layers, the
    file says so, and the program rounds them too.

    Raises SpecError: G1310 for a file that can't be read, G1306 for a missing, unknown or misfitting
    tensor."""
    arrays, metadata = read_arrays(path), _metadata(path)
    if QUANTIZATION_KEY in metadata:
        from ..passes.quantization.fake import insert, read_plan

        try:
            program = insert(program, read_plan(metadata[QUANTIZATION_KEY]), {})
        except ValueError as error:
            raise fail("G1310", f"'{path}': {error}") from None
    wanted = {**program.parameters, **program.states}
    for name, array in arrays.items():
        if name not in wanted:
            continue
        type_ = wanted[name].tensor
        if tuple(array.shape) != type_.dims or array.dtype != type_.dtype.numpy:
            raise fail("G1306", f"'{name}' in '{path}' is {array.dtype}{list(array.shape)}, not {type_}")
    missing = [n for n in program.parameters if n not in arrays]
    if missing:
        raise fail("G1306", f"'{path}' has no '{missing[0]}'", hint=did_you_mean(missing[0], arrays))
    return program.with_weights({n: a for n, a in arrays.items() if n in wanted})


def read_arrays(path: str) -> dict[str, np.ndarray[Any, Any]]:
    """The arrays of a safetensors file. Raises SpecError G1310."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return load_file(path)
    except (OSError, SafetensorError, ValueError) as error:
        raise fail("G1310", f"cannot read '{path}': {error}") from None


def _metadata(path: str) -> dict[str, str]:
    from safetensors import safe_open

    with safe_open(path, "np") as file:
        return file.metadata() or {}


def save_weights(program: Program, path: Path) -> None:
    """The parameters and states that have values, as safetensors, written atomically."""
    import os

    from safetensors.numpy import save_file

    names = [n for n in (*program.parameters, *program.states) if n in program.weights]
    part = path.with_name(path.name + ".part")
    text = program.metadata.get(QUANTIZATION_KEY)
    metadata = None if text is None else {QUANTIZATION_KEY: text}
    save_file({n: program.weights[n].copy() for n in names}, str(part), metadata=metadata)
    os.replace(part, path)
