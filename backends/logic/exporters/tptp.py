"""Obligations of proofs as problems in TPTP's typed first-order form (TFF), for provers such as E."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from .obligations import Obligation, obligations
from .records import CertificateRecords, ExportError, Json, read_records

_WORD = re.compile(r"[a-z][A-Za-z0-9_]*\Z")


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem: the prover is to say "Theorem"."""

    name: str
    text: str


def export_tptp(lines: Iterable[str]) -> list[Problem]:
    """A problem for each obligation of each theorem. Raises ExportError."""
    records = read_records(lines)
    try:
        return list(_problems(records))
    except (LookupError, ValueError, TypeError) as error:
        raise ExportError(f"not of the form of a certificate: {error}") from None


def _problems(records: CertificateRecords) -> Iterator[Problem]:
    statements = {a["name"]: a["statement"] for a in records.axioms}
    head = [*_declarations(records), *_datatypes(records), *_definitions(records)]
    for theorem in records.theorems:
        for obligation in obligations(theorem):
            yield Problem(obligation.name, _text(obligation, head, statements))
        statements[theorem.name] = theorem.statement


def _text(obligation: Obligation, head: list[str], statements: Mapping[str, Json]) -> str:
    given = [(f"given {n}", f) for n, f in enumerate(obligation.given)]
    cited = [(name, statements[name]) for name in obligation.cited]
    lines = [*head, *(_line(name, "axiom", formula(f, {})) for name, f in [*cited, *given])]
    return "\n".join([*lines, _line("goal", "conjecture", formula(obligation.conclusion, {}))]) + "\n"


def _line(name: str, role: str, text: str) -> str:
    return f"tff({quoted(name)}, {role}, {text})."


def quoted(name: str) -> str:
    """A name as TPTP has it: in quotes where it is no lower-case word."""
    if _WORD.match(name):
        return name
    return "'" + name.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _declarations(records: CertificateRecords) -> Iterator[str]:
    for sort in records.sorts:
        yield _line(f"sort {sort}", "type", f"{sort_name(sort)}: $tType")
    for name, (inputs, output) in records.functions.items():
        yield _line(f"function {name}", "type", f"{function_name(name)}: {_type(inputs, sort_name(output))}")
    for name, inputs in records.relations.items():
        yield _line(f"relation {name}", "type", f"{relation_name(name)}: {_type(inputs, '$o')}")


def _type(inputs: tuple[str, ...], output: str) -> str:
    if not inputs:
        return output
    product = " * ".join(map(sort_name, inputs))
    return f"{product} > {output}" if len(inputs) == 1 else f"({product}) > {output}"


def sort_name(name: str) -> str:
    return quoted(f"sort {name}")


def function_name(name: str) -> str:
    return quoted(f"f {name}")


def relation_name(name: str) -> str:
    return quoted(f"r {name}")


def _datatypes(records: CertificateRecords) -> Iterator[str]:
    """Constructors are injective, and differ."""
    for number, statement in enumerate(freeness(records)):
        yield _line(f"datatype {number}", "axiom", formula(statement, {}))


def freeness(records: CertificateRecords) -> Iterator[Json]:
    """The axioms that a datatype gives without induction."""
    for _, relation, constructors in records.datatypes:
        if relation:
            continue
        made = [(c, _sides(c, "x", records), _sides(c, "y", records)) for c in constructors]
        for place, (_, left, right) in enumerate(made):
            binder = [*left[0], *right[0]]
            for a, b in zip(left[0], right[0], strict=True):
                yield ["all", binder, [["=", left[1], right[1]]], ["=", a[0], b[0]]]
            for _, _, other in made[place + 1 :]:
                both = [*left[0], *other[0]]
                equal = ["=", left[1], other[1]]
                yield ["all", both, [equal], ["false"]]


def _sides(constructor: str, letter: str, records: CertificateRecords) -> tuple[list[list[str]], Json]:
    inputs = records.functions[constructor][0]
    variables = [[f"{letter}{n}", sort] for n, sort in enumerate(inputs)]
    return variables, [constructor, *(v for v, _ in variables)]


def _definitions(records: CertificateRecords) -> Iterator[str]:
    for definition in records.definitions:
        for direction, statement in enumerate(definition_statements(definition)):
            yield _line(f"{definition['name']} {direction}", "axiom", formula(statement, {}))


def definition_statements(definition: Json) -> tuple[Json, Json]:
    """Both directions of a definition."""
    head = ["is", definition["relation"], *(n for n, _ in definition["variables"])]
    binder = definition["variables"]
    return ["all", binder, [head], definition["body"]], ["all", binder, [definition["body"]], head]


def term(data: Json, names: Mapping[str, str]) -> str:
    if isinstance(data, str):
        return names[data]
    arguments = ", ".join(term(t, names) for t in data[1:])
    return f"{function_name(data[0])}({arguments})" if arguments else function_name(data[0])


def formula(data: Json, names: Mapping[str, str]) -> str:
    """A formula; `names` are the variables in scope."""
    kind = data[0]
    if kind == "false":
        return "$false"
    if kind == "=":
        return f"({term(data[1], names)} = {term(data[2], names)})"
    if kind == "is":
        arguments = ", ".join(term(t, names) for t in data[2:])
        return f"{relation_name(data[1])}({arguments})" if arguments else relation_name(data[1])
    if kind == "or":
        return f"({' | '.join(formula(f, names) for f in data[1:])})"
    inner = {**names, **{n: f"X{_depth(names) + place}" for place, (n, _) in enumerate(data[1])}}
    if kind == "all":
        body = formula(data[3], inner)
        if data[2]:
            body = f"(({' & '.join(formula(f, inner) for f in data[2])}) => {body})"
    else:
        body = f"({' & '.join(formula(f, inner) for f in data[2])})"
    if not data[1]:
        return body
    binder = ", ".join(f"{inner[n]}: {sort_name(s)}" for n, s in data[1])
    return f"({'!' if kind == 'all' else '?'} [{binder}]: {body})"


def _depth(names: Mapping[str, str]) -> int:
    """The first number that no variable in scope has."""
    return 1 + max((int(v[1:]) for v in names.values()), default=-1)
