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


def function_name(scope: str) -> str:
    """A name for the function of a block: `layer` for `enc.layers.0`, `block` without a scope."""
    words = [w for w in scope.split(".") if w and not w.isdigit()]
    return singular(words[-1]) if words else "block"


def singular(word: str) -> str:
    """`layer` for `layers`, `branch` for `branches`."""
    for ending, replacement in _PLURALS.items():
        if word.endswith(ending) and len(word) > len(ending) + 1:
            return word[: -len(ending)] + replacement
    if word.endswith("ches"):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") and len(word) > 2 else word
