"""Formulas in models of tables and of integers: values on all points at once.

A formula is evaluated as arrays with one axis a variable. In a model of integers the points are a
sample, so what an inner quantifier says is not known there: such formulas are left undecided.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .formulas import All, Atom, Equation, Falsehood, Formula, Or, Some
from .models import ArithmeticModel, Array, GeneratedModel, Model, TableModel
from .terms import Application, Term, Variable

_MOST = 2_000_000  # points at most: then fewer individuals are tried


class Undecided(Exception):
    """The model does not say whether the formula holds."""


@dataclass(frozen=True, slots=True)
class Counterexample:
    """Where a closed formula fails in a model: values of its outermost variables, individuals or
    the text of terms."""

    model: str
    values: tuple[tuple[str, int | str], ...]

    def __str__(self) -> str:
        return ", ".join(f"{name} = {value}" for name, value in self.values) or "it is false"


def counterexample(formula: Formula, model: Model) -> Counterexample | None:
    """A point at which a closed formula fails, the first in the order of the points; None where
    there is none, or the model does not decide."""
    if isinstance(model, GeneratedModel):
        return None
    outer = formula.variables if isinstance(formula, All) else ()
    try:
        evaluation = _Evaluation(model, _individuals(model, outer))
        inner = formula if not outer or not isinstance(formula, All) else _without(formula)
        truth = evaluation.formula(inner, {v: n for n, v in enumerate(outer)}, len(outer))
    except Undecided:
        return None
    truth = np.broadcast_to(truth, [len(evaluation.points[v]) for v in outer])
    wrong = np.argwhere(~truth)
    if not len(wrong):
        return None
    values = tuple((v.name, int(evaluation.points[v][i])) for v, i in zip(outer, wrong[0], strict=True))
    return Counterexample(model.name, values)


def _without(formula: All) -> Formula:
    return All((), formula.premises, formula.conclusion) if formula.premises else formula.conclusion


def _individuals(model: TableModel | ArithmeticModel, outer: tuple[Variable, ...]) -> dict[Variable, Array]:
    """The individuals tried for each variable."""
    found: dict[Variable, Array] = {}
    for variable in outer:
        if isinstance(model, TableModel):
            found[variable] = np.arange(model.sizes[variable.sort])
        else:
            found[variable] = np.array(model.points[variable.sort], dtype=np.int64)
    while found and np.prod([len(a) for a in found.values()], dtype=np.float64) > _MOST:
        longest = max(found, key=lambda v: len(found[v]))
        found[longest] = found[longest][: max(1, len(found[longest]) // 2)]
    return found


class _Evaluation:
    def __init__(self, model: TableModel | ArithmeticModel, points: dict[Variable, Array]) -> None:
        self.model = model
        self.points = points

    def formula(self, formula: Formula, axes: Mapping[Variable, int], rank: int) -> Array:
        """Truth values, broadcast over the axes of the variables in scope."""
        if isinstance(formula, Falsehood):
            return np.array(False)
        if isinstance(formula, Equation):
            return np.asarray(self.term(formula.left, axes, rank) == self.term(formula.right, axes, rank))
        if isinstance(formula, Atom):
            return self._atom(formula, axes, rank)
        if isinstance(formula, Or):
            return _joined(np.logical_or, [self.formula(a, axes, rank) for a in formula.alternatives])
        if formula.variables:
            return self._quantified(formula, axes, rank)
        if isinstance(formula, Some):
            return _joined(np.logical_and, [self.formula(c, axes, rank) for c in formula.conjuncts])
        result = self.formula(formula.conclusion, axes, rank)
        for premise in formula.premises:
            result = result | ~self.formula(premise, axes, rank)
        return result

    def _quantified(self, formula: All | Some, axes: Mapping[Variable, int], rank: int) -> Array:
        """Tables are whole, so an inner quantifier runs through them on axes of its own."""
        if not isinstance(self.model, TableModel):
            raise Undecided
        inner = dict(axes)
        for place, variable in enumerate(formula.variables):
            inner[variable] = rank + place
            self.points[variable] = np.arange(self.model.sizes[variable.sort])
        deeper = rank + len(formula.variables)
        bare: Formula
        if isinstance(formula, Some):
            bare = Some((), formula.conjuncts) if len(formula.conjuncts) > 1 else formula.conjuncts[0]
        else:
            bare = _without(formula)
        sizes = [1] * rank + [len(self.points[v]) for v in formula.variables]
        truth = self.formula(bare, inner, deeper)
        truth = truth.reshape((1,) * (deeper - truth.ndim) + truth.shape) if truth.ndim < deeper else truth
        truth = np.broadcast_to(truth, np.broadcast_shapes(truth.shape, tuple(sizes)))
        own = tuple(range(rank, deeper))
        return np.asarray(truth.any(axis=own) if isinstance(formula, Some) else truth.all(axis=own))

    def _atom(self, atom: Atom, axes: Mapping[Variable, int], rank: int) -> Array:
        arguments = [self.term(a, axes, rank) for a in atom.arguments]
        if isinstance(self.model, TableModel):
            return np.asarray(self.model.relations[atom.relation][tuple(arguments)])
        parameters, body = self.model.relations[atom.relation]
        return np.asarray(arithmetic(body, dict(zip(parameters, arguments, strict=True)))).astype(bool)

    def term(self, term: Term, axes: Mapping[Variable, int], rank: int) -> Array:
        if isinstance(term, Variable):
            shape = [1] * rank
            shape[axes[term]] = -1
            return self.points[term].reshape(shape)
        assert isinstance(term, Application)
        arguments = [self.term(a, axes, rank) for a in term.arguments]
        if isinstance(self.model, TableModel):
            return np.asarray(self.model.functions[term.symbol][tuple(arguments)])
        parameters, body = self.model.functions[term.symbol]
        found = np.asarray(arithmetic(body, dict(zip(parameters, arguments, strict=True))))
        if found.dtype == np.int64 and found.size and np.abs(found).max() > 2**31:
            return found.astype(object)  # exact from here on
        return found


def _joined(operator: Any, arrays: list[Array]) -> Array:
    result = arrays[0]
    for array in arrays[1:]:
        result = operator(result, array)
    return result


def arithmetic(body: Term, values: Mapping[str, Array]) -> Array:
    """The value of a model's body on arrays of integers."""
    if isinstance(body, Variable):
        return values[body.name]
    assert isinstance(body, Application)
    if not body.arguments:
        return np.array(int(body.symbol))
    a, *rest = (arithmetic(t, values) for t in body.arguments)
    b = rest[0] if rest else a
    return np.asarray(_OPERATIONS[body.symbol](a, b))


def _divided(operation: Any, a: Array, b: Array) -> Array:
    """Division that rounds down, and gives 0 by 0."""
    return np.where(b == 0, 0, operation(a, np.where(b == 0, 1, b)))


_OPERATIONS: dict[str, Any] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "//": lambda a, b: _divided(np.floor_divide, a, b),
    "%": lambda a, b: _divided(np.remainder, a, b),
    "min": np.minimum,
    "max": np.maximum,
    "neg": lambda a, b: -a,
    "abs": lambda a, b: np.abs(a),
    "=": lambda a, b: a == b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    "and": np.logical_and,
    "or": np.logical_or,
    "not": lambda a, b: np.logical_not(a),
    "divides": lambda a, b: np.where(a == 0, b == 0, _divided(np.remainder, b, a) == 0),
}
