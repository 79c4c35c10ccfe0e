"""What an input's values may be: each kind of domain drawn and checked."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...graph.diagnostics import Diagnostic
from ...graph.ir import Domain
from ...graph.types import Dim, DType, TensorType
from ...graph.types.dimensions import evaluate
from .noise import integers, normal_numbers, permutations, uniform_numbers
from .philox import stream

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """One draw: what, how large, from which stream."""

    name: str
    dtype: DType
    shape: tuple[int, ...]
    low: float | None
    high: float | None
    seed: int

    @property
    def count(self) -> int:
        return math.prod(self.shape)

    def uniform(self, suffix: str = "") -> Array:
        source = stream(self.seed, f"sample/{self.name}{suffix}")
        return uniform_numbers(source, self.count, 53).reshape(self.shape)

    def normal(self, suffix: str = "") -> Array:
        source = stream(self.seed, f"sample/{self.name}{suffix}")
        return normal_numbers(source, self.count).reshape(self.shape)

    def integers(self, low: int, high: int) -> Array:
        """In [low, high), int64."""
        drawn = integers(self.seed, f"sample/{self.name}", None, self.count, max(high - low, 1))
        return drawn.astype(np.int64).reshape(self.shape) + low


@dataclass(frozen=True, slots=True)
class DomainKind:
    """`draw` gives values in float64 or int64; `wrong` says where an array leaves the domain, or
    None. `rank` is the least rank that the kind makes sense for."""

    draw: Callable[[Request], Array]
    wrong: Callable[[Array, float | None, float | None], str | None]
    rank: int = 0


def draw(name: str, type: TensorType, domain: Domain, sizes: Mapping[str, int], seed: int) -> Array:
    """An array of the input's dtype and shape inside its domain; sizes are checked by the caller."""
    shape = tuple(evaluate(d, sizes) for d in type.shape)
    request = Request(name, type.dtype, shape, bound(domain.low, sizes), bound(domain.high, sizes), seed)
    if type.dtype.kind == "string":
        words = np.array([f"w{i}" for i in range(8)], dtype=object)
        return words[request.integers(0, 8)]
    return _convert(KINDS[domain.kind].draw(request), type.dtype)


def _convert(numbers: Array, dtype: DType) -> Array:
    if dtype.kind == "complex":
        return (numbers + 1j * np.roll(numbers, 1)).astype(dtype.numpy)
    if dtype.kind == "bool" and numbers.dtype.kind == "f":
        return numbers > 0
    if dtype.is_integer and numbers.dtype.kind == "f":
        numbers = np.rint(numbers).astype(np.int64)
    return numbers.astype(dtype.numpy)


def bound(limit: object, sizes: Mapping[str, int]) -> float | None:
    """A range's end as a number, its sizes filled in."""
    if isinstance(limit, Dim):
        return evaluate(limit, sizes)
    return limit if isinstance(limit, int | float) else None


def check(name: str, array: Array, domain: Domain, sizes: Mapping[str, int]) -> Diagnostic | None:
    """Why a real input is outside its declared domain (G1335), or None."""
    kind = KINDS[domain.kind]
    if not array.size or array.dtype == object:
        return None
    if array.ndim < kind.rank:
        message = f"input '{name}' has rank {array.ndim}; '{domain.kind}' needs {kind.rank} or more"
        return Diagnostic("G1335", message)
    low, high = bound(domain.low, sizes), bound(domain.high, sizes)
    reason = kind.wrong(_wide(array), low, high)
    return None if reason is None else Diagnostic("G1335", f"input '{name}' {reason}")


def _wide(array: Array) -> Array:
    if array.dtype.kind in "iub":
        return array
    return array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)


# --- the kinds --------------------------------------------------------------------------------


def _draw_normal(request: Request) -> Array:
    if request.dtype.kind == "bool":
        return request.integers(0, 2).astype(bool)
    if request.dtype.is_integer:
        return request.integers(0, 8)
    return request.normal()


def _draw_range(request: Request) -> Array:
    low, high = _ends(request.low, request.high)
    if request.dtype.kind in ("int", "uint", "bool"):
        first = math.ceil(low)
        return request.integers(first, max(math.floor(high), first) + 1)
    values = low + (high - low) * request.uniform()
    return np.clip(_rounded_inside(values, low, high, request.dtype), low, high)


