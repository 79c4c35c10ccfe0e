"""`graphwright prove` and `certify`: what they write, say and return."""

from __future__ import annotations

import html
import itertools
import json
import posixpath
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from graphwright.backends.logic.engine.prover import Prover
from graphwright.backends.logic.kernel import check
from graphwright.backends.logic.metamath_verifier import verify
from graphwright.tools.cli import main

LOGIC = Path(__file__).parents[3] / "specs" / "logic"
FILES = ("theorems.jsonl", "certificates.jsonl", "theory.mm", "index.html")
"""What the proofs come to; beside the pages of proofs, and the report with its times."""
SMALL = """graphwright: 1
kind: logic
name: small
sorts:
  Nat: 0 | s(Nat)
functions:
  +: (Nat, Nat) -> Nat
variables: {a: Nat, b: Nat}
axioms:
  add zero: a + 0 = a
  add successor: a + s(b) = s(a + b)
models:
  numbers:
    Nat: 0..4
    0: 0
    s(a): a + 1
    a + b: a + b
goals:
  left zero: 0 + a = a
  <b>left</b> & successor: s(a) + b = s(a + b)
  commutativity: a + b = b + a
"""


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["graphwright", *map(str, arguments)])
    with pytest.raises(SystemExit) as caught:
        main()
    assert isinstance(caught.value.code, int)
    return caught.value.code


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(SMALL, encoding="utf-8")
    return path


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_everything_is_written_and_checked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], small: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert run(monkeypatch, "prove", small, "-o", out) == 0
    printed = capsys.readouterr().out
    assert "small: 3 of 3 goals proved" in printed
    assert sorted(p.name for p in out.iterdir()) == sorted((*FILES, "proofs", "report.json"))
    assert sorted(p.name for p in (out / "proofs").iterdir()) == ["1.html", "2.html", "3.html"]
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    wanted = ["functionalise", "filter", "prove", "compress", "certify", "export"]
    assert [p["name"] for p in report["passes"]] == wanted
    assert {p["verdict"] for p in report["passes"]} == {"holds"}
    theorems = records(out / "theorems.jsonl")
    assert {t["name"] for t in theorems} == {"left zero", "<b>left</b> & successor", "commutativity"}
    assert all(t["verdicts"]["kernel"] == "accepted" for t in theorems)
    assert next(t for t in theorems if t["name"] == "commutativity")["statement"] == "a + b = b + a"
    lines = (out / "certificates.jsonl").read_text(encoding="utf-8").splitlines()
    assert check(lines).accepted
    assert len(verify((out / "theory.mm").read_text(encoding="ascii")).theorems) >= 3
    assert run(monkeypatch, "certify", out / "certificates.jsonl", "--theorems") == 0
    assert "commutativity: rests on" in capsys.readouterr().out


def test_certify_writes_other_formats(monkeypatch: pytest.MonkeyPatch, small: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(monkeypatch, "prove", small, "-o", out)
    options = ["--metamath", tmp_path / "t.mm", "--tptp", tmp_path / "tptp", "--smtlib", tmp_path / "t.smt2"]
    assert run(monkeypatch, "certify", out / "certificates.jsonl", *options) == 0
    assert (tmp_path / "t.mm").read_bytes() == (out / "theory.mm").read_bytes()
    assert len(list((tmp_path / "tptp").glob("*.p"))) >= 3
    assert "(check-sat)" in (tmp_path / "t.smt2").read_text(encoding="utf-8")


def test_a_forged_certificate_is_rejected(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], small: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run(monkeypatch, "prove", small, "-o", out)
    path = out / "certificates.jsonl"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('"rule":"symmetry"', '"rule":"reflexivity"', 1), encoding="utf-8")
    capsys.readouterr()
    assert run(monkeypatch, "certify", path, "--json") == 1
    found = json.loads(capsys.readouterr().out)
    assert found["verdicts"][0]["verdict"] == "rejected"
    assert run(monkeypatch, "certify", tmp_path / "none.jsonl") == 1
    assert "G1621" in capsys.readouterr().err


