"""The goals of quantization as one table: target, figure, whether it is met, the command that gives it.

Figures are kept in the bench's cache as they are measured; `GRAPHWRIGHT_GOALS` names those to measure again,
all where it is `all`. A goal that was never measured says so.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np

from ...backends.onnx.emitting.emission import emit
from ...backends.runtime.cache import write_atomically
from ...graph.ir import Program, Value
from ...graph.spec.resolution import STANDARD_LIBRARY
from ...graph.types import FLOAT32
from ...passes.manager.pass_ import Context, Replacement
from ...passes.quantization.calibration import observe, run
from ...passes.quantization.codes import Store
from ...passes.quantization.lowering import LowerQuantized
from ...passes.quantization.operands import Layer, find_layers
from ...passes.quantization.quantize import Quantize
from ...passes.quantization.rotation import Hadamard
from ...passes.quantization.smooth import Smooth, affine, applied, divided, scaled_site
from ...passes.quantization.trained import QuantizeTrained
from ...passes.simplify.family import Simplify
from ...passes.simplify.freezing import FreezeParameters
from ..documents import Overrides, open_unit
from ..programs import read_arrays
from ..training import train_unit, trained_program
from .quantization import (
    CACHE,
    DYNAMIC,
    FORMS,
    instruction_set,
    least_times,
    lowered,
    measured,
    product,
    trained,
)
from .quantization_peers import with_added_masks

Array = np.ndarray[Any, Any]
Figure = tuple[str, bool | None]
"""What was measured, and whether it meets the target; None where that does not apply."""

TESTS = Path("tests/passes")
INT8 = {"weights": "int8", "activations": "int8"}
BLOCKS = {"block": 32, "zero": True, "clip": "mse"}
NVINT4 = {"grid": "int4", "block": 16, "scale": "e4m3", "tensor_scale": True}


@dataclass(frozen=True)
class Goal:
    name: str
    what: str
    target: str
    measure: Callable[[], Figure]


def report() -> None:
    """Measures what is to be measured, then prints the table as Markdown."""
    wanted = os.environ.get("GRAPHWRIGHT_GOALS", "").replace(",", " ").split()
    path = CACHE / "goals.json"
    known = _known(path)
    for goal in GOALS:
        if goal.name in wanted or "all" in wanted:
            start = process_time()
            try:
                figure, met = goal.measure()
            except Exception as error:  # a goal that can't be measured is a line of the table
                figure, met = f"not measured: {type(error).__name__}: {error}", None
            known = _known(path)
            known[goal.name] = {"figure": figure, "met": met, "seconds": round(process_time() - start, 1)}
            CACHE.mkdir(parents=True, exist_ok=True)
            write_atomically(path, json.dumps(known, indent=1).encode("utf-8"))
            print(f"{goal.name}: {figure}", file=sys.stderr, flush=True)
    print(f"instruction set: {instruction_set()}\n")
    print("\n".join(table(known)))


def _known(path: Path) -> dict[str, Any]:
    """What was measured, by this run or another."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found


