"""A case exported again: our model in ONNX Runtime against the original model there.

Where ONNX Runtime runs the original, our export must run and give the same results (or the suite's,
where the runtime differs from those). Where it does not, our export must be a valid model; when it
runs all the same, it must give the suite's results.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from ...backends.onnx import check, emit
from ...backends.onnx.backend import OnnxBackend
from ...backends.onnx.capabilities import RuntimeKernels
from ...backends.onnx.session_values import as_typed, run_session
from ...backends.torch_fx import TorchBackend
from ...graph.diagnostics import SpecError
from ...graph.ir import Program
from ...graph.ir.opaque import from_type_proto
from ...graph.operators.schema import OPSET
from ...graph.types.dtypes import from_numpy
from .cases import Case, DataSet
from .draws import solved_noise
from .outcome import Outcome, absent, failed, passed
from .suite_comparison import Difference, require_similar
from .torch_check import program_inputs

RTOL, ATOL = 1e-5, 1e-6
"""How near our export is to be to the original, both in ONNX Runtime."""
NARROW_RTOL = {"float16": 2**-9, "bfloat16": 2**-6}


class Refused(Exception):
    """ONNX Runtime does not run a model; the message says why."""


def check_onnx(case: Case, program: Program) -> Outcome:
    """The first data set of the case, through our export."""
    data = next(case.data_sets())
    try:
        check(emit(program, opset=OPSET))
    except SpecError as error:
        return failed(f"not a model of opset {OPSET}: {error.diagnostics[0].message}")
    try:
        original: list[Any] | str = [] if program.noise else _original(case.model, data)
    except Refused as error:
        original = str(error)
    try:
        found = exported(program, data)
    except Refused as error:
        if isinstance(original, str):
            return absent(f"ONNX Runtime does not run the original: {original}")
        return failed(f"ONNX Runtime runs the original, not our export: {error}")
    return _judged(case, data, found, original)


def _judged(case: Case, data: DataSet, found: list[Any], original: list[Any] | str) -> Outcome:
    expected = list(data.outputs)
    found = found[: len(expected)]
    if isinstance(original, list) and original:
        try:
            require_same_results(found, original)
            return passed("as the original")
        except Difference as error:
            difference = str(error)
    else:
        difference = ""
    try:
        require_similar(found, expected, case.rtol, case.atol)
    except Difference as error:
        if difference:
            return failed(f"other than the original: {difference}")
        return failed(f"other than the suite's: {error}")
    if difference:
        return passed("as the suite; ONNX Runtime's result of the original differs from it")
    return passed("as the suite; ONNX Runtime does not run the original")


def require_same_results(found: Sequence[Any], original: Sequence[Any]) -> None:
    """Raises Difference where two models' results in ONNX Runtime are further apart than rounding."""
    for mine, theirs in zip(found, original, strict=True):
        name = theirs.dtype.name if isinstance(theirs, np.ndarray) else ""
        require_similar([mine], [theirs], NARROW_RTOL.get(name, RTOL), ATOL)


# --- ONNX Runtime -------------------------------------------------------------------------------


def _original(model: onnx.ModelProto, data: DataSet) -> list[Any]:
    """The model's results there. Raises Refused."""
    return in_session(model, data.inputs)


def in_session(model: onnx.ModelProto, inputs: Mapping[str, Any]) -> list[Any]:
    """The model's results in ONNX Runtime. Raises Refused."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    model, feeds = _with_fixed_inputs(model, inputs)
    try:
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        found = run_session(session, feeds)
    except Exception as error:  # onnxruntime raises private C++ exception types
        raise Refused(_first_words(error)) from error
    types = [from_type_proto(o.type) for o in model.graph.output]
    return [as_typed(f, t) for f, t in zip(found, types, strict=True)]


def _first_words(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text.partition(" : ")[2].partition(" : ")[2][:160] or text[:160]


def _with_fixed_inputs(
    model: onnx.ModelProto, inputs: Mapping[str, Any]
) -> tuple[onnx.ModelProto, dict[str, Any]]:
    """The model with inputs of less than 8 bits as initializers: ONNX Runtime takes none of those
    from outside. And what is left to feed."""
    narrow = {n: a for n, a in inputs.items() if isinstance(a, np.ndarray) and from_numpy(a.dtype).bits < 8}
    if not narrow:
        return model, dict(inputs)
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    kept = [i for i in fixed.graph.input if i.name not in narrow]
    del fixed.graph.input[:]
    fixed.graph.input.extend(kept)
    fixed.graph.initializer.extend(numpy_helper.from_array(a, n) for n, a in narrow.items())
    return fixed, {n: a for n, a in inputs.items() if n not in narrow}


def exported(program: Program, data: DataSet) -> list[Any]:
    """The results of our export. Raises Refused."""
    inputs = program_inputs(program, data)
    arrays = [a for a in inputs.values() if isinstance(a, np.ndarray)]
    try:
        if any(from_numpy(a.dtype).bits < 8 for a in arrays):
            model = emit(program, opset=_opset(program), kernels=RuntimeKernels())
            return in_session(model, inputs)
        executable = OnnxBackend().load(program)
        noise = _noise(program, inputs, data) if program.noise else {}
        return list(executable.run({**inputs, **noise}).values())
    except SpecError as error:
        raise Refused(error.diagnostics[0].message) from error


def _opset(program: Program) -> int:
    """The first opset of the backend's in which the program can be written."""
    for opset in OnnxBackend().opsets:
        try:
            emit(program, opset=opset, kernels=RuntimeKernels())
        except SpecError:
            continue
        return opset
    return OnnxBackend().opsets[0]


def _noise(program: Program, inputs: Mapping[str, Any], data: DataSet) -> dict[str, Any]:
    """The suite's own draw, by the torch backend."""
    executable = TorchBackend().load(program)
    found = solved_noise(
        program, lambda noise: list(executable.run({**inputs, **noise}).values()), data.outputs
    )
    return found or {}
