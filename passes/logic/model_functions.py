"""A function read off a relation of a model."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...graph.theory import Application, ArithmeticModel, TableModel, Term, Variable

Body = tuple[tuple[str, ...], Term]


def function_of(model: TableModel | ArithmeticModel, relation: str, output: int) -> Any:
    """The function that gives the output of a relation from its other places: a table, or
    (parameters, body). None where the relation is none in this model, or does not tell."""
    if relation not in model.relations:
        return None
    if isinstance(model, TableModel):
        table = np.asarray(model.relations[relation], dtype=bool)
        if not (table.sum(axis=output) == 1).all():
            return None
        return table.argmax(axis=output).astype(np.int64)
    return _solved(*model.relations[relation], output)


def _solved(parameters: tuple[str, ...], body: Term, output: int) -> Body | None:
    """`f(x, y) = z` solved for z."""
    wanted = parameters[output]
    if not isinstance(body, Application) or body.symbol != "=" or len(body.arguments) != 2:
        return None
    for one, other in (body.arguments, body.arguments[::-1]):
        alone = isinstance(one, Variable) and one.name == wanted
        if alone and wanted not in {v.name for v in other.variables}:
            return tuple(p for p in parameters if p != wanted), other
    return None
