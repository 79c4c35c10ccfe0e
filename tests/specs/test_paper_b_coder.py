"""B-Coder against the exact values of a checkpoint's greedy policy on a chain of two states."""

from __future__ import annotations

import numpy as np
import torch

DISCOUNT, ALPHA = 0.8, 0.5
REWARD = np.array([[0.1, -0.2], [0.05, 0.3]])  # of (state, action)
NEXT = np.array([[1, 0], [0, 1]])
GREEDY = np.array([0, 1])  # the checkpoint's action in each state


def action_values() -> np.ndarray:
    """Q = r + discount Q(s', greedy(s')), solved as a linear system."""
    step = np.zeros((4, 4))
    for s in range(2):
        for a in range(2):
            following = NEXT[s, a]
            step[2 * s + a, 2 * following + GREEDY[following]] = 1
    return np.linalg.solve(np.eye(4) - DISCOUNT * step, REWARD.ravel()).reshape(2, 2)


def trajectories(rng: np.random.Generator, B: int, T: int) -> tuple[np.ndarray, np.ndarray]:
    action = rng.integers(0, 2, size=(B, T))
    state = np.zeros((B, T), dtype=int)
    for t in range(1, T):
        state[:, t] = NEXT[state[:, t - 1], action[:, t - 1]]
    return state, action


def test_true_values_solve_the_bellman_equation(run_spec, rng):
    """With the true Q of the chain the implied rewards are the rewards, except at the cut-off last step."""
    state, action = trajectories(rng, 4, 6)
    Q = action_values()
    value = Q.max(axis=1)
    inputs = {
        "logits": ((Q - value[:, None]) / ALPHA)[state].astype(np.float32),
        "frozen_logits": np.eye(2, dtype=np.float32)[GREEDY][state],
        "residual": (0.3 * value)[state].astype(np.float32),
        "base": (0.7 * value)[state].astype(np.float32),
        "token": action,
        "reward": REWARD[state, action].astype(np.float32),
        "done": np.zeros((4, 6), dtype=bool),
        "solution": np.zeros(4, dtype=bool),
    }
    attributes = {"alpha": ALPHA, "discount": DISCOUNT, "highest": 10.0}
    results = run_spec("papers/b_coder.yaml", inputs, attributes=attributes)
    for outputs in results.values():
        error = outputs["implied_reward"][:, :-1] - REWARD[state, action][:, :-1]
        assert np.abs(error).max() <= 1e-6


def test_losses(run_spec, agree, rng):
    B, T, V = 3, 5, 4
    logits, frozen = (rng.normal(size=(2, B, T, V)) / 2).astype(np.float32)
    residual, base, reward = (rng.normal(size=(3, B, T)) / 2).astype(np.float32)
    token = rng.integers(0, V, size=(B, T))
    done = np.zeros((B, T), dtype=bool)
    done[:, -1] = done[0, 2] = True
    solution = np.array([True, False, True])

    def q_loss(scores: np.ndarray, values: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """Mean squared Bellman error by loops, the implied rewards and the advantages."""
        advantage = ALPHA * (scores.astype(float) - scores.max(axis=2, keepdims=True))
        implied, total = np.zeros((B, T)), 0.0
        for b in range(B):
            for t in range(T):
                q = advantage[b, t, token[b, t]] + values[b, t]
                later = 0.0
                if not done[b, t]:
                    best = frozen[b, t + 1].argmax()
                    later = min(advantage[b, t + 1, best] + values[b, t + 1], 0.4)
                implied[b, t] = q - DISCOUNT * later
                total += (reward[b, t] - implied[b, t]) ** 2
        return total / (B * T), implied, advantage

    bellman, implied, advantage = q_loss(logits, residual.astype(float) + base)
    taken = np.abs(np.take_along_axis(advantage, token[..., None], axis=2)[..., 0]).sum(axis=1)
    expert = (taken * solution).mean()
    entropy = torch.nn.functional.cross_entropy(
        torch.tensor(logits.reshape(-1, V), dtype=torch.float64), torch.tensor(token.ravel())
    ).item()
    results = run_spec(
        "papers/b_coder.yaml",
        {
            "logits": logits,
            "frozen_logits": frozen,
            "residual": residual,
            "base": base,
            "token": token,
            "reward": reward,
            "done": done,
            "solution": solution,
        },
        attributes={
            "alpha": ALPHA,
            "discount": DISCOUNT,
            "highest": 0.4,
            "advantage_weight": 0.2,
            "entropy_weight": 0.3,
        },
    )
    expected = {
        "policy": torch.softmax(torch.tensor(logits, dtype=torch.float64), dim=2).numpy(),
        "loss": bellman + 0.2 * expert + 0.3 * entropy,
        "base_loss": q_loss(frozen, base.astype(float))[0],
        "implied_reward": implied,
        "rank_score": implied.sum(axis=1),
    }
    agree(results, expected)
