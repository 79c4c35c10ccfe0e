"""Conversions of numbers that are known while compiling: to integers they cut towards zero, as Cast does."""

from __future__ import annotations

import numpy as np
import pytest

from graphwright.tools.api import run
from graphwright.tools.programs import open_program

SPEC = """graphwright: 1
kind: graph
name: conversions
inputs:
  x: int64[]
nodes:
  y: x + {expression}
outputs: [y]
"""


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("int64(2.7)", 2),
        ("int64(-2.7)", -2),
        ("int64(2.5 * 2)", 5),
        ("int64(int32(-0.5))", 0),
        ("int64(True)", 1),
        ("sum(int64([1.9, -1.9, 3.0]), axis=0)", 3),
    ],
)
def test_numbers_cut_towards_zero(tmp_path, expression, expected):
    path = tmp_path / "conversions.yaml"
    path.write_text(SPEC.format(expression=expression), encoding="utf-8")
    assert run(open_program(str(path)), {"x": np.array(0)})["y"] == expected
