"""Strings: concatenation, splitting, normalizing, matching, n-gram counts."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

import torch

from .carriers import Strings, Tensor
from .lowering import Lowering


def string_concat(x: Strings, y: Strings) -> Strings:
    zero = torch.zeros_like(x.positions()) * torch.zeros_like(y.positions())
    left, right = x.positions() + zero, y.positions() + zero
    pairs = zip(left.reshape(-1).tolist(), right.reshape(-1).tolist(), strict=True)
    return Strings(tuple(zero.shape), tuple(x.items[i] + y.items[j] for i, j in pairs))


def string_split(
    x: Strings, delimiter: str | None = None, maxsplit: int | None = None
) -> tuple[Strings, Tensor]:
    """The parts of each string on a new last axis, filled up with empty ones, and their numbers."""
    parts = [s.split(delimiter or None, -1 if maxsplit is None else maxsplit) for s in x.items]
    width = max((len(p) for p in parts), default=0)
    filled = [part for p in parts for part in (*p, *[""] * (width - len(p)))]
    counts = torch.tensor([len(p) for p in parts], dtype=torch.int64).reshape(x.shape)
    return Strings((*x.shape, width), tuple(filled)), counts


def string_normalizer(
    x: Strings,
    case_change_action: str = "NONE",
    is_case_sensitive: int = 0,
    locale: str | None = None,
    stopwords: Sequence[str] | None = None,
) -> Strings:
    """Strings of a vector or one row without stop words, in the case asked for; never empty."""
    cases: dict[str, Callable[[str], str]] = {"LOWER": str.lower, "UPPER": str.upper, "NONE": str}
    case = cases[case_change_action]
    stops = set(stopwords or ())
    if is_case_sensitive:
        kept = [case(_without(s, stops)) for s in map(_unaccented, x.items)]
    else:
        kept = [_without(case(s), {case(w) for w in stops}) for s in map(_unaccented, x.items)]
    if x.dim() == 2 and x.shape[0] > 1:
        return Strings(x.shape, tuple(kept))
    found = [s for s in kept if s] or [""]
    return Strings((*x.shape[:-1], len(found)), tuple(found))


def _without(text: str, stops: set[str]) -> str:
    return " ".join(word for word in text.split(" ") if word not in stops)


def _unaccented(text: str) -> str:
    if text.isascii():
        return text
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))


def regex_full_match(x: Strings, pattern: str = "") -> Tensor:
    expression = re.compile(pattern)
    found = [expression.fullmatch(s) is not None for s in x.items]
    return torch.tensor(found, dtype=torch.bool).reshape(x.shape)


def tf_idf_vectorizer(
    x: Any,
    *,
    max_gram_length: int,
    max_skip_count: int,
    min_gram_length: int,
    mode: str,
    ngram_counts: Sequence[int],
    ngram_indexes: Sequence[int],
    pool_int64s: Sequence[int] | None = None,
    pool_strings: Sequence[str] | None = None,
    weights: Sequence[float] | None = None,
) -> Tensor:
    """How often each n-gram of the pool occurs in each row, elements up to max_skip_count apart."""
    pool = list(pool_int64s if pool_strings is None else pool_strings)  # type: ignore[arg-type]  # one is given
    grams = _grams(pool, list(ngram_counts), min_gram_length, max_gram_length)
    width = max(ngram_indexes) + 1
    rows = _rows(x)
    counts = torch.zeros(len(rows), width, dtype=torch.float32)
    for number, row in enumerate(rows):
        for length in range(min_gram_length, max_gram_length + 1):
            for skip in range(1 if length == 1 else max_skip_count + 1):
                for start in range(len(row) - (length - 1) * (skip + 1)):
                    place = grams.get(tuple(row[start : start + (length - 1) * (skip + 1) + 1 : skip + 1]))
                    if place is not None:
                        counts[number, ngram_indexes[place]] += 1
    result = _weighed(counts, mode, list(ngram_indexes), weights)
    return result if x.dim() == 2 else result[0]


def _rows(x: Any) -> list[list[Any]]:
    items = list(x.items) if isinstance(x, Strings) else x.reshape(-1).tolist()
    width = x.shape[-1]
    return [items[i : i + width] for i in range(0, len(items), width)] if x.dim() == 2 else [items]


def _grams(pool: list[Any], starts: list[int], shortest: int, longest: int) -> dict[tuple[Any, ...], int]:
    """n-gram -> its place among all of the pool. `starts`: where the 1-grams, 2-grams, … begin."""
    found: dict[tuple[Any, ...], int] = {}
    place = 0
    for length, (start, end) in enumerate(zip(starts, [*starts[1:], len(pool)], strict=True), 1):
        for position in range(start, end, length):
            if shortest <= length <= longest:
                found[tuple(pool[position : position + length])] = place
            place += 1
    return found


def _weighed(counts: Tensor, mode: str, indexes: list[int], weights: Sequence[float] | None) -> Tensor:
    if mode == "TF":
        return counts
    scale = torch.ones(counts.shape[1])
    for place, index in enumerate(indexes):
        scale[index] = 1.0 if weights is None else weights[place]
    return (counts if mode == "TFIDF" else counts.clamp(max=1)) * scale


TEXT: dict[str, Lowering] = {
    "StringConcat": Lowering(string_concat, "eager"),
    "StringSplit": Lowering(string_split, "eager"),
    "StringNormalizer": Lowering(string_normalizer, "eager"),
    "RegexFullMatch": Lowering(regex_full_match, "eager"),
    "TfIdfVectorizer": Lowering(tf_idf_vectorizer, "eager"),
}
