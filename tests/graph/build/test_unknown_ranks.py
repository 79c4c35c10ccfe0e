"""Tensors whose rank only a run tells: elementwise arithmetic on them is built all the same."""

from __future__ import annotations

import pytest

from graphwright.tools.cli.check import check_file

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
