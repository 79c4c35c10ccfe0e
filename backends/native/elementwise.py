"""Elementwise programs: what the C printer prints, and what the operator Elementwise holds as text.

A program is a list of steps over one element of each input; every step is rounded to its dtype. The
operations are those of function programs (`passes.functions.program` says what each means), and `outside`,
which a program with a limited domain ends in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

Operand = str | float
"""The name of an input, of an earlier step or of a table; or a constant."""

CONDITIONS = frozenset("lt le gt ge eq ne and or not isnan".split())
"""Operations whose result is a condition (dtype `bool`)."""


@dataclass(frozen=True, slots=True)
class Step:
    """One operation. `function` is the name that `outside` needs: outside(x, y, low, high) is y where
    low <= x <= high, and elsewhere, NaN included, the function itself at x."""

    name: str
    operation: str
    operands: tuple[Operand, ...]
    dtype: str
    function: str = ""


@dataclass(frozen=True)
class Elementwise:
    """`steps` in an order in which they can be computed; inputs and result have the one `dtype`."""

    inputs: tuple[str, ...]
    dtype: str
    steps: tuple[Step, ...]
    result: str
    tables: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    def lines(self) -> tuple[str, ...]:
        """The program as text, which `from_lines` reads."""
        found = [f"{self.dtype} {' '.join(self.inputs)}"]
        found += [f"{name} = {' '.join(v.hex() for v in t)}" for name, t in sorted(self.tables.items())]
        for step in self.steps:
            words = " ".join(o if isinstance(o, str) else _number(o) for o in step.operands)
            called = f"{step.operation}:{step.function}" if step.function else step.operation
            found.append(f"{step.name}: {step.dtype} = {called} {words}")
        return (*found, self.result)

    def renamed(self, prefix: str, inputs: Sequence[Operand]) -> Elementwise:
        """The program with every name but the inputs' prefixed, and `inputs` (names in another program, or
        numbers) for its own."""
        own = {name: f"{prefix}{name}" for name in (*self.tables, *(s.name for s in self.steps))}
        moved: dict[str, Operand] = {**dict(zip(self.inputs, inputs, strict=True)), **own}
        steps = tuple(
            replace(
                s,
                name=own[s.name],
                operands=tuple(moved[o] if isinstance(o, str) else o for o in s.operands),
            )
            for s in self.steps
        )
        tables = {own[name]: values for name, values in self.tables.items()}
        names = tuple(i for i in inputs if isinstance(i, str))
        return Elementwise(names, self.dtype, steps, own.get(self.result, self.result), tables)


def _number(value: float) -> str:
    return str(value) if value != value or value in (float("inf"), float("-inf")) else value.hex()


@lru_cache(maxsize=512)
def from_lines(lines: tuple[str, ...]) -> Elementwise:
    """The program that a text states. Raises ValueError where it states none."""
    dtype, *inputs = lines[0].split()
    tables: dict[str, tuple[float, ...]] = {}
    steps: list[Step] = []
    for line in lines[1:-1]:
        head, separator, tail = line.partition(" = ")
        if not separator:
            raise ValueError(f"no step: {line}")
        name, is_step, kind = head.partition(": ")
        if not is_step:
            tables[name] = tuple(map(float.fromhex, tail.split()))
            continue
        called, *words = tail.split()
        operation, _, function = called.partition(":")
        steps.append(Step(name, operation, tuple(map(_operand, words)), kind, function))
    return Elementwise(tuple(inputs), dtype, tuple(steps), lines[-1], tables)


def _operand(word: str) -> Operand:
    if word[0].isdigit() or word[0] == "-" or word in ("inf", "nan"):
        return float.fromhex(word)
    return word


def last_readers(steps: Iterable[Step]) -> dict[str, int]:
    """Name -> the position of the last step that reads it."""
    return {o: i for i, step in enumerate(steps) for o in step.operands if isinstance(o, str)}
