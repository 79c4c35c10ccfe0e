"""Mistakes inside a library's function, reached by a call, a `repeat` and a slot.

Each shows the place in the library and the call in the main file, once, and nothing else. In the texts
«…» marks what the caret stands under.
"""

from __future__ import annotations

from pathlib import Path

import pytest

import graphwright
from graphwright.graph.build.checking import check_unit
from graphwright.graph.build.document import Unit
from graphwright.graph.diagnostics import Diagnostic, Severity, Span, SpecError
from graphwright.graph.spec.resolution import load

LIBRARY = """graphwright: 1
kind: library
name: inside
use: [layers/basic.yaml]
functions:
  inner:
    inputs:
      x: float32[B, W]
      n: int64[B]
      flag: bool[B]
{body}
    outputs: [y]
  twice(v): concat([v, v], axis=1)
  endless(v): endless(v)
  two:
    inputs:
      v: float[...]
    nodes:
      a: v + 1
      b: v - 1
    outputs: [a, b]
  thirds:
    inputs:
      v: float[B, D]
    require:
      - D % 3 == 0
    outputs: [v]
  running:
    inputs:
      v: float[...]
    state:
      total: float32 = 0
    nodes:
      y: v + total
    updates:
      total: mean(v)
    outputs: [y]
  step:
    inputs:
      s: float[...]
      v: float[...]
    nodes:
      a: s + v
    outputs: [a]
"""
MAIN = """graphwright: 1
kind: graph
name: case
use: [inside.yaml]
{slots}inputs:
  x: float32[B, 4]
  n: int64[B]
  flag: bool[B]
nodes:
  y: {call}
outputs: [y]
"""
SETTINGS = {
    "call": ("", "inner(x, n, flag)"),
    "repeat": ("", "repeat(partial(inner, n=n, flag=flag), x, times=3)"),
    "slot": (
        "slots:\n  net: (float32[B, 4], int64[B], bool[B]) -> float32[B, 4] = inner\n",
        "net(x, n, flag)",
    ),
}

