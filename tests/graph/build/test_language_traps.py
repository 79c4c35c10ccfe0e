"""The traps of YAML, Python and ONNX, and every rule of the language that forbids something.

Each case names its rule (R1-R43 of the language reference) and has exactly one mistake; `«…»` marks
the text under the caret.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from graphwright.graph.build.checking import check_unit
from graphwright.graph.build.document import Unit
from graphwright.graph.diagnostics import Diagnostic, Severity, SpecError
from graphwright.graph.spec.resolution import load

INPUTS = """inputs:
  x: float32[B, 4]
  n: int64[B]
  flag: bool[B]
  maybe: float32[B] = None
"""
LAYERS = "use: [layers/basic.yaml]\n"
ROW = "y: x + float32(where(flag, n, 1))[:, None] + (0 if maybe is None else maybe[:, None])"


def graph(nodes: str, before: str = "", after: str = "") -> str:
    """A graph of these nodes over x: float32[B, 4], n: int64[B], flag: bool[B] and an optional input."""
    lines = "".join(f"  {line}\n" for line in nodes.splitlines())
    head = f"graphwright: 1\nkind: graph\nname: trap\n{before}"
    return f"{head}{INPUTS}nodes:\n{lines}outputs: [y]\n{after}"


def checked(body: str, given: str = "    inputs: {x: normal(), n: zeros(), flag: zeros()}\n") -> str:
    return graph("y: x", after=f"tests:\n  - name: a\n    sizes: {{B: 2}}\n{given}{body}")


RECIPE = "graphwright: 1\nkind: recipe\nname: trap\n"
TRAINED = "training:\n  loss: y\n  optimizer: adam(lr=1e-3)\n"
STEP = "functions:\n  step:\n    inputs:\n      s: float[...]\n      v: float[...]\n"
OWNING = STEP + "    state:\n      «t»: float32 = 0\n    nodes:\n      z: s + v + t\n    outputs: [z]\n"

THIRDS = """functions:
  f:
    inputs:
      v: float[B, D]
    require:
      - D % 3 == 0
    outputs: [v]
