"""Steps of proofs as SMT-LIB queries: each asks whether the premises entail the conclusion.

Steps that make or discharge assumptions, citations and inductions are left out: those concern the
form of a proof, which a solver does not see.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .obligations import free_names
from .records import CertificateRecords, ExportError, Json, TheoremRecord, read_records
from .tptp import definition_statements, freeness

LEFT_OUT = frozenset(("assume", "cite", "close", "open", "cases", "induction"))
_FREE = frozenset(("injective", "distinct"))


@dataclass(frozen=True, slots=True)
class Queries:
    """One script; `steps` are the (theorem, step) of its `check-sat`s, each to answer "unsat"."""

    text: str
    steps: tuple[tuple[str, int], ...]


def export_smtlib(lines: Iterable[str]) -> Queries:
    """A query for each step that logic decides. Raises ExportError."""
    records = read_records(lines)
    try:
        found = list(_queries(records))
    except (LookupError, ValueError, TypeError) as error:
        raise ExportError(f"not of the form of a certificate: {error}") from None
    text = "\n".join([*_declarations(records), *(t for _, t in found)]) + "\n"
    return Queries(text, tuple(s for s, _ in found))


def _declarations(records: CertificateRecords) -> Iterator[str]:
    yield "(set-option :print-success false)"
    for sort in records.sorts:
        yield f"(declare-sort {_quoted('sort', sort)} 0)"
    for name, (inputs, output) in records.functions.items():
        sorts = " ".join(_quoted("sort", s) for s in inputs)
        yield f"(declare-fun {_quoted('f', name)} ({sorts}) {_quoted('sort', output)})"
    for name, inputs in records.relations.items():
        sorts = " ".join(_quoted("sort", s) for s in inputs)
        yield f"(declare-fun {_quoted('r', name)} ({sorts}) Bool)"


def _quoted(kind: str, name: str) -> str:
    return "|" + f"{kind} {name}".replace("\\", "/ ").replace("|", "! ") + "|"


def _queries(records: CertificateRecords) -> Iterator[tuple[tuple[str, int], str]]:
    free = list(freeness(records))
    meanings = {d["relation"]: definition_statements(d) for d in records.definitions}
    for theorem in records.theorems:
        for number, step in theorem.steps.items():
            if step["rule"] in LEFT_OUT:
                continue
            given = [theorem.steps[p]["conclusion"] for p in step["premises"]]
            given += free if step["rule"] in _FREE else []
            atoms = [f for f in (*given, step["conclusion"]) if f[0] == "is"]
            if step["rule"] in ("fold", "unfold"):
                given += [s for a in atoms for s in meanings.get(a[1], ())]
            yield (theorem.name, number), _query(theorem, given, step["conclusion"])


def _query(theorem: TheoremRecord, given: list[Json], conclusion: Json) -> str:
    names = sorted({n for f in (*given, conclusion) for n in free_names(f, theorem.variables)})
    constants = [f"(declare-const {_quoted('v', n)} {_quoted('sort', theorem.variables[n])})" for n in names]
    asserted = [f"(assert {_formula(f)})" for f in given]
    return "\n".join(
        [
            "(push 1)",
            *constants,
            *asserted,
            f"(assert (not {_formula(conclusion)}))",
            "(check-sat)",
            "(pop 1)",
        ]
    )


def _term(data: Json) -> str:
    if isinstance(data, str):
        return _quoted("v", data)
    if len(data) == 1:
        return _quoted("f", data[0])
    return f"({_quoted('f', data[0])} {' '.join(map(_term, data[1:]))})"


def _formula(data: Json) -> str:
    kind = data[0]
    if kind == "false":
        return "false"
    if kind == "=":
        return f"(= {_term(data[1])} {_term(data[2])})"
    if kind == "is":
        name = _quoted("r", data[1])
        return f"({name} {' '.join(map(_term, data[2:]))})" if len(data) > 2 else name
    if kind == "or":
        return f"(or {' '.join(map(_formula, data[1:]))})"
    if kind == "all":
        body = _formula(data[3])
        if data[2]:
            body = f"(=> {' '.join(map(_formula, data[2]))} {body})"
    else:
        body = f"(and {' '.join(map(_formula, data[2]))})"
    if not data[1]:
        return body
    binder = " ".join(f"({_quoted('v', n)} {_quoted('sort', s)})" for n, s in data[1])
    return f"({'forall' if kind == 'all' else 'exists'} ({binder}) {body})"
