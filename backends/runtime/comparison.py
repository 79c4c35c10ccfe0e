"""Whether two arrays agree, and where they agree least."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

# (rtol, atol) of torch.testing.assert_close; every other dtype is compared exactly.
_TOLERANCES = {
    "float16": (1e-3, 1e-5),
    "bfloat16": (1.6e-2, 1e-5),
    "float32": (1.3e-6, 1e-5),
    "float64": (1e-7, 1e-7),
    "complex64": (1.3e-6, 1e-5),
    "complex128": (1e-7, 1e-7),
}
_CARRIERS = {2: np.int16, 4: np.int32, 8: np.int64}


@dataclass(frozen=True, slots=True)
class Comparison:
    """The outcome. `worst` is the index (after broadcasting) that is furthest over its tolerance,
    `actual` and `expected` its two values; `max_ulp` is None for dtypes that have no ulp."""

    ok: bool
    shapes: tuple[tuple[int, ...], tuple[int, ...]]
    rtol: float = 0.0
    atol: float = 0.0
    worst: tuple[int, ...] | None = None
    actual: Any = None
    expected: Any = None
    max_abs: float = 0.0
    max_rel: float = 0.0
    max_ulp: int | None = None
    mismatches: int = 0
    count: int = 0

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        if self.worst is None:
            if self.shapes[0] != self.shapes[1] and not self.ok:
                return f"shapes {list(self.shapes[0])} and {list(self.shapes[1])} differ"
            return "equal"
        ulp = "" if self.max_ulp is None else f", {self.max_ulp} ulp"
        at = f" at {list(self.worst)}" if self.worst else ""
        return (
            f"{self.mismatches} of {self.count} differ by more than rtol={self.rtol:g}, atol={self.atol:g}; "
            f"worst{at}: {self.actual} against {self.expected} (largest difference {self.max_abs:.3g}, "
            f"relative {self.max_rel:.3g}{ulp})"
        )


def tolerances(*dtypes: Any) -> tuple[float, float]:
    """(rtol, atol) for comparing arrays of these NumPy dtypes: each the largest of the dtypes'."""
    pairs = [_TOLERANCES.get(np.dtype(d).name, (0.0, 0.0)) for d in dtypes]
    return max(p[0] for p in pairs), max(p[1] for p in pairs)


def allclose(
    actual: Any,
    expected: Any,
    rtol: float | None = None,
    atol: float | None = None,
    *,
    equal_nan: bool = False,
    broadcast: bool = True,
) -> Comparison:
    """|actual - expected| <= atol + rtol |expected| at every element after broadcasting, with
    torch.testing's tolerances of the dtypes where none are given. Equal infinities agree; NaN
    agrees with NaN only where `equal_nan`. With `broadcast=False` shapes must be equal."""
    a, b = np.asarray(actual), np.asarray(expected)
    default_rtol, default_atol = tolerances(a.dtype, b.dtype)
    rtol = default_rtol if rtol is None else rtol
    atol = default_atol if atol is None else atol
    shapes = (a.shape, b.shape)
    try:
        shape = np.broadcast_shapes(*shapes)
    except ValueError:
        return Comparison(False, shapes, rtol, atol)
    if not broadcast and a.shape != b.shape:
        return Comparison(False, shapes, rtol, atol)
    a, b = np.broadcast_to(a, shape), np.broadcast_to(b, shape)
    return _compare(a, b, rtol, atol, equal_nan, shapes)


