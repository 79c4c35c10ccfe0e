"""Every diagnostic of the builder: exact code, line, column and hint.

In the texts «…» marks the offending text; the markers are taken out before the check.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from graphwright.graph.build.checking import check_unit
from graphwright.graph.build.document import Unit, build_program
from graphwright.graph.build.files import Settings
from graphwright.graph.build.training import build_training
from graphwright.graph.diagnostics import Diagnostic, Severity, SpecError
from graphwright.graph.spec.resolution import load

HEAD = """graphwright: 1
kind: graph
name: case
sizes: {width: 4, classes: 3}
attributes: {rate: 0.5}
inputs:
  x: float32[B, 4]
  n: int64[B]
  flag: bool[B]
nodes:
"""
TAIL = "outputs: [y]\n"


def graph(nodes: str, extra: str = "") -> str:
    """A graph with inputs x: float32[B, 4], n: int64[B], flag: bool[B], and these nodes."""
    lines = "\n".join("  " + line for line in nodes.strip("\n").splitlines())
    return HEAD + lines + "\n" + TAIL + extra


LAYERS = "use: [layers/basic.yaml]\n"

DIMENSIONS = "dimensions are introduced by inputs and slot types; other sizes stand under sizes:"
TRAINING = "training:\n  loss: y\n  optimizer: adam(lr=1e-3)\n"
USED = graph("y: x[n] + where(flag, rate, 1)[:, None]")
GIVEN = "    inputs:\n      x: normal()\n      n: zeros()\n      flag: zeros()\n"


def case(expectation: str, given: str = "") -> str:
    """A graph with one test."""
    return graph(
        "y: x", f"tests:\n  - name: a\n    sizes: {{B: 2}}\n{given}    expect:\n      - {expectation}\n"
    )


CASES: list[tuple[str, str, str | None]] = [
    # names
    ("G0301", graph("hidden: x + 1\ny: «hiden» + 1"), "did you mean 'hidden'?"),
    ("G0302", graph("y: «sofmax»(x)"), "did you mean 'softmax'?"),
    ("G0302", graph("y: «Relux»(x)"), "did you mean 'Relu'?"),
    ("G0303", graph("y: x + «exp»"), None),
    ("G0304", graph("a: y + x\ny: «a» * 2"), None),
    (
        "G0305",
        graph("y: x", "parameters:\n  kernel: float32[«widht», 3] = zeros()\n").replace(
            "y: x\n", "y: x + sum(kernel)\n"
        ),
        "did you mean 'width'?",
    ),
    ("G0309", graph("best: TopK(x, 3)\ny: best.«values»"), "did you mean 'Values'?"),
    # types
    ("G0401", graph("y: «x + float32(n)»"), "insert an axis into operand 2: x[:, None]"),
    ("G0402", graph("y: «reshape(x, [B, 5])»"), None),
    ("G0403", graph("y: «x + n[:, None]»"), "convert one explicitly, such as float32(…)"),
    ("G0404", graph("y: «n * 0.5»"), "convert explicitly: int64(floor(…))"),
    ("G0405", graph("y: «cholesky(x[:, 0])»"), None),
    (
        "G0405",
        graph("y: «sum(Squeeze(NonZero(x)), axis=1)»"),
        "give it a shape first: reshape(x, […]), or Reshape with a constant shape",
    ),
    (
        "G0405",
        graph("y: 1 + «Squeeze(NonZero(x))[0]»"),
        "give it a shape first: reshape(x, […]), or Reshape with a constant shape",
    ),
    ("G0406", graph("y: «cholesky(zeros(3, 4) + x[:1, :1])»"), None),
    ("G0411", graph("y: «uint8(300)»"), None),
    (
        "G0412",
        graph("y: x + array(«[[1, 2], [3]]»)").replace("array(«[[1, 2], [3]]»)", "«array([[1, 2], [3]])»"),
        None,
    ),
    ("G0414", graph('y: «x + "a"»').replace('«x + "a"»', "«x + float32»"), None),
    ("G0416", graph("y: x + «1 // 0»"), None),
    ("G0418", graph("y: x * float32(«flag & flag»)[:, None]"), "write 'and' for booleans"),
    ("G0419", graph("y: «n / 2»"), "use '//' or convert one side"),
    (
        "G0420",
        graph("y: where(x, 1, 0)").replace("where(x, 1, 0)", "«where(x, 1, 0)»"),
        "compare, or convert with bool(…)",
    ),
    ("G0421", graph("y: x + «rate[0]»"), None),
    ("G0422", graph("y: «x[:, 7]»"), None),
    ("G0423", graph("y: «x[0.5]»"), None),
    ("G0424", graph("y: «x[flag]»"), "choose per element with where(mask, x, other)"),
    ("G0425", graph("y: «x[0, 0, 0]»"), None),
    ("G0426", graph("y: «x[n, n]»"), "use take_along(x, index, axis=…) or GatherND"),
    ("G0427", graph("y: «sqrt(n)»"), "convert first: float32(…)"),
    ("G0428", graph("y: «sum(x, axis=5)»"), None),
    ("G0429", graph("y: «max(flag)»"), "use any(…) or all(…)"),
    ("G0430", graph("y: «max(x, x)»"), "write maximum(a, b)"),
    ("G0431", graph("y: «reshape(x, [B, 2.5])»"), None),
    ("G0432", graph("y: «x[0].T»"), "use .mT or transpose(x, […])"),
    ("G0433", graph("y: «concat(x)»"), None),
    ("G0434", graph("y: «take_along(x, n)»"), "add axes: index[:, None]"),
    ("G0435", graph("y: «pad(x, [[1, 1]])»"), None),
    ("G0436", graph("y: x + «zeros()»"), "write zeros(2, 3)"),
    ("G0437", graph("y: x + sum(«zeros(2, -1)»)"), None),
    ("G0438", graph("y: x + sum(«zeros(100000, 100000)»)"), None),
    ("G0439", graph("y: x + sum(«arange(x)»)"), None),
    ("G0506", graph("y: x @ «eye(1e-12)»"), None),
    ("G0414", graph("y: «x[:, x.dtype]»"), None),
    # calls
    ("G0501", graph("y: «Conv(x)»"), "its inputs: X, W, B?"),
    ("G0503", graph("y: Softmax(x, «axes»=1)"), "did you mean 'axis'?"),
    ("G0504", graph("y: Softmax(x, «axis»=1.5)"), None),
    ("G0505", graph("y: Softmax(x, «input»=x)"), None),
    ("G0506", graph("y: «sum(x, keepdims=1)»"), None),
    ("G0507", graph("y: repeat(«3», x, times=2)"), None),
    ("G0508", graph("best: TopK(x, 3)\ny: «best» + 1"), "select one: .Values"),
    ("G0509", graph("a, b, y: «TopK(x, 3)»"), "write _ for a result that is not needed"),
    (
        "G0510",
        LAYERS + graph("y: linear(«linear(x, width=4)», width=3)"),
        "give it a node of its own: its name names the weights",
    ),
    ("G0513", LAYERS + graph("y: «linear(x)»"), "give width=…"),
    ("G0514", LAYERS + graph("y: linear(x, «width»=n)"), "make it an input, or pass a number"),
    ("G0515", graph("y: «If(flag, then_branch=1, else_branch=2)»"), None),
    # control
    (
        "G0605",
        graph("y: x if «flag» else x + 1"),
        "choose per element with where(c, a, b), or run one branch with cond(c, f, g, …)",
    ),
    (
        "G0606",
        graph("y: repeat(exp, x, times=«B»)"),
        "use scan(…, times=…) for a symbolic number of rounds",
    ),
    ("G0609", graph("y: cond(«x», exp, log, x)"), None),
    # state and noise
    ("G0701", graph("y: x + «normal(shape=[4])»"), "declare them under noise: and use the name"),
    ("G0704", graph("y: «grad(x, wrt=x)»"), "reduce it: mean(…)"),
    ("G0707", graph("y: grad(sum(x), wrt=«n»)"), None),
    # what belongs to the main file only
    ("G0305", graph("y: x + k", "parameters:\n  k: float32[«depth»] = zeros()\n"), DIMENSIONS),
    ("G0311", graph("y: x.shape").replace("[y]", "[«y»]"), "outputs are tensors"),
    ("G0312", graph("y: x[n]\n«z»: where(flag, rate, 1)"), None),
    ("G0313", USED.replace("x: float32[B, 4]", "x: float32[B, «widht»]"), "did you mean 'width'?"),
    (
        "G0301",
        graph("y: x").replace("width: 4", "width: «rate»"),
        "sizes are made of numbers and other sizes only",
    ),
    ("G0408", graph("y: x").replace("width: 4, classes: 3", "width: 4, classes: «5 / 2»"), None),
    ("G0408", graph("y: x").replace("n: int64[B]", "n: int64[B] in 0..«true»"), None),
    (
        "G1344",
        graph("y: x").replace("x: float32[B, 4]", "x: float32[B, 4] «~ norml»"),
        "did you mean 'normal'?",
    ),
    # tests
    ("G0806", case("y == x»").replace("name: a", "«name: a"), "inputs: x: normal()"),
    ("G0807", case("«y»", GIVEN), None),
    ("G0808", case("«y != x»", GIVEN), "write any(a != b) or all(a != b)"),
    ("G0809", graph("y: «self(x=x)»"), None),
    ("G0809", graph("y: «after(x)»"), None),
    ("G0810", case("after(«y») == y", GIVEN), None),
    ("G0810", case("after(«3») == y", GIVEN), None),
    ("G0803", case("all(self(«z»=y).y == y)", GIVEN), "self takes: x, n, flag, training"),
    # training
    ("G0921", graph("y: x", TRAINING + "  metrics:\n    m: «y.shape»\n"), None),
    ("G0301", graph("y: x", TRAINING + "  metrics:\n    m: y + «missing»\n"), None),
    ("G0922", graph("y: x", TRAINING + "  after_step:\n    «y»: 0\n"), None),
]
WARNINGS = ("G0312", "G0313")


def marked(text: str) -> tuple[str, tuple[int, int], tuple[int, int]]:
    """The text without markers, and the first and last line and column (from 1) that they mark."""
    before, rest = text.split("«")
    inside, after = rest.split("»")
    return before + inside + after, position(before), position(before + inside)


def position(text: str) -> tuple[int, int]:
    return text.count("\n") + 1, len(text) - text.rfind("\n")


def diagnostics_of(text: str, folder: Path, settings: Settings | None = None) -> list[Diagnostic]:
    path = folder / "case.yaml"
    path.write_text(text, encoding="utf-8")
    try:
        document, resolution = load(str(path))
        return check_unit(Unit(document, resolution, settings or Settings())).items
    except SpecError as error:
        return list(error.diagnostics)


@pytest.mark.parametrize(("code", "text", "hint"), CASES, ids=[f"{c[0]}-{i}" for i, c in enumerate(CASES)])
def test_code_place_and_hint(code: str, text: str, hint: str | None, tmp_path: Path) -> None:
    clean, start, end = marked(text)
    diagnostics = diagnostics_of(clean, tmp_path)
    found = [d for d in diagnostics if d.severity is Severity.ERROR or code in WARNINGS]
    found = [d for d in found if d.code not in WARNINGS or code in WARNINGS]
    assert [d.code for d in found] == [code], found
    span = found[0].span
    assert span is not None
    assert span.source.path.endswith("case.yaml")
    assert ((span.line, span.column), (span.end_line, span.end_column)) == (start, end), found[0]
    assert found[0].hint == hint


def test_all_errors_are_reported_at_once(tmp_path: Path) -> None:
    text = graph("a: sofmax(x)\nb: x + missing\nc: sqrt(n)\ny: a + b + c")
    codes = [d.code for d in diagnostics_of(text, tmp_path) if d.severity.value == "error"]
    assert {"G0302", "G0301"} <= set(codes)


INSIDE = """graphwright: 1
kind: library
name: inside
functions:
  block:
    inputs:
      x: float[B, D]
    nodes:
      y: reshape(x, [B, D + 1])
    outputs: [y]
