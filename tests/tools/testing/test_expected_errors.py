"""`expect_error:` of spec tests: the error that is expected, another one, and none."""

from __future__ import annotations

from pathlib import Path

import pytest

from graphwright.graph.build.document import Unit
from graphwright.graph.spec.resolution import load
from graphwright.tools.testing.case_runner import run_cases

SPEC = """graphwright: 1
kind: graph
name: case
inputs:
  x: float32[B, 4]
nodes:
  y: reshape(x, [2, 6])
outputs: [y]
tests:
  - name: twelve elements are needed
    sizes: {{B: {rows}}}
    inputs:
      x: normal()
    expect_error: {code}
"""


@pytest.mark.parametrize(
    ("rows", "code", "told"), [(4, "G0402", []), (4, "G0403", ["G0402"]), (3, "G0402", ["G0811"])]
)
def test_an_expected_error(rows: int, code: str, told: list[str], tmp_path: Path) -> None:
    path = tmp_path / "case.yaml"
    path.write_text(SPEC.format(rows=rows, code=code), encoding="utf-8")
    (outcome,) = run_cases(Unit(*load(str(path))), ["torch"])
    assert [d.code for d in outcome.error] == told
    assert outcome.passed == (not told)
    if told == ["G0811"]:
        span = outcome.error[0].span
        assert span is not None
        assert (span.line, span.column) == (10, 5)
