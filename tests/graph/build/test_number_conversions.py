"""Conversions of numbers that are known while compiling: to integers they cut towards zero, as Cast does."""

from __future__ import annotations

import numpy as np
import pytest

from graphwright.graph.diagnostics import SpecError
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


def test_texts_become_a_constant_of_strings(tmp_path):
    spec = tmp_path / "texts.yaml"
    rows = [[f"row {i}", f"{i}"] for i in range(40)]
    spec.write_text(
        "graphwright: 1\nkind: graph\nname: texts\ninputs:\n  i: int64[2]\nnodes:\n"
        f"  y: Gather(string({rows}), i)\n  z: string('one')\noutputs: [y, z]\n"
    )
    found = run(open_program(str(spec)), {"i": np.array([3, 39])})
    assert found["y"].tolist() == [rows[3], rows[39]]
    assert found["z"].item() == "one"


@pytest.mark.parametrize(("operand", "code"), [("['a', 3]", "G0413"), ("[['a'], ['b', 'c']]", "G0412")])
def test_what_is_no_array_of_texts_is_refused(tmp_path, operand, code):
    spec = tmp_path / "texts.yaml"
    spec.write_text(
        "graphwright: 1\nkind: graph\nname: texts\ninputs:\n  x: float32[2]\nnodes:\n"
        f"  y: string({operand})\noutputs: [y]\n"
    )
    with pytest.raises(SpecError) as caught:
        open_program(str(spec))
    assert {d.code for d in caught.value.diagnostics} == {code}
