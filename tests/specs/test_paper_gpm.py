"""The general preference model against a dense skew-symmetric operator."""

from __future__ import annotations

import numpy as np
from scipy.special import expit, log_expit, softmax


def operator(weight: np.ndarray) -> np.ndarray:
    """Block-diagonal R of weighted [[0, -1], [1, 0]]."""
    blocks = [w * np.array([[0.0, -1.0], [1.0, 0.0]]) for w in weight]
    n = 2 * len(blocks)
    R = np.zeros((n, n))
    for i, block in enumerate(blocks):
        R[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = block
    return R


def test_scores_and_losses(run_spec, agree, rng):
    chosen, rejected = rng.normal(size=(2, 20, 6)).astype(np.float32) / 4
    score = np.einsum("ij,bj,bi->b", operator(np.ones(3)), chosen.astype(float), rejected.astype(float))
    results = run_spec(
        "papers/gpm.yaml",
        {"chosen": chosen, "rejected": rejected},
        sizes={"pairs": 3},
        attributes={"temperature": 0.5, "margin": 0.1},
    )
    expected = {
        "score": score,
        "probability": expit(score / 0.5),
        "loss": -log_expit((score - 0.1) / 0.5).mean(),
        "regression": (0.5 * (score / 0.5 - 10) ** 2).mean(),
    }
    agree(results, expected)


def test_the_prompt_weighs_the_pairs(run_spec, agree, rng):
    chosen, rejected = rng.normal(size=(2, 8, 4)).astype(np.float32)
    prompt = rng.normal(size=(8, 5)).astype(np.float32)
    kernel = rng.normal(size=(2, 5)).astype(np.float32)
    unit = [
        x.astype(float) / np.linalg.norm(x.astype(float), axis=1, keepdims=True) for x in (chosen, rejected)
    ]
    weight = 2 * softmax(prompt.astype(float) @ kernel.T / np.sqrt(5), axis=1)
    score = [w @ operator(s) @ v for v, w, s in zip(*unit, weight, strict=True)]
    results = run_spec(
        "papers/gpm.yaml",
        {"chosen": chosen, "rejected": rejected, "prompt": prompt},
        attributes={"unit": True},
        optional=frozenset({"prompt"}),
        parameters={"gate.kernel": kernel},
    )
    agree(results, {"score": np.array(score)})
