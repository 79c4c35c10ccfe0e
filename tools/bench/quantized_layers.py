"""Single layers in quantized forms against float32 in ONNX Runtime: the goals of speed and size.

`python -m graphwright.tools.bench.quantized_layers` prints the ratio of every cell of schemes and operators as
JSON: one of the processes whose median counts.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ...backends.onnx.emitting.emission import emit
from ...graph.ir import Graph, Program, Value, apply, leaf
from ...graph.ir.program import Weights
from ...graph.types import FLOAT32, TensorType
from ...passes.manager.pass_ import Context
from ...passes.quantization.lowering import LowerQuantized
from ...passes.quantization.quantize import Quantize
from .quantization import DYNAMIC, convolution_ratio, convolutions, least_times, product

Array = np.ndarray[Any, Any]
Figure = tuple[str, bool | None]
"""What was measured, and whether it meets the target."""


def compiled(program: Program, x: Array, weights: Any, activations: Any) -> bytes:
    """The model as a compile for ONNX makes it: inputs that don't pay stay float."""
    context = Context(data={"calibration": [{"x": x}]}, backend="onnx")
    made = Quantize(weights=weights, activations=activations, costs=False).run(program, context).program
    content: bytes = emit(LowerQuantized(rows=x.shape[0]).run(made, context).program).SerializeToString()
    return content


def ratio(
    given: tuple[Program, Array], weights: Any, activations: Any, seconds: float = 1.0
) -> tuple[float, int]:
    """(speed over float32, bytes of the file)."""
    program, x = given
    model = compiled(program, x, weights, activations)
    before, after = least_times((emit(program).SerializeToString(), model), {"x": x}, seconds)
    return before / after, len(model)


def _bits(size: int) -> float:
    """Bits a weight of a file with 1024 x 1024 of them, all it holds counted."""
    return 8 * size / 2**20


# --- the goals --------------------------------------------------------------------------------------


def four_bits() -> Figure:
    found, size = ratio(product(512), "int4", DYNAMIC)
    return f"{found:.2f}x at {_bits(size):.2f} bits a weight", found >= 3.4 and _bits(size) <= 4.1


def few_bits() -> Figure:
    found = {n: ratio(product(512), n, DYNAMIC) for n in ("int3", "int2", "binary")}
    text = ", ".join(f"{n} {r:.2f}x at {_bits(size):.2f} bits" for n, (r, size) in found.items())
    limits = {"int3": 3.1, "int2": 2.1, "binary": 1.1}
    return text, all(r >= 3.3 and _bits(size) <= limits[n] for n, (r, size) in found.items())


def convolution() -> Figure:
    found = convolution_ratio("int4")
    return f"{found:.2f}x", found >= 3.1


LAYERS = 8


def one_row() -> Figure:
    """A row through a stack of products, as a decoder's step reads its weights: 4 MiB of float32 each, more than a
    cache together. Beside it one product alone, again and again, with its weights in a cache, and there the runtime's
    own form of 4 bits."""
    stack, _ = ratio(stacked(LAYERS), "int4", "float")
    alone, size = ratio(product(1), "int4", "float")
    blocks, _ = ratio(product(1), {"grid": "int4", "block": 128}, "float")
    text = (
        f"{stack:.2f}x in a step of {LAYERS} such layers, whose float weights come from memory; with one layer in a "
        f"loop, its weights in a cache, {alone:.2f}x, where ONNX Runtime's usual blocks of 128 give {blocks:.2f}x; "
        f"{_bits(size):.2f} bits a weight"
    )
    return text, stack >= 4.0


def stacked(layers: int) -> tuple[Program, Array]:
    """A row through products with 1024 x 1024 weights, and the row."""
    generator = np.random.default_rng(0)
    x = leaf("Input", "x", TensorType(FLOAT32, (1, 1024)))
    arrays, value = dict[str, Array](), x
    for i in range(layers):
        arrays[f"w{i}.kernel"] = (generator.normal(size=(1024, 1024)) / 32).astype(np.float32)
        value = apply("MatMul", value, leaf("Weight", f"w{i}.kernel", TensorType(FLOAT32, (1024, 1024))))
    program = Program("stack", Graph((x,), (value,)), ("y",), weights=Weights(arrays))
    return program, generator.normal(size=(1, 1024)).astype(np.float32)


