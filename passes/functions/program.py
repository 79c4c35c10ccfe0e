"""A function program: a function of one variable in a few operations, each rounded, with its certificates.

It is read from a spec (`program_spec`), computed with NumPy (`evaluate`), certified (`certification`) and
printed by backends.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from .constants import Constant

Operand = str | Constant
"""The name of the input, of an earlier step or of a table; or a constant."""

INPUT = "x"


@dataclass(frozen=True, slots=True)
class Operation:
    """`form` is how a spec writes it: an operator's symbol or a function's name. `result` is `same` (the
    operands' dtype), `bool`, or `cast` (the step says)."""

    arity: int
    form: str
    result: str = "same"


OPERATIONS: dict[str, Operation] = {
    "add": Operation(2, "+"),
    "sub": Operation(2, "-"),
    "mul": Operation(2, "*"),
    "div": Operation(2, "/"),
    "neg": Operation(1, "-"),
    "fma": Operation(3, "fma"),
    "abs": Operation(1, "abs"),
    "sqrt": Operation(1, "sqrt"),
    "floor": Operation(1, "floor"),
    "round": Operation(1, "round"),
    "min": Operation(2, "minimum"),
    "max": Operation(2, "maximum"),
    "copysign": Operation(2, "copysign"),
    "where": Operation(3, "where"),
    "lt": Operation(2, "<", "bool"),
    "le": Operation(2, "<=", "bool"),
    "gt": Operation(2, ">", "bool"),
    "ge": Operation(2, ">=", "bool"),
    "eq": Operation(2, "==", "bool"),
    "ne": Operation(2, "!=", "bool"),
    "and": Operation(2, "and", "bool"),
    "or": Operation(2, "or", "bool"),
    "not": Operation(1, "not", "bool"),
    "isnan": Operation(1, "isnan", "bool"),
    "ldexp": Operation(2, "ldexp"),
    "exponent": Operation(2, "exponent"),
    "significand": Operation(2, "significand"),
    "lookup": Operation(2, "lookup"),
    "alternate": Operation(2, "alternate"),
    "cast": Operation(1, "cast", "cast"),
}
"""Every operation, rounded to nearest (ties to even) in its dtype.

`fma` a b + c, rounded once. `min` and `max` give NaN where an operand is. `round` to the nearest integer,
ties to even. `ldexp(y, k)` y 2^k, rounded once, y within 2^±40, for any integer k (a float). `exponent(x, low)`
and `significand(x, low)`: x = significand 2^exponent with low <= significand < 2 low for positive finite x
(subnormal ones too); of zero 1 with its sign and -inf, of inf 1 and inf, of NaN NaN; of a negative x NaN and
anything. `lookup(table, k)` entry k modulo the entries, k an integer. `alternate(y, k)` (-1)^k y for an
integer k. `where(c, a, b)` a where c holds. `copysign(a, b)` |a| with the sign of b, zeros included. `sqrt` is
rounded correctly; eager torch on some CPUs is one unit off."""


@dataclass(frozen=True, slots=True)
class Step:
    """One operation and the dtype of its result (`bool` for conditions)."""

    name: str
    operation: str
    operands: tuple[Operand, ...]
    dtype: str


@dataclass(frozen=True, slots=True)
class Certificate:
    """The error over the domain is at most `bound`: of the program as executed, each operation rounded
    (`arithmetic` executed), or of its exact constants in real arithmetic (`real`)."""

    kind: str
    bound: float
    arithmetic: str = "executed"
    method: str = ""
    worst: float | None = None
    inputs: int | None = None
    tools: tuple[tuple[str, str], ...] = ()
    digest: str = ""


@dataclass(frozen=True)
class FunctionProgram:
    """`dtype` is the input's, `steps` are in an order in which they can be computed, `result` names the
    step that is the function's value. The certificates hold on the closed interval `domain`."""

    name: str
    function: str
    dtype: str
    domain: tuple[float, float]
    error: str
    steps: tuple[Step, ...]
    result: str
    tables: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    doc: str = ""
    reduction: str = ""
    special: tuple[tuple[str, str], ...] = ()
    certificates: tuple[Certificate, ...] = ()
    provenance: tuple[tuple[str, str], ...] = ()
    source: tuple[tuple[str, str], ...] = ()

    @property
    def result_dtype(self) -> str:
        return next((s.dtype for s in self.steps if s.name == self.result), self.dtype)

    @property
    def cost(self) -> dict[str, int]:
        """Operations by name."""
        return dict(sorted(Counter(step.operation for step in self.steps).items()))

    def certificate(self, arithmetic: str = "executed") -> Certificate | None:
        """The certificate with the least bound in that arithmetic."""
        found = [c for c in self.certificates if c.arithmetic == arithmetic]
        return min(found, key=lambda c: c.bound, default=None)

    def meaning(self) -> str:
        """All that a certificate speaks about, in one text."""
        low, high = (bound.hex() for bound in self.domain)
        lines = [f"{self.function} {self.dtype} {low} {high} {self.error}"]
        lines += [
            f"{name} = {' '.join(v.hex() for v in values)}" for name, values in sorted(self.tables.items())
        ]
        for step in self.steps:
            operands = " ".join(o if isinstance(o, str) else o.text for o in step.operands)
            lines.append(f"{step.name}: {step.dtype} = {step.operation} {operands}")
        lines += [f"{case}: {value}" for case, value in sorted(self.special)]
        return "\n".join([*lines, self.result])

    def digest(self, certificate: Certificate) -> str:
        """SHA-256 of the program's meaning and of what the certificate says."""
        said = (certificate.kind, certificate.arithmetic, certificate.bound.hex(), certificate.method)
        worst = "" if certificate.worst is None else certificate.worst.hex()
        text = "\n".join([self.meaning(), *said, worst, str(certificate.inputs or "")])
        return hashlib.sha256(text.encode("utf-8")).hexdigest()
