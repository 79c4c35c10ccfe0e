"""The record of a diagnostic code."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Code:
    """`identifier` such as G0123; `text` is what `graphwright explain G0123` prints: what is
    wrong, why it is an error, and a small wrong and right example."""

    identifier: str
    title: str
    text: str
