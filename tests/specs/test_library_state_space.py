"""The state-space layers of the standard library on both backends, against SciPy and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import scipy.signal
import scipy.stats

from graphwright.graph.build.prelude.hippo import lagt, legs, legt, lmu

LIBRARY = "layers/state_space.yaml"
LENGTH, CHANNELS, STATES = 20, 2, 6


def draw(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.normal(size=shape).astype(np.float32)


def response(a, b, c, dt, method, length=LENGTH):
    """c x over steps x = Ā x + B̄ u, by scipy's expm, or Tustin's rule solved."""
    a, b = np.asarray(a, complex), np.asarray(b, complex)
    n = len(a)
    if method == "zoh":
        wide = np.zeros((n + 1, n + 1), complex)
        wide[:n, :n], wide[:n, n] = a * dt, b * dt
        power = scipy.linalg.expm(wide)
        a, b = power[:n, :n], power[:n, n]
    elif method == "bilinear":
        left = np.eye(n) - a * dt / 2
        a, b = scipy.linalg.solve(left, np.eye(n) + a * dt / 2), scipy.linalg.solve(left, b * dt)
    found, x = [], b
    for _ in range(length):
        found.append(c @ x)
        x = a @ x
    return np.array(found).real


def filtered(u, kernels):
    """u[B, L, H] through one impulse response a channel."""
    rows = [
        [scipy.signal.lfilter(k, [1.0], u[i, :, h].astype(np.float64)) for h, k in enumerate(kernels)]
        for i in range(len(u))
    ]
    return np.transpose(rows, (0, 2, 1))


@pytest.mark.parametrize(("kind", "make"), [("legs", legs), ("legt", legt), ("lagt", lagt)])
def test_hippo_memories(run_nodes, agree, rng, kind, make):
    u, c = draw(rng, 2, LENGTH, CHANNELS), draw(rng, CHANNELS, 1, STATES)
    a, b = make(STATES)
    kernels = [response(a, b, c[h, 0], 0.05, "zoh") for h in range(CHANNELS)]
    node = f'hippo_memory(u, kind="{kind}", states={STATES}, dt=0.05)'
    agree(run_nodes(LIBRARY, {"u": u}, {"y": node}, parameters={"y.C": c}), {"y": filtered(u, kernels)})


def test_lmu(run_nodes, agree, rng):
    """With an identity for a readout, a layer of tenths: a tenth of the rectified sum of the memory of each channel."""
    u = draw(rng, 2, LENGTH, 1)
    a, b = lmu(STATES)
    states = np.stack([response(a, b, row, 1 / 16, "zoh") for row in np.eye(STATES)], 1)
    memory = np.stack([filtered(u, [k])[..., 0] for k in states.T], -1)
    parameters = {
        "y.C": np.zeros((1, STATES, STATES), np.float32),
        "y.y.kernel": np.full((3, STATES), 0.1, np.float32),
        "y.y.offset": np.zeros(3, np.float32),
    }
    node = f"lmu(u, states={STATES}, window=16, width=3).y"
    wanted = np.maximum(0.1 * memory.sum(-1, keepdims=True), 0) * np.ones(3)
    agree(run_nodes(LIBRARY, {"u": u}, {"y": node}, parameters=parameters), {"y": wanted})


@pytest.mark.parametrize("name", ["s4", "s4_ptd"])
def test_s4_is_hippo_legs(run_nodes, agree, rng, name):
    """S4 exactly, by Tustin's rule; S4-PTD at a small tau, by a zero-order hold, to its certified error."""
    u, c, d = draw(rng, 1, LENGTH, CHANNELS), draw(rng, CHANNELS, STATES), draw(rng, CHANNELS)
    dt = np.array([0.02, 0.1], np.float32)
    a, b = legs(STATES)
    method = "bilinear" if name == "s4" else "zoh"
    kernels = [response(a, b, c[h], dt[h], method) for h in range(CHANNELS)]
    extra = "" if name == "s4" else ", tau=0.001"
    count = STATES // 2 if name == "s4" else STATES // 2 + 2
    parameters = {"y.log_dt": np.log(dt), "y.C": c, "y.D": d}
    parameters["y.moved"] = np.zeros((CHANNELS, count, 2), np.float32)
    results = run_nodes(LIBRARY, {"u": u}, {"y": f"{name}(u, states={STATES}{extra})"}, parameters=parameters)
    wanted = filtered(u, kernels) + u * d
    if name == "s4":
        agree(results, {"y": wanted})
        return
    for found in results.values():
        assert np.abs(found["y"] - wanted).max() <= 5e-3 * np.abs(wanted).max()


