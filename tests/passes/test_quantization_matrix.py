"""The axes of quantization (Gholami et al., arXiv 2103.13630) as a matrix: every pair of values of every two
axes meets in some scheme, which is refused by a rule or becomes a model that runs alike on both backends."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from graphwright.backends.onnx.backend import OnnxBackend
from graphwright.backends.torch_fx import TorchEvaluator
from graphwright.graph.ir import Graph, Program, apply, constant, leaf
from graphwright.graph.ir.program import Weights
from graphwright.graph.types import FLOAT32, TensorType
from graphwright.graph.types.grids import grid
from graphwright.passes.manager.evaluation import leaf_arrays
from graphwright.passes.manager.pass_ import Context
from graphwright.passes.quantization import kernels
from graphwright.passes.quantization.equalize import Equalize
from graphwright.passes.quantization.lowering import KERNELS_KEY, LowerQuantized
from graphwright.passes.quantization.quantize import Quantize
from graphwright.passes.quantization.rotation import Hadamard
from graphwright.passes.quantization.smooth import Smooth

Array = np.ndarray[Any, Any]
Choice = Mapping[str, Any]

AXES: Mapping[str, Sequence[Any]] = {
    "grid": ("int2", "int3", "int4", "int5", "int6", "int7", "int8", "binary", "ternary", "nf4", "e2m1", "e1m2",
             "e4m3", "e5m2", "e3m2", "e2m3", "power(int4, 0.5)", "power(int4, search)", "float(5, search)",
             "float(2, 1, 1.3)", "codebook(-1, -0.4, 0, 0.2, 1)"),
    "axis": ("tensor", "out", "in"),
    "scale": ("float32", "float16", "e8m0", "e4m3", "ue5m3"),
    "tensor_scale": (False, True),
    "zero": (False, True),
    "clip": ("absmax", "percentile", "mse", "entropy", "four_over_six"),
    "rounding": ("nearest", "stochastic", "gptq", "adaround", "descent"),
    "table": (False, True),
    "activations": ("float", "int8", "int4", {"grid": "int8", "clip": "entropy"}, {"grid": "int8", "dynamic": True},
                    {"grid": "int8", "axis": "out"}, {"grid": "int4", "dynamic": True},
                    {"grid": "e2m1", "block": 16, "scale": "e4m3", "tensor_scale": True, "clip": "four_over_six"},
                    {"grid": "power(int4, search)", "table": True}, {"grid": "float(8, search)", "clip": "mse"}),
    "transform": ("none", "smooth", "hadamard", "equalize"),
    "bias_correction": (False, True),
    "operator": ("MatMul", "Gemm", "Conv"),
}  # fmt: skip


def _covering() -> list[dict[str, Any]]:
    """Choices, greedily, until every pair of values of every two axes was met."""
    names = list(AXES)
    open_ = {
        (a, i, b, j)
        for a, b in itertools.combinations(range(len(names)), 2)
        for i in range(len(AXES[names[a]]))
        for j in range(len(AXES[names[b]]))
    }
    generator, found = np.random.default_rng(0), []
    while open_:
        best: tuple[int, list[int]] = (-1, [])
        seed = min(open_)
        for _ in range(30):
            row = [int(generator.integers(len(AXES[n]))) for n in names]
            row[seed[0]], row[seed[2]] = seed[1], seed[3]
            for at in generator.permutation(len(names)):
                if at not in (seed[0], seed[2]):
                    row[at] = max(range(len(AXES[names[at]])), key=lambda v, at=at: _met(row, at, v, open_))  # type: ignore[misc]  # mypy takes the default for a bound
            covered = len(_pairs(row) & open_)
            best = max(best, (covered, row), key=lambda item: item[0])
        open_ -= _pairs(best[1])
        found.append({n: AXES[n][i] for n, i in zip(names, best[1], strict=True)})
    return found


def _pairs(row: Sequence[int]) -> set[tuple[int, int, int, int]]:
    return {(a, row[a], b, row[b]) for a, b in itertools.combinations(range(len(row)), 2)}


def _met(row: Sequence[int], at: int, value: int, open_: set[tuple[int, int, int, int]]) -> int:
    """How many open pairs the row has with this value at `at`."""
    return sum(
        ((at, value, b, row[b]) if at < b else (b, row[b], at, value)) in open_
        for b in range(len(row))
        if b != at
    )


ROWS = _covering()


def _refusals(choice: Choice) -> Iterator[str]:
    """What the scheme must be refused for."""
    integer = choice["grid"].startswith("int") or choice["grid"] == "ternary"
    if choice["zero"] and not integer:
        yield "zero point"
    if choice["tensor_scale"] and choice["scale"] in ("float32", "float16"):
        yield "tensor scale"
    if choice["clip"] == "entropy" and choice["axis"] != "tensor":
        yield "entropy"


def _options(choice: Choice) -> dict[str, Any]:
    scheme = {
        n: choice[n] for n in ("grid", "axis", "scale", "tensor_scale", "zero", "clip", "rounding", "table")
    }
    if choice["axis"] == "in":
        scheme["block"] = 16
    return {
        "weights": scheme,
        "activations": choice["activations"],
        "bias_correction": choice["bias_correction"],
    }


def _net(operator: str) -> tuple[Program, Array]:
    """Scaled, shifted input - layer - bias - Relu - layer of one kind."""
    generator = np.random.default_rng(1)
    rows = (2, 32, 4, 4) if operator == "Conv" else (12, 32)
    shapes = {
        "Conv": ((16, 32, 3, 3), (32, 16, 1, 1)),
        "MatMul": ((32, 32), (32, 16)),
        "Gemm": ((32, 32), (16, 32)),
    }
    arrays = {
        f"{n}.kernel": (generator.normal(size=s) / 8).astype(np.float32)
        for n, s in zip("ab", shapes[operator], strict=True)
    }
    x = leaf("Input", "x", TensorType(FLOAT32, rows))
    wide = (32, 1, 1) if operator == "Conv" else (32,)
    gains, shifts = (generator.uniform(0.5, 2, wide).astype(np.float32) for _ in range(2))
    value = apply("Add", apply("Mul", x, constant(gains)), constant(shifts))
    for name, array in arrays.items():
        weight = leaf("Weight", name, TensorType(FLOAT32, array.shape))
        channels = array.shape[1 if operator == "MatMul" else 0]
        bias = constant(generator.normal(size=channels).astype(np.float32) / 4)
        if operator == "Conv":
            value = apply("Conv", value, weight, bias, pads=(array.shape[2] // 2,) * 4)
        elif operator == "Gemm":
            value = apply("Gemm", value, weight, bias, transB=1)
        else:
            value = apply("Add", apply("MatMul", value, weight), bias)
        value = apply("Relu", value) if name == "a.kernel" else value
    program = Program("net", Graph((x,), (value,)), ("y",), weights=Weights(arrays))
    return program, generator.normal(size=rows).astype(np.float32)


TRANSFORMS = {"smooth": Smooth(everywhere=True), "hadamard": Hadamard(block=16), "equalize": Equalize()}


def _by_torch(program: Program, x: Array) -> Array:
    return TorchEvaluator().evaluate(program.graph.outputs, leaf_arrays(program, {"x": x}))[0]


def test_every_pair_of_values_is_met() -> None:
    assert len(ROWS) < 400
    for a, b in itertools.combinations(AXES, 2):
        met = {(str(r[a]), str(r[b])) for r in ROWS}
        assert met == {(str(x), str(y)) for x, y in itertools.product(AXES[a], AXES[b])}


@pytest.mark.parametrize("part", range(8))
def test_every_scheme_runs_alike_on_both_backends_or_is_refused(
    part: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernels, "PROBE_SECONDS", 0.0005)
    for choice in ROWS[part::8]:
        refusals = list(_refusals(choice))
        if refusals:
            with pytest.raises(ValueError, match="|".join(refusals)):
                Quantize(**_options(choice))
            continue
        _check(choice)


def _check(choice: Choice) -> None:
    program, x = _net(choice["operator"])
    context = Context(data={"calibration": [{"x": x}]}, calibration="calibration")
    wanted = _by_torch(program, x)
    if choice["transform"] != "none":
        program = TRANSFORMS[choice["transform"]].run(program, context).program
    made = Quantize(costs=False, **_options(choice)).run(program, context).program
    lowered = LowerQuantized().run(made, context).program
    found, by_torch = OnnxBackend().load(lowered).run({"x": x})["y"], _by_torch(lowered, x)
    size = np.abs(wanted).max()
    assert np.isfinite(found).all(), choice
    blocks = "MatMulNBits" in lowered.metadata.get(KERNELS_KEY, "")  # which rounds float inputs to 8 bits
    off = np.abs(found - by_torch)
    assert off.max() <= (0.03 if blocks else 0.015) * size, choice
    assert blocks or np.mean(off > 1e-4 * size) <= 0.02, choice  # a code apart, at ties
    error = float(np.sqrt(np.mean((found - wanted) ** 2) / np.mean((wanted - wanted.mean()) ** 2)))
    narrow = grid_bits(choice["grid"])
    limit = {1: 1.5, 2: 1.5, 3: 1.0}.get(narrow, 0.7)
    assert error < limit * (1.5 if choice["rounding"] == "stochastic" else 1), (error, choice)


def grid_bits(name: str) -> int:
    return {"power(int4, search)": 4, "float(5, search)": 5}.get(name) or grid(name).bits
