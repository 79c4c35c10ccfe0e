"""Philox-4x32-10: random words as a pure function of a key and a counter.

J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, Parallel Random Numbers: As Easy as 1, 2, 3
(SC 2011). Nothing here keeps state: word `i` of a stream is the same whatever was drawn before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

Words = np.ndarray[Any, np.dtype[np.uint32]]
Wide = np.ndarray[Any, np.dtype[np.uint64]]

_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10
_MASK = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)
_CHUNK = 1 << 13  # blocks at a time, so that temporaries stay in cache


def philox(counter: Wide, key: tuple[int, int]) -> Wide:
    """The four output words of each block: counter uint64[4, n] holding 32-bit words -> the same."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(_ROUNDS):
        first = _MULTIPLIERS[0] * c0
        second = _MULTIPLIERS[1] * c2
        c0, c1, c2, c3 = (
            (second >> _SHIFT) ^ c1 ^ np.uint64(k0),
            second & _MASK,
            (first >> _SHIFT) ^ c3 ^ np.uint64(k1),
            first & _MASK,
        )
        k0, k1 = (k0 + _WEYL[0]) & 0xFFFFFFFF, (k1 + _WEYL[1]) & 0xFFFFFFFF
    return np.stack((c0, c1, c2, c3))


@dataclass(frozen=True, slots=True)
class Stream:
    """An endless sequence of random words, told apart from all others by 128 bits of hash."""

    key: tuple[int, int]
    upper: tuple[int, int]  # the upper two words of the counter; the lower two count blocks

    def words(self, start: int, count: int) -> Words:
        """Words `start` to `start + count`, uint32[count]."""
        found = np.empty(count, np.uint32)
        for at, piece in self._pieces(start, count):
            found[at : at + len(piece)] = piece
        return found

    def wide_words(self, start: int, count: int) -> Wide:
        """64-bit words, the earlier 32 bits in the upper half: uint64[count]."""
        pairs = self.words(2 * start, 2 * count).astype(np.uint64).reshape(count, 2)
        wide: Wide = (pairs[:, 0] << _SHIFT) | pairs[:, 1]
        return wide

    def _pieces(self, start: int, count: int) -> Iterator[tuple[int, Words]]:
        first, last = start // 4, -(-(start + count) // 4)
        for low in range(first, last, _CHUNK):
            blocks = np.arange(low, min(low + _CHUNK, last), dtype=np.uint64)
            counter = np.empty((4, len(blocks)), np.uint64)
            counter[0], counter[1] = blocks & _MASK, blocks >> _SHIFT
            counter[2], counter[3] = self.upper
            flat = philox(counter, self.key).astype(np.uint32).T.reshape(-1)
            skip = max(start - 4 * low, 0)
            at = 4 * low + skip - start
            yield at, flat[skip : skip + count - at]


def stream(seed: int, name: str, step: int | None = None) -> Stream:
    """The stream of a draw: keyed by the first 128 bits of SHA-256 of "seed/name", or of
    "seed:step/name" where a draw is repeated (training steps). Words are little-endian."""
    text = f"{seed}/{name}" if step is None else f"{seed}:{step}/{name}"
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    words = [int.from_bytes(digest[4 * i : 4 * i + 4], "little") for i in range(4)]
    return Stream((words[0], words[1]), (words[2], words[3]))


def derived_seed(seed: int, *path: object) -> int:
    """A seed for one task of many: 63 bits of SHA-256 of "seed/path"."""
    text = "/".join(str(p) for p in (seed, *path))
    return int.from_bytes(hashlib.sha256(text.encode("utf-8")).digest()[:8], "little") >> 1