@pytest.mark.parametrize("name", ["s4d_inv", "s4d", "s4d_legs"])
def test_s4d_is_the_vandermonde_sum(run_nodes, agree, rng, name):
    """K[l] = 2 Re Σ C (exp(dt A) - 1) / A exp(dt A l) with the poles of Lin, Inv and LegS."""
    u, d = draw(rng, 1, LENGTH, CHANNELS), draw(rng, CHANNELS)
    dt, m = np.array([0.02, 0.1], np.float32), np.arange(STATES // 2)
    poles = -0.5 + 1j * np.pi * m
    entering = np.ones(len(m))
    c = draw(rng, CHANNELS, STATES // 2, 2)
    parameters = {"y.log_dt": np.log(dt), "y.D": d}
    if name == "s4d_inv":
        poles = -0.5 + 1j * STATES / np.pi * (STATES / (2 * m + 1) - 1)
    if name == "s4d_legs":
        a, b = legs(STATES)
        poles, vectors = np.linalg.eig(a + np.outer(b, b) / 2)
        c = draw(rng, CHANNELS, STATES)
        whole, entering = c @ vectors / 2, np.linalg.solve(vectors, b / 2)
        parameters |= {"y.C": c, "y.moved": np.zeros((CHANNELS, STATES // 2 + 2, 2), np.float32)}
        node = f"s4_ptd(u, states={STATES}, tau=0.5)"
    else:
        whole = c[..., 0] + 1j * c[..., 1]
        parameters["y.C"] = c
        parameters["y.log_decay"] = np.full((CHANNELS, STATES // 2), np.log(0.5), np.float32)
        parameters["y.frequency"] = np.tile(poles.imag, (CHANNELS, 1)).astype(np.float32)
        node = f"{name}(u, states={STATES})"
    steps = np.arange(LENGTH)[:, None]
    kernels = []
    for h in range(CHANNELS):
        factor = whole[h] * entering * (np.exp(dt[h] * poles) - 1) / poles
        kernels.append(2 * (factor * np.exp(dt[h] * poles * steps)).sum(1).real)
    wanted = filtered(u, kernels) + u * d
    library = LIBRARY
    if name == "s4d":  # a rectifier and a layer follow, here the identity
        library = "layers/s4d.yaml"
        parameters |= {
            "y.y.kernel": np.eye(CHANNELS, dtype=np.float32),
            "y.y.offset": np.zeros(CHANNELS, np.float32),
        }
        wanted = wanted * scipy.stats.norm.cdf(wanted)
    agree(run_nodes(library, {"u": u}, {"y": node}, parameters=parameters), {"y": wanted})


def test_biquads_are_scipys_filter(run_nodes, agree, rng):
    u = draw(rng, 1, 3, LENGTH)
    (section,) = scipy.signal.butter(2, 0.3, output="sos")
    b, a = section[:3].astype(np.float32), section[4:].astype(np.float32)
    wanted = scipy.signal.lfilter(b.astype(float), [1.0, *a.astype(float)], u.astype(float))
    agree(run_nodes(LIBRARY, {"u": u, "b": b, "a": a}, {"y": "biquad(u, b, a)"}), {"y": wanted})


def test_diffusion_and_rollouts_are_powers(run_nodes, agree, rng):
    x0, s, start, a = draw(rng, 5, 3), 0.3 * draw(rng, 5, 5), draw(rng, 2, 4), 0.4 * draw(rng, 4, 4)
    wanted = x0.astype(float)
    for _ in range(6):
        wanted = 0.8 * s.astype(float) @ wanted + 0.2 * x0
    nodes = {"y": "graph_diffusion(x0, S, steps=6, teleport=0.2)"}
    agree(run_nodes(LIBRARY, {"x0": x0, "S": s}, nodes), {"y": wanted})
    path = np.stack([start @ np.linalg.matrix_power(a.astype(float), k + 1).T for k in range(6)], -1)
    nodes = {"path": "koopman_rollout(start, a, steps=6).path"}
    agree(run_nodes(LIBRARY, {"start": start, "a": a}, nodes), {"path": path})


def test_linear_rnns(run_nodes, agree, rng):
    u = draw(rng, 2, LENGTH, 3)
    a, b, c = 0.3 * draw(rng, 4, 4), draw(rng, 4, 3), draw(rng, 2, 4)
    x, wanted = np.zeros((2, 4)), []
    for t in range(LENGTH):
        x = x @ a.T.astype(float) + u[:, t] @ b.T.astype(float)
        wanted.append(x @ c.T)
    parameters = {"y.A": a, "y.entering": b, "y.C": c}
    results = run_nodes(LIBRARY, {"u": u}, {"y": "linear_rnn(u, states=4, width=2)"}, parameters=parameters)
    agree(results, {"y": np.stack(wanted, 1)})
