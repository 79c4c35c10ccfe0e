"""Names of modules that exporters leave in the names of nodes."""

from __future__ import annotations

from collections.abc import Sequence

_PLURALS = {"ses": "s", "xes": "x", "ies": "y"}


def common_scope(modules: Sequence[str]) -> str:
    """The innermost module that holds all of these that have one, "" where there is none."""
    parts = [m.split(".") for m in modules if m]
    if not parts:
        return ""
    shared: list[str] = []
    for column in zip(*parts, strict=False):
        if len(set(column)) != 1:
            break
        shared.append(column[0])
    return ".".join(shared).strip(".")


def function_name(scopes: Sequence[str], hint: str = "") -> str:
    """A name for the function of a block: `layer` for `enc.layers.0`, `enc.layers.1`. Where it stands
    in modules of different names, that of what it computes (`linear` for `linear_3`), else `block`."""
    words = {next((w for w in reversed(s.split(".")) if w and not w.isdigit()), "") for s in scopes}
    if len(words) == 1:
        (word,) = words
        return f"{word}_block" if word[-1:].isdigit() else singular(word) if word else "block"
    stem = hint.rstrip("0123456789").rstrip("_")
    return stem if stem.isidentifier() and stem.islower() and stem not in _OPERATIONS else "block"


_OPERATIONS = frozenset("val add mul sub div view transpose permute matmul getitem clone".split())


def singular(word: str) -> str:
    """`layer` for `layers`, `branch` for `branches`."""
    for ending, replacement in _PLURALS.items():
        if word.endswith(ending) and len(word) > len(ending) + 1:
            return word[: -len(ending)] + replacement
    if word.endswith("ches"):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") and len(word) > 2 else word
