"""Subscripts, NumPy's (R13): integers, slices, None, `...`, and at most one integer tensor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..diagnostics import fail
from ..ir import Value
from ..types import BOOL, Dim, Dimension
from .construction import Construction
from .meanings import Items, Meaning, Tensor, kind_name

_END = 1 << 62


@dataclass(frozen=True, slots=True)
class Range:
    """`start:stop:step` with evaluated parts."""

    start: Meaning
    stop: Meaning
    step: Meaning


class Rest:
    """`...` in a subscript."""


Index = Meaning | Range | Rest


def subscript(build: Construction, base: Meaning, items: Sequence[Index]) -> Meaning:
    """`base[items]`. Raises SpecError or RuleError."""
    if isinstance(base, Tensor):
        return Tensor(_of_tensor(build, base.value, items), base.weak)
    if isinstance(base, np.ndarray):
        return _of_array(build, base, items)
    if isinstance(base, Items):
        return _of_list(build, base, items)
    raise fail("G0421", f"{kind_name(base)} can't be indexed", build.span)


def _of_list(build: Construction, base: Items, items: Sequence[Index]) -> Meaning:
    (index,) = items if len(items) == 1 else (None,)
    if isinstance(index, int) and not isinstance(index, bool):
        if not -len(base.items) <= index < len(base.items):
            raise fail("G0422", f"index {index} is out of range for a list of {len(base.items)}", build.span)
        return base.items[index]
    if isinstance(index, Range):
        return Items(base.items[_python_slice(build, index)])
    raise fail("G0421", "a list takes one integer or one slice", build.span)


def _python_slice(build: Construction, part: Range) -> slice:
    for bound in (part.start, part.stop, part.step):
        if bound is not None and (not isinstance(bound, int) or isinstance(bound, bool)):
            raise fail(
                "G0423", f"a slice here needs compile-time integers, not {kind_name(bound)}", build.span
            )
    if part.step == 0:
        raise fail("G0423", "the step of a slice can't be 0", build.span)
    return slice(part.start, part.stop, part.step)


def _of_array(build: Construction, base: np.ndarray[Any, Any], items: Sequence[Index]) -> Meaning:
    """Stays a compile-time array where every part of the subscript is one."""
    if any(isinstance(i, Tensor | Dim) for i in _parts(items)):
        return Tensor(_of_tensor(build, build.weak(base), items), True)
    key = tuple(_python_index(build, i) for i in items)
    try:
        result = base[key]
    except IndexError as error:
        raise fail("G0422", f"{error}", build.span) from None
    from .arithmetic import normal_static

    return normal_static(build, np.asarray(result))


def _parts(items: Sequence[Index]) -> list[object]:
    return [p for i in items for p in ((i.start, i.stop, i.step) if isinstance(i, Range) else (i,))]


def _python_index(build: Construction, index: Index) -> Any:
    if isinstance(index, Range):
        return _python_slice(build, index)
    if isinstance(index, Rest):
        return ...
    if isinstance(index, np.ndarray) and index.dtype.kind == "b":
        raise _boolean_mask(build)
    if index is None or (isinstance(index, int | np.ndarray) and not isinstance(index, bool)):
        return index
    if isinstance(index, Items):
        from .construction import as_array

        return as_array(build, index)
    raise fail("G0423", f"{kind_name(index)} can't be an index", build.span)


def _boolean_mask(build: Construction) -> Exception:
    return fail(
        "G0424",
        "a boolean mask would give a size that depends on the data",
        build.span,
        hint="choose per element with where(mask, x, other)",
    )


def _expand(build: Construction, value: Value, items: Sequence[Index]) -> list[Index]:
    """The items with `...` written out, one for every axis of the value and one for each None."""
    rests = sum(isinstance(i, Rest) for i in items)
    if rests > 1:
        raise fail("G0423", "only one '...' may stand in a subscript", build.span)
    used = sum(i is not None and not isinstance(i, Rest) for i in items)
    rank = value.tensor.rank
    if used > rank:
        raise fail("G0425", f"{used} indices for {value.type}, which has {rank} axes", build.span)
    filler: list[Index] = [Range(None, None, None)] * (rank - used)
    if not rests:
        return [*items, *filler]
    at = next(k for k, i in enumerate(items) if isinstance(i, Rest))
    return [*items[:at], *filler, *items[at + 1 :]]


def _of_tensor(build: Construction, value: Value, items: Sequence[Index]) -> Value:
    expanded = _expand(build, value, items)
    by_axis = [i for i in expanded if i is not None]
    _check_tensors(build, expanded)
    value = _slice(build, value, by_axis)
    for axis in reversed(range(len(by_axis))):
        index = by_axis[axis]
        if not isinstance(index, Range):
            value = _gather(build, value, axis, index)
    return _new_axes(build, value, expanded)


def _check_tensors(build: Construction, expanded: Sequence[Index]) -> None:
    tensors = [k for k, i in enumerate(expanded) if isinstance(i, Tensor | np.ndarray | Items)]
    arrays = [k for k in tensors if not (isinstance(expanded[k], Tensor) and expanded[k].type.dims == ())]  # type: ignore[union-attr]  # narrowed by the first test
    if len(arrays) > 1:
        raise fail(
            "G0426",
            "at most one index of a subscript may be an integer tensor",
            build.span,
            hint="use take_along(x, index, axis=…) or GatherND",
        )
    if not arrays:
        return
    scalars = [
        k for k, i in enumerate(expanded) if isinstance(i, int | Dim) or (k in tensors and k not in arrays)
    ]
    for k in scalars:
        between = expanded[min(k, arrays[0]) + 1 : max(k, arrays[0])]
        if any(i is None or isinstance(i, Range) for i in between):
            raise fail(
                "G0426",
                "an integer and a tensor index with a slice between them move axes in NumPy",
                build.span,
                hint="index in two steps: x[…][…]",
            )


def _slice(build: Construction, value: Value, by_axis: Sequence[Index]) -> Value:
    axes = [
        axis
        for axis, i in enumerate(by_axis)
        if isinstance(i, Range) and not (i.start is None and i.stop is None and i.step in (None, 1))
    ]
    if not axes:
        return value
    starts: list[Dimension] = []
    ends: list[Dimension] = []
    steps: list[Dimension] = []
    for axis in axes:
        part = by_axis[axis]
        assert isinstance(part, Range)
        step = _bound(build, part.step, 1)
        if not isinstance(step, int) or step == 0:
            raise fail("G0423", "the step of a slice must be a compile-time integer other than 0", build.span)
        steps.append(step)
        starts.append(_bound(build, part.start, 0 if step > 0 else _END))
        ends.append(_bound(build, part.stop, _END if step > 0 else -_END))
    constants = [build.shape_value(part) for part in (starts, ends)]
    return build.op(
        "Slice",
        value,
        *constants,
        build.shape_value(axes),
        None if all(s == 1 for s in steps) else build.shape_value(steps),
    )


def _bound(build: Construction, meaning: Meaning, default: int) -> Dimension:
    if meaning is None:
        return default
    if isinstance(meaning, int | Dim) and not isinstance(meaning, bool):
        return meaning
    raise fail(
        "G0423", f"the bounds of a slice are compile-time integers, not {kind_name(meaning)}", build.span
    )


def _gather(build: Construction, value: Value, axis: int, index: Index) -> Value:
    length = value.tensor.size_of(axis)
    if isinstance(index, Range | Rest | bool | str | float):
        what = "a slice" if isinstance(index, Range | Rest) else kind_name(index)
        raise fail("G0423", f"{what} can't be an index", build.span)
    if isinstance(index, int) and isinstance(length, int) and not -length <= index < length:
        raise fail("G0422", f"index {index} is out of range for axis {axis} of {value.type}", build.span)
    if isinstance(index, Tensor) and index.dtype is BOOL:
        raise _boolean_mask(build)
    if isinstance(index, np.ndarray) and index.dtype.kind == "b":
        raise _boolean_mask(build)
    position = build.value(index)
    if not position.tensor.dtype.is_integer:
        raise fail("G0423", f"an index must be an integer tensor, not {position.type}", build.span)
    if position.tensor.dtype.name not in ("int32", "int64"):
        position = build.op("Cast", position, to="int64")
    return build.op("Gather", value, position, axis=axis)


def _new_axes(build: Construction, value: Value, expanded: Sequence[Index]) -> Value:
    if all(index is not None for index in expanded):
        return value
    axes: list[int] = []
    at = 0
    for index in expanded:
        if index is None:
            axes.append(at)
            at += 1
        elif isinstance(index, Range):
            at += 1
        elif isinstance(index, Tensor):
            at += index.type.rank
        elif isinstance(index, np.ndarray):
            at += index.ndim
        elif isinstance(index, Items):
            at += np.ndim(np.asarray(build.value(index).constant))
    return build.op("Unsqueeze", value, build.constant(np.array(axes, dtype=np.int64)))
