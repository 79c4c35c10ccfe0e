"""Gradients of convolutions, pools and normalizations against torch's autograd through the forward."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from graphwright.backends.torch_fx.emitter import emit
from graphwright.graph.build.document import Unit, build_program
from graphwright.graph.ir import Program
from graphwright.graph.spec.resolution import load
from graphwright.passes.autodiff.resolution import resolve_gradients
from graphwright.tools.api import run

SPEC = """graphwright: 1
kind: graph
name: windows
inputs:
{inputs}
nodes:
  value{more}: {expression}
  loss: sum(value * cos(cumsum(reshape(0 * value + 1, [-1]), axis=0, exclusive=true)[0] + value))
{gradients}
outputs: [{outputs}]
"""
IMAGE, LINE, VOLUME = "float64[2, 4, 7, 6]", "float64[3, 4, 9]", "float64[1, 2, 4, 5, 3]"
BATCHED = "float64[N, 4, 7, 6]"
STATISTICS = {"s": "float64[4]", "b": "float64[4]", "m": "float64[4]", "v": "float64[4]"}

CASES: list[tuple[dict[str, str], str]] = [
    (
        {"x": IMAGE, "w": "float64[6, 2, 3, 3]", "b": "float64[6]"},
        "Conv(x, w, b, group=2, pads=[1, 1, 1, 1])",
    ),
    ({"x": IMAGE, "w": "float64[4, 1, 3, 2]"}, "Conv(x, w, group=4, strides=[2, 1], pads=[0, 1, 2, 0])"),
    ({"x": BATCHED, "w": "float64[6, 2, 3, 3]"}, "Conv(x, w, group=2, dilations=[2, 1])"),
    ({"x": IMAGE, "w": "float64[3, 4, 3, 4]"}, 'Conv(x, w, auto_pad="SAME_UPPER", strides=[2, 2])'),
    ({"x": IMAGE, "w": "float64[3, 4, 2, 3]"}, 'Conv(x, w, auto_pad="SAME_LOWER")'),
    ({"x": IMAGE, "w": "float64[3, 4, 2, 3]"}, 'Conv(x, w, auto_pad="VALID", strides=[3, 2])'),
    ({"x": LINE, "w": "float64[6, 2, 3]"}, "Conv(x, w, group=2, strides=[2])"),
    ({"x": VOLUME, "w": "float64[3, 2, 2, 2, 2]"}, "Conv(x, w, pads=[1, 0, 0, 0, 1, 1])"),
    ({"x": IMAGE, "w": "float64[4, 3, 3, 3]", "b": "float64[3]"}, "ConvTranspose(x, w, b, strides=[2, 3])"),
    (
        {"x": IMAGE, "w": "float64[4, 3, 3, 3]"},
        "ConvTranspose(x, w, group=2, strides=[2, 2], pads=[1, 0, 1, 1], output_padding=[1, 0])",
    ),
    ({"x": LINE, "w": "float64[4, 3, 3]"}, "ConvTranspose(x, w, dilations=[2], pads=[1, 2])"),
    ({"x": LINE, "w": "float64[4, 3, 3]"}, 'ConvTranspose(x, w, strides=[2], auto_pad="SAME_UPPER")'),
    ({"x": LINE, "w": "float64[4, 3, 3]"}, "ConvTranspose(x, w, strides=[2], output_shape=[18])"),
    ({"x": IMAGE}, "AveragePool(x, kernel_shape=[3, 2], strides=[2, 1])"),
    ({"x": IMAGE}, "AveragePool(x, kernel_shape=[3, 2], pads=[1, 0, 1, 1], strides=[2, 2])"),
    ({"x": IMAGE}, "AveragePool(x, kernel_shape=[3, 2], pads=[1, 0, 1, 1], count_include_pad=1)"),
    ({"x": IMAGE}, "AveragePool(x, kernel_shape=[2, 4], strides=[2, 3], ceil_mode=1)"),
    ({"x": IMAGE}, "AveragePool(x, kernel_shape=[2, 3], dilations=[2, 1])"),
    ({"x": BATCHED}, 'AveragePool(x, kernel_shape=[2, 3], auto_pad="SAME_UPPER")'),
    ({"x": LINE}, "AveragePool(x, kernel_shape=[4], strides=[2])"),
    ({"x": IMAGE}, "MaxPool(x, kernel_shape=[2, 2], strides=[2, 2])"),
    ({"x": BATCHED}, "MaxPool(x, kernel_shape=[3, 3], pads=[1, 1, 1, 1])"),
    ({"x": LINE}, "MaxPool(x, kernel_shape=[3], dilations=[2], storage_order=1)"),
    ({"x": IMAGE}, "MaxPool(x, kernel_shape=[2, 4], strides=[2, 3], ceil_mode=1)"),
    ({"x": IMAGE}, "LpPool(x, kernel_shape=[2, 2], p=3)"),
    ({"x": IMAGE}, "GlobalAveragePool(x)"),
    ({"x": IMAGE}, "GlobalMaxPool(x)"),
    ({"x": IMAGE}, "GlobalLpPool(x, p=3)"),
    ({"x": IMAGE, **STATISTICS}, "BatchNormalization(x, s, b, m, v, epsilon=0.01)"),
    ({"x": "float64[8, 4]", **STATISTICS}, "BatchNormalization(x, s, b, m, v)"),
    (
        {"x": IMAGE, **STATISTICS},
        "BatchNormalization(x, s, b, m, v, epsilon=0.01, momentum=0.7, training_mode=1)",
    ),
    (
        {"x": IMAGE, "s": "float64[6]", "b": "float64[6]"},
        "LayerNormalization(x, s, b, epsilon=0.01, stash_type=11)",
    ),
    ({"x": IMAGE, "s": "float64[7, 6]"}, "LayerNormalization(x, s, axis=2, stash_type=11)"),
    ({"x": IMAGE, "s": "float64[6]"}, "RMSNormalization(x, s, epsilon=0.01, stash_type=11)"),
    ({"x": IMAGE, "s": "float64[4]", "b": "float64[4]"}, "InstanceNormalization(x, s, b)"),
]


def built(inputs: dict[str, str], expression: str, gradients: bool, folder: Path) -> Program:
    text = SPEC.format(
        inputs="\n".join(f"  {name}: {type_}" for name, type_ in inputs.items()),
        expression=expression,
        more=", _, _" if "training_mode" in expression else "",
        gradients="\n".join(f"  g_{n}: grad(loss, wrt={n})" for n in inputs) if gradients else "",
        outputs=", ".join(f"g_{n}" for n in inputs) if gradients else "loss",
    )
    path = folder / "windows.yaml"
    path.write_text(text, encoding="utf-8")
    return resolve_gradients(build_program(Unit(*load(str(path)))))[0]


def drawn(inputs: dict[str, str]) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    shapes = {n: t[t.index("[") + 1 : -1].replace("N", "2").split(",") for n, t in inputs.items()}
    return {n: rng.uniform(0.2, 1.8, [int(d) for d in dims]) for n, dims in shapes.items()}


@pytest.mark.parametrize(("inputs", "expression"), CASES, ids=[c[1] for c in CASES])
def test_gradient_is_autograds(inputs: dict[str, str], expression: str, tmp_path: Path) -> None:
    feeds = drawn(inputs)
    found = run(built(inputs, expression, True, tmp_path), feeds)
    tensors = {n: torch.tensor(a, requires_grad=True) for n, a in feeds.items()}
    module = emit(built(inputs, expression, False, tmp_path))
    module(*(tensors[n] for n in module.signature.inputs))["loss"].backward()
    for name, tensor in tensors.items():
        expected = np.zeros_like(feeds[name]) if tensor.grad is None else tensor.grad.numpy()
        np.testing.assert_allclose(found[f"g_{name}"], expected, rtol=1e-9, atol=1e-9)