def test_goals_that_are_false_or_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], small: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert run(monkeypatch, "prove", small, "-o", out, "--goal", "a + b = a") == 1
    assert "is false in the model 'numbers': a = 0, b = 1" in capsys.readouterr().err
    assert not out.exists()
    text = SMALL.replace("0 + a = a", "some b. a + a = b + s(b) or a + a = b + b").split("models:")[0]
    other = small.with_name("other.yaml")
    other.write_text(text + "goals:\n  open: a + b = 0 -> a = s(b)\n", encoding="utf-8")
    assert run(monkeypatch, "prove", other, "-o", out, "--json", "--cycles", 1, "--seconds", 5) == 1
    found = json.loads(capsys.readouterr().out)
    assert [g["name"] for g in found["unproved"]] == ["open"]
    assert "open" in (out / "index.html").read_text(encoding="utf-8")


def test_contradicting_axioms_are_reported_with_the_proof(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], small: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    head, goals = SMALL.split("models:")[0], SMALL.split("goals:")[1]
    small.write_text(f"{head}  wrong: a + b = s(a)\ngoals:{goals}", encoding="utf-8")
    assert run(monkeypatch, "prove", small, "-o", out) == 1
    printed = capsys.readouterr().err
    assert "G1624" in printed
    assert "its proof uses 'wrong'" in printed
    proof = next(t for t in records(out / "theorems.jsonl") if t["statement"] == "false")
    assert "wrong" in proof["rests_on"]
    assert check((out / "certificates.jsonl").read_text(encoding="utf-8").splitlines()).accepted


def test_a_theory_without_goals_is_explored(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], small: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    small.write_text(SMALL.split("goals:")[0], encoding="utf-8")
    assert run(monkeypatch, "prove", small, "-o", out, "--conjecture", 2) == 0
    assert "conjectures" in capsys.readouterr().out
    statements = {t["statement"] for t in records(out / "theorems.jsonl")}
    assert statements
    checked = 0
    for statement in statements:
        if re.search(r"->|!=|and|or", statement):
            continue
        checked += 1
        left, right = statement.split(" = ")
        names = sorted(set(re.findall(r"[a-z]\w*", statement)) - {"s"})
        for values in itertools.product((0, 1, 4), repeat=len(names)):
            scope = {"s": lambda n: n + 1, **dict(zip(names, values, strict=True))}
            assert eval(left, scope) == eval(right, scope), statement
    assert checked


def test_what_is_no_theory(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, small: Path
) -> None:
    graph = LOGIC.parent / "models" / "digits_cnn.yaml"
    assert run(monkeypatch, "prove", graph, "-o", tmp_path / "out") == 1
    assert "G1620" in capsys.readouterr().err
    assert run(monkeypatch, "prove", small, "--goal", "a + = b", "-o", tmp_path / "out") == 1
    assert "--goal 1:1:5: error[G1606]" in capsys.readouterr().err


def test_check_show_and_list_know_theories(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], small: Path
) -> None:
    assert run(monkeypatch, "check", small) == 0
    assert run(monkeypatch, "show", small) == 0
    assert "axiom add successor: a + s(b) = s(a + b)" in capsys.readouterr().out
    assert run(monkeypatch, "list", "theories") == 0
    assert "boolean-algebra" in capsys.readouterr().out
    small.write_text(SMALL.replace("a + b: a + b", "a + b: a"), encoding="utf-8")
    assert run(monkeypatch, "check", small) == 1
    assert "G1622" in capsys.readouterr().err


