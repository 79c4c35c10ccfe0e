"""Fourier transforms: DFT, STFT."""

from __future__ import annotations

from collections.abc import Sequence

from ...types.types import Axes, Axis, TensorType, Type
from ..operator import Call, RuleError, TypeRule
from .operands import (
    integers,
    normal_axis,
    of_known,
    optional_tensor,
    present,
    refuse,
    require_rank,
    tensor,
    whole_content,
)


def _dft(call: Call) -> Sequence[Type]:
    """Along `axis` (default -2); the last axis holds the real part, or real and imaginary."""
    found = require_rank(call, 0, 2)
    axis = integers(call, 2) if present(call, 2) else (-2,)
    if found.axes is None:
        return (found,)
    if axis is None:
        return (TensorType.of(found.dtype, _sizes_along_any_axis(call, found.axes)),)
    along = normal_axis(call, axis[0], len(found.axes))
    if along == len(found.axes) - 1:
        raise refuse(call, "the last axis holds real and imaginary parts, it can't be transformed", (0, 2))
    _check_parts(call, found.axes[-1])
    sizes = list(found.axes)
    sizes[along], sizes[-1] = _dft_length(call, found.axes[along]), _parts(call)
    return (TensorType.of(found.dtype, tuple(sizes)),)


def _parts(call: Call) -> int:
    """1 where the result is real, 2 for real and imaginary parts."""
    return 1 if call.attribute("onesided") and call.attribute("inverse") else 2


def _sizes_along_any_axis(call: Call, sizes: Axes) -> Axes:
    """The shape where it is not known which axis is transformed: the sizes of all others are kept, and
    of a full transform of unchanged length every one."""
    if call.attribute("onesided") or present(call, 1):
        return (*(None,) * (len(sizes) - 1), _parts(call))
    return (*sizes[:-1], 2)


def _dft_length(call: Call, size: Axis) -> Axis:
    onesided, inverse = call.attribute("onesided"), call.attribute("inverse")
    if present(call, 1):
        given = whole_content(call, 1)
        size = given[0] if given is not None else None
    elif onesided and inverse:
        return of_known(lambda n: (n - 1) * 2, size)
    return of_known(lambda n: n // 2 + 1, size) if onesided and not inverse else size


def _check_parts(call: Call, parts: Axis) -> None:
    if isinstance(parts, int) and parts not in (1, 2):
        raise RuleError(
            "G0405",
            f"{call.operator.name} needs a last axis of 1 (real) or 2 (complex): {tensor(call, 0)}",
            (0,),
        )


def _stft(call: Call) -> Sequence[Type]:
    signal, step = require_rank(call, 0, 2, 3), whole_content(call, 1)
    window, length = optional_tensor(call, 2), whole_content(call, 3)
    if window is not None:
        require_rank(call, 2, 1, 1)
    size: Axis = length[0] if length is not None else None
    if length is None and not present(call, 3) and window is not None and window.axes is not None:
        size = window.axes[0]
    every: Axis = step[0] if step is not None else None
    frames = of_known(lambda all_, one, hop: (all_ - one) // hop + 1, signal.size_of(1), size, every)
    bins = of_known(lambda n: n // 2 + 1, size) if call.attribute("onesided") else size
    return (TensorType.of(signal.dtype, (signal.size_of(0), frames, bins, 2)),)


TYPES: dict[str, TypeRule] = {"DFT": _dft, "STFT": _stft}
