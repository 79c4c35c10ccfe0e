"""The certified programs that are at hand, and what each of them costs."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from ....graph.diagnostics import SpecError
from ..constants import PRECISION
from ..program import Certificate, FunctionProgram
from ..program_spec import program_of

FOLDER = Path(__file__).resolve().parents[3] / "specs" / "functions"

PRICES = {
    "add": 0.75,
    "sub": 0.75,
    "div": 4.5,
    "sqrt": 8.0,
    "ldexp": 2.0,
    "exponent": 2.0,
    "significand": 1.5,
    "lookup": 1.0,
}
"""In fused products and sums, on a CPU with vectors of 512 bits; anything else costs one. Sums alone are made beside
the products."""

_NAMES = "exp exp2 log sin cos tanh erf sigmoid silu gelu softplus softmax".split()
ORIGINAL = {
    "native": dict(zip(_NAMES, (62, 130, 60, 72, 72, 143, 75, 23, 23, 27, 80, 33), strict=True)),
    "inductor": dict(zip(_NAMES, (34, 34, 48, 33, 33, 103, 47, 34, 27, 43, 60, 39), strict=True)),
}
"""What the operators of torch (eager, and fused by inductor) cost an element, in the same unit: measured with
a million float32 elements on one thread (`python -m graphwright.tools.bench functions` measures them anew)."""
GUARD = 2.0
WIDE = {"native": 1.0, "inductor": 15.0, "onnx": 30.0}
"""What a fused product and sum costs: in torch's and ONNX's operators it is made in float64 and rounded."""


@dataclass(frozen=True)
class Entry:
    """A program and the certificate of its arithmetic as executed."""

    program: FunctionProgram
    certificate: Certificate

    def cost(self, target: str) -> float:
        prices = {**PRICES, "fma": WIDE.get(target, 1.0)}
        total = sum(prices.get(operation, 1.0) * n for operation, n in self.program.cost.items())
        free = _places(self.program) if target == "native" else 0
        return total - free + (0.0 if self.is_total else GUARD)

    @property
    def is_total(self) -> bool:
        """Whether its domain is every number."""
        return self.program.domain == (-math.inf, math.inf)

    def covers(self, low: float, high: float) -> bool:
        return self.program.domain[0] <= low and high <= self.program.domain[1]

    def error(self, largest: float) -> float:
        """The largest absolute error where the function is at most `largest` in size."""
        bound, metric = self.certificate.bound, self.program.error
        if metric == "absolute":
            return bound
        if metric == "relative":
            return bound * largest
        return bound * unit(largest, self.program.dtype)

    @property
    def relative(self) -> float | None:
        """The bound relative to the function's value; None for an absolute one."""
        bound, metric = self.certificate.bound, self.program.error
        if metric == "absolute":
            return None
        return bound if metric == "relative" else bound * 2.0 ** (1 - PRECISION[self.program.dtype])

    def name(self) -> str:
        """The program and its certificate for the report."""
        found = self.certificate
        return f"{self.program.name} {found.bound:.4g} {self.program.error} {found.kind} {found.digest[:16]}"


def _places(program: FunctionProgram) -> int:
    """Products that only lookups read: kernels take the bits of a sum for them."""
    readers: dict[str, set[str]] = {}
    for step in program.steps:
        for operand in step.operands:
            readers.setdefault(str(operand), set()).add(step.operation)
    return sum(s.operation == "mul" and readers.get(s.name) == {"lookup"} for s in program.steps)


def unit(size: float, dtype: str) -> float:
    """The distance of numbers of that size."""
    if not math.isfinite(size):
        return math.inf
    return float(np.spacing(np.asarray(size, dtype)))


def library(folder: Path = FOLDER) -> tuple[Entry, ...]:
    """Every program below the folder that has a certificate, of which the digest is right, for its arithmetic."""
    return _library(folder, tuple(sorted((str(p), p.stat().st_mtime_ns) for p in folder.rglob("*.yaml"))))


@cache
def _library(folder: Path, files: tuple[tuple[str, int], ...]) -> tuple[Entry, ...]:
    from ....graph.spec.reader import read_document

    found = []
    for path, _ in files:
        if "\nprogram:" not in Path(path).read_text(encoding="utf-8"):
            continue
        try:
            entry = entry_of(program_of(read_document(path)))
        except SpecError:
            continue
        if entry is not None:
            found.append(entry)
    return tuple(found)


def entry_of(program: FunctionProgram) -> Entry | None:
    """The program with its best certificate; None without one, or where its digest is not the program's."""
    certificate = program.certificate()
    if certificate is None or certificate.digest != program.digest(certificate):
        return None
    return Entry(program, certificate)


def choices(function: str, dtype: str, target: str, entries: Iterable[Entry]) -> list[Entry]:
    """The programs for a function, the cheapest first."""
    found = [e for e in entries if e.program.function == function and e.program.dtype == dtype]
    return sorted(found, key=lambda e: (e.cost(target), e.certificate.bound))
