"""Quantization: speed and size of layers, accuracy of trained nets.

Speeds are the least CPU times of one thread, as a ratio to ONNX Runtime's float32 in the same
process; both forms are run in turn.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np

from ...backends.onnx.emitting.emission import emit
from ...graph.ir import Graph, Program, apply, leaf
from ...graph.ir.program import Weights
from ...graph.spec.resolution import STANDARD_LIBRARY
from ...graph.types import FLOAT32, TensorType
from ...passes.manager.pass_ import Context
from ...passes.quantization.calibration import observe, run
from ...passes.quantization.clock import least_seconds
from ...passes.quantization.kernels import fused_operators
from ...passes.quantization.lowering import LowerQuantized
from ...passes.quantization.quantize import Quantize
from ...passes.simplify.family import Simplify
from ...passes.simplify.freezing import FreezeParameters
from ..documents import Overrides, open_unit
from ..metering import recipe_context
from ..programs import load_weights, open_program, save_weights
from ..training import train_unit, trained_program
from .sessions import open_session

Array = np.ndarray[Any, Any]

CACHE = Path(".build/bench")
"""Trained weights, made when they are missing."""
DYNAMIC = {"grid": "int8", "dynamic": True}
SEEDS = (0, 1, 2)


def report() -> None:
    """Prints every table."""
    print(f"instruction set: {instruction_set()}")
    for title, table in (
        ("MatMul 512x1024x1024 and 1x1024x1024 (G3, G4, G6, G7)", products),
        ("Conv 3x3 64x56x56 with Relu (G5)", convolution),
        ("digits CNN, test accuracy, mean of seeds 0, 1, 2 (G8, G9)", digits),
        ("character LM, bits a character over float32 (G10, G13, G15)", characters),
        ("calibration of the character LM (G14)", calibration),
    ):
        print(f"\n-- {title}")
        table()


def instruction_set() -> str:
    """The extensions that integer kernels use; without VNNI the ratios are lower."""
    wanted = ("avx2", "avx512f", "avx_vnni", "avx512_vnni", "amx_int8", "asimddp")
    try:
        flags = set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
    except OSError:
        return "unknown"
    return " ".join(w for w in wanted if w in flags) or "none"


# --- layers -----------------------------------------------------------------------------------------


def least_times(models: Sequence[bytes], feeds: Mapping[str, Array], seconds: float = 1.0) -> list[float]:
    """The least CPU milliseconds of a run of each, in turns of repeated runs: weights are where those leave
    them, in a cache if they fit one."""
    loaded = [open_session(m) for m in models]
    runs = [partial(s.run, [o.name for o in s.get_outputs()], dict(feeds)) for s in loaded]
    return [1000 * t for t in least_seconds(runs, seconds)]


def product(rows: int) -> tuple[Program, Array]:
    generator = np.random.default_rng(0)
    array = generator.normal(size=(1024, 1024)).astype(np.float32)
    x = leaf("Input", "x", TensorType(FLOAT32, (rows, 1024)))
    w = leaf("Weight", "w.kernel", TensorType(FLOAT32, (1024, 1024)))
    graph = Graph((x,), (apply("MatMul", x, w),))
    program = Program("product", graph, ("y",), weights=Weights({"w.kernel": array}))
    return program, generator.normal(size=(rows, 1024)).astype(np.float32)


FORMS: Sequence[tuple[str, Any, Any]] = (
    ("int8, dynamic", "int8", DYNAMIC),
    ("int8, static", "int8", "int8"),
    ("int4 LUT, dynamic", "int4", DYNAMIC),
    ("NF4 LUT, dynamic", {"grid": "nf4", "table": True}, DYNAMIC),
    ("NUPES a=0.5 LUT, dynamic", {"grid": "power(int4, 0.5)", "table": True}, DYNAMIC),
    ("int3 LUT, dynamic", "int3", DYNAMIC),
    ("int2 LUT, dynamic", "int2", DYNAMIC),
    ("binary LUT, dynamic", "binary", DYNAMIC),
    ("int4 block 128, weights only", {"grid": "int4", "block": 128}, "float"),
    ("int4 block 32, weights only", {"grid": "int4", "block": 32}, "float"),
    ("NVFP4, weights only", "nvfp4", "float"),
    ("MXFP4, weights only", "mxfp4", "float"),
)


def lowered(program: Program, x: Array, weights: Any, activations: Any, rows: int = 64) -> Program:
    context = Context(data={"calibration": [{"x": x}]})
    made = Quantize(weights=weights, activations=activations, costs=False).run(program, context).program
    return LowerQuantized(rows=rows).run(made, context).program


def products() -> None:
    """Every form of a product with a matrix of 1,048,576 weights."""
    print(f"{'form':<30} {'bits':>6} {'M=512':>7} {'M=1':>7}  kernel")
    for name, weights, activations in FORMS:
        ratios, bits, kernel = [], 0.0, ""
        for rows in (512, 1):
            program, x = product(rows)
            model = emit(lowered(program, x, weights, activations, rows)).SerializeToString()
            before, after = least_times((emit(program).SerializeToString(), model), {"x": x})
            ratios.append(before / after)
            bits = 8 * len(model) / 2**20
            kernel = ", ".join(sorted(k for k in fused_operators(model) if "MatMul" in k))
        print(f"{name:<30} {bits:6.2f} {ratios[0]:6.2f}x {ratios[1]:6.2f}x  {kernel}")


def convolutions() -> tuple[Program, Array]:
    """Two convolutions with Relu, 3x3 64x56x56."""
    generator = np.random.default_rng(0)
    x = leaf("Input", "x", TensorType(FLOAT32, (1, 64, 56, 56)))
    kernels = {
        f"c{i}.kernel": (generator.normal(size=(64, 64, 3, 3)) / 24).astype(np.float32) for i in (1, 2)
    }
    value = x
    for name in kernels:
        w = leaf("Weight", name, TensorType(FLOAT32, (64, 64, 3, 3)))
        value = apply("Relu", apply("Conv", value, w, pads=(1, 1, 1, 1)))
    program = Program("convolutions", Graph((x,), (value,)), ("y",), weights=Weights(kernels))
    return program, generator.normal(size=(1, 64, 56, 56)).astype(np.float32)


def convolution_ratio(weights: str) -> float:
    """Speed over float32, with static activations."""
    program, array = convolutions()
    model = emit(lowered(program, array, weights, "int8")).SerializeToString()
    before, after = least_times((emit(program).SerializeToString(), model), {"x": array})
    return before / after


def convolution() -> None:
    """Two convolutions with Relu, static activations."""
    program, array = convolutions()
    for name, weights in (("int8", "int8"), ("int4 LUT", "int4"), ("int2 LUT", "int2")):
        model = emit(lowered(program, array, weights, "int8")).SerializeToString()
        print(f"{name:<10} two layers {convolution_ratio(weights):5.2f}x  {dict(fused_operators(model))}")


# --- nets -------------------------------------------------------------------------------------------

RECIPE = """graphwright: 1
kind: recipe
name: bench
data:
  calibration: model.train[:256]
