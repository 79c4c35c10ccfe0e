"""FPCore read to targets: values against Python's own arithmetic, and mistakes at their places."""

from __future__ import annotations

import math

import mpmath
import pytest

from graphwright.graph.diagnostics import SpecError
from graphwright.graph.diagnostics.span import Source
from graphwright.passes.functions.fpcore import evaluate, read_cores
from graphwright.passes.functions.target import Target
from graphwright.tools.search.fpcore_files import fpcore_target

LOGISTIC = (
    '(FPCore logistic (x)\n :name "the logistic" ; a comment\n :pre (<= -8 x 8)\n (/ 1 (+ 1 (exp (- x)))))'
)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("(- (sqrt (+ x 1)) (sqrt x))", lambda x: math.sqrt(x + 1) - math.sqrt(x)),
        ("(let ([x 2] [y x]) (* x y))", lambda x: 2 * x),
        ("(let* ([a (+ x 1)] [b (* a a)]) (- b))", lambda x: -((x + 1) ** 2)),
        ("(if (and (< 0 x 1/2) (not (== x 1e-3))) (fma x x PI) (pow x 3))", lambda x: x**3),
        ("(! :precision binary32 (hypot x (fabs -0x1.8p1)))", lambda x: math.hypot(x, 3)),
        ("(+ (expm1 x) (log1p x) (atan2 x 2) (erfc x))", None),
    ],
)
def test_bodies_compute(body, expected):
    x = 0.75
    own = math.expm1(x) + math.log1p(x) + math.atan2(x, 2) + math.erfc(x)
    core = read_cores(Source("t", f"(FPCore (x) {body})"))[0]
    wanted = own if expected is None else expected(x)
    assert float(evaluate(core, mpmath.mpf(x))) == pytest.approx(wanted, rel=1e-14)


@pytest.mark.parametrize(
    ("condition", "domain"),
    [
        ("(<= 0 x 1)", (0, 1)),
        ("(and (> x 1/4) (>= (* 2 PI) x) (< x 100))", (0.25, 2 * math.pi)),
        ("(< (fabs x) 1e1)", (-10, 10)),
        ("(< 0 x)", None),
        ("(< (* x x) 1)", None),
    ],
)
def test_preconditions_give_domains(condition, domain):
    core = read_cores(Source("t", f"(FPCore (x) :pre {condition} x)"))[0]
    assert core.domain == (domain and pytest.approx(domain))


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        ("(FPCore (x)\n  (foo x))", "G1506", (2, 4)),
        ("(FPCore (x y) x)", "G1506", (1, 9)),
        ("(FPCore (x)\n (+ x\n z))", "G1505", (3, 2)),
        ("(FPCore (x) (+ x 1)", "G1505", (1, 1)),
        ("(FPCore (x) x) )", "G1505", (1, 16)),
        ("(FPCore (x) (sqrt x x))", "G1505", (1, 13)),
        ("(FPCore (x) (let ([a]) x))", "G1505", (1, 19)),
        ("(FPCore (x) :pre)", "G1505", (1, 13)),
        ("(FPCore (x) 1e999999999)", "G1505", (1, 13)),
        ("(FPCore (x) " + "(- " * 200 + "x" + ")" * 201, "G1505", None),
        ("; nothing", "G1505", (1, 1)),
    ],
)
def test_mistakes_have_their_places(text, code, place):
    with pytest.raises(SpecError) as raised:
        read_cores(Source("t", text))
    (found,) = raised.value.diagnostics
    assert found.code == code
    assert place is None or (found.span.line, found.span.column) == place


def test_files_become_targets(tmp_path):
    path = tmp_path / "some.fpcore"
    path.write_text(LOGISTIC + "\n(FPCore g (y) (* y y))", encoding="utf-8")
    target = fpcore_target(path, "the logistic", None, "absolute")
    assert (target.low, target.high, target.name) == (-8, 8, "the_logistic")
    assert float(target.exact(mpmath.mpf(1))) == pytest.approx(1 / (1 + math.exp(-1)))
    for name in (None, "h", "g"):  # which one? unknown; no domain
        with pytest.raises(SpecError) as raised:
            fpcore_target(path, name, None, "absolute")
        assert raised.value.diagnostics[0].code == "G1507"


def test_values_that_are_not_real_are_diagnosed():
    core = read_cores(Source("t", "(FPCore (x) (/ (sqrt x) (- x 1/2)))"))[0]
    for low, x in ((-1.0, -0.5), (0.0, 0.5)):
        with pytest.raises(SpecError) as raised:
            Target("f", low, 1.0, "relative", core.text).exact(mpmath.mpf(x))
        assert raised.value.diagnostics[0].code == "G1502"
