"""What spares an exhaustive check inputs: programs that are odd or even by their form, and runs of inputs on
which a program gives one result."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..constants import FLOATS, Constant
from ..evaluation import NUMPY, Run, fused_multiply_add
from ..program import INPUT, FunctionProgram, Operand, Step

Array = np.ndarray[Any, Any]
EVEN, ODD = 1, -1
SYMMETRIC = {"sin": ODD, "tanh": ODD, "erf": ODD, "cos": EVEN}
_PRODUCTS = ("mul", "div")
_SUMS = ("add", "sub", "min", "max")
_ODD_ONES = ("neg", "round", "cast")


def symmetry(program: FunctionProgram) -> int:
    """EVEN or ODD where the form of the program makes every result so (rounding to nearest is odd), 0
    where it does not. A step has a parity where its operands have fitting ones."""
    known: dict[str, int] = {INPUT: ODD}
    for step in program.steps:
        known[step.name] = _parity(step, known)
    return known[program.result]


def _parity(step: Step, known: Mapping[str, int]) -> int:
    parities = [_of(operand, known) for operand in step.operands]
    operation = step.operation
    if all(p == EVEN for p in parities):
        return EVEN
    if 0 in parities:
        return 0
    if operation == "abs":
        return EVEN
    if operation in _ODD_ONES:
        return parities[0]
    if operation in _PRODUCTS:
        return parities[0] * parities[1]
    if operation == "fma":
        return parities[2] if parities[0] * parities[1] == parities[2] else 0
    if operation in ("add", "sub"):
        return parities[0] if parities[0] == parities[1] else 0
    if operation == "where":
        return parities[1] if parities[0] == EVEN and parities[1] == parities[2] else 0
    if operation == "isnan":
        return EVEN
    if operation == "copysign":
        return parities[1] if abs(parities[0]) == 1 else 0
    if operation == "alternate":
        return parities[0]
    if operation == "ldexp":
        return parities[0] if parities[1] == EVEN else 0
    return 0


def _of(operand: Operand, known: Mapping[str, int]) -> int:
    """A constant is even; zero and NaN are both, which is not used."""
    return EVEN if isinstance(operand, Constant) else known.get(operand, EVEN)


def one_result(program: FunctionProgram, low: float, high: float) -> float | None:
    """The result for every input of the dtype from low to high, where it is one and that is seen from
    intervals: rounded operations are monotone in each operand, so the ends of a result come from ends of
    operands. None where a condition is open."""
    dtype = FLOATS[program.dtype]
    values: dict[str, Array] = {INPUT: np.array([low, high], dtype)}
    with np.errstate(all="ignore"):
        for step in program.steps:
            found = _ends(program, step, values)
            if found is None:
                return None
            values[step.name] = found
    first, last = values[program.result]
    return float(first) if first == last else None


def _ends(program: FunctionProgram, step: Step, values: Mapping[str, Array]) -> Array | None:
    """The least and the largest result of a step; None where that is not known."""
    operation = step.operation
    if operation == "where":
        return _chosen(program, step, values)
    run = Run(program, values[INPUT], fused=True)
    run.values.update(values)
    if operation in ("lookup", "exponent", "significand", "alternate"):
        names = [o for o in step.operands if isinstance(o, str) and o in values]
        return run.step(step) if all(values[n][0] == values[n][1] for n in names) else None
    given = [np.broadcast_to(o, (2,)) for o in run.operands(step)]
    corners = np.array(list(itertools.product((0, 1), repeat=len(given)))).T
    operands = [o[c] for o, c in zip(given, corners, strict=True)]
    if operation == "div" and not (np.all(given[1] > 0) or np.all(given[1] < 0)):
        return None
    if operation == "abs" and given[0][0] < 0 < given[0][1]:
        return np.array([0, np.max(np.abs(given[0]))], given[0].dtype)
    if operation == "copysign" and not all(np.all(o > 0) or np.all(o < 0) for o in given):
        return None
    if operation in ("eq", "ne") and step.operands[0] == step.operands[1]:
        return np.full(2, operation == "eq")
    found = _computed(step, operands)
    if np.any(found != found) or (operation in ("eq", "ne") and not _are_points(given)):
        return None
    ends = np.array([np.min(found), np.max(found)], found.dtype)
    return None if found.dtype == np.bool_ and ends[0] != ends[1] else ends


def _computed(step: Step, operands: list[Array]) -> Array:
    if step.operation == "cast":
        return operands[0].astype(FLOATS[step.dtype])
    if step.operation == "fma":
        return fused_multiply_add(*operands)
    if step.operation == "ldexp":
        return np.ldexp(operands[0], np.clip(operands[1], -4400, 4400).astype(np.int32))
    return NUMPY[step.operation](*operands)


def _are_points(given: list[Array]) -> bool:
    return all(o[0] == o[1] for o in given)


def _chosen(program: FunctionProgram, step: Step, values: Mapping[str, Array]) -> Array | None:
    condition, *others = step.operands
    if not isinstance(condition, str):
        return None
    taken = others[0] if values[condition][0] else others[1]
    if isinstance(taken, Constant):
        return np.full(2, taken.rounded(step.dtype), FLOATS[step.dtype])
    return values[taken]