passes: [freeze_parameters]
"""


def trained(name: str, seed: int) -> tuple[Program, Context]:
    """The frozen, simplified program of a trained model of the library, and its data and metrics."""
    from ...graph.spec.reader import read_document
    from ..vocabulary import vocabulary

    spec = str(STANDARD_LIBRARY / "models" / f"{name}.yaml")
    path = CACHE / f"{name}_{seed}.safetensors"
    unit = open_unit(spec, Overrides())
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        save_weights(trained_program(unit, train_unit(unit, seed=seed, progress=False)), path)
    program = load_weights(open_program(spec), str(path))
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "bench.yaml"
        written.write_text(RECIPE, encoding="utf-8")
        recipe = read_document(str(written), vocabulary=vocabulary()).recipe
        assert recipe is not None
        context = recipe_context(unit, program, recipe, Path(folder))
    frozen = FreezeParameters().run(program, context).program
    return Simplify().run(frozen, context).program, replace(context, calibration="calibration")


def measured(program: Program, context: Context, metric: str) -> float:
    assert context.meter is not None
    return float(np.mean(context.meter.measure(program, metric, None)))


def _scheme(grid: str, rounding: str, **more: Any) -> dict[str, Any]:
    return {"grid": grid, "clip": "mse", "rounding": rounding, **more}


DIGITS: Sequence[tuple[str, Mapping[str, Any]]] = (
    *(
        (
            f"W{b} {rounding}",
            {"weights": _scheme(f"int{b}", rounding), "bias_correction": rounding != "nearest"},
        )
        for b in (4, 3, 2)
        for rounding in ("nearest", "gptq", "descent")
    ),
    ("W1 descent", {"weights": _scheme("binary", "descent"), "bias_correction": True}),
    *(
        (
            f"W{b}A{b} descent",
            {
                "weights": _scheme(f"int{b}", "descent"),
                "activations": {"grid": f"int{b}", "zero": True, "axis": "tensor", "clip": "mse"},
                "bias_correction": True,
            },
        )
        for b in (4, 3, 2)
    ),
    ("W8A8", {"weights": "int8", "activations": "int8"}),
    (
        "NVFP4 gptq",
        {"weights": {"grid": "e2m1", "block": 16, "scale": "e4m3", "tensor_scale": True, "rounding": "gptq"}},
    ),
)


def digits() -> None:
    """Accuracy on the 797 test images by scheme and rounding."""
    nets = [trained("digits_cnn", seed) for seed in SEEDS]
    base = [100 * measured(p, c, "accuracy") for p, c in nets]
    print(f"{'float32':<16} {np.mean(base):6.2f} %  {' '.join(f'{v:.2f}' for v in base)}")
    for name, options in DIGITS:
        found, start = [], process_time()
        made = [Quantize(costs=False, **options).run(p, c).program for p, c in nets]
        seconds = (process_time() - start) / len(nets)
        found = [100 * measured(p, c, "accuracy") for p, (_, c) in zip(made, nets, strict=True)]
        print(
            f"{name:<16} {np.mean(found):6.2f} %  {' '.join(f'{v:.2f}' for v in found)}  {seconds:.2f} CPU s a net"
        )


CHARACTERS: Sequence[tuple[str, Mapping[str, Any]]] = (
    ("W8A8 static, defaults", {"weights": "int8", "activations": "int8"}),
    ("W8A8 dynamic", {"weights": "int8", "activations": DYNAMIC}),
    *(
        (f"W{b} b32 zero, nearest", {"weights": _scheme(f"int{b}", "nearest", block=32, zero=True)})
        for b in (4, 3, 2)
    ),
    ("W4 b32 zero, gptq", {"weights": _scheme("int4", "gptq", block=32, zero=True)}),
    *(
        (f"W{b} b32 zero, descent", {"weights": _scheme(f"int{b}", "descent", block=32, zero=True)})
        for b in (4, 3, 2)
    ),
)


def characters() -> None:
    """Bits a character over float32, on held-out text, by scheme and rounding."""
    program, context = trained("character_lm", 0)
    base = measured(program, context, "bits")
    print(f"float32: {base:.4f} bits")
    for name, options in CHARACTERS:
        start = process_time()
        made = Quantize(costs=False, **options).run(program, context).program
        seconds = process_time() - start
        print(f"{name:<24} {measured(made, context, 'bits') - base:+.4f}  {seconds:.2f} CPU s")


def calibration() -> None:
    """What observing every float value costs, in forward runs."""
    program, context = trained("character_lm", 0)
    batches = context.data["calibration"]
    values = [
        v for n in program.graph.nodes for v in n.outputs[:1] if not v.is_leaf and v.tensor.dtype is FLOAT32
    ]
    first = run(program, values, batches[0])
    values = [v for v in values if np.isfinite(first[v]).all()]  # masks are infinite
    outputs = list(program.graph.outputs)

    def least(work: Callable[[], object]) -> float:
        times = []
        for _ in range(5):
            start = process_time()
            work()
            times.append(process_time() - start)
        return min(times)

    plain = least(lambda: [run(program, outputs, b) for b in batches])
    for name, histogram in (("range", False), ("range and histogram", True)):
        seconds = least(partial(observe, program, values, batches, histogram))
        print(f"{name:<20} {seconds / plain:.2f}x a forward run, {len(values)} values")
    print("state: 5,120 bytes of histogram a value, whatever the number of samples")
