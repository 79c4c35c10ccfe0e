"""Results against expected ones, as the standard's test runner compares them.

Shapes and dtypes must be equal, strings and sequences element by element, numbers within the
case's tolerances (for bfloat16 at least 2^-6, as the suite has it).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

BFLOAT16_RTOL = 2**-6


class Difference(Exception):
    """Two results differ; the message says how."""


def require_similar(found: Sequence[Any], expected: Sequence[Any], rtol: float, atol: float) -> None:
    """Raises Difference where results differ."""
    if len(found) != len(expected):
        raise Difference(f"{len(found)} results where {len(expected)} are expected")
    for position, (mine, theirs) in enumerate(zip(found, expected, strict=True)):
        try:
            _require(mine, theirs, rtol, atol)
        except Difference as error:
            raise Difference(f"result {position}: {error}") from None


def _require(found: Any, expected: Any, rtol: float, atol: float) -> None:
    if expected is None or found is None:
        if found is not expected:
            raise Difference(f"{_kind(found)} where {_kind(expected)} is expected")
        return
    if isinstance(expected, list) or isinstance(found, list):
        if not isinstance(found, list) or not isinstance(expected, list):
            raise Difference(f"{_kind(found)} where {_kind(expected)} is expected")
        require_similar(found, expected, rtol, atol)
        return
    _require_arrays(np.asarray(found), np.asarray(expected), rtol, atol)


def _kind(value: Any) -> str:
    if value is None:
        return "nothing"
    return "a sequence" if isinstance(value, list) else "a tensor"


def _require_arrays(found: Any, expected: Any, rtol: float, atol: float) -> None:
    if found.shape != expected.shape:
        raise Difference(f"shape {list(found.shape)} where {list(expected.shape)} is expected")
    if expected.dtype.kind in "OUS":
        if [_text(x) for x in found.ravel()] != [_text(x) for x in expected.ravel()]:
            raise Difference("other strings than expected")
        return
    if found.dtype != expected.dtype:
        raise Difference(f"dtype {found.dtype} where {expected.dtype} is expected")
    if expected.dtype.name == "bfloat16":
        rtol = max(rtol, BFLOAT16_RTOL)
    if expected.dtype.kind not in "iubfc":  # the small floats and integers, all exact in float32
        found, expected = found.astype(np.float32), expected.astype(np.float32)
    try:
        np.testing.assert_allclose(found, expected, rtol=rtol, atol=atol)
    except AssertionError as error:
        raise Difference(_worst(str(error))) from None


def _worst(message: str) -> str:
    lines = [line.strip() for line in message.splitlines()]
    kept = [line for line in lines if line.startswith(("Mismatched", "Max absolute", "Max relative"))]
    return ", ".join(kept) if kept else "values where NaN or infinity differ"


def _text(value: Any) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)
