"""Second-order sections against SciPy, and the generated cases of the bench, a few of them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path

import mpmath
import numpy as np
import pytest
import scipy.signal

from graphwright.passes.diagonalization.certificates import absolute_gain
from graphwright.passes.diagonalization.choice import Wanted, diagonalise
from graphwright.passes.diagonalization.sections import (
    companion_polynomials,
    polished,
    second_order_sections,
)
from graphwright.passes.diagonalization.system import System, kernel
from graphwright.tools.bench import state_space_goals
from graphwright.tools.bench.goal_records import Line, read_records
from graphwright.tools.bench.goals import Goal
from graphwright.tools.bench.recurrences import recurrences
from graphwright.tools.bench.state_space import product_of
from graphwright.tools.bench.state_space_cases import violated
from graphwright.tools.bench.state_space_certificates import hankel, rank_one, resolvents


def test_roots_of_a_cluster_are_those_of_more_digits() -> None:
    mpmath.mp.dps = 60
    polynomial = np.poly(0.9 * np.ones(6) + 0.01 * np.arange(6))
    wanted = mpmath.polyroots([mpmath.mpf(float(c)) for c in polynomial], maxsteps=500, extraprec=200)
    wanted = np.sort_complex(np.array([complex(z) for z in wanted]))
    np.testing.assert_allclose(np.sort_complex(polished(polynomial)), wanted, rtol=1e-14)


def test_sections_are_the_filter() -> None:
    b, a = scipy.signal.butter(7, 0.2)
    impulse = np.zeros(200)
    impulse[0] = 1
    for numerator in (b, np.concatenate([[0.0, 0.0], b[:5]])):
        found = second_order_sections(numerator, a).kernel(200)
        np.testing.assert_allclose(found, scipy.signal.lfilter(numerator, a, impulse), atol=1e-9)


def test_the_recurrence_that_no_diagonal_form_keeps_is_declined_and_has_sections() -> None:
    system, _, _ = recurrences()["companion AR(16)"]
    assert diagonalise(system, Wanted(length=256)).reason
    polynomials = companion_polynomials(system)
    assert polynomials is not None
    exact = kernel(system, 256)[:, 0, 0]
    run = second_order_sections(*polynomials).kernel(256, "float32")
    assert np.abs(run - exact).sum() <= 1e-3 * np.abs(exact).sum()
    assert companion_polynomials(System(np.eye(2), np.ones((2, 1)), np.ones((1, 2)))) is None


def test_generated_certificates_hold() -> None:
    broken, declined = violated(30, seed=7)
    assert broken == 0
    assert declined == 0


@pytest.mark.slow
def test_ten_thousand_certificates_hold() -> None:
    """The command's own cases: `python -m graphwright.tools.bench state_space`."""
    broken, declined = violated(10_000)
    assert broken == 0
    assert declined < 500


def test_goals_of_certificates_hold() -> None:
    """Those that take no search: closed forms between the error and 10 times the error."""
    for ratios, limit in ((rank_one, 2.1), (resolvents, 10.0), (hankel, 10.0)):
        found = list(ratios())
        assert min(found) >= 1 - 1e-6
        assert max(found) <= limit


def test_a_tilted_feedback_vector_keeps_its_product() -> None:
    """κ times the error of A + s B Kᵀ: near 1/2 for K along B, as derived."""
    assert product_of(16, "along B") == pytest.approx(0.33, abs=0.2)


def test_a_certificate_that_is_too_good_would_be_seen() -> None:
    system, _, _ = recurrences(16)["Ginibre RNN"]
    found = diagonalise(system, Wanted(length=64))
    assert found.form is not None
    assert found.certificate is not None
    assert found.certificate.gain > 0
    assert absolute_gain(kernel(system, 64)) > found.certificate.gain


def test_a_section_of_the_page_is_measured_again_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lines of other sections stay as they were; goals come first, in order, whatever section they are of."""
    found = {
        "delay": [Goal("G12", "small", "1", True, "2")],
        "state_space_speed": [Goal("G7", "fast | wide", "3", False), Goal("", "beside", "4")],
    }
    for section, goals in found.items():
        module = import_module(f"graphwright.tools.bench.{section}")
        monkeypatch.setattr(module, "goals", partial(iter, goals))
    monkeypatch.setattr(state_space_goals, "folder", lambda: tmp_path)
    monkeypatch.setenv("GRAPHWRIGHT_GOALS", "delay state_space_speed")
    state_space_goals.report()
    before = read_records(tmp_path / state_space_goals.RECORDS, Line)
    found["delay"][0] = replace(found["delay"][0], measured="5")
    monkeypatch.setenv("GRAPHWRIGHT_GOALS", "delay")
    state_space_goals.report()
    after = read_records(tmp_path / state_space_goals.RECORDS, Line)
    text = (tmp_path / state_space_goals.PAGE).read_text(encoding="utf-8")
    assert "1 of 2 lines are met" in text
    assert text.index("| G7 | fast \\| wide | 3 | **no** |") < text.index("| G12 | small | 5 | yes | 2 |")
    assert "| beside | 4 |" in text
    assert len(after) == len(before) == 3
    assert {k: v for k, v in after.items() if "speed" in k} == {
        k: v for k, v in before.items() if "speed" in k
    }
