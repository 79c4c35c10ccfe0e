"""Strings and n-grams."""

from __future__ import annotations

from collections.abc import Sequence

from ...types.dtypes import BOOL, FLOAT32, INT64, STRING
from ...types.types import TensorType, Type
from ..operator import Call, TypeRule
from .broadcasting import broadcast
from .operands import choice, require_rank, tensor


def _concat(call: Call) -> Sequence[Type]:
    return (TensorType.of(STRING, broadcast(call, (0, 1))),)


def _normalizer(call: Call) -> Sequence[Type]:
    """How many strings stay depends on the data where there are stop words."""
    choice(call, "case_change_action", ("NONE", "LOWER", "UPPER"))
    found = require_rank(call, 0, 1, 2)
    if not call.attribute("stopwords") or found.axes is None:
        return (found,)
    return (TensorType.of(STRING, (*found.axes[:-1], None)),)


def _full_match(call: Call) -> Sequence[Type]:
    return (tensor(call, 0).with_dtype(BOOL),)


def _split(call: Call) -> Sequence[Type]:
    """How many parts there are depends on the data: the most of any string."""
    axes = tensor(call, 0).axes
    parts = TensorType.of(STRING, None if axes is None else (*axes, None))
    return (parts, TensorType.of(INT64, axes))


def _tf_idf(call: Call) -> Sequence[Type]:
    choice(call, "mode", ("TF", "IDF", "TFIDF"))
    found = require_rank(call, 0, 1, 2)
    if found.axes is None:
        return (TensorType(FLOAT32, None),)
    return (TensorType.of(FLOAT32, (*found.axes[:-1], max(call.attribute("ngram_indexes"), default=-1) + 1)),)


TYPES: dict[str, TypeRule] = {
    "RegexFullMatch": _full_match,
    "StringConcat": _concat,
    "StringNormalizer": _normalizer,
    "StringSplit": _split,
    "TfIdfVectorizer": _tf_idf,
}
