"""Other tools that quantize, and ours, on the digits CNN with the same calibration and test data: what each makes of
it, how long it takes, and what fails.

The tools run with their defaults. A peer that is not installed is a line too.
"""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from time import process_time, thread_time
from typing import Any

import numpy as np

from ...backends.onnx.emitting.emission import emit
from ...graph.ir import Program
from ...passes.manager.pass_ import Context
from ...passes.quantization.lowering import LowerQuantized
from ...passes.quantization.quantize import Quantize
from .quantization import DYNAMIC, least_times, trained
from .sessions import open_session

Array = np.ndarray[Any, Any]
Batches = Sequence[Mapping[str, Array]]
Tool = Callable[[Path, Path, Batches], None]
"""(float model, file to write, calibration data)."""

BLOCKS = {"grid": "int4", "block": 32, "zero": True, "clip": "mse", "rounding": "descent"}
OURS: Mapping[str, Mapping[str, Any]] = {
    "int8 static": {"weights": "int8", "activations": "int8"},
    "int8 dynamic": {"weights": "int8", "activations": DYNAMIC},
    "w4 in blocks": {"weights": BLOCKS},
    "w4": {"weights": {"grid": "int4", "clip": "mse", "rounding": "descent"}, "activations": "int8"},
    "w2": {"weights": {"grid": "int2", "clip": "mse", "rounding": "descent"}, "activations": "int8"},
}


def side_by_side() -> None:
    """A line for each tool."""
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    print(
        f"{'digits CNN, seed 0':<28} {'accuracy':>10} {'kB':>9} {'speed':>7} {'CPU s':>7}  kernels of products"
    )
    program, context = trained("digits_cnn", 0)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "float.onnx"
        source.write_bytes(emit(program).SerializeToString())
        _line("float32", source.read_bytes(), source, context, 0.0)
        for name, tool in TOOLS.items():
            _attempt(name, partial(_by_tool, tool, source, Path(folder), context), source, context)
        for name, options in OURS.items():
            work = partial(_by_us, program, context, options)
            _attempt(f"graphwright {name}", work, source, context)
    _torchao_line(program, context)


def _attempt(name: str, work: Callable[[], bytes], source: Path, context: Context) -> None:
    """What a tool makes, or how it fails: that is a result of the table."""
    start = process_time()
    try:
        made = work()
        _line(name, made, source, context, process_time() - start)
    except Exception as error:  # peers raise what they like
        text = " ".join(str(error).split())
        print(f"{name:<28} failed: {type(error).__name__}: {text[:110]}")


def _by_tool(tool: Tool, source: Path, folder: Path, context: Context) -> bytes:
    target = folder / "made.onnx"
    target.unlink(missing_ok=True)
    batches = [{"image": b["image"]} for b in context.data["calibration"]]
    tool(source, target, batches)
    return target.read_bytes()


def _by_us(program: Program, context: Context, options: Mapping[str, Any]) -> bytes:
    quantized = Quantize(costs=False, **options).run(program, context).program
    content: bytes = emit(LowerQuantized().run(quantized, context).program).SerializeToString()
    return content


def _line(name: str, model: bytes, source: Path, context: Context, seconds: float) -> None:
    rows = context.data["evaluation"]
    session = open_session(model)
    found = 100 * float(np.mean(np.concatenate([_right(session, b) for b in rows])))
    before, after = least_times((source.read_bytes(), model), {"image": rows[0]["image"]})
    print(
        f"{name:<28} {found:8.2f} % {len(model) / 1000:9.1f} {before / after:6.2f}x {seconds:7.2f}  {_kernels(model)}"
    )


def _right(session: Any, batch: Mapping[str, Array]) -> Array:
    """Which examples get their label."""
    logits = session.run([session.get_outputs()[0].name], {"image": batch["image"]})[0]
    return np.asarray(logits.argmax(axis=1) == batch["label"])


def _kernels(model: bytes) -> str:
    """The kernels that multiply, with how many of each: what a tool left in float shows."""
    from ...passes.quantization.kernels import fused_operators

    names = ("MatMul", "Gemm", "Conv")
    found = {k: n for k, n in sorted(fused_operators(model).items()) if any(x in k for x in names)}
    return ", ".join(f"{n} {k}" for k, n in found.items())


# --- tools ------------------------------------------------------------------------------------------


