"""Models that filter conjectures: tables, integer arithmetic, or the terms of the constructors.

A model need not be finite: it says which individuals are tried (the *points*), and values may
leave them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..diagnostics import Span
from .terms import Term

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class TableModel:
    """A finite model: individuals of sort S are 0 … sizes[S] - 1. `functions[f]` is an int64
    array with one axis an input, holding individuals; `relations[R]` a boolean array."""

    name: str
    sizes: Mapping[str, int]
    functions: Mapping[str, Array]
    relations: Mapping[str, Array] = field(default_factory=dict)
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True)
class ArithmeticModel:
    """Integers. `points[S]` are the integers tried as individuals of sort S. A function or
    relation is (parameter names, body): the body is a term over those names as variables and

        integer literals, + - * // % min max neg abs      (results are integers)
        = < <= and or not divides                          (results are booleans)

    as symbols; `//` and `%` round down, and by zero give zero. Exact: no overflow.
    """

    name: str
    points: Mapping[str, tuple[int, ...]]
    functions: Mapping[str, tuple[tuple[str, ...], Term]]
    relations: Mapping[str, tuple[tuple[str, ...], Term]] = field(default_factory=dict)
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True)
class GeneratedModel:
    """The terms built by the constructors, the other functions computed by the axioms that are
    equations `f(patterns) = term`, read from left to right as a program; a sort without a
    datatype has `atoms[sort]` individuals without structure. Tried are the terms of at most
    `depth` nested constructors, at most `limit` a sort.

    Relations are computed by the equations' counterpart: axioms whose conclusion is the relation
    (the least relation that they allow, up to the depth).
    """

    name: str
    depth: int = 3
    atoms: Mapping[str, int] = field(default_factory=dict)
    limit: int = 200
    span: Span | None = field(default=None, compare=False)


Model = TableModel | ArithmeticModel | GeneratedModel
