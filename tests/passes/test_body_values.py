"""What a body gets when its program runs, and sites in bodies checked on it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from graphwright.backends.torch_fx import TorchEvaluator
from graphwright.graph.build.document import Unit, build_program
from graphwright.graph.ir import Program
from graphwright.graph.spec.resolution import load
from graphwright.passes.manager.body_values import record
from graphwright.passes.manager.contract import Exact
from graphwright.passes.manager.evaluation import draw_samples, leaf_arrays
from graphwright.passes.manager.pass_ import Context
from graphwright.passes.manager.verdict import Verdict
from graphwright.passes.manager.verification import Verifier
from graphwright.passes.simplify.family import Simplify

HEAD = "graphwright: 1\nkind: graph\nname: loop\ninputs:\n"
SUMS = (
    HEAD
    + "  x: float64[5, 2]\nnodes:\n  s, y: scan(step, init=[zeros(2)], over=[x])\noutputs: [s, y]\n"
    + "functions:\n  step:\n    inputs:\n      s: float64[2]\n      v: float64[2]\n"
    + "    nodes:\n      t: s + v\n      u: t * 1\n    outputs: [t, u]\n"
)
SOLVES = (
    HEAD
    + "  a: float64[4, 3, 3] ~ spd\n  b: float64[3, 1]\n"
    + "nodes:\n  s, y: scan(step, init=[b], over=[a])\noutputs: [s, y]\n"
    + "functions:\n  step:\n    inputs:\n      s: float64[3, 1]\n      m: float64[3, 3]\n"
    + "    nodes:\n      c: cholesky(m.T.T)\n      t: (c * 1) @ s / 10\n      k: t + 1\n    outputs: [t, k]\n"
)


def built(text: str, folder: Path) -> Program:
    path = folder / "loop.yaml"
    path.write_text(text, encoding="utf-8")
    return build_program(Unit(*load(str(path))))


def test_the_first_steps_of_a_running_sum(tmp_path: Path) -> None:
    program = built(SUMS, tmp_path)
    x = np.arange(10.0).reshape(5, 2) ** 2
    (body,) = record(TorchEvaluator(), program, leaf_arrays(program, {"x": x})).found
    state, item = body.graph.inputs
    np.testing.assert_array_equal([c[item] for c in body.calls], x[:3])
    np.testing.assert_array_equal([c[state] for c in body.calls], np.cumsum(x, axis=0)[:3] - x[:3])


def test_a_factorization_in_a_body_is_checked_on_what_the_body_gets(tmp_path: Path) -> None:
    program = built(SOLVES, tmp_path)
    verifier = Verifier(TorchEvaluator(), seed=1)
    verifier.samples = draw_samples(program, 1, verifier.evaluator)
    result = Simplify().run(program, Context())
    assert any(r.in_body for r in result.replacements)
    found = verifier.check_sites(program, result, Exact("algebra"))
    assert (found.verdict, found.unchecked) == (Verdict.HOLDS, 0)
    assert found.sites == len(result.replacements)
