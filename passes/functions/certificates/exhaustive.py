"""Every input of a domain, against polynomials with proven errors (`pieces`).

The inputs are taken in runs of consecutive floats within one binade, by a C kernel of the program where there is a
compiler, otherwise by NumPy. What is known of the reference is added to each error, so the largest is a bound.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ....backends.runtime.cache import write_atomically
from ....graph.diagnostics import fail
from ..constants import LARGEST
from ..evaluation import Run, evaluate
from ..program import FunctionProgram
from .native import native_trial
from .patterns import mantissa_bits, position, value_at, values
from .pieces import KNOWN, Polynomial, pieces, unit_of, units
from .reference import POLES_AT_ZERO, Arithmetic, arithmetic, enclosure, tail
from .shortcuts import SYMMETRIC, one_result, symmetry

Array = np.ndarray[Any, Any]
Found = tuple[float, float]
"""An error, and the input where it is."""
SAMPLED_RUN = 2**16
"""Inputs of a run where only some runs are tried."""
_SAVE_EVERY = 256


class Trial(Protocol):
    """The program on consecutive floats of its domain. `run` is the most that is asked for at once."""

    run: int
    tools: tuple[tuple[str, str], ...]

    def worst(self, polynomial: Polynomial, start: int, stop: int) -> Found:
        """The largest error in the program's metric on places start up to stop, and where."""
        ...


@dataclass(frozen=True)
class Exhaustion:
    """The largest error over `inputs` inputs, where it is, and whether they are all of the domain; `tools` computed
    the program."""

    bound: float
    worst: float
    inputs: int
    complete: bool
    tools: tuple[tuple[str, str], ...] = ()


def exhaust(
    program: FunctionProgram,
    *,
    stride: int = 1,
    journal: Path | None = None,
    progress: Callable[[float], None] | None = None,
    kind: str = "",
    native: bool = True,
) -> Exhaustion:
    """The largest error of the program over its domain, each `fma` rounded once and also as graphs compute it. Every
    `stride`-th run of 65,536 inputs; with a journal, a run that was stopped goes on. `native`: by a C kernel where
    one can be made. Raises SpecError (G1522) for a float64 program."""
    if program.dtype == "float64":
        raise fail("G1522", f"'{program.name}' takes float64, which has too many numbers to try them all")
    a = arithmetic(kind)
    trial: Trial = (native_trial(program) if native else None) or NumpyTrial(program)
    runs = list(_runs(program, trial.run if stride == 1 else SAMPLED_RUN))[::stride]
    state = _begin(program, journal, (stride, trial.run), len(runs))
    for index in range(state["next"], len(runs)):
        start, stop = runs[index]
        error, at = _largest(a, program, trial, start, stop)
        if not error <= state["bound"]:
            state["bound"], state["worst"] = error, at
        state["inputs"] += stop - start
        state["next"] = index + 1
        if index % _SAVE_EVERY == _SAVE_EVERY - 1:
            _save(journal, state)
            if progress is not None:
                progress((index + 1) / len(runs))
    _save(journal, state)
    return Exhaustion(state["bound"], state["worst"], state["inputs"], stride == 1, trial.tools)


