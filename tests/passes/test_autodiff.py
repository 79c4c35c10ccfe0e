"""Gradients against central differences in float64, and what has none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from graphwright.graph.build.document import Unit, build_program
from graphwright.graph.diagnostics import Severity, SpecError
from graphwright.graph.spec.resolution import load as load_document
from graphwright.passes.autodiff.resolution import resolve_gradients
from graphwright.tools.api import load, run

# expressions of x: float64[3, 4] in 0.2..1.7 (w: float64[4, 3]), away from kinks
EXPRESSIONS = [
    "x + 2 * x - 1 / x",
    "x ** 3.0 + x ** x",
    "-abs(x - 3) * sign(x)",
    "exp(x) * log(x) + sqrt(x)",
    "sin(x) + cos(x) * tan(x)",
    "asin(x / 2) + acos(x / 2) + atan(x)",
    "sinh(x) + cosh(x) * tanh(x)",
    "sigmoid(x) + softplus(x) + erf(x) + reciprocal(x)",
    "Relu(x - 1) + LeakyRelu(x - 1, alpha=0.2) + Elu(x - 1) + Selu(x - 1) + Celu(x - 1, alpha=0.7)",
    "Gelu(x - 1) + Gelu(x - 1, approximate='tanh')",
    "Mish(x - 1) + HardSwish(4 * x - 4) + Swish(x - 1, alpha=1.3)",
    "Asinh(x) + Acosh(x + 1) + Atanh(x / 2) + Softsign(x)",
    "maximum(x, 0.9) * minimum(x, 1.1) + clip(x, 0.5, 1.3)",
    "where(x > 1, x * x, 3 * x)",
    "sum(x, axis=0) * mean(x, axis=1, keepdims=true)",
    "max(x, axis=0) + min(x, axis=1, keepdims=true) + prod(x)",
    "var(x, axis=1) + norm(x, axis=1)",
    "softmax(x) * log_softmax(x, axis=0) + logsumexp(x, axis=1, keepdims=true)",
    "cumsum(x, axis=1) + cumsum(x, axis=0, reverse=true, exclusive=true)",
    "reshape(x, [4, 3]) @ x",
    "x.T @ x @ w",
    "x[0] @ w",
    "x @ w[:, 0]",
    "einsum('ij,jk->ik', x, w) + einsum('ij->', x)",
    "einsum('ij,ij->j', x, x)",
    "concat([x, 2 * x], axis=1)[:, 1:7]",
    "stack([x, x * x])[1, :, ::-1] + x[:, -3::-1][:, :1]",
    "x[array([0, 2, 0])] * 2",
    "take_along(x, argsort(x, axis=1), axis=1) * array([1, 2, 3, 4])",
    "sort(x, axis=1)[:, 1:] ** 2",
    "pad(x, [[1, 0], [0, 2]]) ** 2",
    "expand(x[:1], [3, 4]) * x",
    "solve(x[:, :3] + 3 * eye(3), x)",
    "solve_spd(x @ x.T + eye(3), x)",
    "cholesky(x @ x.T + eye(3))",
    "logdet_spd(x @ x.T + eye(3))",
    "Split(x, axis=1, num_outputs=2).outputs_0 * 2",
    "Gemm(x, w, x[:, :3], alpha=0.5, beta=2.0) + Gemm(x, x, transB=1)",
    "repeat(half, x, times=3)",
    "stop_gradient(x) * x",
    "scan(step, init=[zeros(4)], over=[x])[1]",
    "scan(step, init=[x[0]], over=[x], reverse=true)[0]",
    "cond(sum(x) > 0, square, half, x)",
]
SPEC = """graphwright: 1
kind: graph
name: derivative
inputs:
  x: float64[3, 4]
  w: float64[4, 3]
nodes:
  value: {expression}
  y: sum(value * cos(arange_like(value)))
  g: grad(y, wrt=x)
  gw: 0 * sum(w)
outputs: [y, g, gw]
functions:
  half(v): v / 2 + v * v
  square(v): v * v
  arange_like(v): cumsum(reshape(0 * v + 1, [-1]), axis=0)[0] + 0 * v
  step:
    inputs:
      s: float64[4]
      v: float64[4]
    nodes:
      s1: tanh(s) + v * s + v
      out: s1 * v
    outputs: [s1, out]