def table(known: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A line a goal."""
    lines = ["| # | goal | target | figure | met | command |", "| --- | --- | --- | --- | --- | --- |"]
    words = {True: "yes", False: "no", None: "-"}
    for goal in GOALS:
        found = known.get(goal.name, {"figure": "not measured yet", "met": None})
        command = f"`GRAPHWRIGHT_GOALS={goal.name} python -m graphwright.tools.bench quantization_goals`"
        cells = (goal.name, goal.what, goal.target, found["figure"], words[found["met"]], command)
        lines.append(f"| {' | '.join(c.replace('|', '/') for c in cells)} |")
    return lines


# --- by the tests --------------------------------------------------------------------------------------


def _tested(file: str, name: str, said: str) -> Figure:
    """Whether the tests called so pass."""
    command = [sys.executable, "-m", "pytest", "-q", "--no-header", str(TESTS / file), "-k", name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    last = [line for line in done.stdout.splitlines() if "passed" in line or "failed" in line]
    fine = done.returncode == 0
    return (f"{said}" if fine else f"failing: {last[-1] if last else 'no result'}"), fine


def cells() -> Figure:
    return _tested("test_quantization_lowering.py", "every_cell_of_schemes", "all of 360 cells load")


def codes() -> Figure:
    return _tested("test_quantization_lowering.py", "million_codes", "0 mismatches of 10^6")


def pairs() -> Figure:
    said = "every grid with every rounding and layout passes"
    return _tested("test_quantization_pass.py", "every_grid_takes_every_rounding", said)


# --- layers ----------------------------------------------------------------------------------------------


def _ratio(weights: Any, activations: Any, rows: int) -> tuple[float, float]:
    """(speed over float32, bits a weight of the whole file) of a product with 1,048,576 weights."""
    program, x = product(rows)
    model = emit(lowered(program, x, weights, activations, rows)).SerializeToString()
    before, after = least_times((emit(program).SerializeToString(), model), {"x": x})
    return before / after, 8 * len(model) / 2**20


def four_bits() -> Figure:
    ratio, bits = _ratio("int4", DYNAMIC, 512)
    return f"{ratio:.2f}x at {bits:.2f} bits a weight", ratio >= 3.4 and bits <= 4.1


def one_row() -> Figure:
    found = {n: _ratio(w, a, 1)[0] for n, w, a in _ONE_ROW}
    best = max(found, key=lambda n: found[n])
    return f"{found[best]:.2f}x ({best})", found[best] >= 4.0


_ONE_ROW: Sequence[tuple[str, Any, Any]] = (
    ("a scale a channel", "int4", "float"),
    ("block 128", {"grid": "int4", "block": 128}, "float"),
    ("dynamic", "int4", DYNAMIC),
)


def few_bits() -> Figure:
    found = {n: _ratio(n, DYNAMIC, 512) for n in ("int3", "int2", "binary")}
    text = ", ".join(f"{n} {r:.2f}x at {b:.2f} bits" for n, (r, b) in found.items())
    limits = {"int3": 3.1, "int2": 2.1, "binary": 1.1}
    return text, all(r >= 3.3 and b <= limits[n] for n, (r, b) in found.items())


def worst() -> Figure:
    found = {n: min(_ratio(w, a, rows)[0] for rows in (512, 1)) for n, w, a in FORMS}
    name = min(found, key=lambda n: found[n])
    return f"{found[name]:.2f}x ({name})", found[name] >= 0.98


def convolution() -> Figure:
    from .quantization import convolution_ratio

    ratio = convolution_ratio("int4")
    return f"{ratio:.2f}x", ratio >= 3.1


# --- digits ------------------------------------------------------------------------------------------------


def _digits(seeds: Sequence[int], **options: Any) -> tuple[list[float], float]:
    """(accuracy in percent for each seed, CPU seconds a net)."""
    found, seconds = [], 0.0
    for seed in seeds:
        program, context = trained("digits_cnn", seed)
        start = process_time()
        made = Quantize(costs=False, **options).run(program, context).program
        seconds += process_time() - start
        found.append(100 * measured(made, context, "accuracy"))
    return found, seconds / len(seeds)


def _each(values: Sequence[float]) -> str:
    return f"{np.mean(values):.2f} ({', '.join(f'{v:.1f}' for v in values)})"


def weights_alone() -> Figure:
    texts, fine, slowest = [], True, 0.0
    for bits, limit in ((2, 97.3), (3, 98.2), (4, 98.2)):
        scheme = {"grid": f"int{bits}", "clip": "mse", "rounding": "descent"}
        found, seconds = _digits((0, 1, 2), weights=scheme, bias_correction=True)
        texts.append(f"W{bits} {_each(found)} %")
        fine, slowest = fine and float(np.mean(found)) >= limit, max(slowest, seconds)
    return f"{'; '.join(texts)}; {slowest:.1f} CPU s a net", fine and slowest <= 5


def _qat(seed: int, quantize: Mapping[str, Any], epochs: int, from_float: bool) -> tuple[float, Program]:
    """(test accuracy in percent, the trained program) after training with rounded layers."""
    unit = open_unit(str(STANDARD_LIBRARY / "models" / "digits_cnn.yaml"), Overrides())
    assert unit.document.training is not None
    training = replace(unit.document.training, quantize=quantize)
    start = None
    if from_float:
        trained("digits_cnn", seed)  # makes the file
        start = read_arrays(str(CACHE / f"digits_cnn_{seed}.safetensors"))
    whole = replace(unit, document=replace(unit.document, training=training))
    result = train_unit(whole, seed=seed, epochs=epochs, progress=False, start=start)
    return 100 * float(result.history[-1]["test"]["accuracy"]), trained_program(whole, result)


def weights_and_activations() -> Figure:
    texts, fine = [], True
    for bits, limit in ((4, 97.8), (3, 97.0), (2, 92.0)):
        options = {"weights": f"int{bits}", "activations": f"int{bits}"}
        found = [_qat(seed, options, 10, True)[0] for seed in (0, 1, 2)]
        texts.append(f"W{bits}A{bits} {_each(found)} %")
        fine = fine and float(np.mean(found)) >= limit
    return f"{'; '.join(texts)}; 10 epochs from the float net", fine


def binary() -> Figure:
    """BiPer: accuracy of three seeds, and what the deployed net takes."""
    options = {
        "weights": {"grid": "binary", "surrogate": "sine(auto)"},
        "activations": "uint1",
        "skip": ["c1", "logits"],
    }
    results = [_qat(seed, options, 40, False) for seed in (0, 1, 2)]
    found, (bits, size) = [r for r, _ in results], _deployed(results[0][1])
    text = (
        f"W1A1 {_each(found)} %, omega by the formula, 20 + 20 epochs; {bits:.3f} bits a weight with scales, "
        f"whole file {size / 1000:.1f} kB with first and last layer in float"
    )
    return text, float(np.mean(found)) >= 95.0 and bits <= 1.05


def _deployed(program: Program) -> tuple[float, int]:
    """(bits a weight of the layers that training rounded, bytes of the file) as the recipe `trained` makes it."""
    context = trained("digits_cnn", 0)[1]
    for step in (FreezeParameters(), Simplify()):
        program = step.run(program, context).program
    rounded = QuantizeTrained().run(program, context)
    bits = float(rounded.notes[0].split(" bits each")[0].rpartition(" ")[2])
    model = emit(LowerQuantized().run(rounded.program, context).program)
    return bits, len(model.SerializeToString())


# --- the character LM --------------------------------------------------------------------------------------


def _bits_lost(program: Program, context: Context, base: float, **options: Any) -> tuple[float, float]:
    """(bits a character over float32, CPU seconds to quantize)."""
    start = process_time()
    made = Quantize(costs=False, **options).run(program, context).program
    seconds = process_time() - start
    return measured(made, context, "bits") - base, seconds


def _models() -> Iterator[tuple[Program, Context, float]]:
    """(the trained LM, its data, bits a character in float) of seeds 0, 1, 2."""
    for seed in (0, 1, 2):
        program, context = trained("character_lm", seed)
        yield program, context, measured(program, context, "bits")


def _signed(values: Sequence[float]) -> str:
    return f"{np.mean(values):+.4f} ({', '.join(f'{v:+.4f}' for v in values)})"


def weights_of_the_lm() -> Figure:
    limits, lost = {4: 0.004, 3: 0.020, 2: 0.15}, dict[int, list[float]]()
    for program, context, base in _models():
        for bits in limits:
            scheme = {"grid": f"int{bits}", "rounding": "descent", **BLOCKS}
            lost.setdefault(bits, []).append(_bits_lost(program, context, base, weights=scheme)[0])
    text = "; ".join(f"W{b} {_signed(v)}" for b, v in lost.items())
    return text, all(float(np.mean(lost[b])) <= limit for b, limit in limits.items())


def mixed() -> Figure:
    """2.5 bits a code on average; the budget counts scales (float16) and zero points (8 bits at most) too."""
    scheme = {"grid": "int4", "rounding": "descent", "scale": "float16", **BLOCKS}
    lost = []
    for program, context, base in _models():
        lost.append(_bits_lost(program, context, base, weights=scheme, average_bits=AVERAGE)[0])
    return f"{_signed(lost)} at {AVERAGE:g} bits a weight with scales", float(np.mean(lost)) <= 0.045


AVERAGE = 2.5 + 16 / 32 + 2.5 / 32
"""Bits a weight of 2.5-bit codes with a float16 scale and a zero point of as many bits for 32."""


def outliers() -> Figure:
    """4-bit integers in blocks of 16 on the LM with outliers, with and without the transforms."""
    scheme = {**NVINT4, "rounding": "descent"}
    options = {"weights": scheme, "activations": {**NVINT4, "dynamic": True}}
    lost, plain, drift = list[float](), list[float](), list[float]()
    for program, context, base in _models():
        hard = with_outliers(program)
        drift.append(measured(hard, context, "bits") - base)
        plain.append(_bits_lost(hard, context, base, **options)[0])
        turned = Hadamard().run(Smooth().run(hard, context).program, context).program
        lost.append(_bits_lost(turned, context, base, **options)[0])
    text = (
        f"{_signed(lost)} by smooth, hadamard and NVINT4; {_signed(plain)} without the transforms "
        f"(drift {max(map(abs, drift)):.1e})"
    )
    return text, float(np.mean(lost)) <= 0.045


def with_outliers(program: Program, factor: float = 25.0, channels: int = 3) -> Program:
    """The same function with a few channels of every normalization `factor` times as large, and the
    weights that read them as much smaller."""
    groups: dict[Value, list[Layer]] = {}
    for layer in find_layers(program)[0]:
        if layer.node.name == "MatMul" and affine(layer.input, program) is not None:
            groups.setdefault(layer.input, []).append(layer)
    store, sites, generator = Store(), list[Replacement](), np.random.default_rng(0)
    for x, layers in groups.items():
        factors = np.ones(layers[0].fan_in, np.float32)
        factors[generator.choice(len(factors), channels, replace=False)] = 1 / factor
        moved = divided(x, factors, program, store, layers[0].name)
        sites += [scaled_site(layer, moved, factors, store) for layer in layers]
    return applied(program, sites, store, "", "outliers").program


def masks() -> Figure:
    """With masks that are an addition of -1e4, as exporters write them."""
    lost = [_bits_lost(with_added_masks(p), c, base, **INT8)[0] for p, c, base in _models()]
    return f"{_signed(lost)} bits a character", float(np.mean(lost)) <= 0.002


def calibration() -> Figure:
    """What observing every float value costs, in forward runs."""
    program, context = trained("character_lm", 0)
    batches, outputs = context.data["calibration"], list(program.graph.outputs)
    values = [
        v for n in program.graph.nodes for v in n.outputs[:1] if not v.is_leaf and v.tensor.dtype is FLOAT32
    ]
    first = run(program, values, batches[0])
    values = [v for v in values if np.isfinite(first[v]).all()]  # masks are infinite

    def least(work: Callable[[], object]) -> float:
        times = []
        for _ in range(5):
            start = process_time()
            work()
            times.append(process_time() - start)
        return min(times)

    plain = least(lambda: [run(program, outputs, b) for b in batches])
    ranges, full = (least(partial(observe, program, values, batches, h)) / plain for h in (False, True))
    text = f"ranges {ranges:.2f}x a forward run, with histograms {full:.2f}x, 5.1 kB a value, {len(values)} values"
    return text, ranges <= 1.3 and full <= 3


def seconds() -> Figure:
    program, context = trained("character_lm", 0)
    base = measured(program, context, "bits")
    static = min(_bits_lost(program, context, base, **INT8)[1] for _ in range(2))
    gptq = _bits_lost(program, context, base, weights={"grid": "int4", "rounding": "gptq", **BLOCKS})[1]
    return f"W8A8 {static:.2f} CPU s, GPTQ W4 {gptq:.2f} CPU s", static <= 0.35 and gptq <= 2


def coverage() -> Figure:
    heads = []
    for name in ("digits_cnn", "character_lm"):
        program, context = trained(name, 0)
        notes = Quantize(costs=False).run(program, context).notes
        layers, left = find_layers(program)
        weights = sum(x.array.size for x in layers)
        heads.append(
            f"{name}: {len(layers)} of {len(layers)} layers, {weights:,} weights; {len(left)} tensors left"
        )
        assert any("float, " in n for n in notes) == bool(left)  # each is listed with its reason
    return f"{'; '.join(heads)}, each with its reason", True


GOALS: Sequence[Goal] = (
    Goal("G1", "emitted models load at default optimization", "100 % of >= 200 cells", cells),
    Goal("G2", "coverage of eligible weights, reported", "100 % or a reason", coverage),
    Goal("G3", "4-bit file, MatMul 512x1024x1024", ">= 3.4x at <= 4.1 bits", four_bits),
    Goal("G4", "the same at M = 1, chosen automatically", ">= 4.0x", one_row),
    Goal("G5", "Conv 3x3 64x56x56 + Relu, 4-bit file", ">= 3.1x", convolution),
    Goal("G6", "3-, 2- and 1-bit files", ">= 3.3x at <= 3.1, 2.1, 1.1 bits", few_bits),
    Goal("G7", "never slower than float unless forced", "worst cell >= 0.98x", worst),
    Goal("G8", "digits CNN, W2 / W3 / W4, three seeds", ">= 97.3 / 98.2 / 98.2 %, <= 5 CPU s", weights_alone),
    Goal(
        "G9", "digits CNN, W4A4 / W3A3 / W2A2, three seeds", ">= 97.8 / 97.0 / 92 %", weights_and_activations
    ),
    Goal("G10", "character LM, W4 / W3 / W2, three seeds", "<= .004 / .020 / .15 bits", weights_of_the_lm),
    Goal("G11", "character LM at 2.5 bits on average, three seeds", "<= .045 bits", mixed),
    Goal("G12", "W4A4 on the LM with outliers, three seeds", "<= .045 bits", outliers),
    Goal("G13", "transformer, static W8A8 by default, three seeds", "<= +.002 bits", masks),
    Goal("G14", "calibration of all values", "ranges <= 1.3x, all <= 3x, <= 6 kB", calibration),
    Goal("G15", "time to quantize the LM, W8A8 / GPTQ W4", "<= .35 / 2 CPU s", seconds),
    Goal("G16", "BiPer on digits, W1A1, three seeds", ">= 95.0 %, <= 1.05 bits a weight", binary),
    Goal("G17", "codes of torch and ONNX Runtime", "0 mismatches of 10^6", codes),
    Goal("G18", "every grid x rounding x granularity", ">= 9 x 4 x 4", pairs),
)
