"""Function programs: specs read and written, computed by NumPy, torch and ONNX Runtime bit for bit."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphwright
from graphwright.graph.diagnostics import SpecError
from graphwright.graph.spec.reader import read_document
from graphwright.graph.spec.yaml_writer import render
from graphwright.passes.functions.constants import Constant, constant, round_fraction
from graphwright.passes.functions.evaluation import evaluate, fused_multiply_add
from graphwright.passes.functions.program import Certificate
from graphwright.passes.functions.program_spec import load_program, spec_text, with_certificates

HEAD = "graphwright: 1\nkind: graph\nname: small\nuse: [functions/ieee.yaml]\ninputs:\n  x: float32[...]\n"
SECTION = "outputs: [y]\nprogram:\n  function: exp\n  domain: [-inf, 88]\n  error: ulp\n"
EXP = """nodes:
  k: round(x * hex('0x1.715476p+0'))
  r: fma(-k, hex('0x1.62e42ep-1'), x)
  p: 1 + r * (1 + r * 0.5)
  y: where(x > 88 or isnan(x), x, ldexp(p, k))
"""
LOG = """nodes:
  k: exponent(x, low=0.75)
  m: significand(x, low=0.75)
  table: [0.5, 1.5, -2.5]
  t: lookup(table, minimum(abs(k), 2))
  y: fma(t, m - 1, k) / m
"""


def written(tmp_path, nodes, section=SECTION, head=HEAD):
    path = tmp_path / "small.yaml"
    path.write_text(head + nodes + section, encoding="utf-8")
    return path


@pytest.mark.parametrize("nodes", [EXP, LOG])
def test_a_program_reads_back_as_itself(tmp_path, nodes):
    program = load_program(written(tmp_path, nodes))
    claim = Certificate("exhaustive", 0.51, method="all: #1", worst=0.1, inputs=3, tools=(("numpy", "2"),))
    program = with_certificates(program, claim)
    path = tmp_path / "again.yaml"
    path.write_text(spec_text(program), encoding="utf-8")
    assert load_program(path) == program
    path.write_text(render(read_document(str(path))), encoding="utf-8")
    assert load_program(path) == program
    assert program.digest(program.certificates[0]) == program.certificates[0].digest


@pytest.mark.parametrize("nodes", [EXP, LOG])
@pytest.mark.parametrize("backend", ["torch", "onnx"])
def test_backends_compute_what_the_record_says(tmp_path, nodes, backend):
    path = written(tmp_path, nodes)
    bits = np.random.default_rng(0).integers(0, 0x7F800000, 20_000, dtype=np.uint32)
    x = np.concatenate([bits.view(np.float32), np.linspace(-110, 100, 10_000, dtype=np.float32)])
    x = x if nodes is EXP else np.abs(x[x != 0])
    y = graphwright.run(graphwright.load(path), {"x": x}, backend=backend)["y"]
    expected = evaluate(load_program(path), x, fused=False)
    np.testing.assert_array_equal(np.asarray(y).view(np.uint32), expected.view(np.uint32))


def test_one_program_takes_any_shape_where_it_is_called(tmp_path):
    written(tmp_path, EXP)
    path = tmp_path / "use.yaml"
    path.write_text(
        "graphwright: 1\nkind: graph\nname: use\nuse: [small.yaml]\ninputs:\n  x: float32[a, b]\n"
        "nodes:\n  y: small(x)\noutputs: [y]\n",
        encoding="utf-8",
    )
    assert graphwright.run(graphwright.load(path), {"x": np.zeros((2, 3), np.float32)})["y"].shape == (2, 3)


@settings(max_examples=300, deadline=None)
@given(st.tuples(*[st.floats(-1e8, 1e8, width=32)] * 3))
def test_fused_multiply_add_is_rounded_once(operands):
    a, b, c = map(Fraction, operands)
    exact = a * b + c
    found = float(fused_multiply_add(*(np.array([v], np.float32) for v in operands))[0])
    assert found == (round_fraction(exact, "float32") if exact else 0.0)


def test_a_sum_that_rounds_twice_differently():
    """1 + 2^-24 + 2^-60: to float64 it is a tie of float32, so rounding twice gives 1."""
    a = np.array([1 + 2.0**-12], np.float32)
    b = np.array([2.0**-24 * (1 - 2.0**-12 + 2.0**-24)], np.float32)
    c = np.array([1], np.float32)
    exact = Fraction(float(a[0])) * Fraction(float(b[0])) + 1
    assert float(fused_multiply_add(a, b, c)[0]) == round_fraction(exact, "float32")


@given(st.floats(allow_nan=False), st.sampled_from(["float64", "float32", "float16", "bfloat16"]))
def test_constants_round_as_numpy_does(value, dtype):
    import ml_dtypes

    kind = ml_dtypes.bfloat16 if dtype == "bfloat16" else np.dtype(dtype)
    with np.errstate(over="ignore"):
        expected = float(np.array(value).astype(kind))
    if dtype == "bfloat16":  # by way of float32, which rounds twice
        expected = (
            None if Fraction(float(np.float32(value)) if abs(value) < 3e38 else 0) != value else expected
        )
    found = constant(value)
    assert expected is None or math.copysign(1, found.rounded(dtype)) == math.copysign(1, expected)
    assert expected is None or found.rounded(dtype) == expected
    assert not found.is_finite or Constant(found.text).exact == Fraction(value)


@pytest.mark.parametrize(
    ("nodes", "section", "code", "line"),
    [
        ("nodes:\n  y: tanh(x)\n", SECTION, "G1513", 8),
        ("nodes:\n  y: x * 0.1\n", SECTION, "G1514", 8),
        ("nodes:\n  y: x * hex('0x1.8')\n", SECTION, "G0504", 8),
        ("nodes:\n  y: x\n", SECTION.replace("88", "-inf"), "G1511", 12),
        ("nodes:\n  y: x\n", SECTION.replace("exp", "expp"), "G0113", 11),
        ("nodes:\n  y: x\n", SECTION.replace("function", "functoin"), "G0102", 11),
        ("nodes:\n  y: x\n", SECTION.replace("ulp", "ulps"), "G0113", 13),
        ("nodes:\n  y: 1 + 2\n", SECTION, "G1513", 8),
        ("nodes:\n  y: x + float64(x)\n", SECTION, "G1513", 8),
        ("nodes:\n  y: fma(x, x)\n", SECTION, "G1513", 8),
        ("nodes:\n  y: x\n", "outputs: [y]\n", "G1512", 3),
    ],
)
def test_what_is_no_program(tmp_path, nodes, section, code, line):
    path = written(tmp_path, nodes, section)
    with pytest.raises(SpecError) as raised:
        load_program(path)
    found = raised.value.diagnostics[0]
    assert (found.code, found.span.line) == (code, line)


def test_the_page_lists_every_program_with_its_bound():
    from graphwright.graph.spec.resolution import STANDARD_LIBRARY
    from graphwright.tools.reference_docs.programs import programs_page

    folder = STANDARD_LIBRARY / "functions"
    rows = [line for line in programs_page().splitlines() if line.startswith("| ")][2:]
    files = [p for p in folder.rglob("*.yaml") if "\nprogram:\n" in p.read_text(encoding="utf-8")]
    assert len(rows) == len(files)
    for path in files:
        (row,) = (r for r in rows if f"`{path.relative_to(folder).with_suffix('').as_posix()}`" in r)
        program = load_program(path)
        assert program.function in row.split("|")[1]
        assert all(f"{c.bound:.4g} {program.error}" in row for c in program.certificates)
