"""Classification by components against a transcription by loops and an adversary that searches the plane."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax


def classify(x: np.ndarray, component: np.ndarray, theta: np.ndarray, sigma: float) -> np.ndarray:
    K = len(component)
    R = softmax(theta, axis=0)
    d = np.exp(-np.linalg.norm(x[:, None] - component[None], axis=2) / sigma)
    return d @ R[:K] + (1 - d) @ R[K:]


@pytest.fixture
def problem(rng):
    x = rng.normal(size=(24, 2)).astype(np.float32)
    label = rng.integers(0, 3, size=24)
    component = rng.normal(size=(5, 2)).astype(np.float32)
    theta = rng.normal(0, 2, size=(10, 3)).astype(np.float32)
    return x, label, component, theta


def run(run_spec, problem):
    x, label, component, theta = problem
    return run_spec(
        "papers/cbc_rbf.yaml",
        {"x": x, "label": label},
        sizes={"D": 2, "K": 5, "classes": 3},
        attributes={"sigma": 1.5, "margin": 0.2},
        parameters={"component": component, "theta": theta},
    )


def test_probabilities_and_margin(run_spec, agree, problem):
    x, label, component, theta = (np.asarray(v, dtype=np.float64) for v in problem)
    p = classify(x, component, theta, 1.5)
    label = label.astype(int)
    own = p[np.arange(len(p)), label]
    rival = np.where(np.eye(3, dtype=bool)[label], -np.inf, p).max(axis=1)
    agree(run(run_spec, problem), {"p": p, "loss": np.maximum(rival - own + 0.2, 0).mean()})


def test_no_attack_within_the_radius_and_the_sign(run_spec, problem):
    x, label, component, theta = (np.asarray(v, dtype=np.float64) for v in problem)
    label = label.astype(int)
    right = classify(x, component, theta, 1.5).argmax(axis=1) == label
    assert right.any()
    assert not right.all()
    angle = np.linspace(0, 2 * np.pi, 181)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    for outputs in run(run_spec, problem).values():
        radius = outputs["radius"].astype(np.float64)
        assert np.array_equal(radius > 0, right)
        for i in np.flatnonzero(right):
            for share in (0.3, 0.7, 0.999):
                attacked = classify(x[i] + share * radius[i] * circle, component, theta, 1.5)
                assert np.all(attacked.argmax(axis=1) == label[i])


def test_the_radius_is_tight_when_the_components_lie_on_a_line(run_spec):
    """Moving straight from the own component to the rival's flips the class just past the radius."""
    x = np.array([[-0.5, 0.0]], dtype=np.float32)
    component = np.array([[-2.0, 0.0], [3.0, 0.0]], dtype=np.float32)
    theta = np.array([[0.0, -60.0], [-60.0, 0.0], [-60.0, -60.0], [-60.0, -60.0]], dtype=np.float32)
    results = run_spec(
        "papers/cbc_rbf.yaml",
        {"x": x, "label": np.array([0])},
        sizes={"D": 2, "K": 2, "classes": 2},
        parameters={"component": component, "theta": theta},
    )
    for outputs in results.values():
        assert abs(outputs["radius"][0] - 1.0) < 1e-5  # the middle between -2 and 3
