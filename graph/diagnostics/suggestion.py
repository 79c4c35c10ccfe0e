"""Near names: "did you mean"."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name closest to `name`, or None. Case differences count as nearest;
    where nothing is close, `name` may be the beginning of one."""
    names = [n for n in known if n != name]
    folded = {n.lower(): n for n in names}
    if name.lower() in folded:
        return folded[name.lower()]
    found = get_close_matches(name, names, n=1, cutoff=0.65)
    if found:
        return found[0]
    return next((n for n in names if len(name) > 2 and n.startswith(name)), None)


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """The hint text for an unknown `name`, or None where nothing is near."""
    near = nearest(name, known)
    return f"did you mean '{near}'?" if near is not None else None
