"""`check` makes two rounds of a long repeat only; nothing that it says may depend on that."""

from __future__ import annotations

from pathlib import Path

import pytest

from graphwright.graph.build.checking import check_unit
from graphwright.graph.build.document import Unit, build_program
from graphwright.graph.diagnostics import Diagnostic, Severity, SpecError
from graphwright.graph.spec.resolution import load
from graphwright.tools.testing.case_runner import run_cases

HEAD = """graphwright: 1
kind: graph
name: rounds
use: [layers/basic.yaml]
inputs:
  x: float32[B, 4]
"""
FUNCTIONS = """functions:
  layer:
    inputs:
      v: float[B, D]
    nodes:
      h: linear(v, width=D)
      y: tanh(h)
    outputs: [y]
  wider(v): concat([v, v[:, :1]], axis=1)
  running:
    inputs:
      v: float[B, D]
    state:
      total: float[D] = zeros()
    nodes:
      y: v + total
    updates:
      total: mean(y, axis=0)
    outputs: [y]
"""


def errors(tmp_path: Path, body: str) -> tuple[list[Diagnostic], Unit]:
    path = tmp_path / "case.yaml"
    path.write_text(HEAD + body + FUNCTIONS, encoding="utf-8")
    unit = Unit(*load(str(path)))
    return [d for d in check_unit(unit).items if d.severity is Severity.ERROR], unit


@pytest.mark.parametrize(
    ("body", "codes"),
    [
        ("nodes:\n  y: repeat(layer, x, times=6)\noutputs: [y]\n", []),
        ("nodes:\n  h: repeat(layer, x, times=6)\n  y: h + sum(h[5].h.kernel)\noutputs: [y]\n", []),
        ("nodes:\n  h: repeat(layer, x, times=6)\n  y: h + sum(h[6].h.kernel)\noutputs: [y]\n", ["G0309"]),
        ("nodes:\n  y: repeat(wider, x, times=6)\noutputs: [y]\n", ["G0607"]),
        (
            "state:\n  total: float32[4] = zeros()\n"
            "nodes:\n  y: repeat(partial(running, total=total), x, times=5)\noutputs: [y]\n",
            ["G0708"],
        ),
    ],
)
def test_checking_says_what_building_says(tmp_path: Path, body: str, codes: list[str]) -> None:
    found, unit = errors(tmp_path, body)
    assert [d.code for d in found] == codes
    if codes:
        with pytest.raises(SpecError) as raised:
            build_program(unit)
        assert sorted({d.code for d in raised.value.diagnostics}) == codes
    else:
        names = build_program(unit).names
        assert {n.split(".")[1] for n in names if n.endswith(".h.kernel")} == set("012345")


def test_both_sides_of_a_failed_condition_are_shown(tmp_path: Path) -> None:
    test = "tests:\n  - name: zero\n    sizes: {B: 2}\n    inputs: {x: normal()}\n    expect:\n"
    conditions = "      - y == 0\n      - allclose(2 * y, y)\n"
    _, unit = errors(tmp_path, "nodes:\n  y: tanh(x)\noutputs: [y]\n" + test + conditions)
    (outcome,) = run_cases(unit, ["torch"])
    assert [f.expectation.text for f in outcome.failures] == ["y == 0", "allclose(2 * y, y)"]
    assert all(f.expectation.left and f.expectation.right for f in outcome.failures)
