"""Certified programs in bodies of Scan, Loop and If: ranges by widening or as seen, errors through what is carried."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphwright
from graphwright.graph.ir import nested_graphs
from graphwright.passes.functions.substitution import SubstituteFunctions
from graphwright.passes.functions.substitution.allotment import allotted
from graphwright.passes.functions.substitution.ranges import everywhere
from graphwright.passes.manager.manager import PassManager
from graphwright.passes.manager.pass_ import Context
from graphwright.passes.manager.pipeline import Pipeline, Step

HEAD = "graphwright: 1\nkind: graph\nname: looped\n"
RECURRENT = """
sizes: {T: 1..16}
inputs:
  x: float32[T, 64, 64] in -2..2
  h0: float32[64, 64] in -1..1
nodes:
  h, hs: scan(step, init=[h0], over=[x])
outputs: [h, hs]
functions:
  step:
    inputs: {h: "float32[64, 64]", x: "float32[64, 64]"}
    nodes:
      new: tanh(0.5 * h + x)
      out: exp(-abs(new))
    outputs: [new, out]
"""


def written(tmp_path, text):
    path = tmp_path / "looped.yaml"
    path.write_text(HEAD + text.lstrip("\n"), encoding="utf-8")
    return graphwright.load(path)


def compiled(program, **options):
    pipeline = Pipeline((Step(SubstituteFunctions(**{"costs": "table", **options})),))
    return PassManager().run(program, pipeline, Context())


def in_bodies(program):
    return [n for g in nested_graphs(program.graph)[:-1] for n in g.nodes if n.name == "Elementwise"]


def recurrence(x, h):
    """In float64."""
    outs = []
    for step in x.astype(np.float64):
        h = np.tanh(0.5 * h + step)
        outs.append(np.exp(-np.abs(h)))
    return h, np.array(outs)


def test_a_recurrence_keeps_its_budget(tmp_path):
    program = written(tmp_path, RECURRENT)
    record = compiled(program, tolerance=1e-5)
    assert record.passes[0].verdict.value == "holds"
    assert record.passes[0].unchecked == 0
    assert len(in_bodies(record.program)) == 2
    notes = record.passes[0].notes
    assert any("Tanh" in n and "in a body" in n and "of the tolerance" in n for n in notes)
    generator = np.random.default_rng(0)
    for length in (1, 3, 16):
        x = generator.uniform(-2, 2, (length, 64, 64)).astype(np.float32)
        h0 = generator.uniform(-1, 1, (64, 64)).astype(np.float32)
        exact = recurrence(x, h0.astype(np.float64))
        for backend in ("torch", "onnx"):
            found = graphwright.run(record.program, {"x": x, "h0": h0}, backend=backend)
            np.testing.assert_allclose(found["h"], exact[0], atol=1e-5, rtol=0)
            np.testing.assert_allclose(found["hs"], exact[1], atol=1e-5, rtol=0)


def test_a_loop_that_multiplies_errors_counts_for_more(tmp_path):
    """h doubles at each step: after T steps an error of the first is 2^T times as large."""
    text = RECURRENT.replace("0.5 * h + x)", "x) + 2 * h").replace("exp(-abs(new))", "new")
    assert (
        len(in_bodies(compiled(written(tmp_path, text.replace("1..16", "1..2")), tolerance=2e-5).program))
        == 1
    )
    record = compiled(written(tmp_path, text), tolerance=2e-5)
    assert not in_bodies(record.program)
    assert "is off by" in record.passes[0].notes[0]


def test_a_loop_without_an_end_is_declined_with_its_reason(tmp_path):
    record = compiled(written(tmp_path, RECURRENT.replace("sizes: {T: 1..16}\n", "")), tolerance=1e-5)
    kept = [n for n in record.passes[0].notes if ": kept, " in n]
    assert len(kept) == 1
    assert "whose calls have no bound" in kept[0]
    assert len(in_bodies(record.program)) == 1  # the exponential, which nothing carries


def test_units_ask_nothing_of_the_calls(tmp_path):
    program = written(tmp_path, RECURRENT.replace("sizes: {T: 1..16}\n", ""))
    assert len(in_bodies(compiled(program, ulp=6).program)) == 2


BRANCH = """
inputs:
  x: float32[64, 64] in -3..3
  which: bool[]
