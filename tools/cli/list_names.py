"""`graphwright list`."""

from __future__ import annotations

from collections.abc import Callable

import click

from .options import json_option
from .output import print_json, print_table

Rows = list[tuple[str, str]]


def _codes() -> Rows:
    from ...graph.diagnostics.codes import CODES

    return [(c.identifier, c.title) for c in CODES.values()]


def _operators() -> Rows:
    from ...graph.operators import operator, operator_names

    return [(n, (operator(n).doc.strip().splitlines() or [""])[0]) for n in sorted(operator_names())]


def _functions() -> Rows:
    from ...graph.build.prelude import PRELUDE

    return [(str(f), f.doc) for f in PRELUDE.values()]


def _passes() -> Rows:
    from ...passes.catalogue import PASSES, pass_class

    return [(n, ((pass_class(n).__doc__ or "").strip().splitlines() or [""])[0]) for n in PASSES]


def _backends() -> Rows:
    return [
        ("torch", "torch.fx modules, run eagerly; training."),
        ("onnx", "ONNX models, run by ONNX Runtime."),
        ("reference", "NumPy, slowly: an independent check."),
    ]


def _optimizers() -> Rows:
    from ..vocabulary import vocabulary

    return [(n, e.doc) for n, e in vocabulary().optimizers.items()]


def _data() -> Rows:
    from ..vocabulary import vocabulary

    return [(n, e.doc) for n, e in vocabulary().data.items()]


def _theories() -> Rows:
    from ...graph.spec.reader import read_document
    from ...graph.spec.resolution import STANDARD_LIBRARY

    found = [read_document(str(path)) for path in sorted((STANDARD_LIBRARY / "logic").glob("*.yaml"))]
    return [(d.name.text, " ".join(d.doc.split()).split(". ")[0]) for d in found]


TABLES: dict[str, Callable[[], Rows]] = {
    "codes": _codes,
    "operators": _operators,
    "functions": _functions,
    "passes": _passes,
    "backends": _backends,
    "optimizers": _optimizers,
    "data": _data,
    "theories": _theories,
}


@click.command("list")
@click.argument("what", type=click.Choice(list(TABLES)))
@json_option
def command(what: str, as_json: bool) -> None:
    """List codes, operators, functions, passes, backends, optimizers, data sets or theories."""
    rows = TABLES[what]()
    if as_json:
        print_json([{"name": name, "doc": doc} for name, doc in rows])
    else:
        print_table(rows)
