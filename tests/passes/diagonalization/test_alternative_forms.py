"""Sections, blocks and low rank where no diagonal form is near enough: through the manager, against SciPy."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest
import scipy.signal

from graphwright.backends.onnx.backend import OnnxBackend
from graphwright.graph.build.prelude.hippo import legt
from graphwright.graph.ir import Graph, Program, Weights, apply_all, leaf
from graphwright.graph.types import TensorType, from_numpy
from graphwright.passes.diagonalization.diagonalize import Diagonalize
from graphwright.passes.diagonalization.realisation import Realisation
from graphwright.passes.diagonalization.roundings import step_roundings
from graphwright.passes.diagonalization.sections import stages_of
from graphwright.passes.diagonalization.system import System, kernel
from graphwright.passes.manager.manager import PassManager
from graphwright.passes.manager.pass_ import Context
from graphwright.passes.manager.verdict import Verdict
from graphwright.tools.bench.recurrences import recurrences

Array = np.ndarray[Any, Any]


def dense(system: System, length: int, dt: float | None = None, dtype: str = "float32") -> Program:
    kind = from_numpy(np.dtype(dtype))
    matrices = {"A": system.a[None], "B": system.b[None], "C": system.c[None]}
    matrices |= {"dt": np.array([dt])} if dt is not None else {}
    weights = {n: m.astype(dtype) for n, m in matrices.items()}
    u = leaf("Input", "u", TensorType(kind, (1, system.b.shape[1], length)))
    w = {n: leaf("Weight", n, TensorType(kind, m.shape)) for n, m in weights.items()}
    disc = "zoh" if dt is not None else "none"
    y = apply_all(
        "LtiSsm", u, *(w[n] for n in "ABC"), None, w.get("dt"), domain="graphwright", form="dense", disc=disc
    )[0]
    return Program("p", Graph((u,), (y,)), ("y",), weights=Weights(weights))


def forms(program: Program) -> list[str]:
    return [n.attribute("form") for n in program.graph.nodes if n.name == "LtiSsm"]


def companion(denominator: Array, numerator: Array) -> System:
    n = len(denominator) - 1
    a = np.eye(n, k=-1)
    a[0] = -denominator[1:]
    return System(a, np.eye(n)[:, :1], numerator[None, :n])


def in_many_digits(system: System, u: Array) -> Array:
    """w[t] = u[t] + Σ a w[t - k], y[t] = Σ c w[t - k] with 60 digits."""
    a, c = ([mpmath.mpf(float(x)) for x in row] for row in (system.a[0], system.c[0]))
    with mpmath.workdps(60):
        w = [mpmath.mpf(0)] * len(a)
        found = []
        for value in u:
            w = [value + mpmath.fdot(a, w), *w[:-1]]
            found.append(float(mpmath.fdot(c, w)))
    return np.array(found)


POLES = {
    "pairs": [0.9 * np.exp(0.3j), 0.9 * np.exp(0.32j), 0.5 * np.exp(2j)],
    "a double real pole": [0.8, 0.8, 0.9 * np.exp(0.3j)],
    "small poles": [0.1, 0.0, 0.2 * np.exp(1j)],
    "an odd number": [0.7, 0.3 * np.exp(1j)],
    "one": [0.5],
}


@pytest.mark.parametrize("name", POLES)
def test_stages_in_a_row_are_the_filter(name: str) -> None:
    whole = [p for q in POLES[name] for p in ({q, np.conj(q)} if np.iscomplex(q) else {q})]
    denominator = np.real(np.poly(whole))
    numerator = np.random.default_rng(1).standard_normal(len(whole))
    found = stages_of(companion(denominator, numerator))
    assert found is not None
    impulse = np.zeros(150)
    impulse[0] = 1.0
    response = impulse
    for stage in found:
        response = np.convolve(response, stage.kernel(150))[:150]
    np.testing.assert_allclose(response, scipy.signal.lfilter(numerator, denominator, impulse), atol=1e-9)


def test_the_companion_form_of_a_cluster_becomes_sections() -> None:
    """The recurrence that every diagonal form fails on. float64, where its numbers are those of the text."""
    system, _, _ = recurrences()["companion AR(16)"]
    before = dense(system, 256, dtype="float64")
    record = PassManager().run(before, [Diagonalize(length=256, tolerance=1e-9)])
    assert record.passes[0].verdict is Verdict.HOLDS
    assert "sections: certified" in record.passes[0].notes[0]
    assert forms(record.program) == ["diagonal"] * 8
    u = np.random.default_rng(0).uniform(-1, 1, 256)
    found = OnnxBackend().load(record.program).run({"u": u[None, None]})["y"][0, 0]
    wanted = in_many_digits(system, u)
    gain = np.abs(in_many_digits(system, np.eye(256)[0])).sum()
    assert np.abs(found - wanted).max() <= 1e-12 * gain
    # in float64 the companion form itself, and SciPy's filter, lose more than four digits
    by_scipy = scipy.signal.lfilter(system.c[0], np.concatenate([[1.0], -system.a[0]]), u)
    assert np.abs(by_scipy - wanted).max() > 1e-6 * gain


def test_separated_spectra_become_blocks() -> None:
    """Two defective blocks of 12 far apart: each stays whole, and the state is carried by blocks."""
    jordan = [np.eye(12) * v + np.eye(12, k=-1) for v in (-0.5, 0.5)]
    draw = np.random.default_rng(0).standard_normal
    turn = np.linalg.qr(draw((24, 24)))[0]
    a = turn @ np.block([[jordan[0], np.zeros((12, 12))], [np.zeros((12, 12)), jordan[1]]]) @ turn.T
    system = System(a * 0.9, draw((24, 1)), draw((1, 24)))
    before = dense(system, 64, dtype="float64")
    options = {"length": 64, "candidates": ("eig",), "always": True, "tolerance": 1e-6}
    record = PassManager().run(before, [Diagonalize(**options)])
    assert record.passes[0].verdict is Verdict.HOLDS
    assert forms(record.program) == ["block"]
    u = np.random.default_rng(1).uniform(-1, 1, 64)
    found = OnnxBackend().load(record.program).run({"u": u[None, None]})["y"][0, 0]
    wanted = np.convolve(kernel(system, 64)[:, 0, 0], u)[:64]
    np.testing.assert_allclose(found, wanted, atol=1e-8 * np.abs(wanted).max())


@pytest.mark.parametrize("dt", [0.02, None])
def test_low_rank_forms_are_emitted(dt: float | None) -> None:
    """LegT has skew part plus rank 2; a random discrete system an orthogonal one less a rank of its inputs."""
    draw = np.random.default_rng(3).standard_normal
    if dt is not None:
        a, b = legt(16)
        system = System(a, b[:, None], draw((1, 16)), False)
    else:
        a = draw((9, 9))
        system = System(0.9 * a / np.abs(np.linalg.eigvals(a)).max(), draw((9, 1)), draw((1, 9)))
    before = dense(system, 64, dt, "float64")
    options = {"length": 64, "candidates": ("unitary",), "alternatives": ("dplr",), "always": True}
    record = PassManager().run(before, [Diagonalize(**options)])
    assert record.passes[0].verdict is Verdict.HOLDS
    assert forms(record.program) == ["dplr"]
    u = np.random.default_rng(1).uniform(-1, 1, (1, 1, 64))
    found, wanted = (OnnxBackend().load(p).run({"u": u})["y"] for p in (record.program, before))
    np.testing.assert_allclose(found, wanted, atol=1e-8 * np.abs(wanted).max())


def test_what_is_no_faster_is_left_with_the_reason() -> None:
    draw = np.random.default_rng(3).standard_normal
    a = draw((6, 6))
    system = System(0.9 * a / np.abs(np.linalg.eigvals(a)).max(), draw((6, 1)), draw((1, 6)))
    result = Diagonalize(candidates=("unitary",), alternatives=("dplr",)).run(dense(system, 64), Context())
    assert "dplr: no faster than the layer as it is" in result.notes[0]
    with pytest.raises(ValueError, match="no alternative"):
        Diagonalize(alternatives=("jordan",))


@pytest.mark.parametrize("seed", range(6))
def test_roundings_of_a_full_matrix_stay_below_their_bound(seed: int) -> None:
    """float32 arithmetic against float64, for inputs that hold the state at its largest: constant and drawn."""
    draws = np.random.default_rng(seed)
    n, length = int(draws.integers(1, 24)), 300
    a = np.linalg.qr(draws.standard_normal((n, n)))[0] * 0.99
    parts = [x.astype(np.float32) for x in (a, draws.standard_normal((n, 1)), draws.standard_normal((1, n)))]
    system = System(*(x.astype(np.float64) for x in parts))
    bound = float(step_roundings(Realisation.of(system), length, "float32")[0])
    for u in (np.ones(length), draws.choice([-1.0, 1.0], length)):
        worst, x, y = 0.0, np.zeros((n, 1), np.float32), np.zeros((n, 1))
        for value in u:
            x = parts[0] @ x + parts[1] * np.float32(value)
            y = parts[0].astype(np.float64) @ y + parts[1] * value
            worst = max(
                worst, abs(float((parts[2] @ x)[0, 0]) - float((parts[2].astype(np.float64) @ y)[0, 0]))
            )
        assert worst <= bound