def _compare(
    a: Array, b: Array, rtol: float, atol: float, equal_nan: bool, shapes: tuple[Any, Any]
) -> Comparison:
    if a.dtype == object or b.dtype == object or a.dtype.kind in "US" or b.dtype.kind in "US":
        same = np.asarray(a == b)
        distance, relative, excess = (~same).astype(np.float64), (~same).astype(np.float64), ~same * 1.0
    else:
        distance, relative, excess = _distances(a, b, rtol, atol, equal_nan)
    bad = excess > 0
    if not bad.any() and not (distance > 0).any():
        return Comparison(True, shapes, rtol, atol, count=a.size, max_ulp=_max_ulp(a, b))
    at = np.unravel_index(int(np.argmax(np.where(bad.any(), excess, distance))), excess.shape)
    return Comparison(
        ok=not bad.any(),
        shapes=shapes,
        rtol=rtol,
        atol=atol,
        worst=tuple(int(i) for i in at) if bad.any() else None,
        actual=a[at],
        expected=b[at],
        max_abs=float(distance.max()),
        max_rel=float(relative.max()),
        max_ulp=_max_ulp(a, b),
        mismatches=int(bad.sum()),
        count=a.size,
    )


def _distances(a: Array, b: Array, rtol: float, atol: float, equal_nan: bool) -> tuple[Array, Array, Array]:
    """|a - b|, that over |b|, and by how much it is over the tolerance (infinite for a NaN or an
    infinity that the other side does not have)."""
    if a.dtype.kind in "iub" and b.dtype.kind in "iub" and not (rtol or atol):
        return _integer_distances(a, b)
    wide = np.complex128 if "c" in (a.dtype.kind, b.dtype.kind) else np.float64
    x, y = a.astype(wide), b.astype(wide)
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        distance = np.abs(x - y)
        same = x == y
        if equal_nan:
            same |= np.isnan(x) & np.isnan(y)
        distance = np.where(same, 0.0, np.where(np.isnan(distance), np.inf, distance))
        relative = np.where(same, 0.0, distance / np.abs(y))
        allowed = np.where(np.isfinite(y), atol + rtol * np.abs(y), 0.0)
        excess = np.where(same, 0.0, distance - allowed)
    return distance, np.nan_to_num(relative, nan=np.inf, posinf=np.inf), excess


def _integer_distances(a: Array, b: Array) -> tuple[Array, Array, Array]:
    """Without rounding: 64-bit integers do not fit float64."""
    unequal = np.asarray(a != b)
    distance = np.zeros(a.shape)
    at = np.flatnonzero(unequal)  # of scalars too
    pairs = zip(a.reshape(-1)[at], b.reshape(-1)[at], strict=True)
    distance.reshape(-1)[at] = [abs(int(p) - int(q)) for p, q in pairs]
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(unequal, distance / np.abs(b.astype(np.float64)), 0.0)
    return distance, relative, distance


def ulp_distances(a: Array, b: Array) -> Array:
    """How many floating-point numbers lie between, int64 like the shapes (which must be equal, as
    must the dtypes); NaN counts as equal to NaN and as far as can be from a number."""
    carrier = _CARRIERS[a.dtype.itemsize]
    ordered = [_ordered(np.ascontiguousarray(v).view(carrier)) for v in (a, b)]
    far = np.iinfo(np.int64).max
    nan_a, nan_b = np.isnan(a.astype(np.float64)), np.isnan(b.astype(np.float64))
    low, high = np.minimum(*ordered), np.maximum(*ordered)
    # Two float64 of opposite signs may be further apart than int64 counts.
    apart = high.view(np.uint64) - low.view(np.uint64)
    distance = np.minimum(apart, np.uint64(far)).astype(np.int64)
    return np.where(nan_a & nan_b, 0, np.where(nan_a | nan_b, far, distance))


def _ordered(bits: Array) -> Array:
    """Sign-and-magnitude bits as integers in the order of the numbers; both zeros are 0."""
    least = np.int64(np.iinfo(bits.dtype).min)
    wide = bits.astype(np.int64)
    return np.where(wide < 0, least - wide, wide)


def _max_ulp(a: Array, b: Array) -> int | None:
    if a.dtype != b.dtype or a.dtype.name not in ("float16", "bfloat16", "float32", "float64") or not a.size:
        return None
    return int(ulp_distances(a, b).max())
