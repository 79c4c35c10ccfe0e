"""The library's programs on inputs that programs get wrong: subnormal numbers, ends of reductions, huge numbers; by the
reference evaluator and by compiled kernels, against mpmath. Bounds are derived again on parts of the domains."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import mpmath
import numpy as np
import pytest

from graphwright.backends.native.emitter import unprintable
from graphwright.backends.native.kernel import Kernel
from graphwright.passes.functions.certificates.bounding import bound_executed
from graphwright.passes.functions.certificates.cells import first_cells
from graphwright.passes.functions.certificates.pieces import unit_of
from graphwright.passes.functions.certificates.reference import arithmetic, enclosure
from graphwright.passes.functions.certificates.rounding import analyse
from graphwright.passes.functions.certificates.sensitivities import reached
from graphwright.passes.functions.constants import FLOATS, LEAST_EXPONENT, PRECISION, Constant, constant
from graphwright.passes.functions.elementwise import elementwise
from graphwright.passes.functions.evaluation import evaluate
from graphwright.passes.functions.program_spec import load_program, program_of
from graphwright.passes.functions.target import FUNCTIONS

pytest.importorskip("flint")
LIBRARY = Path(__file__).parents[3] / "specs" / "functions"
PROGRAMS = sorted(p for p in LIBRARY.rglob("*.yaml") if "\nprogram:\n" in p.read_text(encoding="utf-8"))
KEYS = [str(p.relative_to(LIBRARY).with_suffix("")) for p in PROGRAMS]
DOUBLE = [p for p in PROGRAMS if p.stem.endswith("_float64")]
POSITIVE = ("log", "log2", "rsqrt")
FOURTEEN = "cos erf exp exp2 gelu log log2 rsqrt sigmoid silu sin softplus tanh".split()


def worst_error(program, x, y):
    """The largest error in the program's metric, in 60 digits; infinite where a result is not finite."""
    worst = 0.0
    with mpmath.workdps(60):
        for one, value in zip(x.astype(float).tolist(), y.astype(float).tolist(), strict=True):
            exact = FUNCTIONS[program.function](mpmath.mpf(one))
            if not math.isfinite(value):
                return math.inf
            scale = {"absolute": 1, "relative": abs(exact)}.get(program.error)
            scale = scale or mpmath.mpf(unit_of(abs(float(exact)), program.result_dtype))
            worst = max(worst, float(abs(mpmath.mpf(value) - exact) / scale))
    return worst


