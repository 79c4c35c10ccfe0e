"""Certificates against mpmath at random inputs, in both arithmetics; what is wrong is caught; the library holds."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import mpmath
import numpy as np
import pytest
from click.testing import CliRunner

from graphwright.graph.diagnostics import SpecError
from graphwright.passes.functions.certificates import exhaustive, native
from graphwright.passes.functions.certificates.bounding import bound_executed, bound_real
from graphwright.passes.functions.certificates.checking import Effort, certified, problems
from graphwright.passes.functions.certificates.exhaustive import exhaust
from graphwright.passes.functions.certificates.native import NativeTrial, native_trial
from graphwright.passes.functions.certificates.patterns import position, value_at, values
from graphwright.passes.functions.certificates.pieces import unit_of
from graphwright.passes.functions.certificates.reference import FORMULAS, arithmetic, enclosure, expand
from graphwright.passes.functions.certificates.rounding import analyse
from graphwright.passes.functions.certificates.shortcuts import EVEN, ODD, one_result, symmetry
from graphwright.passes.functions.certificates.special_values import wrong_special_values
from graphwright.passes.functions.evaluation import evaluate
from graphwright.passes.functions.program import Certificate
from graphwright.passes.functions.program_spec import load_program, spec_text, with_certificates
from graphwright.passes.functions.target import FUNCTIONS
from graphwright.tools.cli.main import commands

pytest.importorskip("flint")
LIBRARY = Path(__file__).parents[3] / "specs" / "functions"
PROGRAMS = sorted(p for p in LIBRARY.rglob("*.yaml") if "\nprogram:\n" in p.read_text(encoding="utf-8"))
KEYS = [str(p.relative_to(LIBRARY).with_suffix("")) for p in PROGRAMS]
CORE = """graphwright: 1
kind: graph
name: core
inputs:
  x: float64[...]
nodes:
  z: x * x
  y: x + x * z * hex('-0x1.5555555555555p-3') + x * z * z * hex('0x1.1111111111111p-7')
outputs: [y]
program:
  function: sin
  domain: [-0.5, 0.5]
  error: absolute
