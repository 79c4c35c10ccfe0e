"""CaPE against binning and kernel sums by loops, and scikit-learn's calibration curve."""

from __future__ import annotations

import numpy as np
import torch
from scipy.special import expit
from scipy.stats import norm
from sklearn.calibration import calibration_curve


def test_targets_and_losses(run_spec, agree, rng):
    N, bins, window, bandwidth = 60, 5, 7, 0.1
    logit = rng.normal(0, 1.5, size=N).astype(np.float32)
    label = rng.integers(0, 2, size=N).astype(np.float32)
    p = expit(logit.astype(np.float64))
    order = np.argsort(p)

    binned, smoothed = np.zeros(N), np.zeros(N)
    for members in np.array_split(order, bins):
        binned[members] = label[members].mean()
    for place, i in enumerate(order):
        near = order[max(0, place - window) : place + window + 1]
        weight = norm.pdf(p[near], p[i], bandwidth)
        smoothed[i] = weight @ label[near] / weight.sum()

    logits = torch.tensor(logit, dtype=torch.float64)
    losses = [
        torch.nn.functional.binary_cross_entropy_with_logits(logits, torch.tensor(t)).item()
        for t in (binned, smoothed)
    ]
    results = run_spec(
        "papers/cape.yaml",
        {"logit": logit, "label": label},
        attributes={"bins": bins, "window": window, "bandwidth": bandwidth},
    )
    expected = {
        "bin_target": binned,
        "kernel_target": smoothed,
        "bin_loss": losses[0],
        "kernel_loss": losses[1],
        "ks_error": np.abs(np.cumsum(p[order]) - np.cumsum(label[order])).max() / N,
    }
    agree(results, expected)


def test_calibration_error_is_the_gap_of_the_curve(run_spec, agree, rng):
    logit = rng.normal(0, 1.5, size=50).astype(np.float32)
    label = (rng.uniform(size=50) < 0.4).astype(np.float32)
    share, mean = calibration_curve(label, expit(logit.astype(np.float64)), n_bins=5, strategy="quantile")
    results = run_spec("papers/cape.yaml", {"logit": logit, "label": label})
    agree(results, {"calibration_error": np.abs(share - mean).mean()})