def test_an_interrupted_run_keeps_what_it_proved_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out, calls = tmp_path / "out", 0
    original = Prover._cycle

    def interrupted(self: Prover, *arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise KeyboardInterrupt
        return original(self, *arguments)

    monkeypatch.setattr(Prover, "_cycle", interrupted)
    assert run(monkeypatch, "prove", LOGIC / "peano.yaml", "-o", out) == 130
    assert "stopped: interrupted" in capsys.readouterr().out
    first = {t["name"] for t in records(out / "theorems.jsonl")}
    assert 0 < len(first) < 58
    assert check((out / "certificates.jsonl").read_text(encoding="utf-8").splitlines()).accepted
    tried: list[str] = []
    run_ = Prover.run

    def counted(self: Prover, goals: Any, progress: Any = None) -> Any:
        tried.extend(g.name for g in goals)
        return run_(self, goals, progress)

    monkeypatch.setattr(Prover, "_cycle", original)
    monkeypatch.setattr(Prover, "run", counted)
    assert run(monkeypatch, "prove", LOGIC / "peano.yaml", "-o", out) == 0
    assert len(tried) == 58 - len(first)
    assert len(records(out / "theorems.jsonl")) == 58


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if given.get("id"):
            self.ids.append(str(given["id"]))
        if tag == "a":
            self.links.append(str(given["href"]))
        if tag not in ("meta", "input", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_explorer_links_resolve(monkeypatch: pytest.MonkeyPatch, small: Path, tmp_path: Path) -> None:
    """Every link on every page leads to a page, and to a place on it."""
    out = tmp_path / "out"
    run(monkeypatch, "prove", small, "-o", out)
    texts = {p.relative_to(out).as_posix(): p.read_text(encoding="utf-8") for p in out.rglob("*.html")}
    pages = {}
    for name, text in texts.items():
        page = pages[name] = _Page()
        page.feed(text)
        assert page.open == []
        assert len(set(page.ids)) == len(page.ids)
        assert "<b>left</b>" not in text
        assert "src=" not in text
        for checker in ("kernel", "metamath", "metamath (Python)"):
            assert f"<li>{checker}: <span" in text
    links = [(name, link) for name, page in pages.items() for link in page.links]
    assert len(links) > 60
    for name, link in links:
        path, _, place = link.partition("#")
        target = posixpath.normpath(posixpath.join(posixpath.dirname(name), path)) if path else name
        assert target in pages, (name, link)
        assert not place or place in pages[target].ids, (name, link)
    assert "&lt;b&gt;left&lt;/b&gt; &amp; successor" in texts["index.html"]
    without = re.sub(r"<script>.*?</script>", "", texts["index.html"], flags=re.DOTALL)
    assert "commutativity" in without


def test_pages_of_theorems_that_are_no_more_go(
    monkeypatch: pytest.MonkeyPatch, small: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run(monkeypatch, "prove", small, "-o", out)
    mine = out / "proofs" / "notes.html"
    mine.write_text("mine")
    run(monkeypatch, "prove", small, "--goal", "0 + a = a", "--fresh", "-o", out)
    assert sorted(p.name for p in (out / "proofs").iterdir()) == ["1.html", "notes.html"]


def test_steps_are_linked_to_rules_and_theorems_to_their_users(
    monkeypatch: pytest.MonkeyPatch, small: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run(monkeypatch, "prove", small, "-o", out)
    for number, theorem in enumerate(records(out / "theorems.jsonl"), 1):
        page = (out / "proofs" / f"{number}.html").read_text(encoding="utf-8")
        assert page.count('<tr id="s') == theorem["steps"]
        for row in re.findall(r'<tr id="s\d+">.*', page):
            assert 'href="#rule-' in row
        for name in theorem["cites"]:
            assert f">{html.escape(name)}</a>" in page
            other = [t["name"] for t in records(out / "theorems.jsonl")]
            if name in other:
                cited = (out / "proofs" / f"{other.index(name) + 1}.html").read_text(encoding="utf-8")
                assert re.search(rf'Used by .*href="{number}.html"', cited)