"""


def core(tmp_path, text=CORE):
    path = tmp_path / "core.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def true_errors(program, x):
    """|program - function| at each input, in 80 digits; ulp of the exact value where that is the metric."""
    y = evaluate(program, x, fused=False)
    found = []
    with mpmath.workdps(80):
        for one, value in zip(x.tolist(), y.tolist(), strict=True):
            exact = FUNCTIONS[program.function](mpmath.mpf(one))
            if not isinstance(exact, mpmath.mpf):  # a logarithm of a negative number
                found.append(0.0 if np.isnan(value) else np.inf)
                continue
            error = abs(mpmath.mpf(value) - exact)
            if program.error == "relative":
                error /= abs(exact)
            if program.error == "ulp":
                unit = unit_of(abs(float(exact)), program.result_dtype)
                error /= unit
            found.append(float(error))
    return np.array(found)


@pytest.mark.parametrize("function", FORMULAS)
@pytest.mark.parametrize("kind", ["ball", "interval"])
def test_expansions_enclose_the_function(function, kind):
    a = arithmetic(kind)
    low, high = 1.25, 1.3125
    found = expand(a, function, low, 0.0625, low, high, 5)
    for share in (0.0, 0.3, 1.0):
        t = mpmath.mpf(share)
        ends = [a.ends(ball) for ball in found]
        with mpmath.workdps(40):
            exact = FUNCTIONS[function](low + t * mpmath.mpf("0.0625"))
            sides = [sum(mpmath.mpf(end[i]) * t**k for k, end in enumerate(ends)) for i in (0, 1)]
        slack = mpmath.mpf(2) ** -50  # ends are floats: rounded outward
        assert sides[0] - slack <= exact <= sides[1] + slack
    inside = a.ends(enclosure(a, function, low, low))
    with mpmath.workdps(40):
        assert inside[0] <= FUNCTIONS[function](mpmath.mpf(low)) <= inside[1]


@pytest.mark.parametrize("kind", ["ball", "interval"])
def test_bounds_are_at_least_the_errors_and_near_them(tmp_path, kind):
    program = load_program(core(tmp_path))
    real = bound_real(program, kind)
    x = np.linspace(-0.5, 0.5, 501)
    with mpmath.workdps(60):
        c = [s.operands for s in program.steps]
        assert c
        exact = [
            abs(
                (v := mpmath.mpf(t)) - v**3 * mpmath.mpf(float.fromhex("0x1.5555555555555p-3"))
                + v**5 * mpmath.mpf(float.fromhex("0x1.1111111111111p-7")) - mpmath.sin(v)
            )
            for t in x.tolist()
        ]  # fmt: skip
    assert float(max(exact)) <= real.bound <= 1.01 * float(max(exact))
    if kind == "ball":
        executed = bound_executed(program, kind)
        assert np.max(true_errors(program, x)) <= executed.bound <= 1.01 * executed.found


def test_rounding_errors_stay_within_the_analysis(tmp_path):
    """Computed values against the program in exact fractions, on random cells."""
    from fractions import Fraction

    program = load_program(core(tmp_path))
    rng = np.random.default_rng(1)
    low = rng.uniform(0.01, 0.4, 50)
    analysis = analyse(program, low, low * 1.01)
    for i in range(50):
        x = rng.uniform(low[i], low[i] * 1.01, 20)
        y = evaluate(program, x)
        for one, value in zip(x.tolist(), y.tolist(), strict=True):
            v = Fraction(one)
            c3, c5 = (Fraction(float.fromhex(h)) for h in ("-0x1.5555555555555p-3", "0x1.1111111111111p-7"))
            exact = v + v * v * v * c3 + v * v * v * v * v * c5
            assert abs(Fraction(value) - exact) <= Fraction(float(analysis.result.error[i]))
            assert analysis.result.low[i] <= float(exact) <= analysis.result.high[i]


def test_positions_number_the_floats_in_order():
    x = np.array([-math.inf, -1.0, -1e-45, -0.0, 0.0, 1e-45, 1.0, math.inf], np.float32)
    places = [position(float(v), "float32") for v in x]
    assert places == sorted(places)
    assert [value_at(p, "float32") for p in places] == x.tolist()
    assert values(-3, 3, "float32").tolist() == [value_at(i, "float32") for i in range(-3, 3)]


def test_every_bfloat16_is_tried():
    """The exhaustive bound against mpmath at every finite input."""
    program = load_program(LIBRARY / "exp_bfloat16.yaml")
    found = exhaust(program)
    x = values(-0x7F7F - 1, 0x7F80, "bfloat16")
    wide = x[np.abs(x.astype(float)) < 80]
    worst = float(np.max(true_errors(program, wide)))
    assert worst <= found.bound <= worst + 2.0**-10
    assert found.inputs == len(x)


def test_forms_tell_parity_and_sameness(tmp_path):
    text = CORE.replace("float64", "float32").replace("sin", "tanh")
    text = text.replace("0x1.5555555555555p-3", "0x1.555556p-3").replace(
        "0x1.1111111111111p-7", "0x1.111112p-7"
    )
    program = load_program(core(tmp_path, text))
    assert symmetry(program) == ODD
    even = load_program(core(tmp_path, text.replace("  y: x + ", "  y: 1 + ").replace("x * z", "z * z")))
    assert symmetry(even) == EVEN
    assert symmetry(load_program(core(tmp_path, text.replace("  y: x + ", "  y: 1 + ")))) == 0
    assert one_result(even, 1e-30, 1e-29) == 1.0
    assert one_result(even, 0.1, 0.2) is None


# --- what is wrong ----------------------------------------------------------------------------------------


def codes(path, *options):
    result = CliRunner().invoke(commands, ["certify", str(path), *options])
    assert result.exit_code in (0, 1), result.output
    return result.exit_code, [c for c in ("G1520", "G1521", "G1525", "G1527", "G1528") if c in result.output]


@pytest.fixture
def good(tmp_path):
    path = core(tmp_path)
    path.write_text(spec_text(certified(load_program(path))), encoding="utf-8")
    return path


def test_a_good_file_holds_and_wrong_ones_do_not(good):
    text = good.read_text(encoding="utf-8")
    assert codes(good) == (0, [])
    bound = next(line for line in text.splitlines() if "bound:" in line)
    value = float(bound.split(":")[1])
    for old, new, expected in (
        ("p-7", "p-8", ["G1521", "G1527"]),  # a wrong constant
        ("domain: [-0.5, 0.5]", "domain: [-0.5, 0.75]", ["G1521", "G1527"]),  # not covered
        (bound, bound.replace(repr(value), repr(value / 2)), ["G1521", "G1527"]),  # perturbed
        (bound, bound.replace(repr(value), repr(value * 2)), ["G1521"]),
        ("  certificates:", "  special: {zero: 1}\n  certificates:", ["G1521", "G1528"]),
    ):
        assert old in text
        good.write_text(text.replace(old, new, 1), encoding="utf-8")
        assert codes(good) == (1, expected), (old, new)


def test_a_pole_in_the_domain_is_no_certificate(tmp_path):
    with pytest.raises(SpecError) as raised:
        bound_executed(load_program(core(tmp_path, CORE.replace("y: x +", "y: x / (x - hex('0x1p-2')) +"))))
    assert raised.value.diagnostics[0].code in ("G1525",)


def test_an_exhaustive_check_goes_on_after_a_stop(tmp_path, monkeypatch):
    program = load_program(LIBRARY / "exp_bfloat16.yaml")
    journal = tmp_path / "exp-bfloat16.json"
    whole = exhaust(program)
    calls = []

    def stop(*arguments):
        calls.append(1)
        if len(calls) > 300:
            raise KeyboardInterrupt
        return largest(*arguments)

    largest = exhaustive._largest
    monkeypatch.setattr(exhaustive, "_largest", stop)
    with pytest.raises(KeyboardInterrupt):
        exhaust(program, journal=journal)
    monkeypatch.setattr(exhaustive, "_largest", largest)
    assert exhaust(program, journal=journal) == whole
    with pytest.raises(SpecError):
        exhaust(program, journal=journal, stride=2)


# --- the C kernels ---------------------------------------------------------------------------------------


def single(tmp_path, nodes, *, function="exp", domain="[-1, 1]", error="ulp", special=""):
    """A float32 program of these nodes."""
    lines = "".join(f"  {node}\n" for node in nodes)
    return load_program(
        core(
            tmp_path,
            "graphwright: 1\nkind: graph\nname: one\nuse: [functions/ieee.yaml]\ninputs:\n  x: float32[...]\n"
            f"nodes:\n{lines}outputs: [y]\nprogram:\n  function: {function}\n  domain: {domain}\n"
            f"  error: {error}\n{special}",
        )
    )


@pytest.mark.parametrize("error", ["ulp", "relative", "absolute"])
def test_c_and_numpy_find_the_same_error_at_the_same_input(error):
    for name in ("exp_float32", "vector/sin", "vector/tanh_quick"):
        program = replace(load_program(LIBRARY / f"{name}.yaml"), error=error)
        if error == "relative" and "exp" in name:
            program = replace(program, domain=(-80.0, 80.0))
        found, expected = (exhaust(program, stride=3001, native=native) for native in (True, False))
        assert found.tools != expected.tools
        assert (found.bound, found.worst, found.inputs) == (expected.bound, expected.worst, expected.inputs)


def test_both_roundings_of_a_fused_sum_are_tried(tmp_path):
    """Near 1 + 2^-12 this fma is a tie once it is rounded to float64: graphs round it the other way."""
    nodes = ["y: fma(x, hex('0x1.ffe002p-25'), 1)"]
    domain = "[hex('0x1.000800p+0'), hex('0x1.001800p+0')]"
    program = single(tmp_path, nodes, function="exp2", domain=domain, error="absolute")
    x = values(position(program.domain[0], "float32"), position(program.domain[1], "float32") + 1, "float32")
    once, twice = (evaluate(program, x, fused=fused) for fused in (True, False))
    kernels = native_trial(program).kernels
    np.testing.assert_array_equal(kernels[0](x), once)
    np.testing.assert_array_equal(kernels[1](x), twice)
    assert np.any(once != twice)


def test_what_overflows_may_be_infinite_and_nothing_else_may(tmp_path):
    text = ["c: minimum(x, 200)", "k: round(c)", "r: c - k", "q: r * hex('0x1.62e43p-1')", "p: 1 + q"]
    good = single(tmp_path, [*text, "y: ldexp(p, k)"], function="exp2", domain="[127, 300]")
    early = single(
        tmp_path,
        [*text, "z: ldexp(p, k)", "far: x >= 127", "y: where(far, inf, z)"],
        function="exp2",
        domain="[127, 300]",
    )
    wrong = single(tmp_path, [*text, "z: ldexp(p, k)", "y: -z"], function="exp2", domain="[129, 300]")
    for in_c in (True, False):
        assert exhaust(good, native=in_c).bound < math.inf
        assert exhaust(early, native=in_c).bound == math.inf
        assert exhaust(wrong, native=in_c).bound == math.inf


def test_programs_without_a_c_form_are_tried_by_numpy(monkeypatch):
    program = load_program(LIBRARY / "exp_float32.yaml")
    assert isinstance(native_trial(program), NativeTrial)
    assert native_trial(load_program(LIBRARY / "exp_bfloat16.yaml")) is None
    monkeypatch.setenv("CC", "no-such-compiler")
    native.find_compiler.cache_clear()
    try:
        assert native_trial(program) is None
        assert dict(exhaust(program, stride=40_001).tools).keys() == {"numpy"}
    finally:
        native.find_compiler.cache_clear()


@pytest.mark.parametrize(
    ("function", "special", "problem"),
    [
        ("tanh", "{nan: nan, inf: 1, -inf: -1}", ""),
        ("tanh", "{nan: nan, inf: 1}", "-inf, and its result is not stated"),
        ("tanh", "{inf: 1, -inf: -1}", "nan, and its result is not stated"),
        ("tanh", "{nan: nan, inf: -1, -inf: -1}", "not -1"),
        ("sigmoid", "{nan: nan, inf: 1, -inf: -1}", "sigmoid is 0.0"),
        ("exp", "{nan: nan, inf: 1, -inf: -1}", "exp is inf"),
        ("sin", "{nan: nan, inf: 1, -inf: -1}", "sin is nan"),
        ("tanh", "{nan: nan, inf: 1, -inf: -1, zero: 0, -zero: 0}", "-zero the program gives -0.0"),
    ],
)
def test_results_at_infinities_and_nan_are_the_functions(tmp_path, function, special, problem):
    nodes = ["a: minimum(x, 1)", "y: maximum(a, -1)"]
    program = single(
        tmp_path, nodes, function=function, domain="[-inf, inf]", special=f"  special: {special}\n"
    )
    claim = Certificate("exhaustive", 0.5, worst=0.0, inputs=1)
    found = [p.message for p in wrong_special_values(with_certificates(program, claim))]
    assert any(problem in message for message in found) if problem else not found


# --- the library ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PROGRAMS, ids=KEYS)
def test_library_program(path):
    """Digest, special values, and the bound at random inputs by mpmath and on a part of the exhaustion."""
    program = load_program(path)
    assert program.certificates
    for certificate in program.certificates:
        assert certificate.digest == program.digest(certificate)
    low, high = (max(min(end, 60.0), -60.0) for end in program.domain)
    x = np.random.default_rng(0).uniform(low, high, 200)
    x = np.asarray(
        x[x != 0], dtype=evaluate(program, np.zeros(1)).dtype if program.dtype == "float64" else np.float32
    )
    if program.dtype == "bfloat16":
        import ml_dtypes

        x = x.astype(ml_dtypes.bfloat16)
    bound = program.certificate().bound
    assert np.max(true_errors(program, x)) <= bound
    if program.dtype != "float64":
        assert not list(problems(program, Effort(stride=4001)))


@pytest.mark.slow
@pytest.mark.parametrize("path", PROGRAMS, ids=KEYS)
def test_library_program_is_certified_again(path):
    assert not list(problems(load_program(path)))


def test_ten_operations_beat_the_published_program_25_fold():
    """AutoNumerics-Zero, f10: 3.556e-15 absolute on (0, 1]."""
    program = load_program(LIBRARY / "exp2_ladder_absolute.yaml")
    assert sum(program.cost.values()) == 10
    claim = program.certificate("real")
    assert claim.bound <= 3.556e-15 / 25
    found = bound_real(program)
    assert found.bound <= claim.bound
    assert found.bound <= 1.01 * found.found
