"""Metamath export: what is proved checks, what is not does not, by two checkers without common code."""

from __future__ import annotations

import json
import re

import pytest

from graphwright.backends.logic.checkers import ABSENT, ACCEPTED, metamath_verdict, python_verdict
from graphwright.backends.logic.exporters.metamath import export_metamath, theorem_labels
from graphwright.backends.logic.exporters.records import ExportError, read_records
from graphwright.backends.logic.kernel import check
from graphwright.backends.logic.metamath_verifier import verify
from graphwright.tools.proofs.pipeline import Proved
from graphwright.tools.testing.certificate_mutation import mutations


def accepted(database: str) -> None:
    found = python_verdict(database)
    assert found.verdict == ACCEPTED, found.detail
    external = metamath_verdict(database)
    assert external.verdict in (ACCEPTED, ABSENT), external.detail


@pytest.mark.parametrize("name", ["peano", "lists", "trees", "lattice"])
def test_every_theorem_is_proved_in_metamath(proved: dict[str, Proved], name: str) -> None:
    run = proved[name]
    assert not run.outcome.unproved
    assert run.database is not None
    accepted(run.database)
    records = read_records(run.lines)
    labels = theorem_labels(records)
    assert set(labels.values()) <= set(verify(run.database).theorems)
    assert len(set(labels.values())) == len(run.theorems)


def test_axioms_are_those_of_the_theory(proved: dict[str, Proved]) -> None:
    """Nothing else is assumed of Peano's symbols than its axioms and its datatype."""
    database = proved["peano"].database
    assert database is not None
    axioms = [a for a in verify(database).axioms if a.startswith("ax.")]
    assert len(axioms) == len(proved["peano"].theory.axioms)
    assert "ax.add-zero $a |- ( a + 0 ) = a $." in database
    assert re.search(r"thm\.addition-commutes \$p \|- \( a \+ b \) = \( b \+ a \)", database)
    conditional = r"thm\.addition-cancels-on-the-right \$p \|- \( \( a \+ b \) = \( c \+ b \) -> a = c \)"
    assert re.search(conditional, database)


def test_every_rule_is_exported(by_hand: list[str]) -> None:
    verdict = check(by_hand)
    assert verdict.accepted, (verdict.line, verdict.reason)
    accepted(export_metamath(by_hand))


def test_statements_with_quantifiers_are_as_they_were(by_hand: list[str]) -> None:
    database = export_metamath(by_hand)
    assert "def.le $a |- ( G -> ( ( x <= y ) <-> E. x1.0 ( x + x1.0 ) = y ) ) $." in database
    assert "thm.le-s $p |- ( ( a <= b ) -> ( a <= ( s b ) ) )" in database
    assert "thm.two $p |- E. x2.0 E. x1.0 ( ( x2.0 = x1.0 /\\ ( P x2.0 ) ) /\\ ( P x1.0 ) )" in database


def _changed(lines: list[str], number: int, **fields: object) -> list[str]:
    """The certificate with fields of step `number` replaced."""
    found = [json.loads(line) for line in lines]
    for record in found:
        if record["record"] == "step" and record["id"] == number:
            record.update(fields)
    return [json.dumps(r) for r in found]


FORGERIES = {
    "another conclusion": (2, {"conclusion": ["=", ["+", "a", ["0"]], ["0"]]}),
    "another term": (2, {"substitution": [["0"]]}),
    "another statement cited": (1, {"name": "P 0"}),
    "a witness that is none": (3, {"substitution": [["s", ["0"]]]}),
    "a variable that is not fresh": (15, {"substitution": ["a"]}),
    "a congruence at the wrong place": (11, {"conclusion": ["=", ["s", "b"], ["s", ["+", "a", "w"]]]}),
    "a case left out": (24, {"premises": [18, 22, 19]}),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_forgeries_are_rejected(by_hand: list[str], name: str) -> None:
    number, fields = FORGERIES[name]
    changed = _changed(by_hand, number, **fields)
    assert not check(changed).accepted
    try:
        database = export_metamath(changed)
    except ExportError:
        return
    assert python_verdict(database).is_bad
    assert metamath_verdict(database).verdict != ACCEPTED


def test_circular_proofs_are_refused() -> None:
    lines = [
        {"record": "theory", "name": "t", "format": 1},
        {"record": "sort", "name": "N"},
        {"record": "function", "name": "0", "inputs": [], "output": "N"},
        {"record": "function", "name": "1", "inputs": [], "output": "N"},
        {"record": "theorem", "name": "forged", "statement": ["=", ["0"], ["1"]], "variables": {}},
        {"record": "step", "id": 1, "rule": "symmetry", "premises": [2], "conclusion": ["=", ["1"], ["0"]]},
        {"record": "step", "id": 2, "rule": "symmetry", "premises": [1], "conclusion": ["=", ["0"], ["1"]]},
        {"record": "qed", "name": "forged", "step": 2},
    ]
    with pytest.raises(ExportError):
        export_metamath(map(json.dumps, lines))


@pytest.mark.parametrize(
    "text", ["", "{}", "[1]", '{"record": "step"}', '{"record": "qed", "name": "x", "step": 1}']
)
def test_what_is_no_certificate_is_refused_or_empty(text: str) -> None:
    try:
        database = export_metamath([text] if text else [])
    except ExportError:
        return
    verify(database)


def test_mutated_certificates_are_rejected(proved: dict[str, Proved], by_hand: list[str]) -> None:
    """Of those that the kernel rejects, each Metamath checker rejects at least 99 %. What cannot be
    written in Metamath at all proves nothing there. Those that the kernel accepts are proofs still:
    the Metamath checker agrees."""
    invalid, python, program = 0, 0, 0
    sources = (proved["trees"].lines, proved["lattice"].lines, by_hand)
    for seed, lines in enumerate(sources):
        for mutated in mutations(lines, 180, seed):
            if check(mutated).accepted:
                assert not python_verdict(export_metamath(mutated)).is_bad
                continue
            invalid += 1
            try:
                database = export_metamath(mutated)
            except ExportError:
                continue
            python += not python_verdict(database).is_bad
            if invalid % 3 == 0:  # a process each: a sample
                program += metamath_verdict(database).verdict == ACCEPTED
    assert invalid >= 500
    assert python <= invalid / 100
    assert program <= invalid / 300


def test_symbols_that_metamath_has_not() -> None:
    """Names with blanks, dollars and the basis' own words are spelt apart."""
    names = ["$x", "wi", "x1", "->", "é", "mp.", "A. B"]
    records = [{"record": "theory", "name": "t $ é", "format": 1}, {"record": "sort", "name": "wff"}]
    records += [{"record": "function", "name": n, "inputs": [], "output": "wff"} for n in names]
    records += [{"record": "axiom", "name": f"$ {n}", "statement": ["=", [n], [n]]} for n in names]
    accepted(export_metamath(map(json.dumps, records)))