ONE = "(float32[B, 4])"
WHERE = "dimensions are introduced by inputs and slot types; other sizes stand under sizes:"
CONVERT = "convert one explicitly, such as float32(…)"
CASES: list[tuple[str, str, str | None]] = [
    # names
    ("G0301", "hidden: x + 1\ny: «hiden» + 1", "did you mean 'hidden'?"),
    ("G0302", "y: «sofmax»(x)", "did you mean 'softmax'?"),
    ("G0303", "y: x + «exp»", None),
    ("G0304", "a: «y» + x\ny: a * 2", None),
    ("G0305", "parameters:\n  k: float32[«wdth»] = zeros()\nnodes:\n  y: x + k", WHERE),
    ("G0307", "parameters:\n  k: float32[«...»] = zeros()\nnodes:\n  y: x + k", None),
    ("G0309", "best: TopK(x, 3)\ny: best.«values»", "did you mean 'Values'?"),
    # types
    ("G0401", "y: «x + float32(n)»", "insert an axis into operand 2: x[:, None]"),
    ("G0402", "y: «reshape(x, [B, 5])»", None),
    ("G0403", "y: «x + n[:, None]»", CONVERT),
    ("G0404", "y: «n * 0.5»", "convert explicitly: int64(floor(…))"),
    ("G0405", "y: «cholesky(x[:, 0])»", None),
    ("G0406", "y: «cholesky(zeros(3, 4) + x[:1, :1])»", None),
    (
        "G0408",
        "attributes: {rate: 0.5}\nparameters:\n  k: float32[«rate»] = zeros()\nnodes:\n  y: x + k",
        None,
    ),
    (
        "G0409",
        "parameters:\n  k: float32[«W / 3»] = zeros()\nnodes:\n  y: x + k",
        "write '//' for the floor",
    ),
    ("G0411", "y: «uint8(300)»", None),
    ("G0412", "y: x + «array([[1, 2], [3]])»", None),
    (
        "G0413",
        "y: «maximum(x, [1, x])»",
        "write array([…]) or stack(…) to build a tensor from values",
    ),
    ("G0414", "y: «x + float32»", None),
    (
        "G0415",
        "y: x + «x.shape * 2»",
        "lists are for attributes, shapes and axes; write array([…]) for a tensor",
    ),
    ("G0416", "y: x + «1 // 0»", None),
    ("G0417", "y: x + «(0 - 8.0) ** 0.5»", None),
    ("G0418", "y: x * float32(«flag & flag»)[:, None]", "write 'and' for booleans"),
    ("G0419", "y: «n / 2»", "use '//' or convert one side"),
    ("G0420", "y: «where(x, 1, 0)»", "compare, or convert with bool(…)"),
    ("G0421", "y: x + «pi[0]»", None),
    ("G0422", "y: «x[:, 7]»", None),
    ("G0423", "y: «x[0.5]»", None),
    ("G0424", "y: «x[flag]»", "choose per element with where(mask, x, other)"),
    ("G0425", "y: «x[0, 0, 0]»", None),
    ("G0426", "y: «x[n, n]»", "use take_along(x, index, axis=…) or GatherND"),
    ("G0427", "y: «sqrt(n)»", "convert first: float32(…)"),
    ("G0428", "y: «sum(x, axis=5)»", None),
    ("G0429", "y: «max(flag)»", "use any(…) or all(…)"),
    ("G0430", "y: «max(x, x)»", "write maximum(a, b)"),
    ("G0431", "y: «reshape(x, [B, 2.5])»", None),
    ("G0432", "y: «x[0].T»", "use .mT or transpose(x, […])"),
    ("G0433", "y: «concat(x)»", None),
    ("G0434", "y: «take_along(x, n)»", "add axes: index[:, None]"),
    ("G0435", "y: «pad(x, [[1, 1]])»", None),
    ("G0436", "y: x + «zeros()»", "write zeros(2, 3)"),
    ("G0437", "y: x + sum(«zeros(2, -1)»)", None),
    ("G0438", "y: x + sum(«zeros(100000, 100000)»)", None),
    ("G0439", "y: x + sum(«arange(x)»)", None),
    # operators
    ("G0460", "y: «Relu(flag)»", "convert with float32(x)"),
    ("G0461", "y: «Softmax(x, axis=3)»", None),
    ("G0462", "y: «SequenceLength(x)»", None),
    ("G0464", "y: «MaxPool(x[None], kernel_shape=[2, 2, 2])»", None),
    ("G0465", "y: x + «ConstantOfShape([-1])»", None),
    ("G0466", "y: «TopK(x, 9).Values»", None),
    ("G0560", "y: «Constant()»", None),
    ("G0561", 'y: «Gelu(x, approximate="sinh")»', None),
    # calls
    ("G0501", "y: «Conv(x)»", "its inputs: X, W, B?"),
    ("G0503", "y: Softmax(x, «axes»=1)", "did you mean 'axis'?"),
    ("G0504", "y: Softmax(x, «axis»=1.5)", None),
    ("G0505", "y: Softmax(x, «input»=x)", None),
    ("G0506", "y: «sum(x, keepdims=1)»", None),
    ("G0507", "y: repeat(«3», x, times=2)", None),
    ("G0508", "best: TopK(x, 3)\ny: «best» + 1", "select one: .Values"),
    ("G0509", "a, b, y: «TopK(x, 3)»", "write _ for a result that is not needed"),
    (
        "G0510",
        "y: linear(«linear(x, width=4)», width=3)",
        "give it a node of its own: its name names the weights",
    ),
    ("G0511", "y: linear(x, width=4, share=«x»)", None),
    ("G0513", "y: «linear(x)»", "give width=…"),
    ("G0514", "y: linear(x, «width»=n)", "make it an input, or pass a number"),
    ("G0515", "y: «If(flag, then_branch=1, else_branch=2)»", None),
    ("G0516", "y: «thirds(x)»", None),
    ("G0517", "require:\n  - «sum(x) > 0»\nnodes:\n  y: x", None),
    # control
    ("G0602", f"slots:\n  f: {ONE} -> (float32[B, 4], float32[B, 4]) = exp\nnodes:\n  a, y: «f(x)»", None),
    (
        "G0604",
        "s: scan(step, init=[x[0]], over=[x])\ny: x + s.«a»",
        "return it from the function: it is then stacked over the steps",
    ),
    (
        "G0605",
        "y: x if «flag» else x + 1",
        "choose per element with where(c, a, b), or run one branch with cond(c, f, g, …)",
    ),
    ("G0606", "y: repeat(exp, x, times=«B»)", "use scan(…, times=…) for a symbolic number of rounds"),
    ("G0607", "y: repeat(twice, «x», times=2)", None),
    ("G0608", "y: scan(step, init=[x[0]], over=[x, «x[:1]»])", None),
    ("G0609", "y: cond(«x», exp, log, x)", None),
    ("G0610", "y: «cond(flag[0], exp, twice, x)»", None),
    # state, noise, gradients
    ("G0701", "y: x + «normal(shape=[4])»", "declare them under noise: and use the name"),
    ("G0704", "y: «grad(x, wrt=x)»", "reduce it: mean(…)"),
    ("G0705", "noise:\n  «e»: float32[W]\nnodes:\n  y: x + e", "write e: … = normal()"),
    ("G0706", "parameters:\n  k: float32[W] = «zeros(3)»\nnodes:\n  y: x + k", None),
    ("G0707", "y: grad(sum(x), wrt=«n»)", None),
    (
        "G0710",
        "state:\n  total: float32 = 0\nnodes:\n  y: x + total\nupdates:\n  total: «mean(x, axis=0)»",
        None,
    ),
]