def subnormal(dtype, positive):
    """The least and the largest subnormal numbers, some between, and their negatives."""
    least = LEAST_EXPONENT[dtype]
    top = 2 ** (PRECISION[dtype] - 1) - 1
    steps = {1, 2, 3, top, top - 1, top // 2, top // 3, top // 7}
    steps |= {2**k for k in range(0, PRECISION[dtype] - 1, 5)}
    wide = np.array([math.ldexp(k, least) for k in sorted(steps) if k])
    return (wide if positive else np.concatenate([wide, -wide])).astype(FLOATS[dtype])


def kernels(program):
    """The program compiled, in every dialect that prints it."""
    text = elementwise(program)
    return [] if unprintable(text) else [Kernel(text, dialect=d) for d in ("", "c", "c-graph")]


@pytest.mark.parametrize("path", PROGRAMS, ids=KEYS)
def test_subnormal_inputs_are_within_the_certificate(path):
    program = load_program(path)
    x = subnormal(program.dtype, program.function in POSITIVE or program.domain[0] >= 0)
    bound = program.certificate().bound
    assert worst_error(program, x, evaluate(program, x, fused=False)) <= bound
    compiled = kernels(program)
    assert compiled or program.dtype == "bfloat16"
    for kernel in compiled:
        assert worst_error(program, x, kernel(x)) <= bound, kernel.dialect


# --- float64 ----------------------------------------------------------------------------------------------


def adversarial(program):
    """Beside the edges of the program's first cells, and at random in every range of exponents."""
    rng = np.random.default_rng(3)
    cells, points = first_cells(program)
    edges = np.array([end for cell in cells for end in cell])
    low, high = (max(min(end, 1e308), -1e308) for end in program.domain)
    chosen = rng.choice(edges, 250)
    spread = rng.uniform(-30, 30, 150)
    tiny = rng.choice([-1, 1], 100) * 2.0 ** rng.uniform(-1070, 9.4, 100)
    x = np.concatenate([chosen, np.nextafter(chosen, math.inf), spread, tiny, rng.choice(points, 50)])
    x = np.abs(x) if program.function in POSITIVE else x
    x = x[(x >= low) & (x <= high) & (x != 0)]
    if program.function in ("exp", "exp2"):  # past overflow the special values speak
        x = x[x < 709]
    return x[(np.abs(x) < 1e6) | (program.function in POSITIVE)]


@pytest.mark.parametrize("path", DOUBLE, ids=[p.stem for p in DOUBLE])
def test_float64_programs_at_adversarial_inputs(path):
    program = load_program(path)
    x = adversarial(program)
    bound = program.certificate().bound
    assert worst_error(program, x, evaluate(program, x, fused=False)) <= bound
    for kernel in kernels(program):
        np.testing.assert_array_equal(kernel(x), evaluate(program, x, fused=False))


@pytest.mark.parametrize("path", DOUBLE, ids=[p.stem for p in DOUBLE])
def test_float64_bounds_are_derived_again_on_a_part(path):
    """The whole domain takes a minute a program: `certified again` of the slow tests."""
    program = load_program(path)
    part = replace(program, domain=(0.40625, 0.4375))
    found = bound_executed(part)
    assert found.found <= found.bound <= program.certificate().bound
    name, wrong = perturbed(part)
    assert bound_executed(wrong).bound > 1.5 * found.bound, name


def perturbed(program):
    """The program with one constant, the first that matters at 0.42, changed in its 30th bit (rsqrt has none but 1)."""
    x = np.array([0.421875])
    good = evaluate(program, x, fused=False)
    for place, step in enumerate(program.steps):
        for i, operand in enumerate(step.operands):
            if not isinstance(operand, Constant) or step.operation in ("min", "max", "gt", "lt", "exponent"):
                continue
            value = operand.rounded("float64")
            changed = list(step.operands)
            changed[i] = constant(value * (1 + 2.0**-30))
            steps = list(program.steps)
            steps[place] = replace(step, operands=tuple(changed))
            wrong = replace(program, steps=tuple(steps))
            if np.abs(evaluate(wrong, x, fused=False) / good - 1)[0] > 2.0**-40:
                return step.name, wrong
    tables = {key: tuple(v * (1 + 2.0**-30) for v in values) for key, values in program.tables.items()}
    return "tables", replace(program, tables=tables)


def test_every_function_has_a_program_of_every_dtype():
    """With the ladders aside: 13 functions in float32, float64 and bfloat16."""
    held = {(p.function, p.dtype) for p in map(load_program, PROGRAMS)}
    assert held >= {(f, d) for f in FOURTEEN for d in ("float32", "float64", "bfloat16")}


# --- the analysis -----------------------------------------------------------------------------------------

QUOTIENT = """graphwright: 1
kind: graph
name: quotient
inputs:
  x: float64[...]
nodes:
  e: x * hex('0x1.5555555555555p-1')
  b: 1 + e
  y: e / b
outputs: [y]
program:
  function: sigmoid
  domain: [0.5, 1]
  error: absolute
"""


def read(text, path):
    from graphwright.graph.spec.reader import read_document

    path.write_text(text, encoding="utf-8")
    return program_of(read_document(str(path)))


def test_roundings_that_cancel_are_counted_once(tmp_path):
    """e / (1 + e): computed against exact fractions; the sweep back is tighter than the walk forward, and holds."""
    program = read(QUOTIENT, tmp_path / "quotient.yaml")
    low = np.linspace(0.5, 0.99, 40)
    analysis = analyse(program, low, low + 0.01)
    part, scale = reached(program, analysis)
    back = np.ldexp(part, scale)
    assert np.all(back < analysis.result.error)
    c = Fraction(float.fromhex("0x1.5555555555555p-1"))
    rng = np.random.default_rng(0)
    largest = 0.0
    for i in range(40):
        x = rng.uniform(low[i], low[i] + 0.01, 200)
        for one, value in zip(x.tolist(), evaluate(program, x).tolist(), strict=True):
            e = Fraction(one) * c
            error = abs(Fraction(value) - e / (1 + e))
            assert error <= Fraction(float(back[i]))
            largest = max(largest, float(error) / back[i])
    assert largest > 0.5


def test_products_that_underflow_keep_their_error_small(tmp_path):
    text = QUOTIENT.replace("e: x * hex('0x1.5555555555555p-1')", "w: x * x\n  e: x + w").replace(
        "0.5, 1", "0, 1"
    )
    program = read(text, tmp_path / "underflow.yaml")
    analysis = analyse(program, np.array([1e-200, 1e-310]), np.array([1.1e-200, 2e-310]))
    part, scale = reached(program, analysis)
    for value in (analysis.result.error, np.ldexp(part, scale)):
        assert value[0] <= 1e-215
        assert value[1] <= 2e-323


@pytest.mark.parametrize("x", [-(2.0**-538), 2.0**-1000, -5e-324])
def test_references_are_precise_where_products_of_inputs_underflow(x):
    a = arithmetic("ball")
    low, high = a.ends(enclosure(a, "tanh", x, x))
    assert low <= x <= high
    assert high - low <= abs(x) * 2.0**-50 + 1e-323


def test_cells_cover_the_domain_without_gaps():
    """Floats follow one another from cell to cell, but for the points that are tried by themselves."""
    for name in ("exp_float64", "tanh_float64", "log_float64"):
        program = load_program(LIBRARY / f"{name}.yaml")
        cells, points = first_cells(program)
        covered = sorted([*cells, *((p, p) for p in points)])
        for (_, end), (start, _) in itertools.pairwise(covered):
            assert math.nextafter(end, math.inf) >= start
        assert covered[-1][1] == 1.7976931348623157e308
