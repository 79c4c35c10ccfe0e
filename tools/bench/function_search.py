"""Function programs: the shipped fronts beside the textbook forms, measured anew, and the goals of the search."""

from __future__ import annotations

import math
from collections.abc import Iterator
from time import process_time

import numpy as np

from ...passes.functions.batch import Batch
from ...passes.functions.constants import Constant
from ...passes.functions.evolution import Search
from ...passes.functions.fitting import Problem, fit
from ...passes.functions.island import Settings
from ...passes.functions.program import INPUT, FunctionProgram
from ...passes.functions.program_spec import load_program
from ...passes.functions.refinement import measured
from ...passes.functions.straight_line import ADD, DIV, MUL, SUB, Instruction, StraightLine, canonical
from ...passes.functions.target import ABSOLUTE, Target
from ..search.fronts import FOLDER, TARGETS, shipped, textbook
from ..search.function_search import Found, finished
from .function_goals import keep
from .goals import Goal

COMMAND = "python -m graphwright.tools.bench function_search"
SIZES = range(2, 13)
PUBLISHED = 3.556e-15
"""The largest absolute error of the published ten-operation program for exp2 on (0, 1]."""
_SPEED_EPOCHS = 3
_BITS = 400
_OPERATIONS = {"add": ADD, "sub": SUB, "mul": MUL, "div": DIV}


def report() -> None:
    print(f"command: {COMMAND}")
    keep(goals(), COMMAND)


def goals() -> Iterator[Goal]:
    """Goals 3, 2, 4 and 9."""
    ahead, below = _table()
    print(f"below a textbook form: {below or 'none'}; ahead by 1.5 digits at some size: {', '.join(ahead)}")
    said = f"{len(below)} below, ahead by 1.5 digits for {len(ahead)}"
    what = "2 to 12 operations, 8 functions: no entry below a textbook form, 1.5 digits ahead for 5"
    yield Goal("3", what, said, not below and len(ahead) >= 5)
    yield _published()
    yield _own_best()
    yield _speed()


def _own_best() -> Goal:
    """Goal 4: our own best."""
    front = shipped("exp2")
    nine, ten = (_digits(front, TARGETS["exp2"], size) for size in (9, 10))
    met = nine > 13.635 or ten > 16.045
    return Goal("4", "beat 13.63 digits at 9 operations or 16.04 at 10", f"{nine:.2f} and {ten:.2f}", met)


def _table() -> tuple[list[str], list[str]]:
    """Prints digits; (functions ahead by 1.5 digits somewhere, 'function size' where a textbook form is better)."""
    print("digits   " + " ".join(f"{n:>6}" for n in SIZES))
    ahead, below = [], []
    for name, target in TARGETS.items():
        known, found = textbook(target, SIZES[-1]), shipped(name)
        ours = {n: _digits(found, target, n) for n in SIZES}
        theirs = {n: -math.log10(known[n].error) for n in SIZES}
        print(f"{name:8} " + " ".join(f"{ours[n]:6.2f}" for n in SIZES))
        print("textbook " + " ".join(f"{theirs[n]:6.2f}" for n in SIZES))
        if any(ours[n] >= theirs[n] + 1.5 for n in SIZES):
            ahead.append(name)
        below += [f"{name} {n}" for n in SIZES if ours[n] < theirs[n] - 0.001]
    return ahead, below


def _digits(found: list[Found], target: Target, size: int) -> float:
    errors = [measured(f.program, f.constants, target) for f in found if f.operations <= size]
    return -math.log10(min(errors))


def _published() -> Goal:
    """Goal 2: in the published program's metric, the largest absolute error, by the program that ships."""
    target = Target("exp2", 0.0, 1.0, ABSOLUTE)
    ten = _straight(load_program(FOLDER.parent / "exp2_ladder_absolute.yaml"))
    levelled = finished(ten.program, ten.constants, target, ten.cost)
    rounded = min(measured(ten.program, [float(c) for c in one.constants], target) for one in (ten, levelled))
    real, double = PUBLISHED / levelled.error, PUBLISHED / rounded
    said = f"{real:.1f} times with real constants ({levelled.error:.4g}), {double:.1f} with float64 ({rounded:.4g})"
    what = "2^x in 10 operations: 25 times below the published error, 14 with float64 constants"
    return Goal("2", what, said, real >= 25 and double >= 14)


def _straight(program: FunctionProgram) -> Found:
    """A program of + - * / alone in the search's form, constants exact."""
    import mpmath

    values: dict[str, int] = {INPUT: 0}
    constants: list[mpmath.mpf] = []
    rows: list[Instruction] = []
    for i, step in enumerate(program.steps, 1):
        operands = []
        for operand in step.operands:
            if isinstance(operand, Constant):
                with mpmath.workprec(_BITS):
                    constants.append(mpmath.mpf(operand.exact.numerator) / operand.exact.denominator)
                operands.append(-len(constants))
            else:
                operands.append(values[operand])
        rows.append((_OPERATIONS[step.operation], operands[0], operands[1]))
        values[step.name] = i
    return Found(float(len(rows)), math.inf, StraightLine(tuple(rows)), tuple(constants))


def _speed() -> Goal:
    """Goal 9: structures a second, and evaluations to fit the published structure's five constants."""
    search = Search(TARGETS["exp2"], Settings(), 0)
    start = process_time()
    for _ in range(_SPEED_EPOCHS):
        search.step()
    rate = search.fitted / (process_time() - start)
    evaluations, digits = _published_fit()
    said = f"{rate:.0f} a CPU second; the published structure to {digits:.2f} digits after {evaluations:,} evaluations"
    what = "1,000 structures a CPU second (CMA-ES: 48,000 evaluations a run to 9 digits at best)"
    return Goal("9", what, said, rate >= 1000 and digits >= 14)


def _published_fit() -> tuple[int, float]:
    core = [(DIV, -1, 0), (ADD, 0, 1), (DIV, -2, 2), (ADD, 2, 3), (ADD, 4, -3), (DIV, -4, 5), (ADD, 6, -5)]
    made = canonical([*core, (MUL, 7, 7), (MUL, 8, 8), (MUL, 9, 9)])
    assert made is not None
    target, program, steps, starts = TARGETS["exp2"], made[0], 50, 64
    x, y = (v.astype(np.float64) for v in target.samples(24))
    rng, done, best = np.random.default_rng(0), 0, 0.0
    while best < 14 and done < 3_000_000:
        shape = (1, starts, program.constants)
        points = 10.0 ** rng.uniform(-1.5, 3.5, shape) * rng.choice([-1.0, 1.0], shape)
        found = fit(Batch((program,)), points, Problem(x, y, 1 / y), steps, accelerate=True)
        done += 2 * steps * starts
        best = max(best, -math.log10(float(np.min(found.largest))))
    return done, best
