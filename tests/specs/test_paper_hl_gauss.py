"""HL-Gauss against SciPy's normal distribution and torch's soft-label cross-entropy."""

from __future__ import annotations

import numpy as np
import torch
from scipy.special import softmax
from scipy.stats import norm


def target(y: np.ndarray) -> np.ndarray:
    """The normal N(y, 0.75 bin width) truncated to [-10, 10], integrated over 51 bins."""
    edges = np.linspace(-10, 10, 52)
    cdf = norm.cdf(edges[None, :], loc=np.clip(y, -10, 10)[:, None], scale=0.75 * 20 / 51)
    return np.diff(cdf, axis=1) / (cdf[:, -1:] - cdf[:, :1])


def test_value_is_the_mean_over_bin_centres(run_spec, agree, rng):
    logits = rng.normal(size=(16, 51)).astype(np.float32)
    edges = np.linspace(-10, 10, 52)
    value = softmax(logits.astype(np.float64), axis=1) @ ((edges[1:] + edges[:-1]) / 2)
    agree(run_spec("papers/hl_gauss.yaml", {"logits": logits}), {"value": value})


def test_target_loss_and_gradient(run_nodes, agree, rng):
    logits = rng.normal(size=(12, 51)).astype(np.float32)
    y = rng.uniform(-12, 12, size=12).astype(np.float32)
    p = target(y.astype(np.float64))
    free = torch.tensor(logits, dtype=torch.float64, requires_grad=True)
    loss = torch.nn.functional.cross_entropy(free, torch.tensor(p))
    loss.backward()
    results = run_nodes(
        "papers/hl_gauss.yaml",
        {"logits": logits, "y": y},
        {"h": "hl_gauss(logits, y)", "p": "h.p", "loss": "h.loss", "slope": "grad(loss, wrt=logits)"},
        outputs=("p", "loss", "slope"),
    )
    agree(results, {"p": p, "loss": loss.item(), "slope": free.grad.numpy()})
