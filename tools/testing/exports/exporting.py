"""torch.onnx in its three ways, cached on disk."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import warnings
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import onnx

from .catalogue import ARCHITECTURES, BATCH, LENGTH, Architecture

WAYS = ("raw", "optimized", "torchscript")
"""dynamo without its optimizer, dynamo with it, the older TorchScript tracer."""

DEFAULT_FOLDER = Path(__file__).parents[3] / ".build" / "exports"
OPSET = 18


def exported(
    name: str, way: str, *, small: bool = False, folder: str | os.PathLike[str] | None = None
) -> onnx.ModelProto:
    """The model, from `folder` (`.build/exports` by default) or exported now and put there.

    Raises KeyError for an unknown name or way.
    """
    path = export_path(name, way, small, folder)
    if not path.exists():
        model = export(ARCHITECTURES[name], way, small)
        path.parent.mkdir(parents=True, exist_ok=True)
        written = path.with_suffix(f".{os.getpid()}")
        written.write_bytes(model.SerializeToString())
        os.replace(written, path)
        return model
    return onnx.load_model_from_string(path.read_bytes())


def export_path(
    name: str, way: str, small: bool = False, folder: str | os.PathLike[str] | None = None
) -> Path:
    """Where the export lies: under a folder named by torch's release and by what these files say."""
    if name not in ARCHITECTURES or way not in WAYS:
        raise KeyError(f"{name} {way}")
    size = "-small" if small else ""
    return Path(folder or DEFAULT_FOLDER) / _fingerprint() / f"{name}-{way}{size}.onnx"


def _fingerprint() -> str:
    from importlib.metadata import version

    found = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        found.update(path.read_bytes())
    return f"torch-{version('torch')}-{found.hexdigest()[:10]}"


def export(architecture: Architecture, way: str, small: bool = False) -> onnx.ModelProto:
    """Exports it now, one thread, without torch's chatter."""
    import torch

    module = architecture.build(small)
    inputs = architecture.inputs(small, BATCH, LENGTH)
    arguments = tuple(torch.from_numpy(a) for a in inputs.values())
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # its fused operator has no ONNX form
    try:
        with _quiet(), torch.no_grad():
            if way == "torchscript":
                return _by_tracing(architecture, module, arguments, list(inputs))
            return _by_dynamo(architecture, module, arguments, list(inputs), way == "optimized")
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


def _output_names(architecture: Architecture, inputs: list[str]) -> list[str]:
    """A decoder also gives each cache back."""
    return [*architecture.outputs, *(n.replace("past", "new") for n in inputs if n.startswith("past_"))]


def _by_dynamo(
    architecture: Architecture, module: Any, arguments: tuple[Any, ...], names: list[str], optimize: bool
) -> onnx.ModelProto:
    import torch

    shapes = tuple(_dimensions(architecture.axes.get(n, {})) for n in names)
    program = torch.onnx.export(
        module,
        arguments,
        dynamo=True,
        optimize=optimize,
        verbose=False,
        dynamic_shapes=_as_signature(module, shapes),
        input_names=names,
        output_names=_output_names(architecture, names),
        custom_translation_table=_translations(),
    )
    assert program is not None
    return program.model_proto


def _as_signature(module: Any, shapes: tuple[Any, ...]) -> Any:
    """Shapes as the module's signature has them: what a `*` takes is one tuple."""
    import inspect

    parameters = list(inspect.signature(module.forward).parameters.values())
    if parameters[-1].kind is inspect.Parameter.VAR_POSITIONAL:
        fixed = len(parameters) - 1
        return (*shapes[:fixed], shapes[fixed:])
    return shapes


def _dimensions(axes: Any) -> dict[int, Any]:
    import torch

    return {axis: torch.export.Dim(name, min=1) for axis, name in axes.items()}


def _translations() -> dict[Any, Any]:
    import torch

    from .detection import KEPT, SCORE, THRESHOLD

    opset18: Any = import_module("onnxscript").opset18

    def suppress(boxes: Any, scores: Any) -> Any:
        return opset18.NonMaxSuppression(
            boxes,
            scores,
            opset18.Constant(value_ints=[KEPT]),
            opset18.Constant(value_floats=[THRESHOLD]),
            opset18.Constant(value_floats=[SCORE]),
        )

    return {torch.ops.graphwright_exports.suppress.default: suppress}


def _by_tracing(
    architecture: Architecture, module: Any, arguments: tuple[Any, ...], names: list[str]
) -> onnx.ModelProto:
    import torch

    from . import detection

    exporter: Any = torch.onnx  # whose annotations leave half of it out
    exporter.register_custom_op_symbolic("graphwright_exports::suppress", _suppress_symbolic, OPSET)
    assert detection.suppress is not None
    outputs = _output_names(architecture, names)
    axes = {n: dict(a) for n, a in architecture.axes.items() if n in names}
    buffer = io.BytesIO()
    exporter.export(
        module,
        arguments,
        buffer,
        dynamo=False,
        opset_version=OPSET,
        input_names=names,
        output_names=outputs,
        dynamic_axes=axes,
    )
    return onnx.load_model_from_string(buffer.getvalue())


def _suppress_symbolic(graph: Any, boxes: Any, scores: Any) -> Any:
    import torch

    from .detection import KEPT, SCORE, THRESHOLD

    limits = [torch.tensor([KEPT]), torch.tensor([THRESHOLD]), torch.tensor([SCORE])]
    return graph.op(
        "NonMaxSuppression", boxes, scores, *(graph.op("Constant", value_t=limit) for limit in limits)
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    import logging

    loggers = [logging.getLogger(n) for n in ("torch.onnx", "onnxscript", "torch.export")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