"""


@pytest.mark.parametrize("call", ["block(x)", "repeat(block, x, times=2)", "scan_all(x)"])
def test_errors_inside_a_library_show_both_places(call: str, tmp_path: Path) -> None:
    (tmp_path / "inside.yaml").write_text(INSIDE, encoding="utf-8")
    functions = "functions:\n  scan_all(v): block(v)\n"
    text = "use: [inside.yaml]\n" + graph(f"y: {call}", functions)
    (found, *_) = [d for d in diagnostics_of(text, tmp_path) if d.code == "G0402"]
    assert found.span is not None
    assert found.span.source.path.endswith("inside.yaml")
    assert (found.span.line, found.span.column) == (9, 10)
    places = [n.span.source.path for n in found.notes if n.span is not None]
    assert any(p.endswith("case.yaml") for p in places)


def test_errors_inside_a_slot_show_the_slot_and_the_call(tmp_path: Path) -> None:
    text = """graphwright: 1
kind: graph
name: slotted
slots:
  net: (float32[B, 4]) -> float32[B, 4] = bad
inputs:
  x: float32[B, 4]
nodes:
  y: net(x)
outputs: [y]
functions:
  bad(v): v + undefined_name
"""
    (found, *_) = [d for d in diagnostics_of(text, tmp_path) if d.code == "G0301"]
    assert found.span is not None
    assert (found.span.line, found.span.column) == (12, 15)


def test_an_unbound_slot_is_an_error_when_building_only(tmp_path: Path) -> None:
    text = """graphwright: 1
