"""Printed C against NumPy bit for bit, against mpmath within the certificate, and at the edges."""

from __future__ import annotations

import math
from pathlib import Path

import mpmath
import numpy as np
import pytest
import torch

from graphwright.backends.native import compiler
from graphwright.backends.native.compiler import instruction_set
from graphwright.backends.native.elementwise import Elementwise, Step, from_lines
from graphwright.backends.native.kernel import Kernel
from graphwright.graph.diagnostics import SpecError
from graphwright.passes.functions.constants import constant
from graphwright.passes.functions.elementwise import elementwise
from graphwright.passes.functions.evaluation import evaluate
from graphwright.passes.functions.program import FunctionProgram
from graphwright.passes.functions.program import Step as ProgramStep
from graphwright.passes.functions.program_spec import load_program
from graphwright.passes.functions.substitution.library import FOLDER, entry_of
from graphwright.passes.functions.target import FUNCTIONS

PROGRAMS = {p.stem: load_program(p) for p in sorted((FOLDER / "vector").glob("*.yaml"))}
DIALECTS = ["c"] + ["avx512"] * (instruction_set() == "avx512")


def spread(low: float, high: float, count: int = 40_000) -> np.ndarray:
    """Numbers of every size within bounds."""
    drawn = np.random.default_rng(0).integers(0, 2**32, 4 * count, dtype=np.uint64).astype(np.uint32)
    x = np.concatenate([drawn.view(np.float32), np.linspace(-20, 20, count).astype(np.float32)])
    return x[(x >= low) & (x <= high)]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_kernel_computes_the_record_bit_for_bit(name, dialect):
    program = PROGRAMS[name]
    x = spread(*program.domain)
    found, expected = Kernel(elementwise(program), dialect=dialect)(x), evaluate(program, x)
    absent = np.isnan(expected)  # of a NaN no bit but that is stated
    np.testing.assert_array_equal(np.isnan(found), absent)
    np.testing.assert_array_equal(found[~absent].view(np.uint32), expected[~absent].view(np.uint32))


EDGES = [
    (0.0, 1.0, -math.inf),
    (-0.0, -1.0, -math.inf),
    (math.inf, 1.0, math.inf),
    (math.nan, math.nan, math.nan),
    (-2.0, math.nan, None),
    (-math.inf, math.nan, None),
    (2.0**-149, 1.0, -149.0),
    (2.0**127, 1.0, 127.0),
]
"""x, its significand, its exponent (None: anything)."""


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("low", [0.625, 0.75, 1.0])
@pytest.mark.parametrize(("part", "place"), [("significand", 1), ("exponent", 2)])
def test_significands_and_exponents_at_the_edges(part, place, low, dialect):
    x = np.array([e[0] for e in EDGES], np.float32)
    steps = (ProgramStep("y", part, ("x", constant(low)), "float32"),)
    program = FunctionProgram("one", "log", "float32", (-math.inf, math.inf), "ulp", steps, "y")
    for found in (Kernel(elementwise(program), dialect=dialect)(x), evaluate(program, x)):
        for y, edge in zip(found.tolist(), EDGES, strict=True):
            if edge[place] is not None:
                np.testing.assert_equal(y, edge[place])


@pytest.mark.parametrize(("unit", "inverse"), [(1.0, None), (0.125, 8.0), (0.125, 16.0), (0.25, 8.0)])
def test_a_sum_that_rounds_holds_the_index_where_its_unit_is_that_of_the_index(unit, inverse):
    magic = 1.5 * 2.0**23 * unit
    steps = [Step("t", "add", ("x", magic), "float32"), Step("k", "sub", ("t", magic), "float32")]
    steps += [Step("i", "mul", ("k", inverse), "float32")] * (inverse is not None)
    steps.append(Step("y", "lookup", ("table", "i" if inverse else "k"), "float32"))
    entries = tuple(float(i) for i in range(32))
    kernel = Kernel(Elementwise(("x",), "float32", tuple(steps), "y", {"table": entries}))
    x = np.linspace(-9, 9, 4001).astype(np.float32)
    rounded = (x + np.float32(magic)) - np.float32(magic)
    np.testing.assert_array_equal(kernel(x), np.mod(rounded * (inverse or 1.0), 32))


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_error_is_within_the_certificate(name):
    program = PROGRAMS[name]
    entry = entry_of(program)
    assert entry is not None
    least = 0.0 if program.function == "log" else -60.0
    x = np.random.default_rng(1).choice(
        spread(max(program.domain[0], least), min(program.domain[1], 60)), 400
    )
    y = Kernel(elementwise(program))(x)
    for at, found in zip(x.tolist(), y.tolist(), strict=True):
        exact = FUNCTIONS[program.function](mpmath.mpf(at))
        unit = 1.0 if program.error == "absolute" else 2.0 ** max(math.frexp(float(exact))[1] - 24, -149)
        assert abs(mpmath.mpf(found) - exact) / unit <= entry.certificate.bound


