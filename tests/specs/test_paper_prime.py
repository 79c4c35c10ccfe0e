"""PRIME against loops over responses and tokens."""

from __future__ import annotations

import numpy as np
import pytest
import torch


def leave_one_out(values: list[float], i: int) -> float:
    n = len(values)
    return values[i] * n / (n - 1) - sum(values) / (n - 1)


def returns(rewards: np.ndarray, discount: float) -> np.ndarray:
    total, out = 0.0, np.zeros_like(rewards)
    for t in reversed(range(len(rewards))):
        total = rewards[t] + discount * total
        out[t] = total
    return out


def advantages(
    q: np.ndarray, length: np.ndarray, outcome: np.ndarray, discounts: tuple[float, float]
) -> np.ndarray:
    P, n, T = q.shape
    total = np.zeros((P, n, T))
    valid = np.arange(T) < length[..., None]
    for g in range(P):
        means = [q[g, j, : length[g, j]].mean() for j in range(n)]
        for i in range(n):
            size = length[g, i]
            process = q[g, i, :size] * n / (n - 1) - sum(means) / (n - 1)
            result = np.zeros(size)
            result[-1] = leave_one_out(list(outcome[g]), i)
            total[g, i, :size] = returns(process, discounts[0]) + returns(result, discounts[1])
    kept = total[valid]
    return np.where(valid, (total - kept.mean()) / np.sqrt(kept.var() + 1e-8), 0)


@pytest.mark.parametrize("discounts", [(1.0, 1.0), (0.9, 0.97)])
def test_advantages_and_loss(run_spec, agree, rng, discounts):
    P, n, T = 3, 4, 7
    log_p, reference = -rng.uniform(0, 2, size=(2, P, n, T)).astype(np.float32)
    length = rng.integers(1, T + 1, size=(P, n))
    outcome = rng.integers(0, 2, size=(P, n)).astype(np.float32)
    mask = np.arange(T) < length[..., None]
    q = log_p.astype(np.float64) - reference
    score = torch.sigmoid(torch.tensor(0.05 * np.where(mask, q, 0).sum(axis=2)))
    loss = torch.nn.functional.binary_cross_entropy(score, torch.tensor(outcome, dtype=torch.float64))
    results = run_spec(
        "papers/prime.yaml",
        {"log_p": log_p, "reference_log_p": reference, "mask": mask, "outcome": outcome},
        attributes={"process_discount": discounts[0], "outcome_discount": discounts[1]},
    )
    agree(results, {"advantage": advantages(q, length, outcome, discounts), "loss": loss.item()})