def _rounded_inside(values: Array, low: float, high: float, dtype: DType) -> Array:
    """Values that stay in [low, high] once rounded to a narrow dtype."""
    rounded = values.astype(dtype.numpy).astype(np.float64)
    middle = float(np.asarray((low + high) / 2).astype(dtype.numpy))
    return np.where((rounded < low) | (rounded > high), middle, rounded)


def _ends(low: float | None, high: float | None) -> tuple[float, float]:
    if low is not None and high is not None:
        return low, high
    if low is not None:
        return low, low + 4.0
    return (high - 4.0, high) if high is not None else (-2.0, 2.0)


def _outside_range(array: Array, low: float | None, high: float | None) -> str | None:
    bad = np.zeros(array.shape, bool)
    if low is not None:
        bad |= ~(array >= low)
    if high is not None:
        bad |= ~(array <= high)
    if not bad.any():
        return None
    limits = f"{'' if low is None else f'{low:g}'}..{'' if high is None else f'{high:g}'}"
    return f"must be in {limits}; {_first(array, bad)}"


def _first(array: Array, bad: Array) -> str:
    at = tuple(int(i) for i in np.argwhere(bad)[0])
    more = int(bad.sum()) - 1
    shown = f"{array[at]} at {list(at)}" if at else f"it is {array[at]}"
    return shown + (f" (and {more} more)" if more else "")


def _nothing_wrong(array: Array, low: float | None, high: float | None) -> str | None:
    return None


def _draw_prefix(request: Request) -> Array:
    """Each row along the last axis: ones, at least one, then zeros."""
    *rows, length = request.shape
    counts = Request(request.name, request.dtype, tuple(rows), None, None, request.seed)
    lengths = counts.integers(1, max(length, 1) + 1)
    return (np.arange(length) < lengths[..., None]).astype(np.int64)


def _not_prefix(array: Array, low: float | None, high: float | None) -> str | None:
    bad = (array != 0) & (array != 1)
    if bad.any():
        return f"must be ones, then zeros, along the last axis; {_first(array, bad)}"
    rising = array[..., 1:] > array[..., :-1]
    if rising.any():
        return f"must be ones, then zeros, along the last axis; {_rows(rising)} a one follows a zero"
    return None


def _rows(bad: Array) -> str:
    at = [int(i) for i in np.argwhere(bad)[0][:-1]]
    return f"in row {at}" if at else "in it"


def _draw_permutation(request: Request) -> Array:
    return permutations(stream(request.seed, f"sample/{request.name}"), request.shape)


def _not_permutation(array: Array, low: float | None, high: float | None) -> str | None:
    bad = np.sort(array, axis=-1) != np.arange(array.shape[-1])
    if not bad.any():
        return None
    return f"must be a permutation of 0..{array.shape[-1] - 1} along the last axis; {_rows(bad)} it is not"


def _draw_simplex(request: Request) -> Array:
    """Uniform on the simplex: exponential numbers over their sum."""
    exponential = -np.log(request.uniform())
    found: Array = exponential / exponential.sum(axis=-1, keepdims=True)
    return found


def _tolerance(array: Array) -> float:
    """For sums of rounded numbers: inputs may be float32 whatever they are checked in."""
    return 1e-5 * max(1.0, math.sqrt(array.shape[-1]))


def _not_simplex(array: Array, low: float | None, high: float | None) -> str | None:
    bad = ~(array >= 0)
    if bad.any():
        return f"must be probabilities along the last axis; {_first(array, bad)}"
    totals = array.sum(axis=-1)
    bad = ~(np.abs(totals - 1) <= _tolerance(array))
    return f"must sum to 1 along the last axis; the sum is {_first(totals, bad)}" if bad.any() else None


def _draw_spd(request: Request) -> Array:
    """A Aᵀ / n + I: eigenvalues of at least 1."""
    n = request.shape[-1]
    root = request.normal()
    found: Array = root @ np.swapaxes(root, -1, -2) / max(n, 1) + np.eye(n)
    return found


def _not_spd(array: Array, low: float | None, high: float | None) -> str | None:
    if array.shape[-1] != array.shape[-2]:
        return f"must hold square matrices; they are {array.shape[-2]} by {array.shape[-1]}"
    transposed = np.swapaxes(array, -1, -2)
    bad = ~(np.abs(array - transposed) <= 1e-5 * np.abs(array).max())
    if bad.any():
        return f"must hold symmetric matrices; {_first(array, bad)} differs from its mirror image"
    least = np.linalg.eigvalsh((array + transposed) / 2)[..., 0]
    if (least <= 0).any():
        return f"must hold positive definite matrices; the least eigenvalue is {least.min():.3g}"
    return None


