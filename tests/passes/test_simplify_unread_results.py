"""Loops that compute what nobody reads, against the unchanged program on the reference evaluator."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from graphwright.backends.reference import ReferenceEvaluator
from graphwright.backends.torch_fx import TorchEvaluator
from graphwright.graph.build.document import Unit, build_program
from graphwright.graph.ir import Program, bodies
from graphwright.graph.spec.resolution import load
from graphwright.passes.manager.evaluation import leaf_arrays
from graphwright.passes.manager.pass_ import Context
from graphwright.passes.manager.verdict import Verdict
from graphwright.passes.manager.verification import Verifier
from graphwright.passes.simplify.dead_code import EliminateDeadCode

FUNCTIONS = """functions:
  step:
    inputs:
      a: float64[2]
      b: float64[2]
      c: float64[2]
      v: float64[2]
      w: float64[2]
    nodes:
      a1: a + v * w
      b1: b * 2 + a
      c1: c - v
      p: a1 * a1
      q: c1 + b1
    outputs: [a1, b1, c1, p, q]
  under(s, t): sum(s) < 100
  grow:
    inputs:
      s: float64[2]
      t: float64[2]
    nodes:
      s1: s * 2
      t1: t + s
    outputs: [s1, t1]
"""
SCAN = "a, b, c, p, q: scan(partial(step, w=y), init=[y, y * 2, y + 1], over=[x], reverse={reverse})\n"
LOOP = "s, t: while_loop(under, grow, init=[y, y], max_times=9)\n"


def built(nodes: str, outputs: str, folder: Path) -> Program:
    text = "graphwright: 1\nkind: graph\nname: loop\ninputs:\n  x: float64[5, 2]\n  y: float64[2]\nnodes:\n"

    path = folder / "loop.yaml"
    path.write_text(f"{text}  {nodes}outputs: [{outputs}]\n{FUNCTIONS}", encoding="utf-8")
    return build_program(Unit(*load(str(path))))


@pytest.mark.parametrize(
    ("nodes", "outputs", "results", "operands"),
    [
        (SCAN, "a", 1, 3),  # y as state and capture, x
        (SCAN, "c", 1, 2),
        (SCAN, "p", 2, 3),  # a is carried for it
        (SCAN, "b", 2, 4),  # b needs a, a needs not b
        (SCAN, "q", 4, 5),
        (SCAN, "a, p", 2, 3),
        (LOOP, "s", 1, 3),
        (LOOP, "t", 2, 4),
    ],
)
@pytest.mark.parametrize("reverse", ["false", "true"])
def test_only_what_is_read_is_carried(
    nodes: str, outputs: str, results: int, operands: int, reverse: str, tmp_path: Path
) -> None:
    program = built(nodes.replace("{reverse}", reverse), outputs, tmp_path)
    result = EliminateDeadCode().run(program, Context())
    (loop,) = [n for n in result.program.graph.nodes if n.name in ("Scan", "Loop")]
    assert (len(loop.outputs), len([v for v in loop.inputs if v is not None])) == (results, operands)
    ((_, body),) = bodies(loop)
    assert [v.node.attribute("index") for v in body.inputs] == list(range(len(body.inputs)))
    rng = np.random.default_rng(7)
    feeds = {"x": rng.standard_normal((5, 2)), "y": rng.uniform(0.5, 1.5, 2)}
    for evaluator in (ReferenceEvaluator(), TorchEvaluator()):
        expected = evaluator.evaluate(program.graph.outputs, leaf_arrays(program, feeds))
        found = evaluator.evaluate(result.program.graph.outputs, leaf_arrays(result.program, feeds))
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_array_equal(a, b)
    verifier = Verifier(TorchEvaluator())
    verifier.prepare(program)
    assert verifier.verify(program, result, EliminateDeadCode().contract).verdict is Verdict.HOLDS


def test_what_is_all_read_stays(tmp_path: Path) -> None:
    program = built(SCAN.replace("{reverse}", "false"), "a, b, c, p, q", tmp_path)
    assert EliminateDeadCode().run(program, Context()).program is program
