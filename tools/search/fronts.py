"""The fronts that ship, `specs/functions/fronts/FUNCTION.json`: for eight functions, of each count of operations the
best program known, constants exact.

`python -m graphwright.tools.search.fronts FOLDER…` takes in what searches left in their journals.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...backends.runtime.cache import write_atomically
from ...passes.functions.classical import Form, forms
from ...passes.functions.straight_line import StraightLine
from ...passes.functions.target import ABSOLUTE, Target
from .function_search import JOURNAL, Found, finished

FOLDER = Path(__file__).parents[2] / "specs" / "functions" / "fronts"
_HALF_PI = math.pi / 2
TARGETS: Mapping[str, Target] = {
    "exp2": Target("exp2", 0.0, 1.0),
    "log2": Target("log2", math.sqrt(0.5), math.sqrt(2.0)),
    "sin": Target("sin", 0.0, _HALF_PI),
    "cos": Target("cos", 0.0, _HALF_PI, ABSOLUTE),
    "tanh": Target("tanh", 0.0, 1.0),
    "erf": Target("erf", 0.0, 2.0),
    "sigmoid": Target("sigmoid", -8.0, 8.0, ABSOLUTE),
    "gelu": Target("gelu", -4.0, 4.0, ABSOLUTE),
}
_CANDIDATES = 3


def shipped(name: str) -> list[Found]:
    """The front of a function, by operations."""
    import mpmath

    data = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    found = []
    for one in data["programs"]:
        with mpmath.workprec(400):
            constants = tuple(_number(text) for text in one["constants"])
        program = StraightLine(tuple((o, a, b) for o, a, b in one["instructions"]))
        found.append(Found(one["cost"], one["error"], program, constants))
    return found


def _number(text: str) -> Any:
    """The number of a hexadecimal float without a point, exactly."""
    import mpmath

    sign = -1 if text.startswith("-") else 1
    mantissa, _, exponent = text.lstrip("-")[2:].partition("p")
    return sign * mpmath.ldexp(int(mantissa, 16), int(exponent))


def ship(target: Target, found: Sequence[Found]) -> Path:
    """Writes a front."""
    data = {
        "function": target.function,
        "domain": [target.low, target.high],
        "error": target.error,
        "programs": [f.to_json() for f in found],
    }
    path = FOLDER / f"{target.function}.json"
    write_atomically(path, (json.dumps(data, indent=1) + "\n").encode("utf-8"))
    return path


def best(target: Target, programs: Iterable[tuple[StraightLine, Sequence[Any], float]]) -> list[Found]:
    """The front of programs with constants and rough errors, levelled."""
    by_size: dict[int, list[tuple[float, StraightLine, Sequence[Any]]]] = {}
    for program, constants, error in programs:
        by_size.setdefault(program.operations, []).append((error, program, constants))
    front: list[Found] = []
    for size in sorted(by_size):
        ranked = sorted(by_size[size], key=lambda p: p[0])[:_CANDIDATES]
        nearest = [p for p in ranked if p[0] <= 2 * ranked[0][0]]
        each = [finished(program, constants, target, float(size)) for _, program, constants in nearest]
        one = min(each, key=lambda f: f.error)
        if size and (not front or one.error < front[-1].error):
            front.append(one)
    return front


def textbook(target: Target, most: int) -> dict[int, Form]:
    """By operations the best classical form of at most so many."""
    found = forms(target, most)
    sizes = range(2, most + 1)
    return {n: min((f for f in found if f.program.operations <= n), key=lambda f: f.error) for n in sizes}


def take_in(folders: Sequence[Path]) -> list[Path]:
    """Merges the journals of searches for the eight targets into the fronts."""
    gathered: dict[str, list[tuple[StraightLine, Sequence[Any], float]]] = {}
    for folder in folders:
        if not (folder / JOURNAL).exists():
            raise SystemExit(f"there is no {JOURNAL} in {folder}")
        data = json.loads((folder / JOURNAL).read_text(encoding="utf-8"))
        name = data["target"]["function"]
        if Target(**data["target"]) == TARGETS.get(name):
            for instructions, constants, error in data["entries"]:
                program = StraightLine(tuple((o, a, b) for o, a, b in instructions))
                gathered.setdefault(name, []).append((program, [np.longdouble(c) for c in constants], error))
    written = []
    for name, programs in sorted(gathered.items()):
        known = shipped(name) if (FOLDER / f"{name}.json").exists() else []
        pool = [*programs, *((f.program, f.constants, f.error) for f in known)]
        written.append(ship(TARGETS[name], best(TARGETS[name], pool)))
    return written


if __name__ == "__main__":
    for path in take_in([Path(argument) for argument in sys.argv[1:]]):
        print(f"wrote {path}")
