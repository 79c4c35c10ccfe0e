"""A certificate's JSON lines as plain records, grouped by theorem: what all exporters read."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

Json = Any
Record = dict[str, Any]


class ExportError(Exception):
    """The lines are no certificate that can be written in the other format."""


@dataclass(frozen=True)
class TheoremRecord:
    """A theorem: `steps` by id in order, `qed` the id of the last."""

    name: str
    statement: Json
    variables: dict[str, str]
    steps: dict[int, Record]
    qed: int


@dataclass
class CertificateRecords:
    """Everything in a certificate, in the order of the file."""

    name: str = ""
    sorts: list[str] = field(default_factory=list)
    functions: dict[str, tuple[tuple[str, ...], str]] = field(default_factory=dict)
    relations: dict[str, tuple[str, ...]] = field(default_factory=dict)
    datatypes: list[tuple[str, str, tuple[str, ...]]] = field(default_factory=list)
    definitions: list[Record] = field(default_factory=list)
    axioms: list[Record] = field(default_factory=list)
    theorems: list[TheoremRecord] = field(default_factory=list)


def read_records(lines: Iterable[str]) -> CertificateRecords:
    """The records of a certificate. Raises ExportError for what is none; nothing is proved by it."""
    found = CertificateRecords()
    open_theorem: Record | None = None
    steps: dict[int, Record] = {}
    try:
        for line in lines:
            record = json.loads(line)
            kind = record["record"]
            if kind == "theorem":
                open_theorem, steps = record, {}
            elif kind == "step":
                steps[record["id"]] = record
            elif kind == "qed":
                assert open_theorem is not None
                found.theorems.append(_theorem(open_theorem, steps, record))
            else:
                _declare(found, kind, record)
    except (ValueError, LookupError, TypeError, AssertionError, RecursionError) as error:
        raise ExportError(f"no certificate: {type(error).__name__}: {error}") from None
    return found


def _theorem(record: Record, steps: dict[int, Record], qed: Record) -> TheoremRecord:
    return TheoremRecord(record["name"], record["statement"], record["variables"], steps, qed["step"])


def _declare(found: CertificateRecords, kind: str, record: Record) -> None:
    if kind == "theory":
        found.name = record["name"]
    elif kind == "sort":
        found.sorts.append(record["name"])
    elif kind == "function":
        found.functions[record["name"]] = (tuple(record["inputs"]), record["output"])
    elif kind == "relation":
        found.relations[record["name"]] = tuple(record["inputs"])
    elif kind == "datatype":
        found.datatypes.append((record["sort"], record["relation"], tuple(record["constructors"])))
    elif kind == "definition":
        found.definitions.append(record)
    elif kind == "axiom":
        found.axioms.append(record)
    else:
        raise KeyError(kind)