kind: graph
name: slotted
slots:
  net: (float32[B, 4]) -> float32[B, V]
inputs:
  x: float32[B, 4]
nodes:
  y: net(x)
outputs: [y]
"""
    assert not diagnostics_of(text, tmp_path)
    document, resolution = load(str(tmp_path / "case.yaml"))
    with pytest.raises(SpecError) as raised:
        build_program(Unit(document, resolution))
    (found,) = raised.value.diagnostics
    assert found.code == "G0601"
    assert found.span is not None
    assert (found.span.line, found.span.column) == (5, 3)


def test_a_requirement_names_the_call_and_the_condition(tmp_path: Path) -> None:
    text = graph(
        "y: halves(x)",
        "functions:\n  halves:\n    inputs:\n      v: float[B, D]\n    require:\n      - D % 3 == 0\n"
        "    nodes:\n      z: v\n    outputs: [z]\n",
    )
    (found,) = [d for d in diagnostics_of(text, tmp_path) if d.code == "G0516"]
    assert found.span is not None
    assert found.span.line == 11
    assert "D % 3 == 0" in found.message
    assert "D = 4" in found.message


def test_a_slice_up_to_a_bounded_size_keeps_the_size(tmp_path: Path) -> None:
    text = """graphwright: 1
kind: graph
name: table
inputs:
  x: float32[T, 4]
parameters:
  position: float32[16, 4] = zeros()
require:
  - T <= 16
nodes:
  y: x + position[:T]
outputs: [y]
"""
    assert not diagnostics_of(text, tmp_path)


def test_training_without_its_block(tmp_path: Path) -> None:
    path = tmp_path / "case.yaml"
    path.write_text(graph("y: x"), encoding="utf-8")
    with pytest.raises(SpecError) as raised:
        build_training(Unit(*load(str(path))))
    (found,) = raised.value.diagnostics
    assert found.code == "G0920"
    assert found.span is not None
    assert (found.span.line, found.span.column, found.span.end_column) == (3, 7, 11)