def static(source: Path, target: Path, batches: Batches, **options: Any) -> None:
    """ONNX Runtime's quantize_static, weights by channel."""
    from onnxruntime import quantization as tools

    class Reader(tools.CalibrationDataReader):  # type: ignore[misc]  # a class without types
        def __init__(self) -> None:
            self.rows = iter(batches)

        def get_next(self) -> Any:
            return next(self.rows, None)

    tools.quantize_static(str(source), str(target), Reader(), per_channel=True, **options)


def _dynamic(source: Path, target: Path, batches: Batches) -> None:
    from onnxruntime import quantization as tools

    tools.quantize_dynamic(str(source), str(target), weight_type=tools.QuantType.QInt8)


def _nbits(source: Path, target: Path, batches: Batches) -> None:
    import onnx
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    found = MatMulNBitsQuantizer(onnx.load(str(source)), block_size=32, is_symmetric=False)
    found.process()
    found.model.save_model_to_file(str(target), False)


def _nncf_static(source: Path, target: Path, batches: Batches) -> None:
    import nncf
    import onnx

    onnx.save(nncf.quantize(onnx.load(source), nncf.Dataset(list(batches))), str(target))


def _nncf_weights(source: Path, target: Path, batches: Batches) -> None:
    import nncf
    import onnx

    mode = nncf.CompressWeightsMode.INT4_ASYM
    onnx.save(nncf.compress_weights(onnx.load(source), mode=mode, group_size=32), str(target))


TOOLS: Mapping[str, Tool] = {
    "quantize_static": static,
    "quantize_dynamic": _dynamic,
    "MatMulNBitsQuantizer": _nbits,
    "nncf quantize": _nncf_static,
    "nncf compress_weights int4": _nncf_weights,
}


def _torchao_line(program: Program, context: Context) -> None:
    """torchao's dynamic int8 of the same net as torch modules, against those in float: it writes no ONNX."""
    import torch

    model = _as_modules(program)
    rows = [(torch.from_numpy(b["image"]), b["label"]) for b in context.data["evaluation"]]

    def seconds() -> float:
        best = float("inf")
        for _ in range(30):
            start = thread_time()
            model(rows[0][0])
            best = min(best, thread_time() - start)
        return best

    with torch.no_grad():
        before, start = seconds(), process_time()
        try:
            from torchao.quantization import Int8DynamicActivationInt8WeightConfig, quantize_

            quantize_(model, Int8DynamicActivationInt8WeightConfig())
            took = process_time() - start
            right = [model(x).argmax(dim=1).numpy() == y for x, y in rows]
        except Exception as error:  # what a peer raises is a result of the table
            print(f"{'torchao int8 dynamic':<28} failed: {str(error).splitlines()[0][:110]}")
            return
        ratio = before / seconds()
    accuracy = 100 * float(np.mean(np.concatenate(right)))
    print(
        f"{'torchao int8 dynamic':<28} {accuracy:8.2f} % {'no file':>9} {ratio:6.2f}x {took:7.2f}  "
        "linear layers; speed over torch float32"
    )


def _as_modules(program: Program) -> Any:
    """The digits CNN, its batch norms folded, as torch modules."""
    import torch

    from ...passes.quantization.operands import constant_array, find_layers

    steps: list[Any] = []
    for layer in find_layers(program)[0]:
        weight = torch.from_numpy(layer.array.copy())
        if layer.node.name == "Conv":
            step: Any = torch.nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1)
            bias = layer.node.inputs[2]
        else:
            steps += (
                []
                if any(isinstance(x, torch.nn.Linear) for x in steps)
                else [torch.nn.MaxPool2d(2), torch.nn.Flatten()]
            )
            step, weight = torch.nn.Linear(weight.shape[0], weight.shape[1]), weight.t()
            added = next(
                n for n in program.graph.nodes if n.name == "Add" and layer.node.outputs[0] in n.inputs
            )
            bias = next(v for v in added.inputs if v is not layer.node.outputs[0])
        assert bias is not None
        found = constant_array(bias, program)
        assert found is not None
        step.weight.data, step.bias.data = weight.contiguous(), torch.from_numpy(found.copy())
        steps += [step, torch.nn.ReLU()]

    class Scaled(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            return x / 16

    return torch.nn.Sequential(Scaled(), *steps[:-1])