EXPECTED = {
    "exp": [(math.inf, math.inf), (-math.inf, 0.0), (0.0, 1.0), (-0.0, 1.0), (1e-45, 1.0)],
    "log": [
        (math.inf, math.inf),
        (-math.inf, math.nan),
        (0.0, -math.inf),
        (-0.0, -math.inf),
        (-1e-45, math.nan),
    ],
    "sin": [
        (math.inf, math.nan),
        (-math.inf, math.nan),
        (0.0, 0.0),
        (-0.0, -0.0),
        (1e6, -0.34999350217129294),
    ],
    "tanh": [(math.inf, 1.0), (-math.inf, -1.0), (0.0, 0.0), (-0.0, -0.0), (1e-45, 1e-45)],
    "erf": [(math.inf, 1.0), (-math.inf, -1.0), (0.0, 0.0), (-0.0, -0.0), (1e-45, 1e-45)],
    "sigmoid": [(math.inf, 1.0), (-math.inf, 0.0), (0.0, 0.5), (-0.0, 0.5), (1e-45, 0.5)],
    "silu": [(math.inf, math.inf), (-math.inf, -0.0), (0.0, 0.0), (-0.0, -0.0), (2e3, 2e3)],
    "gelu": [(math.inf, math.inf), (-math.inf, 0.0), (0.0, 0.0), (-0.0, -0.0), (2.0**100, 2.0**100)],
}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("name", PROGRAMS)
def test_special_values(name, dialect):
    program = PROGRAMS[name]
    kernel = Kernel(elementwise(program), dialect=dialect)
    expected = EXPECTED[program.function]
    found = kernel(np.array([*(x for x, _ in expected), math.nan], np.float32))
    assert math.isnan(found[-1])
    for y, (_, wanted) in zip(found.tolist(), expected, strict=False):
        assert math.isnan(wanted) == math.isnan(y)
        if not math.isnan(wanted):
            assert abs(y - wanted) <= 6e-7 * (1 if abs(wanted) <= 1 else 0) or y == wanted
        if wanted == 0 and program.error == "ulp":
            assert math.copysign(1, y) == math.copysign(1, wanted)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_length_and_layout(dialect):
    kernel = Kernel(elementwise(PROGRAMS["log"]), dialect=dialect)
    x = np.abs(spread(1e-30, 1e30, 2000))
    whole = kernel(x)
    for count in (0, 1, 7, 15, 16, 17, 33, 1023, 1025):
        np.testing.assert_array_equal(kernel(x[:count]), whole[:count])
    square = x[:1600].reshape(40, 40)
    np.testing.assert_array_equal(kernel(square.T), whole[:1600].reshape(40, 40).T)
    assert kernel(np.float32(2)).shape == ()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_operation(dtype):
    """One program with all of them, both dialects against NumPy."""
    made: list[ProgramStep] = []

    def step(operation, *operands, kind=dtype):
        given = tuple(o if isinstance(o, str) else constant(float(o)) for o in operands)
        made.append(ProgramStep(f"s{len(made)}", operation, given, kind))
        return f"s{len(made) - 1}"

    size = step("add", step("abs", "x"), 0.25)
    k = step("round", step("mul", "x", 0.375))
    parts = [
        step("fma", "x", size, step("neg", "x")),
        step("sqrt", size),
        step("div", 3, size),
        step("floor", "x"),
        step("copysign", size, "x"),
        step("alternate", size, k),
        step("lookup", "table", k),
        step("min", step("max", "x", -3), 3),
        step("max", "x", step("sub", size, "x")),
        step("min", size, "x"),
        step("ldexp", size, k),
        *(step(part, size, low) for part in ("exponent", "significand") for low in (0.5, 0.625, 0.75, 1)),
    ]
    less = step("lt", "x", 1, kind="bool")
    both = step("and", less, step("not", step("le", "x", -2, kind="bool"), kind="bool"), kind="bool")
    odd = step("or", step("eq", k, 1, kind="bool"), step("isnan", "x", kind="bool"), kind="bool")
    rest = step("and", step("ne", k, 2, kind="bool"), step("ge", "x", -1, kind="bool"), kind="bool")
    parts += [step("where", c, size, "x") for c in (both, odd, rest, step("gt", "x", 2, kind="bool"))]
    total = parts[0]
    for part in parts[1:]:
        total = step("sub", step("mul", total, 0.75), part)
    entries = tuple(float(i * i) for i in range(64))
    program = FunctionProgram(
        "all", "exp", dtype, (-math.inf, math.inf), "ulp", tuple(made), total, {"table": entries}
    )
    x = np.random.default_rng(0).normal(0, 12, 2000).astype(dtype)
    x[:2] = [math.nan, -0.0]
    expected = evaluate(program, x)
    for dialect in DIALECTS:
        np.testing.assert_array_equal(Kernel(elementwise(program), dialect=dialect)(x), expected)
    text = elementwise(program)
    assert from_lines(text.lines()) == text


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("columns", [1, 5, 16, 100])
def test_softmax_by_rows(columns, dialect):
    kernel = Kernel(elementwise(PROGRAMS["exp_quick"]), rows=True, dialect=dialect)
    x = np.random.default_rng(0).normal(0, 5, (7, columns)).astype(np.float32)
    if columns > 1:
        x[1, 1:] = -math.inf  # a mask
    x[2] = math.nan
    exact = torch.softmax(torch.from_numpy(x).double(), -1).numpy()
    np.testing.assert_allclose(kernel(x), exact, rtol=2e-6, atol=1e-30)


