"""Tensors of which only a run tells some sizes, or the rank: what needs no size is built all the same."""

from __future__ import annotations

import numpy as np
import pytest

from graphwright.graph.diagnostics import SpecError
from graphwright.tools.api import run
from graphwright.tools.cli.check import check_file
from graphwright.tools.programs import open_program

SPEC = """graphwright: 1
kind: graph
name: ranks
inputs:
  boxes: float32[B, 5, 4]
  scores: float32[B, 2, 5]
nodes:
  chosen: NonMaxSuppression(boxes, scores, 3)
  first: Gather(chosen, 0, axis=1)
  y: {expression}
outputs: [y]
"""


@pytest.mark.parametrize(
    "expression",
    ["maximum(first, Gather(chosen, 2, axis=1))", "first + first", "first * 2", "where(first > 0, first, 1)"],
)
def test_arithmetic(tmp_path, expression):
    path = tmp_path / "ranks.yaml"
    path.write_text(SPEC.format(expression=expression), encoding="utf-8")
    assert not check_file(str(path))


PICKED = """graphwright: 1
kind: graph
name: picked
inputs:
  x: float32[n, 3]
nodes:
  rows: NonZero(x[:, 0] > 0)[0]
  picked: x[rows]
  {nodes}
outputs: [y]
{after}
"""

X = np.array([[1, 5, -2], [-1, 0, 0], [3, 4, 0.5], [2, 2, 2], [0, 9, 9]], np.float32)
PICKED_ROWS = X[X[:, 0] > 0]


def spec(tmp_path, nodes: str, after: str = "") -> str:
    path = tmp_path / "picked.yaml"
    path.write_text(PICKED.format(nodes=nodes, after=after), encoding="utf-8")
    return str(path)


FUNCTION = """functions:
  f:
    inputs:
      v: {type}
    nodes: {{t: v * 2}}
    outputs: [t]
"""

VALUES = [
    ("y: picked", "", PICKED_ROWS, (None, 3)),
    ("y: picked.shape[0] * picked.shape[1]", "", np.int64(9), ()),
    ("y: mean(picked, axis=0)", "", PICKED_ROWS.mean(0), (3,)),
    ("y: sum(picked) / float32(picked.shape[0])", "", PICKED_ROWS.sum() / 3, ()),
    ("y: var(picked, axis=0, ddof=1)", "", PICKED_ROWS.var(0, ddof=1), (3,)),
    ("y: sort(picked, axis=0)", "", np.sort(PICKED_ROWS, 0), (None, 3)),
    ("y: picked[-1]", "", PICKED_ROWS[-1], (3,)),
    ("y: picked[1:, :2]", "", PICKED_ROWS[1:, :2], (None, 2)),
    ("y: picked @ x.T", "", PICKED_ROWS @ X.T, (None, "n")),
    ("y: f(picked)", FUNCTION.format(type="float32[_, 3]"), PICKED_ROWS * 2, (None, 3)),
    ("y: f(picked)", FUNCTION.format(type="float32[..., k]"), PICKED_ROWS * 2, (None, 3)),
    ("y: f(picked)", FUNCTION.format(type="float32[...]"), PICKED_ROWS * 2, (None, 3)),
    ("y: scan(f, over=[picked])", FUNCTION.format(type="float32[3]"), PICKED_ROWS * 2, (None, 3)),
    ("y: Shape(picked)", "", np.array([3, 3]), (2,)),
]


@pytest.mark.parametrize(("nodes", "after", "expected", "axes"), VALUES)
def test_what_needs_no_size_is_built_and_right(tmp_path, nodes, after, expected, axes):
    program = open_program(spec(tmp_path, nodes, after))
    assert tuple(a if a is None else str(a) for a in program.outputs["y"].tensor.axes) == tuple(
        a if a is None else str(a) for a in axes
    )
    np.testing.assert_allclose(run(program, {"x": X})["y"], expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("nodes", "after", "code", "part"),
    [
        ("y: f(picked)", FUNCTION.format(type="float32[k, 3]"), "G0402", "only a run tells"),
        ("y: f(picked)", FUNCTION.format(type="float32[3, 3]"), "G0402", "only a run tells"),
        ("y: f(picked)", FUNCTION.format(type="float32[_, 4]"), "G0402", "cannot prove 4 == 3"),
        ("y: reshape(picked, [picked.shape[0], 3])", "", "G0431", "compile-time integers"),
        ("y: sum(Squeeze(picked), axis=0)", "", "G0405", "rank of this tensor is unknown"),
        ("y: picked + x[:, :2]", "", "G0401", "3 is not 2"),
    ],
)
def test_what_needs_a_size_says_so(tmp_path, nodes, after, code, part):
    with pytest.raises(SpecError) as caught:
        open_program(spec(tmp_path, nodes, after))
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == code
    assert part in diagnostic.message


def test_a_while_loop_stacks_as_many_rows_as_there_were_steps(tmp_path):
    """The trajectory of Collatz's map."""
    path = tmp_path / "collatz.yaml"
    path.write_text(COLLATZ, encoding="utf-8")
    program = open_program(str(path))
    assert program.outputs["path"].tensor.axes == (None,)
    for start, expected in ((6, [6, 3, 10, 5, 16, 8, 4, 2]), (1, []), (2, [2])):
        found = run(program, {"start": np.array(start)})
        np.testing.assert_array_equal(found["path"], np.array(expected, np.int64))
        assert found["steps"] == len(expected)


COLLATZ = """graphwright: 1
kind: graph
name: collatz
inputs:
  start: int64[]
nodes:
  n, path: while_loop(large, step, init=[start], max_times=1000)
  steps: path.shape[0]
outputs: [path, steps]
functions:
  large(n): n > 1
  step:
    inputs:
      n: int64[]
    nodes:
      next: where(n % 2 == 0, n // 2, 3 * n + 1)
    outputs: [next, n]
"""
