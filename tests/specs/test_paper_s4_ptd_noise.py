"""papers/s4_ptd_noise.yaml: the whole network against SciPy, and the sequences that it trains on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.linalg
import scipy.signal
import scipy.special

from graphwright.backends.runtime.feeds import initialize
from graphwright.backends.torch_fx.backend import TorchBackend
from graphwright.graph.build.document import build_program
from graphwright.graph.build.prelude.hippo import legs
from graphwright.graph.ir import Program
from graphwright.tools.bench import spikes
from graphwright.tools.documents import Overrides, open_unit
from graphwright.tools.training import prepare_training

SPEC = "specs/papers/s4_ptd_noise.yaml"
STATES, STEP, LENGTH = 8, 0.02, 60
Array = np.ndarray[Any, Any]


def test_images_become_the_sequences_of_the_bench() -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    bind = prepare_training(open_unit(SPEC)).plan.bind
    assert bind is not None
    images = datasets.load_digits().images[:, None].astype(np.float32)
    order = np.random.default_rng(0).permutation(len(images))
    found = TorchBackend().load(bind).run({"image": images[order]})["sequence"]
    np.testing.assert_allclose(found, spikes.sequences()[0], atol=1e-5)


def test_the_optimiser_reads_rate_and_decay() -> None:
    pytest.importorskip("sklearn")
    unit = open_unit(SPEC, Overrides({"rate": 0.25, "decay": 0.125}))
    (step,) = prepare_training(unit).plan.steps
    assert step.groups[0].optimizer.rate.rate == 0.25
    assert step.groups[0].optimizer.options["weight_decay"] == 0.125


@pytest.mark.parametrize("tau", [0.5, 0.1])
@pytest.mark.parametrize(
    "changes", [{}, {"gated": False, "norm_first": True, "read_last": True}], ids=["as published", "changed"]
)
def test_the_network_in_numpy(tau: float, changes: dict[str, bool], rng: np.random.Generator) -> None:
    unit = open_unit(SPEC, Overrides({"tau": tau, "states": STATES, "width": 4, **changes}))
    program = initialize(build_program(unit, "infer"), 3)
    x = rng.uniform(-1, 1, (2, LENGTH)).astype(np.float32)
    found = TorchBackend().load(program).run({"sequence": x})["logits"]
    np.testing.assert_allclose(found, logits(program, x, tau, changes), rtol=1e-3, atol=1e-4)


def logits(program: Program, x: Array, tau: float, changes: dict[str, bool]) -> Array:
    p = {name: np.asarray(array, np.float64) for name, array in program.weights.arrays.items()}
    y = dense(p, "embedded", x[:, :, None].astype(np.float64))
    for name in ("first", "second"):
        y = block(p, name, y, tau, changes)
    return dense(p, "logits", y[:, -1] if "read_last" in changes else y.mean(axis=1))


def block(p: dict[str, Array], name: str, x: Array, tau: float, changes: dict[str, bool]) -> Array:
    first = "norm_first" in changes
    u = standardized(p, f"{name}.u", x) if first else x
    v = memory(u, p[f"{name}.inside.C"], p[f"{name}.inside.D"], tau)
    mixed = dense(p, f"{name}.mixed", v * scipy.special.ndtr(v))
    if not changes:
        value, gate = np.split(mixed, 2, axis=-1)
        mixed = value * scipy.special.expit(gate)
    return x + mixed if first else standardized(p, f"{name}.y", x + mixed)


def memory(u: Array, c: Array, d: Array, tau: float) -> Array:
    """HiPPO-LegS with tau B Bᵀ added and B scaled by 1 - tau, held over each step, as a dense matrix."""
    a, b = legs(STATES)
    wide = np.zeros((STATES + 1, STATES + 1))
    wide[:-1, :-1], wide[:-1, -1] = a + tau * np.outer(b, b), (1 - tau) * b
    power = scipy.linalg.expm(wide * STEP)
    states = [power[:-1, -1]]
    for _ in range(LENGTH - 1):
        states.append(power[:-1, :-1] @ states[-1])
    kernels = c @ np.array(states).T
    channels = [scipy.signal.lfilter(k, [1.0], u[:, :, h]) for h, k in enumerate(kernels)]
    return np.stack(channels, axis=-1) + d * u


def dense(p: dict[str, Array], name: str, x: Array) -> Array:
    return x @ p[f"{name}.kernel"].T + p[f"{name}.offset"]


def standardized(p: dict[str, Array], name: str, x: Array) -> Array:
    found = (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-5)
    return found * p[f"{name}.scale"] + p[f"{name}.offset"]