def _runs(program: FunctionProgram, most: int) -> Iterator[tuple[int, int]]:
    """Runs of at most so many finite inputs, each within one binade."""
    dtype, (low, high) = program.dtype, program.domain
    limit = LARGEST[dtype]
    first, last = position(max(low, -limit), dtype), position(min(high, limit), dtype)
    if program.function in POLES_AT_ZERO:
        first = max(first, 1)
    if low == -high and SYMMETRIC.get(program.function) == symmetry(program):
        first = 0
    size = min(most, 2 ** mantissa_bits(dtype))
    start = first
    while start <= last:
        stop = min((start // size + 1) * size, last + 1)
        if start < 0 < stop:
            stop = 0
        yield start, stop
        start = stop


def _begin(program: FunctionProgram, journal: Path | None, cut: tuple[int, int], runs: int) -> dict[str, Any]:
    new = {"program": program.meaning(), "cut": list(cut), "next": 0, "bound": 0.0, "worst": 0.0, "inputs": 0}
    new["worst"] = max(program.domain[0], -LARGEST[program.dtype])
    if journal is None or not journal.exists():
        return new
    try:
        found = json.loads(journal.read_text(encoding="utf-8"))
        known = (found["program"], found["cut"]) == (new["program"], new["cut"]) and found["next"] <= runs
    except (OSError, ValueError, KeyError, TypeError):
        known = False
    if not known:
        raise fail(
            "G1523", f"'{journal}' is a journal of another certification", hint="remove it, or name another"
        )
    return {key: found[key] for key in new}


def _save(journal: Path | None, state: Mapping[str, Any]) -> None:
    if journal is not None:
        write_atomically(journal, json.dumps(state).encode("utf-8"))


def _largest(a: Arithmetic, program: FunctionProgram, trial: Trial, start: int, stop: int) -> Found:
    """The largest error on a run, and where."""
    same = _same_result(a, program, start, stop)
    if same is not None:
        return same
    largest, worst = -1.0, 0.0
    for first, end, polynomial in pieces(a, program, start, stop):
        error, at = trial.worst(polynomial, first, end)
        if not error <= largest:
            largest, worst = error, at
    return largest, worst


def _same_result(a: Arithmetic, program: FunctionProgram, start: int, stop: int) -> Found | None:
    """The error on a run where neither the program nor the function moves: one number each."""
    low, high = value_at(start, program.dtype), value_at(stop - 1, program.dtype)
    if program.error == "relative" or tail(program.function, low, high) is not None:
        return None
    try:
        ends = a.ends(enclosure(a, program.function, low, high))
    except (ValueError, ZeroDivisionError):  # so wide that a ball holds a pole
        return None
    least = 0.0 if ends[0] <= 0 <= ends[1] else min(map(abs, ends))
    unit = 1.0 if program.error == "absolute" else unit_of(least, program.result_dtype)
    if not ends[1] - ends[0] <= KNOWN * unit_of(least, program.result_dtype):
        return None
    y = one_result(program, low, high)
    return (
        None
        if y is None or math.isinf(y)
        else (max(abs(y - end) for end in ends) * (1 + 2.0**-50) / unit, low)
    )


class NumpyTrial:
    """The program by NumPy, for any dtype."""

    run: int = 2**16
    tools: tuple[tuple[str, str], ...] = (("numpy", np.__version__),)

    def __init__(self, program: FunctionProgram) -> None:
        self.program = program

    def worst(self, polynomial: Polynomial, start: int, stop: int) -> Found:
        program = self.program
        x = values(start, stop, program.dtype)
        run = Run(program, x, fused=False)
        y, wide = run.result().astype(np.float64), x.astype(np.float64)
        given = [(wide, y)]
        if run.doubtful is not None and np.any(run.doubtful):
            some = np.broadcast_to(run.doubtful, (stop - start,))
            given.append((wide[some], evaluate(program, x[some]).astype(np.float64)))
        largest, at = -1.0, 0.0
        for inputs, results in given:
            error, place = _worst(program, polynomial, inputs, results)
            if not error <= largest:
                largest, at = error, float(inputs[place])
        return largest, at


def _worst(program: FunctionProgram, polynomial: Polynomial, x: Array, y: Array) -> tuple[float, int]:
    """A bound of the largest error in the program's metric, and where it is."""
    with np.errstate(all="ignore"):
        exact = polynomial.at(x)
        scale = _one_scale(program, exact, polynomial.slack)
        if scale is None:
            error = _errors(program, polynomial.slack, exact, y)
            place = int(np.argmax(error))
            found = float(error[place])
        else:
            error = np.subtract(y, exact, out=exact)
            np.abs(error, out=error)
            place = int(np.argmax(error))
            found = (float(error[place]) + polynomial.slack) / scale
    return (math.inf if math.isnan(found) else found), place


def _one_scale(program: FunctionProgram, exact: Array, slack: float) -> float | None:
    """What every error is divided by, where that is one number."""
    low, high = float(np.min(exact)), float(np.max(exact))
    least, most = sorted((abs(low), abs(high)))
    if program.error == "relative" or most + slack >= LARGEST[program.result_dtype]:
        return None
    if program.error == "absolute":
        return 1.0
    if low < 0 < high:
        return None
    found = [unit_of(max(v, 0.0), program.result_dtype) for v in (least - slack, most)]
    return found[0] if found[0] == found[1] else None


def _errors(program: FunctionProgram, slack: float, exact: Array, y: Array) -> Array:
    """Bounds of the error at each input. What overflows may be infinite."""
    size = np.maximum(np.abs(exact) - slack, 0.0)
    error = np.abs(y - exact) + slack
    largest = LARGEST[program.result_dtype]
    if np.max(size) >= largest:
        half = unit_of(largest, program.result_dtype) / 2
        over = (size >= largest + half) & (y == np.copysign(np.inf, exact))
        error = np.where(over, 0.0, error)
    if program.error == "absolute":
        return np.asarray(error)
    if program.error == "relative":
        return np.where(error == 0, 0.0, error / size)
    found: Array = error / units(np.minimum(size, largest), program.result_dtype)
    return found
