"""Fourier transforms: DFT, STFT."""

from __future__ import annotations

from collections.abc import Sequence

from ...types.dimensions import Dimension
from ...types.types import TensorType, Type
from ..operator import Call, RuleError, TypeRule
from .operands import (
    integers,
    normal_axis,
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
    if found.dims is None or axis is None:
        return (TensorType(found.dtype, _dims_along_any_axis(call, found)),)
    along = normal_axis(call, axis[0], len(found.dims))
    if along == len(found.dims) - 1:
        raise refuse(call, "the last axis holds real and imaginary parts, it can't be transformed", (0, 2))
    _check_parts(call, found.dims[-1])
    return (TensorType(found.dtype, _dft_dims(call, found, along)),)


def _dims_along_any_axis(call: Call, found: TensorType) -> tuple[Dimension, ...] | None:
    """The shape where the axis does not matter: a full transform of unchanged length."""
    if found.dims is None or call.attribute("onesided") or present(call, 1):
        return None
    return (*found.dims[:-1], 2)


def _dft_dims(call: Call, found: TensorType, axis: int) -> tuple[Dimension, ...] | None:
    onesided, inverse = call.attribute("onesided"), call.attribute("inverse")
    given = whole_content(call, 1)
    if present(call, 1) and given is None:
        return None
    length = given[0] if given is not None else found.shape[axis]
    parts = 2
    if onesided and inverse:
        length = length if given is not None else (length - 1) * 2
        parts = 1
    elif onesided:
        length = length // 2 + 1
    dims = list(found.shape)
    dims[axis], dims[-1] = length, parts
    return tuple(dims)


def _check_parts(call: Call, parts: Dimension) -> None:
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
    if length is None and not present(call, 3) and window is not None and window.dims is not None:
        length = window.dims
    if signal.dims is None or step is None or length is None:
        return (TensorType(signal.dtype, None),)
    frames = (signal.dims[1] - length[0]) // step[0] + 1
    bins = length[0] // 2 + 1 if call.attribute("onesided") else length[0]
    return (TensorType(signal.dtype, (signal.dims[0], frames, bins, 2)),)


TYPES: dict[str, TypeRule] = {"DFT": _dft, "STFT": _stft}
