"""What a caller gave for a leaf, as an array of the leaf's dtype."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...graph.diagnostics import Diagnostic, SpecError, fail
from ...graph.types import DType, TensorType, from_numpy
from .noise import integer_range

Array = np.ndarray[Any, Any]


def as_array(place: str, given: object, type: TensorType) -> Array:
    """An array of the type's dtype. A NumPy array must have that dtype or a narrower one of its
    kind; numbers and lists (literals) take the dtype where they fit: an integer literal exactly,
    a decimal one rounded once. `place` is "input 'x'".

    Raises SpecError: G1330 for another dtype or a literal that does not fit, or no array at all.
    """
    if isinstance(given, np.ndarray | np.generic):
        return _from_array(place, np.asarray(given), type.dtype)
    try:
        literal = np.asarray(given)
    except (ValueError, OverflowError) as error:
        raise fail("G1330", f"{place} is no array: its rows have different lengths") from error
    if literal.dtype == object and type.dtype.kind != "string":
        _refuse_objects(place, given)
        literal = _big_integers(place, literal, type.dtype)
    return _from_literal(place, literal, type.dtype)


def _refuse_objects(place: str, given: object) -> None:
    if isinstance(given, int) or (isinstance(given, list | tuple) and _all_integers(given)):
        return
    raise fail("G1330", f"{place} is no array of numbers but a {type(given).__name__}")


def _all_integers(given: object) -> bool:
    if isinstance(given, list | tuple):
        return all(_all_integers(item) for item in given)
    return isinstance(given, int)


def _big_integers(place: str, literal: Array, dtype: DType) -> Array:
    """Integers past 64 bits: only floats could hold them, and only where exact."""
    if not dtype.is_float:
        raise _does_not_fit(place, dtype, f"{max(literal.ravel(), key=abs)}")
    return literal.astype(np.float64)


def _from_array(place: str, array: Array, dtype: DType) -> Array:
    try:
        found = from_numpy(array.dtype)
    except (KeyError, TypeError) as error:
        raise fail("G1330", f"{place} has NumPy's dtype {array.dtype}, which no tensor has") from error
    if found is dtype:
        return array.astype(object) if dtype.kind == "string" and array.dtype != object else array
    if found.kind == dtype.kind and np.can_cast(array.dtype, dtype.numpy, "safe"):
        return array.astype(dtype.numpy)
    hint = f"convert it where that is meant: array.astype('{dtype.name}')"
    raise fail("G1330", f"{place} is {dtype.name}, but the array given is {found.name}", hint=hint)


def _from_literal(place: str, literal: Array, dtype: DType) -> Array:
    kind = literal.dtype.kind
    if dtype.kind == "string" or kind in "UST":
        return _strings(place, literal, dtype)
    if not literal.size:
        return literal.astype(dtype.numpy)
    if dtype.kind == "bool":
        fits = kind == "b" or (kind in "iu" and bool(np.isin(literal, (0, 1)).all()))
    elif dtype.is_integer:
        fits = kind in "biu" and _in_range(literal, *integer_range(dtype))
    elif kind == "c":
        fits = dtype.kind == "complex"
    else:
        fits = _float_fits(literal, dtype)
    if not fits:
        raise _does_not_fit(place, dtype, _sample(literal))
    return literal.astype(dtype.numpy)


def _strings(place: str, literal: Array, dtype: DType) -> Array:
    given = literal.dtype.kind in "UST" or (
        literal.dtype == object and all(isinstance(s, str) for s in literal.ravel())
    )
    if not given or dtype.kind != "string":
        raise fail("G1330", f"{place} is {dtype.name}, but {_sample(literal)} was given")
    return literal.astype(object)


def _in_range(literal: Array, low: int, high: int) -> bool:
    return low <= int(literal.min()) and int(literal.max()) <= high


def _float_fits(literal: Array, dtype: DType) -> bool:
    """Integer literals must be exact; decimal ones may be rounded, but not to infinity."""
    with np.errstate(over="ignore", invalid="ignore"):
        cast = literal.astype(dtype.numpy)
        if literal.dtype.kind in "iu":
            return bool(np.array_equal(cast.astype(literal.dtype), literal))
        wide = np.abs(cast).astype(np.float64)
    return bool((~np.isinf(wide) | np.isinf(literal)).all())


def _sample(literal: Array) -> str:
    flat = literal.ravel()
    return repr(flat[0].item() if hasattr(flat[0], "item") else flat[0]) if flat.size else "nothing"


def _does_not_fit(place: str, dtype: DType, sample: str) -> SpecError:
    return SpecError([Diagnostic("G1330", f"{place} is {dtype.name}; {sample} does not fit it")])
