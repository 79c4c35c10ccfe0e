"""Simulated products of narrow formats, and studies of their options."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from graphwright.backends.torch_fx.lowerings.simulated import (
    Format,
    hadamard_matrix,
    rounded,
    simulated_conv,
    simulated_matmul,
)
from graphwright.graph.types.grids import grid
from graphwright.passes.quantization.layout import Layout
from graphwright.passes.quantization.rounding import quantize_array
from graphwright.tools.cli.main import main
from graphwright.tools.documents import Overrides, open_unit
from graphwright.tools.study import STUDIES, combinations, effects, options_of, run_study, table
from graphwright.tools.training import train_unit

E2M1 = grid("e2m1").levels
KEY = torch.tensor(0.25)


def _format(scale: str = "e4m3", **more: Any) -> Format:
    found = {
        "levels": E2M1,
        "backward": (),
        "block": 16,
        "tensor_scale": False,
        "hadamard": 0,
        "stochastic": "",
    }
    return Format(scale=scale, **{**found, **more})


@pytest.mark.parametrize(
    ("scale", "block", "tensor_scale"),
    [
        ("e8m0", 32, False),
        ("e4m3", 16, False),
        ("e4m3", 16, True),
        ("ue5m3", 16, True),
        ("float32", 16, False),
    ],
)
@pytest.mark.parametrize("size", [1.0, 1e-5])
def test_rounding_is_that_of_the_quantization_pass(
    scale: str, block: int, tensor_scale: bool, size: float
) -> None:
    array = (np.random.default_rng(0).standard_t(4, size=(24, 64)) * size).astype(np.float32)
    form = _format(scale, block=block, tensor_scale=tensor_scale)
    found = rounded(torch.from_numpy(array), E2M1, form, None).numpy()
    wanted = quantize_array(
        array, grid("e2m1"), Layout(1, block), scale=scale, tensor_scale=tensor_scale
    ).dequantize()
    assert np.allclose(found, wanted, rtol=1e-5, atol=0)


@pytest.mark.parametrize("scale", ["e4m3", "float32"])
def test_four_over_six_is_that_of_the_quantization_pass(scale: str) -> None:
    array = np.random.default_rng(3).normal(size=(40, 64)).astype(np.float32)
    form = _format(scale, tensor_scale=scale == "e4m3", four_over_six=True)
    found = rounded(torch.from_numpy(array), E2M1, form, None).numpy()
    options: dict[str, Any] = {"scale": scale, "tensor_scale": scale == "e4m3"}
    wanted = quantize_array(array, grid("e2m1"), Layout(1, 16), clip="four_over_six", **options).dequantize()
    plain = quantize_array(array, grid("e2m1"), Layout(1, 16), **options).dequantize()
    assert np.mean(~np.isclose(found, wanted, rtol=1e-5)) < 0.01  # equal errors, by a last bit
    assert np.sum((found - array) ** 2) < 0.95 * np.sum((plain - array) ** 2)


def test_small_gradients_are_lost_without_a_tensor_scale() -> None:
    small = torch.from_numpy(np.random.default_rng(1).normal(size=(8, 32)).astype(np.float32)) * 1e-6

    def kept(form: Format) -> float:
        return float((rounded(small, E2M1, form, None) ** 2).sum() / (small**2).sum())

    assert abs(kept(_format("e4m3")) - 1) > 0.5  # the least scale is 2^-9
    assert abs(kept(_format("e4m3", tensor_scale=True)) - 1) < 0.1
    assert abs(kept(_format("ue5m3", tensor_scale=True)) - 1) < 0.1


def test_stochastic_rounding_has_no_bias() -> None:
    x = torch.from_numpy(np.random.default_rng(2).normal(size=(4, 16)).astype(np.float32))
    generator = torch.Generator().manual_seed(0)
    mean = torch.stack([rounded(x, E2M1, _format("float32"), generator) for _ in range(4000)]).mean(0)
    assert float((mean - x).abs().max()) < 0.05
    nearest = rounded(x, E2M1, _format("float32"), None)
    assert float((nearest - x).abs().max()) > 0.1


def test_the_rotation_is_orthogonal_and_leaves_products() -> None:
    h = hadamard_matrix(16)
    assert torch.allclose(h @ h.t(), torch.eye(16), atol=1e-6)
    a, b = torch.randn(5, 40), torch.randn(40, 7)  # 40 is no multiple of 16: filled with zeros
    many = tuple(float(v) for v in np.linspace(-1, 1, 255))
    found = simulated_matmul(a, b, KEY, many, block_size=40, scale="float32", hadamard=16)
    assert float((found - a @ b).abs().max()) < 0.2
    assert float((found - a @ b).abs().mean()) > 1e-6


def test_products_round_along_their_own_sum() -> None:
    torch.manual_seed(0)
    a, b, up = torch.randn(12, 32), torch.randn(32, 20), torch.randn(12, 20)
    options: dict[str, Any] = {"levels": E2M1, "block_size": 16, "scale": "e4m3"}
    a.requires_grad_()
    b.requires_grad_()
    form = _format()

    def q(x: torch.Tensor) -> torch.Tensor:
        return rounded(x.detach(), E2M1, form, None)

    y = simulated_matmul(a, b, KEY, **options, backward_levels=E2M1)
    (y * up).sum().backward()
    assert torch.allclose(y, q(a) @ q(b.t()).t(), atol=1e-5)
    assert a.grad is not None
    assert b.grad is not None
    assert torch.allclose(a.grad, q(up) @ q(b).t(), atol=1e-5)  # the sum runs over the outputs
    assert torch.allclose(b.grad, q(a.t()) @ q(up.t()).t(), atol=1e-5)  # and over the rows
    a.grad = b.grad = None
    (simulated_matmul(a, b, KEY, **options) * up).sum().backward()
    assert torch.allclose(a.grad, up @ b.t().detach(), atol=1e-5)


def test_one_key_draws_one_result() -> None:
    a, b = torch.randn(6, 32), torch.randn(32, 5)
    options: dict[str, Any] = {"levels": E2M1, "stochastic": "all", "hadamard": 8}
    first, again, other = (simulated_matmul(a, b, torch.tensor(k), **options) for k in (0.1, 0.1, 0.7))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_convolution_is_the_product_of_its_windows() -> None:
    x, w = torch.randn(2, 4, 7, 6), torch.randn(8, 4, 3, 3)
    many = tuple(float(v) for v in np.linspace(-1, 1, 255))
    found = simulated_conv(
        x, w, KEY, pads=(1, 1, 0, 1), strides=(2, 1), levels=many, block_size=36, scale="float32"
    )
    padded = torch.nn.functional.pad(x, (1, 1, 1, 0))
    wanted = torch.nn.functional.conv2d(padded, w, stride=(2, 1))
    assert found.shape == wanted.shape
    assert float((found - wanted).abs().max()) < 0.3
    assert float((found - wanted).abs().mean()) < 0.05


SPEC = """graphwright: 1
kind: graph
name: narrow
use: [layers/dense.yaml, layers/convolution.yaml, functions/losses.yaml]
inputs:
  image: float32[B, 1, 8, 8] in 0..16
  label: int64[B] in 0..9