def sections(text: str) -> str:
    """The text as the keys of a function; nodes only may be written without their key."""
    keyed = text.split(":")[0] in ("nodes", "parameters", "state", "noise", "attributes", "require", "slots")
    lines = text.splitlines() if keyed else ["nodes:", *("  " + line for line in text.splitlines())]
    return "\n".join("    " + line for line in lines)


def check(folder: Path) -> list[Diagnostic]:
    try:
        document, resolution = load(str(folder / "case.yaml"))
        return check_unit(Unit(document, resolution)).items
    except SpecError as error:
        return list(error.diagnostics)


def places(marked: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """The first and last line and column (from 1, the last excluded) between each pair of marks."""
    found = []
    before, *rest = marked.split("«")
    for part in rest:
        inside, after = part.split("»")
        found.append((position(before), position(before + inside)))
        before += inside + after
    return found


def position(text: str) -> tuple[int, int]:
    return text.count("\n") + 1, len(text) - text.rfind("\n")


def at(span: Span | None) -> tuple[tuple[int, int], tuple[int, int]]:
    assert span is not None
    return (span.line, span.column), (span.end_line, span.end_column)


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize(("code", "text", "hint"), CASES, ids=[f"{c[0]}-{i}" for i, c in enumerate(CASES)])
def test_the_caret_is_in_the_library_and_a_note_at_the_call(
    code: str, text: str, hint: str | None, setting: str, tmp_path: Path
) -> None:
    library = LIBRARY.replace("{body}", sections(text))
    (tmp_path / "inside.yaml").write_text(library.replace("«", "").replace("»", ""), encoding="utf-8")
    slots, call = SETTINGS[setting]
    main = MAIN.format(slots=slots, call=f"«{call}»")
    (tmp_path / "case.yaml").write_text(main.replace("«", "").replace("»", ""), encoding="utf-8")
    errors = [d for d in check(tmp_path) if d.severity is Severity.ERROR]
    assert [d.code for d in errors] == [code], errors
    (found,) = errors
    assert found.span is not None
    assert found.span.source.path.endswith("inside.yaml")
    assert at(found.span) == places(library)[0], found
    assert found.hint == hint
    (note,) = [n for n in found.notes if n.span is not None and n.span.source.path.endswith("case.yaml")]
    assert note.message == "'inner' is called from here"
    assert at(note.span) == places(main)[0]


HEAD = "graphwright: 1\nkind: library\nname: inside\nfunctions:\n"
SCALED = """  scaled:
    inputs:
      v: float[B, D]
    parameters:
      «k»: float[D] = zeros()
    nodes:
      y: v * k
    outputs: [y]
"""
RUNNING = """  running:
    inputs:
      v: float[..., D]
    state:
      {declared}: float[D] = zeros()
    nodes:
      y: v * total
    updates:
      {updated}: v[0]
    outputs: [y]
"""
SLOT = "  net: (float32[B, K]) -> float32[B, K] = "
SEVERAL = """  several:
    inputs:
      v: float[B, D]
    nodes:
      first: «v @ v»
      second: v + 1
      y: first + second
    outputs: [y]
"""
WHOLE: list[tuple[str, str, str, str | None]] = [
    (
        "G0410",
        "  lab(v): «v.shape[0] + v»\n",
        "y: «lab(z)»",
        "give an input a dimension 'P', or make it a number",
    ),
    (
        "G0709",
        RUNNING.format(declared="total", updated="«total»"),
        "y: «running(x, total=x[0])»",
        "this call was given a tensor in its place: give it a state, or let it own one",
    ),
    ("G0512", "  endless(v): «endless(v)»\n", "y: «endless(x)»", None),
    (
        "G0702",
        RUNNING.format(declared="«total»", updated="total"),
        "y: «scan(partial(running, v=x), times=3)» + x",
        "carry it: make it one of the scan's states",
    ),
    (
        "G0703",
        SCALED,
        f"slots:\n{SLOT}scaled\nnodes:\n  a: net(x)\n  b: «net(x[:, :2])»\n  y: a + sum(b)",
        None,
    ),
    (
        "G0708",
        RUNNING.format(declared="total", updated="«total»"),
        f"slots:\n{SLOT}running\nnodes:\n  a: «net(x)»\n  b: «net(x + 1)»\n  y: a + b",
        "a slot or shared state may be updated by one call only",
    ),
    (
        "G0405",
        SEVERAL.replace("v @ v", "cholesky(v[:, 0])"),
        "a: «several(x)»\nb: «several(x)»\ny: a + b",
        None,
    ),
]


@pytest.mark.parametrize(("code", "library", "main", "hint"), WHOLE, ids=[c[0] for c in WHOLE])
def test_a_mistake_of_several_calls_is_told_once_with_a_note_at_each(
    code: str, library: str, main: str, hint: str | None, tmp_path: Path
) -> None:
    inside = HEAD + library
    inputs = "inputs:\n  x: float32[B, 4]\n  z: float32[P + Q, 4]\n"
    keyed = main.startswith("slots:")
    body = main if keyed else "nodes:\n" + "\n".join("  " + line for line in main.splitlines())
    text = f"graphwright: 1\nkind: graph\nname: case\nuse: [inside.yaml]\n{inputs}{body}\noutputs: [y]\n"
    (tmp_path / "inside.yaml").write_text(inside.replace("«", "").replace("»", ""), encoding="utf-8")
    (tmp_path / "case.yaml").write_text(text.replace("«", "").replace("»", ""), encoding="utf-8")
    errors = [d for d in check(tmp_path) if d.severity is Severity.ERROR]
    assert [d.code for d in errors] == [code], errors
    assert at(errors[0].span) == places(inside)[0]
    assert errors[0].hint == hint
    notes = [n for n in errors[0].notes if n.span is not None and n.span.source.path.endswith("case.yaml")]
    assert [at(n.span) for n in notes] == places(text)
    assert all(n.message.endswith("is called from here") for n in notes)


def test_all_mistakes_of_a_function_are_told_at_once(tmp_path: Path) -> None:
    library = HEAD + SEVERAL.replace("«v @ v»", "cholesky(v[:, 0])").replace("v + 1", "sofmax(v)")
    (tmp_path / "inside.yaml").write_text(library, encoding="utf-8")
    main = MAIN.format(slots="", call="several(x)")
    (tmp_path / "case.yaml").write_text(main, encoding="utf-8")
    errors = [d for d in check(tmp_path) if d.severity is Severity.ERROR]
    assert [d.code for d in errors] == ["G0405", "G0302"]  # and nothing about y, which needs both


def test_recursion_in_two_nodes_ends(tmp_path: Path) -> None:
    body = (
        "  twice:\n    inputs:\n      v: float[...]\n    nodes:\n      a: twice(v)\n      b: twice(v + 1)\n"
    )
    (tmp_path / "inside.yaml").write_text(
        HEAD + body + "      y: a + b\n    outputs: [y]\n", encoding="utf-8"
    )
    (tmp_path / "case.yaml").write_text(MAIN.format(slots="", call="twice(x)"), encoding="utf-8")
    codes = {d.code for d in check(tmp_path) if d.severity is Severity.ERROR}
    assert codes == {"G0512"}


def test_an_error_inside_of_the_prelude_is_at_the_call(tmp_path):
    path = tmp_path / "g.yaml"
    path.write_text(
        "graphwright: 1\nkind: graph\nname: g\ninputs:\n  u: float32[2, 1, 64]\nnodes:\n"
        '  y: lti_ssm(u, A=ones(1, 2, 2), B=ones(1, 2, 1), C=ones(1, 1, 2), form="dens")\noutputs: [y]\n'
    )
    with pytest.raises(SpecError) as raised:
        graphwright.load(path)
    (found,) = raised.value.diagnostics
    assert (found.code, found.span.source.path, found.span.line) == ("G0466", str(path), 7)
    assert found.hint == "did you mean 'dense'?"
    assert not found.notes