nodes:
  y: cond(which, one, other, x)
outputs: [y]
functions:
  one:
    inputs: {x: "float32[64, 64]"}
    nodes: {y: tanh(x)}
    outputs: [y]
  other:
    inputs: {x: "float32[64, 64]"}
    nodes: {y: sigmoid(x) * x}
    outputs: [y]
"""


def test_branches_are_replaced(tmp_path):
    record = compiled(written(tmp_path, BRANCH), ulp=6)
    assert len(in_bodies(record.program)) == 2
    x = np.random.default_rng(0).uniform(-3, 3, (64, 64)).astype(np.float32)
    wide = x.astype(np.float64)
    for which, exact in ((True, np.tanh(wide)), (False, wide / (1 + np.exp(-wide)))):
        found = graphwright.run(record.program, {"x": x, "which": np.array(which)})
        np.testing.assert_allclose(found["y"], exact, rtol=2e-6, atol=1e-6)


LOOP = """
inputs:
  x: float32[64, 64] in -1..1
nodes:
  count, y: while_loop(smaller, grow, init=[0, x], max_times=8)
outputs: [y]
functions:
  smaller:
    inputs: {i: "int64[]", v: "float32[64, 64]"}
    nodes: {go: i < 5}
    outputs: [go]
  grow:
    inputs: {i: "int64[]", v: "float32[64, 64]"}
    nodes:
      next: i + 1
      w: sin(3 * v)
    outputs: [next, w]
"""


def test_while_loops_are_replaced(tmp_path):
    program = written(tmp_path, LOOP)
    record = compiled(program, ulp=6)
    assert len(in_bodies(record.program)) == 1
    x = np.random.default_rng(0).uniform(-1, 1, (64, 64)).astype(np.float32)
    exact = x.astype(np.float64)
    for _ in range(5):
        exact = np.sin(3 * exact)
    np.testing.assert_allclose(graphwright.run(record.program, {"x": x})["y"], exact, atol=1e-4)
    assert "is off by" in compiled(program, tolerance=1e-6).passes[0].notes[0]  # 3^5 times as far at the end
    assert len(in_bodies(compiled(program, tolerance=1e-2).program)) == 1


def test_ranges_of_what_is_carried_are_widened(tmp_path):
    """tanh keeps its state within -1 to 1; a sum has no end; what is carried without change keeps its range."""
    text = """
inputs:
  x: float32[T, 4] in 0..2
  h0: float32[4] in -1..1
nodes:
  a, b, c, outs: scan(step, init=[h0, h0, h0], over=[x])
outputs: [a, b, c, outs]
functions:
  step:
    inputs: {a: "float32[4]", b: "float32[4]", c: "float32[4]", x: "float32[4]"}
    nodes:
      new: tanh(a + x)
      sum: b + x
      out: exp(-abs(c))
    outputs: [new, sum, c, out]
"""
    program = written(tmp_path, text)
    found = everywhere(program)[program.graph]
    a, b, c, outs = (found[v] for v in program.graph.outputs)
    assert a == pytest.approx((-1, 1), rel=1e-5)
    assert b[1] == math.inf
    assert c == (-1.0, 1.0)
    assert outs == pytest.approx((math.exp(-1), 1.0), rel=1e-4)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.floats(0, 1), max_size=4).map(lambda r: sorted(r, reverse=True)), max_size=8),
    st.floats(0.01, 2),
)
def test_what_is_allotted_is_within_the_total(errors, total):
    chosen = allotted(errors, total)
    assert sum(row[k] ** 2 for row, k in zip(errors, chosen, strict=True) if k is not None) <= total**2
    for row, k in zip(errors, chosen, strict=True):
        assert (k is None) or 0 <= k < len(row)
    if sum(row[0] ** 2 for row in errors if row) <= total**2:
        assert chosen == [0 if row else None for row in errors]
