"""Certified facts as files: path -> text, in the formats asked for."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence

from ..certificates import Certificate
from ..facts import Facts
from ..results import records

THEOREMS, CERTIFICATES, DATABASE, EXPLORER = "theorems.jsonl", "certificates.jsonl", "theory.mm", "index.html"
PAGES = "proofs"
"""The folder of the explorer's pages."""

Pairs = Iterator[tuple[str, str]]


def files_of(facts: Facts, formats: Sequence[str]) -> dict[str, str]:
    """Every file of the formats. A proof that the kernel rejected is in no other format than the
    certificates'."""
    found: dict[str, str] = {}
    for name in formats:
        found.update(FORMATS[name](facts))
    return found


def _theorems(facts: Facts) -> Pairs:
    yield THEOREMS, "".join(f"{json.dumps(r, ensure_ascii=False)}\n" for r in records(facts))


def _lines(facts: Facts) -> list[str]:
    return list(Certificate(facts.theory, facts.theorems).lines())


def _certificates(facts: Facts) -> Pairs:
    yield CERTIFICATES, "".join(f"{line}\n" for line in _lines(facts))


def _is_accepted(facts: Facts) -> bool:
    return all(t.name in facts.rests for t in facts.theorems)


def _metamath(facts: Facts) -> Pairs:
    if facts.database:  # the one that the checkers read; where there is none, the verdicts say why
        yield DATABASE, facts.database


def _explorer(facts: Facts) -> Pairs:
    from .explorer import explorer_pages

    yield from explorer_pages(facts)


def _tptp(facts: Facts) -> Pairs:
    from .tptp import export_tptp

    if _is_accepted(facts):
        for number, problem in enumerate(export_tptp(_lines(facts)), 1):
            yield f"tptp/{number:04}.p", f"% {problem.name}\n{problem.text}"


def _smtlib(facts: Facts) -> Pairs:
    from .smtlib import export_smtlib

    if _is_accepted(facts):
        yield "steps.smt2", export_smtlib(_lines(facts)).text


FORMATS: dict[str, Callable[[Facts], Pairs]] = {
    "theorems": _theorems,
    "metamath": _metamath,
    "explorer": _explorer,
    "tptp": _tptp,
    "smtlib": _smtlib,
    "certificates": _certificates,
}