def _draw_onehot(request: Request) -> Array:
    *rows, length = request.shape
    index = Request(request.name, request.dtype, tuple(rows), None, None, request.seed)
    found: Array = (np.arange(length) == index.integers(0, length)[..., None]).astype(np.int64)
    return found


def _not_onehot(array: Array, low: float | None, high: float | None) -> str | None:
    bad = ((array == 1).sum(axis=-1) != 1) | ((array == 0).sum(axis=-1) != array.shape[-1] - 1)
    return (
        f"must have a single 1 and else 0 along the last axis; {_rows(bad[..., None])}" if bad.any() else None
    )


def _draw_unit(request: Request) -> Array:
    numbers = request.normal()
    found: Array = numbers / np.sqrt((numbers * numbers).sum(axis=-1, keepdims=True))
    return found


def _not_unit(array: Array, low: float | None, high: float | None) -> str | None:
    lengths = np.sqrt((array * array).sum(axis=-1))
    bad = ~(np.abs(lengths - 1) <= _tolerance(array))
    return (
        f"must have length 1 along the last axis; the length is {_first(lengths, bad)}" if bad.any() else None
    )


def _draw_positive(request: Request) -> Array:
    """Log-normal above `low` (0 where there is none)."""
    return (request.low or 0.0) + np.exp(0.5 * request.normal())


def _draw_nonzero(request: Request) -> Array:
    """Away from zero on both sides: magnitude at least 0.5."""
    if request.dtype.is_integer:
        signs = 1 if request.dtype.kind == "uint" else np.where(request.uniform("/sign") < 0.5, -1, 1)
        return request.integers(1, 8) * signs
    numbers = request.normal()
    return numbers + np.copysign(0.5, numbers)


def _zero(array: Array, low: float | None, high: float | None) -> str | None:
    bad = array == 0
    return f"must not be 0; {_first(array, bad)}" if bad.any() else None


def _not_positive(array: Array, low: float | None, high: float | None) -> str | None:
    bad = ~(array > 0)
    return f"must be above 0; {_first(array, bad)}" if bad.any() else None


def _draw_triangular(request: Request) -> Array:
    """Lower triangular with a diagonal of at least 0.5."""
    n = request.shape[-1]
    below = np.tril(request.normal(), -1) / max(n, 1) ** 0.5
    found: Array = below + np.eye(n) * (0.5 + np.abs(request.normal("/diagonal")))
    return found


def _not_triangular(array: Array, low: float | None, high: float | None) -> str | None:
    bad = np.triu(array, 1) != 0
    if bad.any():
        return f"must be lower triangular; {_first(array, bad)}"
    bad = np.diagonal(array, axis1=-2, axis2=-1) == 0
    return "must have no 0 on the diagonal" if bad.any() else None


def _draw_sorted(request: Request) -> Array:
    """Rising along the last axis by at least 0.05 (by 1 or more for integers)."""
    if request.dtype.is_integer:
        return np.cumsum(request.integers(1, 4), axis=-1)
    return np.cumsum(0.05 - np.log(request.uniform()), axis=-1)


def _not_sorted(array: Array, low: float | None, high: float | None) -> str | None:
    bad = ~(array[..., 1:] >= array[..., :-1])
    return f"must not fall along the last axis; {_rows(bad)} it does" if bad.any() else None


KINDS: Mapping[str, DomainKind] = {
    "normal": DomainKind(_draw_normal, _nothing_wrong),
    "range": DomainKind(_draw_range, _outside_range),
    "prefix": DomainKind(_draw_prefix, _not_prefix, 1),
    "permutation": DomainKind(_draw_permutation, _not_permutation, 1),
    "simplex": DomainKind(_draw_simplex, _not_simplex, 1),
    "spd": DomainKind(_draw_spd, _not_spd, 2),
    "onehot": DomainKind(_draw_onehot, _not_onehot, 1),
    "unit": DomainKind(_draw_unit, _not_unit, 1),
    "positive": DomainKind(_draw_positive, _not_positive),
    "nonzero": DomainKind(_draw_nonzero, _zero),
    "triangular": DomainKind(_draw_triangular, _not_triangular, 2),
    "sorted": DomainKind(_draw_sorted, _not_sorted, 1),
}
