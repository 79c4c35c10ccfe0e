"""What checking a contract says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum


class Verdict(Enum):
    """`INCONCLUSIVE` says that the check could not tell; it is reported, never passed over."""

    HOLDS = "holds"
    BROKEN = "broken"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class Finding:
    """One comparison. `error` and `allowed` are in the contract's own measure; `ties` is the share
    of elements left out because the shadow sits on a rounding or comparison tie."""

    verdict: Verdict
    error: float = 0.0
    allowed: float = 0.0
    ties: float = 0.0
    reason: str = ""


HOLDS = Finding(Verdict.HOLDS)


def worst(findings: Iterable[Finding]) -> Finding:
    """The finding that counts: a broken one, else an inconclusive one, else the largest error."""
    order = {Verdict.BROKEN: 2, Verdict.INCONCLUSIVE: 1, Verdict.HOLDS: 0}
    found = list(findings)
    if not found:
        return HOLDS
    return max(found, key=lambda f: (order[f.verdict], f.error))