"""

TRAPS = [
    (
        "R4",
        "G0313",
        graph(ROW, "sizes: {width: 4}\n").replace("[B, 4]", "[B, «widht»]"),
        "did you mean 'width'?",
    ),
    ("R5", "G0107", graph("«µ»: x\ny: x"), "write 'mu'"),
    ("R5", "G0205", graph("y: x * «µ»"), "write 'mu'"),
    ("R8", "G0441", graph("y: x[«Div(n, 2)»]"), "a // b"),
    (
        "R9",
        "G0418",
        graph("y: where(«n == 1 & flag», 1, 0)").replace("«n == 1 & flag»", "n == «1 & flag»"),
        "and",
    ),
    ("R9", "G0210", graph("y: where(n == 1 «&» (n > 0), 1, 0)"), "write 'and'"),
    ("R14", "G0440", graph("y: «float32(n) + x[:, :1]»"), "x[None, :]"),
    ("R14", "G0440", graph("y: mean((«float32(n) - x[:, :1]») ** 2)"), "x[:, None]"),
    ("R14", "G0440", graph("y: «where(flag, x[:, :1], 0)»"), "x[:, None]"),
    ("R25", "G0441", graph("y: «ReduceSum(x)»"), "sum(x, axis=…)"),
    (
        "R25",
        "G0441",
        graph("y: x[«ArgMax(x)»[0]]").replace("«ArgMax(x)»[0]", "«ArgMax(x)»[0]"),
        "argmax(x, axis=…)",
    ),
    (
        "R25",
        "G0441",
        graph("y: «BatchNormalization(x, ones(4), zeros(4), zeros(4), ones(4), momentum=0.1)»"),
        "momentum=0.9",
    ),
    ("R32", "G0012", graph("y: x").replace("nodes:\n  y: x", "nodes: {y: «Max(a», b)}"), "block style"),
    ("R32", "G0012", graph("y: x").replace("[y]", "[«f(a», b), c]"), "block style"),
    ("R34", "G0106", graph("y: x", "source: {title: t, arxiv: «2006.00010»}\n"), '"2006.00010"'),
    ("R42", "G0910", RECIPE + "passes:\n  - quantize:\n    «weights»: int8\n", "four more blanks"),
]

FORBIDDEN = [
    ("R1", "G0513", graph("y: x", "attributes: {«width»: int}\n", ""), "--set width=…"),
    ("R1", "G0102", graph("y: x", after="«function»:\n  f(v): v\n"), "did you mean 'functions'?"),
    ("R2", "G0226", graph("y: x", "attributes: {mode: «same»}\n"), 'mode: str = "same"'),
    ("R2", "G0221", graph("y: x + eps", "noise:\n  eps: «normal» float32[4]\n"), "name: type = default"),
    ("R3", "G0220", graph("y: x").replace("float32[B, 4]", "float32«(»B, 4)"), "float32[…]"),
    ("R3", "G0402", graph("y: float32[B, 5] = «x»"), None),
    ("R4", "G0305", graph("y: x + k", "parameters:\n  k: float32[«D»] = zeros()\n"), "introduced by inputs"),
    ("R5", "G0109", graph("y: x\n«n»: x"), None),
    ("R5", "G0108", graph("«lambda»: x\ny: x"), "lambda_"),
    ("R5", "G0108", graph("«pi»: x\ny: x"), None),
    ("R5", "G0107", graph("«a__b»: x\ny: x"), None),
    ("R5", "G0301", graph("y: f(x)", after="functions:\n  f(v): v * «n»\n"), "pass it as an argument"),
    ("R6", "G0312", graph(ROW + "\n«z»: x + 1"), None),
    ("R7", "G0404", graph("y: x[«n * 0.5»]"), "floor"),
    ("R8", "G0403", graph("y: «x + n[:, None]»"), "convert"),
    ("R8", "G0419", graph("y: x[«n / 2»]"), "'//'"),
    ("R9", "G0418", graph("y: where(«flag & flag», 1, 0)"), "'and'"),
    ("R9", "G0420", graph("y: where(«not x», 1, 0)"), "bool(…)"),
    ("R10", "G0605", graph("y: x if «sum(x) > 0» else -x"), "where(c, a, b)"),
    ("R11", "G0414", graph("y: «x[:, 0] + maybe»"), "is None"),
    ("R11", "G0208", graph("y: x if maybe == «None» else x + 1"), "is None"),
    ("R12", "G0209", graph("y: x * «[1, 2, 3, 4]»"), "array"),
    ("R12", "G0114", graph("y: [1, «a»]"), "expression"),
    ("R13", "G0424", graph("y: «x[flag]»"), "where(mask, x, other)"),
    ("R13", "G0426", graph("y: «x[n, n]»"), "take_along"),
    ("R13", "G0432", graph("y: «x[0].T»"), ".mT"),
    ("R14", "G0401", graph("y: «x + float32(n)»"), "x[:, None]"),
    ("R15", "G0501", graph("y: Softmax(x, «1»)"), "keyword"),
    ("R15", "G0503", graph("y: Softmax(x, «axes»=1)"), "did you mean 'axis'?"),
    ("R16", "G0508", graph("y: «TopK(x, 3)» + 1"), ".Values"),
    ("R16", "G0509", graph("a, b, y: «TopK(x, 3)»"), "_"),
    ("R16", "G0109", graph("y: x").replace("[y]", "[y, «y»]"), "second name"),
    ("R17", "G0510", graph("y: linear(«linear(x, width=4)», width=3)", LAYERS), "node of its own"),
    ("R18", "G0511", graph("y: linear(x, width=4, share=«x»)", LAYERS), None),
    ("R19", "G0507", graph("y: repeat(«exp(x)», x, times=2)"), None),
    ("R19", "G0503", graph("y: repeat(exp, x, times=2, «width»=3)"), "partial(…)"),
    (
        "R20",
        "G0607",
        graph("y: repeat(wide, «x», times=2)", after="functions:\n  wide(v): concat([v, v], axis=1)\n"),
        None,
    ),
    ("R20", "G0606", graph("y: repeat(exp, x, times=«B»)"), "scan"),
    ("R21", "G0702", graph("y: scan(step, init=[x[0]], over=[x])", after=OWNING), "carry it"),
    ("R21", "G0501", graph("y: «scan(exp, init=[x])»"), "over=[…]"),
    (
        "R21",
        "G0607",
        graph("y: «scan(wide, init=[x[0]], times=3)»", after="functions:\n  wide(v): concat([v, v])\n"),
        "keeps its type",
    ),
    ("R22", "G0501", graph("y: «while_loop(exp, exp, init=[x])»"), "max_times=n"),
    ("R22", "G0609", graph("y: cond(«flag», exp, log, x)"), None),
    ("R22", "G0610", graph("y: «cond(flag[0], exp, sum, x)»"), None),
    ("R23", "G0501", graph("y: «net(x, x)»", "slots:\n  net: (float32[B, 4]) -> float32[B, 4]\n"), None),
    ("R23", "G0225", graph("y: x", "slots:\n  f: (float32)« »\n"), None),
    ("R24", "G0224", graph("y: f(x)", after="functions:\n  f(v, k=2, «z»): v\n"), "inputs come first"),
    ("R25", "G0430", graph("y: «max(x, x)»"), "maximum(a, b)"),
    (
        "R26",
        "G0302",
        graph("y: layers.«linaer»(x, width=3)", "use:\n  layers: layers/basic.yaml\n"),
        "did you mean 'linear'?",
    ),
    (
        "R27",
        "G0516",
        graph(
            "y: «f(x)»",
            after=THIRDS,
        ),
        None,
    ),
    ("R27", "G0517", graph("y: x", "require:\n  - «sum(x) > 0»\n"), None),
    ("R28", "G0701", graph("y: x + «normal(shape=[4])»"), "noise:"),
    ("R28", "G0706", graph("y: x + k", "parameters:\n  k: float32[4] = «zeros(3)»\n"), None),
    ("R29", "G0705", graph("y: x + e", "noise:\n  «e»: float32[4]\n"), "normal()"),
    ("R30", "G0112", graph("y: x", "updates:\n  «y»: x\n"), "state:"),
    ("R30", "G0710", graph("y: x + t", "state:\n  t: float32 = 0\nupdates:\n  t: «x»\n"), None),
    ("R31", "G0704", graph("y: «grad(x, wrt=x)»"), "mean(…)"),
    ("R31", "G0707", graph("y: grad(sum(x), wrt=«n»)"), None),
    ("R32", "G0117", graph("y: x").replace("[y]", "[«2 * y»]"), "a node"),
    ("R32", "G0013", graph("y: x").replace("  y: x", "  «y»:"), "value"),
    ("R33", "G0006", graph("y: x").replace("nodes:\n  y: x", "nodes: {«<<»: {y: x}}"), "repeat"),
    ("R33", "G0001", graph("y: x[0«:» 3]"), "quote"),
    ("R33", "G0205", graph("y: |\n    x + «# first»"), "line of its own"),
    ("R35", "G0204", graph("y: f(«lambda» v:v)"), None),
    ("R35", "G0204", graph("y: x * «1j»"), "last axis of 2"),
    ("R35", "G0207", graph("y: '«\"a\"» * 1000000000'"), "passed on"),
    ("R35", "G0411", graph("y: x * «9 ** 99»"), None),
    ("R35", "G0201", graph("y: " + "(" * 64 + "«(»x" + ")" * 65), "several nodes"),
    (
        "R36",
        "G0803",
        checked("    expect: [y == x]\n", "    inputs: {x: normal(), «m»: 1}\n"),
        "declared are x n",
    ),
    ("R36", "G0801", checked("    expect: [y == x]\n    expect_error: «G0402»\n"), "remove"),
    ("R37", "G0808", checked("    expect:\n      - «y != x»\n"), "any(a != b)"),
    ("R37", "G0807", checked("    expect:\n      - «y»\n"), None),
    ("R38", "G0809", graph("y: «self(x=x)»"), None),
    ("R39", "G0107", graph("y: mean(x)", after=TRAINED + "  freeze: [«h.*»]\n"), "needs no '*'"),
    ("R39", "G0903", graph("y: mean(x)", after="«training»:\n  loss: y\n"), "adam"),
    ("R39", "G0922", graph("y: mean(x)", after=TRAINED + "  after_step:\n    «y»: 0\n"), None),
    ("R40", "G0906", graph("y: mean(x)", after=TRAINED + "  data: «../x.npz»\n"), "folder"),
    ("R41", "G0921", graph("y: mean(x)", after=TRAINED + "  metrics:\n    m: «x.shape»\n"), None),
    ("R42", "G0910", RECIPE + "passes:\n  - «quantize»:\n", "- quantize"),
]

CASES = [*TRAPS, *FORBIDDEN]
WARNINGS = ("G0312", "G0313", "G0440", "G0441")


def diagnostics_of(path: Path) -> list[Diagnostic]:
    try:
        return check_unit(Unit(*load(str(path)))).items
    except SpecError as error:
        return list(error.diagnostics)


def position(text: str) -> tuple[int, int]:
    return text.count("\n") + 1, len(text) - text.rfind("\n")


@pytest.mark.parametrize(
    ("rule", "code", "text", "hint"), CASES, ids=[f"{c[0]}-{c[1]}-{i}" for i, c in enumerate(CASES)]
)
def test_what_a_rule_forbids_is_told_at_its_place(
    rule: str, code: str, text: str, hint: str | None, tmp_path: Path
) -> None:
    before, rest = text.split("«")
    inside, after = rest.split("»")
    path = tmp_path / "case.yaml"
    path.write_text(before + inside + after, encoding="utf-8")
    found = [d for d in diagnostics_of(path) if d.severity is Severity.ERROR or d.code == code]
    assert [d.code for d in found] == [code], (rule, found)
    span = found[0].span
    assert span is not None
    assert (span.line, span.column) == position(before), found[0]
    assert (span.end_line, span.end_column) == position(before + inside), found[0]
    assert (found[0].severity is Severity.WARNING) == (code in WARNINGS)
    assert (hint is None and found[0].hint is None) or (hint is not None and hint in str(found[0].hint)), (
        found[0]
    )


def test_every_rule_that_forbids_something_has_a_case() -> None:
    cased = {case[0] for case in CASES}
    # R43 is a convention about shapes; its operator has the checks of any other
    assert {f"R{i}" for i in range(1, 43)} - cased == set()


@pytest.mark.parametrize(
    "nodes",
    [
        "y: float32(n)[:, None] + x[:, :1]",
        "y: float32(n)[None, :] + x[:, :1]",
        "y: x + x[0]",
        "y: x @ x.mT + x @ x.mT",
        "y: ReduceSum(x, keepdims=true)",
        "y: x[ArgMax(x, axis=0, keepdims=false)]",
        "y: x[Div(x.shape[0], 2) - 1]",
        "y: float32(Div(float32(n), 2))",
    ],
)
def test_what_is_written_out_gets_no_warning(nodes: str, tmp_path: Path) -> None:
    path = tmp_path / "case.yaml"
    path.write_text(graph(nodes), encoding="utf-8")
    assert [d for d in diagnostics_of(path) if d.code != "G0312"] == []


def test_a_trap_inside_a_library_shows_the_call(tmp_path: Path) -> None:
    library = "graphwright: 1\nkind: library\nname: inside\nfunctions:\n  error(a, b): mean((a - b) ** 2)\n"
    (tmp_path / "inside.yaml").write_text(library, encoding="utf-8")
    text = graph("y: error(x[:, :1], float32(n))", "use: [inside.yaml]\n")
    (tmp_path / "case.yaml").write_text(text, encoding="utf-8")
    (found,) = [d for d in diagnostics_of(tmp_path / "case.yaml") if d.code == "G0440"]
    assert found.span is not None
    assert (found.span.source.path.rsplit("/", 1)[1], found.span.line, found.span.column) == (
        "inside.yaml",
        5,
        22,
    )
    (note,) = found.notes
    assert note.span is not None
    assert (note.message, note.span.line, note.span.column) == ("'error' is called from here", 11, 6)