nodes:
  c: conv_norm_act(image / 16, width=8)
  logits: linear(reshape(c, [B, 512]), width=10)
  loss: cross_entropy(logits, label)
outputs: [logits]
training:
  data: digits
  loss: loss
  optimizer: adamw(lr=3e-3)
  steps: 30
  batch: 50
  quantize: {weights: nvfp4, gradients: e2m1, stochastic: gradients, hadamard: 16}
  metrics:
    accuracy: argmax(logits, axis=-1) == label
"""


def test_a_net_trains_in_fp4_and_repeats_itself(tmp_path: Path) -> None:
    path = tmp_path / "narrow.yaml"
    path.write_text(SPEC, encoding="utf-8")
    unit = open_unit(str(path), Overrides())
    first, again = (train_unit(unit, seed=1, progress=False) for _ in range(2))
    assert first.history[-1]["test"]["accuracy"] > 0.6
    assert first.history == again.history


def test_a_study_stops_in_time_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "narrow.yaml"
    path.write_text(SPEC.replace("steps: 30", "steps: 2"), encoding="utf-8")
    unit, study, lines = open_unit(str(path), Overrides()), STUDIES["fp4"], list[str]()

    def run(seconds: float) -> list[Any]:
        return run_study(
            unit, study, tmp_path / "s", epochs=None, seeds=1, seconds=seconds, tell=lines.append
        )

    assert run(0) == []
    assert "goes on" in lines[-1]
    some = run(0.5)
    written = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "s").iterdir()}
    assert len(written) == len(some) >= 1
    more = run(0.3)
    assert more[: len(some)] == some
    assert all((tmp_path / "s" / n).stat().st_mtime_ns == t for n, t in written.items())
    assert len(table(study, more)) == len(more) + 1
    assert effects(study, more)[0][0] == "option"


def test_every_combination_of_the_studies_is_one_that_trains() -> None:
    from graphwright.passes.quantization.fake import TrainingSchemes

    for study in STUDIES.values():
        every = combinations(study)
        assert len({json.dumps(c) for c in every}) == len(every)
        for chosen in every:
            TrainingSchemes.read(options_of(study, chosen))
    assert len(combinations(STUDIES["fp4"])) == 48


def test_an_unknown_study_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["graphwright", "study", "fp5", "models/digits_mlp.yaml"])
    try:
        code: object = main()
    except SystemExit as stop:
        code = stop.code
    assert code == 1
    assert "G0974" in capsys.readouterr().err