"""


def program_of(expression: str, folder: Path) -> object:
    text = SPEC.replace("{expression}", expression)
    if expression.startswith("scan("):
        call, index = expression.rsplit("[", 1)
        names = {"1]": "_, value", "0]": "value, _"}[index]
        text = SPEC.replace("value: {expression}", f"{names}: {call}")
    path = folder / "derivative.yaml"
    path.write_text(text, encoding="utf-8")
    return load(path)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_gradient_is_the_limit_of_differences(expression: str, tmp_path: Path) -> None:
    program = program_of(expression, tmp_path)
    rng = np.random.default_rng(3)
    x, w = rng.uniform(0.2, 1.7, (3, 4)), rng.uniform(0.2, 1.0, (4, 3))
    found = run(program, {"x": x, "w": w})["g"]
    step = 1e-5
    expected = np.empty_like(x)
    frozen = "stop_gradient" in expression
    for index in np.ndindex(x.shape):
        moved = [x.copy(), x.copy()]
        moved[0][index] += step
        moved[1][index] -= step
        high, low = (float(run(program, {"x": m, "w": w})["y"]) for m in moved)
        expected[index] = (high - low) / (2 * step)
    if frozen:  # half of the derivative of x * x
        expected /= 2
    np.testing.assert_allclose(found, expected, rtol=2e-6, atol=2e-6)


def test_second_derivatives(tmp_path: Path) -> None:
    path = tmp_path / "second.yaml"
    path.write_text(
        "graphwright: 1\nkind: graph\nname: second\ninputs:\n  x: float64[5]\nnodes:\n"
        "  first: grad(sum(sin(x) * x), wrt=x)\n  second: grad(sum(first), wrt=x)\noutputs: [first, second]\n"
    )
    x = np.linspace(-2, 2, 5)
    found = run(load(path), {"x": x})
    np.testing.assert_allclose(found["first"], np.sin(x) + x * np.cos(x), rtol=1e-12)
    np.testing.assert_allclose(found["second"], 2 * np.cos(x) - x * np.sin(x), rtol=1e-12, atol=1e-14)


def test_an_operator_without_a_derivative_is_named(tmp_path: Path) -> None:
    path = tmp_path / "none.yaml"
    path.write_text(
        "graphwright: 1\nkind: graph\nname: none\ninputs:\n  x: float32[2, 3, 8, 8]\nnodes:\n"
        "  y: LRN(x, size=3)\n  g: grad(sum(y), wrt=x)\noutputs: [g]\n"
    )
    with pytest.raises(SpecError) as raised:
        load(path)
    (found,) = raised.value.diagnostics
    assert found.code == "G0712"
    assert "LRN" in found.message
    assert found.span is not None
    assert (found.span.line, found.span.column, found.span.end_column) == (7, 6, 20)


def test_a_derivative_that_needs_a_size_only_a_run_tells_is_named(tmp_path: Path) -> None:
    path = tmp_path / "picked.yaml"
    path.write_text(
        "graphwright: 1\nkind: graph\nname: picked\ninputs:\n  x: float32[n, 3]\nnodes:\n"
        "  picked: x[NonZero(x[:, 0] > 0)[0]]\n  g: grad(sum(picked * picked), wrt=x)\noutputs: [g]\n"
    )
    with pytest.raises(SpecError) as raised:
        load(path)
    (found,) = raised.value.diagnostics
    assert found.code == "G0712"
    assert "float32[_, 3] is not known before a run" in found.message
    assert found.span is not None


def test_a_gradient_that_is_zero_everywhere_is_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "zero.yaml"
    path.write_text(
        "graphwright: 1\nkind: graph\nname: zero\ninputs:\n  x: float32[3]\nnodes:\n"
        "  loss: sum(stop_gradient(x))\n  g: grad(loss, wrt=x)\noutputs: [g]\n"
    )
    program = build_program(Unit(*load_document(str(path))))
    _, diagnostics = resolve_gradients(program)
    (found,) = diagnostics.items
    assert (found.code, found.severity) == ("G0711", Severity.WARNING)
    assert found.span is not None
    assert (found.span.line, found.span.column, found.span.end_column) == (8, 6, 23)
