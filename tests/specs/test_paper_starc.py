"""STARC against NumPy's solver, and the order of policies on a small decision process."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

DISCOUNT = 0.9
# See the spec: 19 for the solve, 8 units of float32 rounding for the sums.
BOUND = 9e-6


def values(reward: np.ndarray, transition: np.ndarray, policy: np.ndarray) -> np.ndarray:
    step = np.einsum("sa,sat->st", policy, transition)
    gain = np.einsum("sa,sat,sat->s", policy, transition, reward)
    return np.linalg.solve(np.eye(len(step)) - DISCOUNT * step, gain)


def levelled(reward: np.ndarray, transition: np.ndarray, policy: np.ndarray) -> np.ndarray:
    v = values(reward, transition, policy)
    c = np.einsum("sat,sat->sa", transition, reward + DISCOUNT * v[None, None, :]) - v[:, None]
    return c / np.linalg.norm(c)


@pytest.fixture
def process(rng):
    transition = rng.dirichlet(np.ones(4), size=(4, 3)).astype(np.float32)
    policy = rng.dirichlet(np.ones(3), size=4).astype(np.float32)
    return transition, policy


def test_distance(run_spec, agree, rng, process):
    transition, policy = process
    first, second = rng.normal(size=(2, 4, 3, 4)).astype(np.float32)
    doubles = [x.astype(np.float64) for x in (transition, policy)]
    distance = np.linalg.norm(
        levelled(first.astype(float), *doubles) - levelled(second.astype(float), *doubles)
    )
    inputs = {"first": first, "second": second, "transition": transition, "policy": policy}
    agree(run_spec("papers/starc.yaml", inputs), {"distance": distance}, BOUND)


def test_zero_distance_is_the_same_order_of_policies(run_spec, rng, process):
    transition, policy = process
    first = rng.normal(size=(4, 3, 4)).astype(np.float32)
    potential = rng.normal(size=4).astype(np.float32)
    second = 3 * (first + np.float32(DISCOUNT) * potential[None, None, :] - potential[:, None, None])
    inputs = {"first": first, "second": second, "transition": transition, "policy": policy}
    for outputs in run_spec("papers/starc.yaml", inputs).values():
        assert outputs["distance"] <= 2 * BOUND
    choices = [np.eye(3)[list(c)] for c in itertools.product(range(3), repeat=4)]
    start = np.full(4, 0.25)
    ranks = [np.argsort([start @ values(r, transition, c) for c in choices]) for r in (first, second)]
    assert np.mean(ranks[0] == ranks[1]) > 0.95  # all but ties broken by rounding