# --- every cell -------------------------------------------------------------------------------------


def _small() -> tuple[Program, Array]:
    generator = np.random.default_rng(0)
    x = leaf("Input", "x", TensorType(FLOAT32, (16, 64)))
    w = leaf("Weight", "w.kernel", TensorType(FLOAT32, (64, 64)))
    array = generator.normal(size=(64, 64)).astype(np.float32)
    graph = Graph((x,), (apply("MatMul", x, w),))
    program = Program("small", graph, ("y",), weights=Weights({"w.kernel": array}))
    return program, generator.normal(size=(16, 64)).astype(np.float32)


def _gemm() -> tuple[Program, Array]:
    generator = np.random.default_rng(0)
    x = leaf("Input", "x", TensorType(FLOAT32, (64, 512)))
    w, b = (leaf("Weight", n, TensorType(FLOAT32, s)) for n, s in (("w.kernel", (512, 512)), ("b", (512,))))
    value: Value = apply("Gemm", x, w, b, transB=1)
    arrays = {
        n: generator.normal(size=s).astype(np.float32) for n, s in (("w.kernel", (512, 512)), ("b", 512))
    }
    program = Program("gemm", Graph((x,), (value,)), ("y",), weights=Weights(arrays))
    return program, generator.normal(size=(64, 512)).astype(np.float32)


SHAPES: Mapping[str, Callable[[], tuple[Program, Array]]] = {
    "MatMul 512x1024x1024": lambda: product(512),
    "MatMul 1x1024x1024": lambda: product(1),
    "MatMul 16x64x64": _small,
    "Gemm 64x512x512": _gemm,
    "Conv 64x56x56": convolutions,
}
WEIGHTS: Mapping[str, Any] = {
    "int8": "int8",
    "int8 a tensor": {"grid": "int8", "axis": "tensor"},
    "int4": "int4",
    "int4 block 32": {"grid": "int4", "block": 32},
    "int4 block 128": {"grid": "int4", "block": 128},
    "int2": "int2",
    "binary": "binary",
    "NF4": "nf4",
    "NF4 table": {"grid": "nf4", "table": True},
    "FP8": "e4m3",
    "NVFP4": "nvfp4",
}
ACTIVATIONS: Mapping[str, Any] = {
    "float": "float",
    "static": "int8",
    "dynamic": DYNAMIC,
    "static int4": "int4",
}


def cells(seconds: float = 0.3) -> dict[str, float]:
    """Shape, weights and inputs -> speed over float32."""
    found = {}
    for shape, weights, activations in itertools.product(SHAPES, WEIGHTS, ACTIVATIONS):
        given = SHAPES[shape]()
        name = f"{shape}, {weights} weights, {activations} inputs"
        found[name] = ratio(given, WEIGHTS[weights], ACTIVATIONS[activations], seconds)[0]
    return found


PROCESSES = 3


def worst() -> Figure:
    """The slowest cell by its median over processes."""
    command = [sys.executable, "-m", "graphwright.tools.bench.quantized_layers"]
    runs: Sequence[dict[str, float]] = [
        json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        for _ in range(PROCESSES)
    ]
    medians = {name: float(np.median([r[name] for r in runs])) for name in runs[0]}
    name = min(medians, key=lambda n: medians[n])
    below = sum(m < 0.98 for m in medians.values())
    text = (
        f"{medians[name]:.3f}x ({name}); {below} of {len(medians)} cells under 0.98x; "
        f"medians of {PROCESSES} processes"
    )
    return text, medians[name] >= 0.98


if __name__ == "__main__":
    print(json.dumps(cells()))
