"""What a pass promises, checked by the manager after it ran."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Exact:
    """The same function. `sense` is "bits" (same backend, same dtype, every bit) or "algebra"
    (equal in real arithmetic: checked against a float64 shadow run)."""

    sense: str = "bits"

    def __str__(self) -> str:
        return f"exact ({self.sense})"


@dataclass(frozen=True, slots=True)
class Bounded:
    """An error of at most `limit` in `metric` (max_abs, max_rel, ulp, gain), from the pass's own bound
    at each site, checked there and against the first program. An infinite limit leaves it to the
    sites' bounds.

    `gain` is the largest error of a site over its largest operand, against the old form in float64:
    what a certificate per unit input bounds; at outputs, which amplify it as they like, it is
    reported only."""

    metric: str
    limit: float

    def __str__(self) -> str:
        if self.limit == float("inf"):
            return f"{self.metric} at most each site's certificate"
        return f"{self.metric} at most {self.limit:g}"


@dataclass(frozen=True, slots=True)
class Budget:
    """Lossy by design: `metric`, measured on data, may drop by at most `max_drop`."""

    metric: str
    max_drop: float

    def __str__(self) -> str:
        return f"{self.metric} drops by at most {self.max_drop:g}"


@dataclass(frozen=True, slots=True)
class Certified:
    """Of theories: every theorem has a proof that the kernel accepts, none is lost, and no more is
    taken for true than before.

    `axioms` is "kept", or "licensed": a relation that two axioms make total and single-valued is
    defined by a function, the axioms go, and their proofs from the definition are there. `goals` is
    "kept", "licensed" (their names are), "more", or "fewer" (conjectures may go)."""

    axioms: str = "kept"
    goals: str = "kept"

    def __str__(self) -> str:
        return f"certified (axioms {self.axioms}, goals {self.goals})"


Contract = Exact | Bounded | Budget | Certified