# --- compiling ---------------------------------------------------------------------------------------


@pytest.fixture
def fresh(tmp_path, monkeypatch):
    """An empty cache, and no compiler remembered."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for remembered in (compiler.folder, compiler.find_compiler):
        remembered.cache_clear()
    yield tmp_path
    for remembered in (compiler.folder, compiler.find_compiler):
        remembered.cache_clear()


def line(name: str) -> Kernel:
    return Kernel(Elementwise((name,), "float32", (Step("y", "add", (name, 1.0), "float32"),), "y"))


def test_a_library_is_compiled_once_and_kept_whole(fresh, monkeypatch):
    assert line("x")(np.float32(1)) == 2
    kept = list(Path(fresh).rglob("*"))
    assert [p.suffix for p in kept if p.is_file()] == [".so"]
    monkeypatch.setattr(compiler, "_compile", lambda *_: pytest.fail("compiled again"))
    assert line("x")(np.float32(2)) == 3


@pytest.mark.parametrize("name", ["double", "log", "kernel", "k", "n"])
def test_names_of_c_are_no_obstacle(name):
    assert line(name)(np.float32(1)) == 2


def test_no_compiler_is_a_diagnostic(fresh, monkeypatch):
    monkeypatch.setenv("PATH", str(fresh))
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(SpecError) as raised:
        line("z")(np.float32(1))
    assert raised.value.diagnostics[0].code == "G1131"


def test_a_compiler_that_refuses_leaves_nothing(fresh):
    with pytest.raises(SpecError) as raised:
        compiler.library("this is no C\n")
    assert raised.value.diagnostics[0].code == "G1132"
    assert not [p for p in Path(fresh).rglob("*") if p.is_file()]


def test_what_has_no_c_form():
    program = Elementwise(("x",), "bfloat16", (Step("y", "neg", ("x",), "bfloat16"),), "y")
    with pytest.raises(SpecError) as raised:
        Kernel(program)(np.zeros(2))
    assert raised.value.diagnostics[0].code == "G1130"


def test_subnormals_stay_after_loading_a_kernel():
    line("x")(np.float32(1))
    assert np.float32(1e-40) * np.float32(0.5) != 0
