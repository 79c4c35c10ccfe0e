"""ProbConserv against Gaussian conditioning in NumPy and the mass balance of the porous medium equation."""

from __future__ import annotations

import numpy as np
import pytest


def gaussian(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    root = rng.normal(size=(n, n))
    return rng.normal(size=n), root @ root.T / n + 0.5 * np.eye(n)


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("noise_var", [0.0, 0.25])
def test_conditioning(run_spec, agree, rng, k, noise_var):
    mean, covariance = gaussian(rng, 8)
    G, b = rng.normal(size=(k, 8)), rng.normal(size=k)
    S = G @ covariance @ G.T + noise_var * np.eye(k)
    gain = np.linalg.solve(S, G @ covariance).T
    expected = {
        "mean_new": mean + gain @ (b - G @ mean),
        "covariance_new": covariance - gain @ G @ covariance,
    }
    results = run_spec(
        "papers/probconserv.yaml",
        {"mean": mean, "covariance": covariance, "G": G, "b": b},
        sizes={"k": k},
        attributes={"noise_var": noise_var},
    )
    agree(results, expected, bound=1e-12 * np.linalg.cond(S))


def test_mass_of_the_porous_medium_equation(run_spec, agree, rng):
    """u_t = (u^3 u_x)_x with u(0, t) = (3 t)^(1/3) and u = 0 far out; the mass is (3 t)^(4/3) / 4."""
    x = np.sort(np.append(rng.uniform(0, 1, size=30), [0.0, 1.0]))
    t = 0.2
    mass = (3 * t) ** (4 / 3) / 4
    width = np.diff(x)
    G = np.concatenate([width[:1], width[1:] + width[:-1], width[-1:]])[None] / 2
    prediction = np.cbrt(3 * np.maximum(t - x, 0)) + 0.05 * rng.normal(size=32)
    _, covariance = gaussian(rng, 32)
    inputs = {"mean": prediction, "covariance": covariance, "G": G, "b": np.array([mass])}
    for outputs in run_spec("papers/probconserv.yaml", inputs).values():
        assert abs(np.trapezoid(outputs["mean_new"], x) - mass) < 1e-12
        assert np.linalg.eigvalsh(covariance - outputs["covariance_new"]).min() > -1e-12
        assert np.all(outputs["variance"] >= 0)
