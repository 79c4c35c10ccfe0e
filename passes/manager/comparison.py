"""Two results compared as a contract asks.

No ULP tolerance for anything that sums: two right matrix products of 512 terms lie 262,144
units in the last place apart. Instead both are held against a run in float64.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...graph.types import DType, from_numpy
from .verdict import HOLDS, Finding, Verdict

Array = np.ndarray[Any, Any]

SHADOW_TOLERANCE = 1e-11
"""Of the largest absolute intermediate sum, between the shadows of two equal programs."""
NATIVE_FACTOR = 4.0
"""How much larger than the old error the new one may be, in the program's own dtype."""
TIES_ALLOWED = 0.01
"""A larger share of elements on ties makes the comparison inconclusive."""

_INTEGERS = {2: np.uint16, 4: np.uint32, 8: np.uint64}
_MANTISSA = {"float64": 52, "float32": 23, "float16": 10, "bfloat16": 7, "float8e4m3fn": 3, "float8e5m2": 2}


def unit_roundoff(dtype: DType) -> float:
    """Half the distance from 1 to the next number of the dtype."""
    return 2.0 ** -(_MANTISSA.get(dtype.name, 1) + 1)


def same_bits(old: Array, new: Array) -> Finding:
    """Every bit equal; NaNs count as equal whatever their payload."""
    mismatch = _shape_mismatch(old, new)
    if mismatch:
        return mismatch
    if _same_storage(old, new):
        return HOLDS
    if old.dtype == object:
        equal: Array = np.asarray(old == new)
        return _counted(equal)
    if old.dtype.kind in "iubc" or old.dtype.kind == "V":
        return _counted(np.asarray(old == new))
    with np.errstate(invalid="ignore"):
        equal = (old == new) & (np.signbit(old) == np.signbit(new))
        equal |= np.isnan(old) & np.isnan(new)
    return _counted(equal)


def _same_storage(old: Array, new: Array) -> bool:
    """Whether the two are one array, or hold the same bits: quicker than comparing numbers."""
    if old is new:
        return True
    integer = _INTEGERS.get(old.dtype.itemsize)
    if old.dtype.kind != "f" or integer is None:
        return False
    return bool((np.ascontiguousarray(old).view(integer) == np.ascontiguousarray(new).view(integer)).all())


def _counted(equal: Array) -> Finding:
    wrong = int(equal.size - np.count_nonzero(equal))
    if not wrong:
        return HOLDS
    where = np.unravel_index(int(np.argmin(equal)), equal.shape) if equal.ndim else ()
    at = list(map(int, where))
    return Finding(
        Verdict.BROKEN, float(wrong), 0.0, 0.0, f"{wrong} of {equal.size} elements differ, first {at}"
    )


def _shape_mismatch(old: Array, new: Array) -> Finding | None:
    if old.shape == new.shape and old.dtype == new.dtype:
        return None
    reason = f"{new.dtype}{list(new.shape)} instead of {old.dtype}{list(old.shape)}"
    return Finding(Verdict.BROKEN, float("inf"), 0.0, 0.0, reason)


@dataclass(frozen=True)
class Measured:
    """One result four times: old and new, in their own dtype and as float64 shadows.

    `scale` is the largest absolute intermediate sum of both forms, `native_scale` that of the old
    form alone (a new form that cancels more is worse), `length` the number of roundings behind an
    element (k). `tied` marks elements on a tie (None: none), `rounded` says that the new value is a
    constant computed ahead, which has no shadow of its own.
    """

    old: Array
    new: Array
    old_shadow: Array
    new_shadow: Array
    scale: float
    length: int = 1
    tied: Array | None = None
    rounded: bool = False
    native_scale: float | None = None


def same_algebra(measured: Measured) -> Finding:
    """Equal in real arithmetic: the shadows agree to 1e-11 of `scale`, and in the native dtype the
    new error is at most four times the old one plus `k u scale`."""
    mismatch = _shape_mismatch(measured.old, measured.new)
    if mismatch:
        return mismatch
    if measured.old.dtype.kind not in "fV" or measured.old.dtype == object:
        return _discrete(measured)
    kept = np.ones(measured.old.shape, bool) if measured.tied is None else ~measured.tied
    ties = _share(measured.tied)
    if not measured.rounded:
        error = _distance(measured.old_shadow, measured.new_shadow, kept)
        allowed = SHADOW_TOLERANCE * max(measured.scale, _largest(measured.old_shadow))
        if error > allowed:
            reason = f"in real arithmetic the results differ by {error:.3g} (allowed {allowed:.3g})"
            return Finding(Verdict.BROKEN, error, allowed, ties, reason)
    return _native(measured, kept, ties)


