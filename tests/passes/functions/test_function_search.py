"""Fits, polish and search, against errors computed in 60 digits and the published tables."""

from __future__ import annotations

import json
import math

import mpmath
import numpy as np
import pytest

from graphwright.graph.diagnostics import SpecError
from graphwright.passes.functions.batch import Batch
from graphwright.passes.functions.evolution import Search, Settings
from graphwright.passes.functions.fitting import Problem, fit
from graphwright.passes.functions.polish import polish
from graphwright.passes.functions.straight_line import ADD, DIV, MUL, canonical
from graphwright.passes.functions.target import FUNCTIONS, Target
from graphwright.tools.cli.check import check_file
from graphwright.tools.search.function_search import begin, front, library, run, save

EXP2 = Target("exp2", 0.0, 1.0)
RUNG = canonical([(DIV, -1, 0), (ADD, 0, 1), (ADD, 2, -2), (DIV, -3, 3), (ADD, 4, -4)])[0]
TAIL = [(DIV, -4, 5), (ADD, 6, -5), (MUL, 7, 7), (MUL, 8, 8), (MUL, 9, 9)]
PUBLISHED = canonical([(DIV, -1, 0), (ADD, 0, 1), (DIV, -2, 2), (ADD, 2, 3), (ADD, 4, -3), *TAIL])[0]


def true_error(program, constants, target, count=400):
    """The largest error on a grid, in 60 digits."""
    with mpmath.workdps(60):
        exact = [mpmath.mpf(str(c)) for c in constants]
        worst = mpmath.mpf(0)
        for i in range(count):
            x = target.low + (mpmath.mpf(target.high) - target.low) * (i + mpmath.mpf("0.5")) / count
            y = target.exact(x)
            error = abs(program.evaluate(x, exact) - y)
            worst = max(worst, error / abs(y) if target.error == "relative" else error)
        return float(worst)


def test_the_published_program_of_ten_operations_has_its_published_error():
    """AutoNumerics-Zero, f10: 3.556e-15 absolute on (0, 1]."""
    w = ["5783.5330096027765", "15141.981176922711", "-250.55247494972059", "501.10494991027866"]
    constants = [*w, "0.99999999999999956"]
    found = true_error(PUBLISHED, constants, Target("exp2", 0.0, 1.0, "absolute"))
    assert found == pytest.approx(3.556e-15, rel=0.01)


def test_random_starts_find_the_five_operation_program():
    """Reference table: 5.36 digits relative for a / (x + b / x + c) + d."""
    x, y = (v.astype(float) for v in EXP2.samples(32))
    rng = np.random.default_rng(0)
    starts = 10 ** rng.uniform(-1.5, 3.5, (1, 300, 4)) * rng.choice([-1, 1], (1, 300, 4))
    found = fit(Batch((RUNG,)), starts, Problem(x, y, 1 / y), 40, accelerate=True)
    best = int(np.argmin(found.largest[0]))
    constants, error = polish(RUNG, found.constants[0, best], EXP2)
    assert -math.log10(error) == pytest.approx(5.36, abs=0.01)
    assert true_error(RUNG, constants, EXP2) == pytest.approx(error, rel=0.01)


def test_polish_of_the_published_structure_reaches_its_minimax():
    """Reference table: 2.19e-15 for the best relative fit of f10."""
    start = np.array([5783.5330096027765, 15141.981176922711, -250.55247494972059, 501.10494991027866, 1.0])
    constants, error = polish(PUBLISHED, start, EXP2)
    assert error < 2.4e-15
    assert true_error(PUBLISHED, constants, EXP2) == pytest.approx(error, rel=0.05)


def test_a_search_from_nothing_finds_the_small_optima_and_repeats_itself(tmp_path):
    settings = Settings(operations=4, children=64)
    found = Search(EXP2, settings, seed=5)
    for _ in range(6):
        found.step()
    digits = {f.operations: f.digits for f in front(found)}
    assert digits[2] == pytest.approx(1.53, abs=0.01)  # optima by exhaustion
    assert digits[3] == pytest.approx(3.06, abs=0.01)
    again = Search(EXP2, settings, seed=5)
    run(again, tmp_path, generations=3, seconds=None)
    resumed = begin(EXP2, settings, 5, tmp_path, fresh=False)
    assert resumed.generation == 3
    run(resumed, tmp_path, generations=6, seconds=None)
    assert [(e.program, e.error) for e in resumed.archive.entries()] == [
        (e.program, e.error) for e in found.archive.entries()
    ]


def test_the_library_checks_and_computes(tmp_path):
    import graphwright

    found = Search(EXP2, Settings(operations=3, children=48), seed=1)
    for _ in range(4):
        found.step()
    programs = front(found)
    (tmp_path / "exp2.yaml").write_text(library(EXP2, programs), encoding="utf-8")
    assert not check_file(str(tmp_path / "exp2.yaml"))
    best = programs[-1]
    spec = tmp_path / "use.yaml"
    spec.write_text(
        "graphwright: 1\nkind: graph\nname: use\nuse: [exp2.yaml]\ninputs:\n  x: float64[n]\n"
        f"nodes:\n  y: exp2_{best.operations}(x)\noutputs: [y]\n",
        encoding="utf-8",
    )
    x = np.linspace(0.01, 1, 50)
    y = graphwright.run(graphwright.load(spec), {"x": x})["y"]
    assert np.max(np.abs(y - 2**x) / 2**x) == pytest.approx(best.error, rel=0.05)


def test_a_journal_of_another_search_is_refused(tmp_path):
    save(Search(EXP2, Settings(operations=3), seed=1), tmp_path)
    with pytest.raises(SpecError) as raised:
        begin(EXP2, Settings(operations=3), 2, tmp_path, fresh=False)
    assert [d.code for d in raised.value.diagnostics] == ["G1503"]
    (tmp_path / "journal.json").write_text(json.dumps({"seed": 1}), encoding="utf-8")
    with pytest.raises(SpecError):
        begin(EXP2, Settings(operations=3), 1, tmp_path, fresh=False)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("expp", 0, 1), "G1501"),
        (("exp", 1, 0), "G1502"),
        (("exp", 0, math.inf), "G1502"),
        (("exp", 0, 1, "ulp"), "G1502"),
    ],
)
def test_senseless_targets(arguments, code):
    with pytest.raises(SpecError) as raised:
        Target(*arguments)
    assert [d.code for d in raised.value.diagnostics] == [code]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_references_are_the_functions(name):
    import torch

    x = torch.tensor([0.25, 0.5, 0.9], dtype=torch.float64)
    own = {
        "gelu": torch.nn.functional.gelu,
        "silu": torch.nn.functional.silu,
        "softplus": torch.nn.functional.softplus,
    }
    expected = own.get(name) or getattr(torch, name)
    found = [float(FUNCTIONS[name](mpmath.mpf(float(v)))) for v in x]
    np.testing.assert_allclose(found, expected(x).numpy(), rtol=1e-12)
