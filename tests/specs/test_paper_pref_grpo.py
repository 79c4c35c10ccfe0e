"""Pref-GRPO against a NumPy and torch transcription of the group-relative objective."""

from __future__ import annotations

import numpy as np
import torch


def test_partial_tournament(run_spec, agree, rng):
    G, T = 6, 5
    score = rng.normal(size=G).round(1)
    judgement = (0.5 * (np.sign(score[:, None] - score[None, :]) + 1)).astype(np.float32)
    compared = np.triu(rng.uniform(size=(G, G)) < 0.7, 1)
    compared |= compared.T
    compared[0, 1] = compared[1, 0] = True
    log_p, old, reference = rng.normal(-1, 0.3, size=(3, G, T)).astype(np.float32)

    rate = (judgement * compared).sum(axis=1) / np.maximum(compared.sum(axis=1), 1)
    advantage = np.clip((rate - rate.mean()) / (rate.std(ddof=1) + 1e-8), -1.2, 1.2)
    A = torch.tensor(advantage)[:, None]
    new, frozen, base = (torch.tensor(x, dtype=torch.float64) for x in (log_p, old, reference))
    ratio = torch.exp(new - frozen)
    surrogate = torch.minimum(ratio * A, torch.clamp(ratio, 0.9, 1.1) * A)
    kl = torch.exp(base - new) - (base - new) - 1
    results = run_spec(
        "papers/pref_grpo.yaml",
        {
            "judgement": judgement,
            "compared": compared,
            "log_p": log_p,
            "old_log_p": old,
            "reference_log_p": reference,
        },
        optional=frozenset({"compared"}),
        attributes={"clip_range": 0.1, "kl_weight": 0.3, "advantage_clip": 1.2},
    )
    loss = (0.3 * kl - surrogate).mean().item()
    agree(results, {"win_rate": rate, "advantage": advantage, "loss": loss})
