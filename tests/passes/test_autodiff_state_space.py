"""The derivative of LtiSsm in the graph, against torch's own through the operator."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from graphwright.backends.torch_fx.lowerings.state_space import lti_ssm
from graphwright.tools.api import load, run

SHAPES = {
    "diagonal": {"A": "[1, 2, 2]", "C": "[1, 2, 2]"},
    "dense": {"A": "[1, 3, 3]", "B": "[1, 3, 1]", "C": "[1, 1, 3]"},
}


@pytest.mark.parametrize("form", SHAPES)
@pytest.mark.parametrize("disc", ["zoh", "bilinear"])
def test_grad_nodes_match_torch(form: str, disc: str, tmp_path: object) -> None:
    names = list(SHAPES[form])
    inputs = "\n".join(f"  {n}: float64{shape}" for n, shape in SHAPES[form].items())
    text = f"""graphwright: 1
kind: graph
name: slope
inputs:
  u: float64[1, 1, 6]
  dt: float64[1]
{inputs}
nodes:
  y: lti_ssm(u, {", ".join(f"{n}={n}" for n in names)}, dt=dt, form="{form}", disc="{disc}")
  loss: sum(y * y * y)
  {", ".join("d" + n for n in ("u", "dt", *names))}: grad(loss, wrt=[u, dt, {", ".join(names)}])
outputs: [{", ".join("d" + n for n in ("u", "dt", *names))}]
"""
    path = f"{tmp_path}/slope.yaml"
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    draws = np.random.default_rng(1)
    feeds = {"u": draws.standard_normal((1, 1, 6)), "dt": np.array([0.3])}
    for n, shape in SHAPES[form].items():
        feeds[n] = draws.standard_normal([int(x) for x in shape.strip("[]").split(",")])
    feeds["A"] = feeds["A"] - (np.eye(3) if form == "dense" else np.array([2.0, 0]))
    found = run(load(path), feeds)
    given = {n: torch.tensor(a, requires_grad=True) for n, a in feeds.items()}
    a, c = given["A"], given["C"]
    if form == "diagonal":
        b, c = torch.tensor([1.0, 0]).double().expand(1, 2, 1, 2), c.unsqueeze(1)
    else:
        b = given["B"]
    y, _ = lti_ssm(given["u"], a, b, c, dt=given["dt"], form=form, disc=disc, mode="step")
    (y**3).sum().backward()
    for n, tensor in given.items():
        assert tensor.grad is not None
        np.testing.assert_allclose(found[f"d{n}"], tensor.grad.numpy(), rtol=1e-8, atol=1e-9, err_msg=n)