def _native(measured: Measured, kept: Array, ties: float) -> Finding:
    if ties <= TIES_ALLOWED and same_bits(measured.old, measured.new).verdict is Verdict.HOLDS:
        return Finding(Verdict.HOLDS, 0.0, 0.0, ties)
    dtype = from_numpy(measured.old.dtype)
    shadow = measured.old_shadow
    scale = measured.scale if measured.native_scale is None else measured.native_scale
    top = max(scale, _largest(shadow))
    old_error = _distance(shadow, measured.old.astype(np.float64), kept)
    new_error = _distance(shadow, measured.new.astype(np.float64), kept)
    allowed = NATIVE_FACTOR * old_error + measured.length * unit_roundoff(dtype) * top
    if new_error > allowed and np.isfinite(old_error):
        reason = (
            f"the error in {dtype.name} grew from {old_error:.3g} to {new_error:.3g} (allowed {allowed:.3g})"
        )
        return Finding(Verdict.BROKEN, new_error, allowed, ties, reason)
    if ties > TIES_ALLOWED:
        return Finding(
            Verdict.INCONCLUSIVE, new_error, allowed, ties, f"{ties:.1%} of the elements sit on ties"
        )
    return Finding(Verdict.HOLDS, new_error, allowed, ties)


def _discrete(measured: Measured) -> Finding:
    """Integers and booleans: equal wherever the shadow is not on a tie."""
    equal = np.asarray(measured.old == measured.new)
    if measured.tied is not None:
        equal = equal | measured.tied
    found = _counted(equal)
    ties = _share(measured.tied)
    if found.verdict is Verdict.BROKEN:
        return Finding(Verdict.BROKEN, found.error, 0.0, ties, found.reason)
    if ties > TIES_ALLOWED:
        return Finding(Verdict.INCONCLUSIVE, 0.0, 0.0, ties, f"{ties:.1%} of the elements sit on ties")
    return Finding(Verdict.HOLDS, 0.0, 0.0, ties)


def bounded(metric: str, limit: float, old: Array, new: Array) -> Finding:
    """The distance of `new` from `old` in `metric` (max_abs, max_rel, ulp) against `limit`."""
    mismatch = _shape_mismatch(old, new)
    if mismatch:
        return mismatch
    error = distance(metric, old, new)
    if error <= limit and np.isfinite(error):
        return Finding(Verdict.HOLDS, error, limit)
    return Finding(Verdict.BROKEN, error, limit, 0.0, f"{metric} is {error:.3g} (allowed {limit:.3g})")


def distance(metric: str, old: Array, new: Array) -> float:
    """max_abs, gain: largest |new - old|; max_rel: that over the largest |old|; ulp: the largest number
    of representable numbers between two elements. Raises KeyError for another metric."""
    left, right = old.astype(np.float64), new.astype(np.float64)
    absolute = _distance(left, right, np.ones(old.shape, bool))
    if metric in ("max_abs", "gain"):
        return absolute
    if metric == "max_rel":
        top = _largest(left)
        return absolute / top if top else absolute
    if metric == "ulp":
        return _ulps(old, new)
    raise KeyError(metric)


def _ulps(old: Array, new: Array) -> float:
    if old.dtype.kind in "iu":
        return float(np.max(np.abs(old.astype(np.float64) - new.astype(np.float64)), initial=0.0))
    integer = np.dtype(f"i{old.dtype.itemsize}")
    ranks = [np.ascontiguousarray(a).view(integer).astype(np.float64) for a in (old, new)]
    low = float(np.iinfo(integer).min)
    ordered = [np.where(r < 0, low - r, r) for r in ranks]
    return float(np.max(np.abs(ordered[0] - ordered[1]), initial=0.0))


def _distance(left: Array, right: Array, kept: Array) -> float:
    """The largest difference; infinite where one is no number and the other is, or where
    infinities disagree."""
    with np.errstate(invalid="ignore", over="ignore"):
        difference = np.abs(left.astype(np.float64) - right.astype(np.float64))
    same = (left == right) | (np.isnan(left) & np.isnan(right))
    difference = np.where(same | ~kept, 0.0, difference)
    difference = np.where(np.isnan(difference), np.inf, difference)
    return float(np.max(difference, initial=0.0))


def _largest(array: Array) -> float:
    finite = np.abs(array[np.isfinite(array)]) if array.dtype.kind == "f" else np.abs(array)
    return float(np.max(finite, initial=0.0))


def _share(mask: Array | None) -> float:
    return 0.0 if mask is None or not mask.size else float(np.count_nonzero(mask)) / mask.size
