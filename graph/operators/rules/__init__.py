"""Type rules, known-value rules and traits, one file for each of the standard's groups.

Each file holds `TYPES: dict[str, TypeRule]`, and where it has them `KNOWN: dict[str, KnownRule]`
and `TRAITS: dict[str, frozenset[str]]`; this file merges them.
"""

from __future__ import annotations

from ..operator import KnownRule, TypeRule
from . import (
    attention,
    control,
    convolution,
    elementwise,
    generation,
    indexing,
    layout,
    linear,
    loss,
    normalization,
    quantization,
    recurrent,
    reduction,
    resampling,
    sequence,
    signal,
    sorting,
    text,
)
from .control import EXTRA_ATTRIBUTES, EXTRA_INPUTS

TYPE_RULES: dict[str, TypeRule] = {
    **elementwise.TYPES,
    **reduction.TYPES,
    **layout.TYPES,
    **indexing.TYPES,
    **linear.TYPES,
    **convolution.TYPES,
    **resampling.TYPES,
    **normalization.TYPES,
    **generation.TYPES,
    **sorting.TYPES,
    **control.TYPES,
    **sequence.TYPES,
    **quantization.TYPES,
    **recurrent.TYPES,
    **attention.TYPES,
    **signal.TYPES,
    **loss.TYPES,
    **text.TYPES,
}
KNOWN_RULES: dict[str, KnownRule] = {
    **elementwise.KNOWN,
    **reduction.KNOWN,
    **layout.KNOWN,
    **indexing.KNOWN,
    **generation.KNOWN,
    **sorting.KNOWN,
}
TRAIT_SETS: dict[str, frozenset[str]] = {
    **elementwise.TRAITS,
    **reduction.TRAITS,
    **layout.TRAITS,
    **indexing.TRAITS,
    **normalization.TRAITS,
    **generation.TRAITS,
    **control.TRAITS,
}

__all__ = ["EXTRA_ATTRIBUTES", "EXTRA_INPUTS", "KNOWN_RULES", "TRAIT_SETS", "TYPE_RULES"]
