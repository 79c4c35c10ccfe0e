"""Attribute values, tagged by ONNX type so that 1, 1.0, True and -0.0 stay apart."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from operator import index
from typing import Any, NamedTuple

import numpy as np

from ..types.dtypes import DType, dtype

KINDS = (
    "int",
    "float",
    "string",
    "tensor",
    "graph",
    "ints",
    "floats",
    "strings",
    "type",
    "known",
)


class Attribute(NamedTuple):
    """`kind` is one of KINDS. Values: int, float (rounded to binary32), str, read-only array,
    Graph, tuples of the first three, Type, and the known content of an argument."""

    kind: str
    value: Any

    @property
    def key(self) -> tuple[object, ...]:
        """What identity compares: floats by their bits, arrays by dtype, shape and bytes."""
        if self.kind == "float":
            return (self.kind, struct.pack("<f", self.value))
        if self.kind == "floats":
            return (self.kind, struct.pack(f"<{len(self.value)}f", *self.value))
        if self.kind == "tensor":
            array = self.value
            content = tuple(array.ravel().tolist()) if array.dtype == object else array.tobytes()
            return (self.kind, array.dtype.str, array.dtype.name, array.shape, content)
        return (self.kind, self.value)


def round_float(value: float) -> float:
    """The binary32 number nearest to `value`, as a Python float; overflow gives an infinity."""
    with np.errstate(over="ignore"):
        return float(np.float32(value))


def freeze_array(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A read-only array with the same content: C order, the machine's byte order, strings as
    objects. Copied where anybody could still write to it."""
    if array.dtype.kind in "US":
        array = np.array([_string(s) for s in array.ravel().tolist()], object).reshape(array.shape)
    elif not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    base = array.base
    shared = isinstance(base, np.ndarray) and base.flags.writeable
    if array.flags.writeable or not array.flags.c_contiguous or shared:
        array = np.array(array, order="C")
        array.flags.writeable = False
    return array


def _string(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8")
    if isinstance(value, str):
        return str(value)
    raise TypeError(f"not a string: {value!r}")


def _integer(value: Any) -> int:
    """A Python int; 1.0 is refused, so that 1.5 never turns into 1."""
    return index(value)


def _real(value: Any) -> float:
    if isinstance(value, bool | str | bytes | np.bool_):
        raise TypeError(f"not a number: {value!r}")
    return round_float(value)


def _dtype_code(value: Any) -> int:
    """An `int` attribute that names a dtype may be given as a DType or its name."""
    if isinstance(value, DType):
        return value.code
    return dtype(value).code if isinstance(value, str) else _integer(value)


def _several(convert: Callable[[Any], Any]) -> Callable[[Any], tuple[Any, ...]]:
    def convert_all(values: Any) -> tuple[Any, ...]:
        if isinstance(values, str | bytes):
            raise TypeError(f"not a list: {values!r}")
        return tuple(convert(v) for v in values)

    return convert_all


_CONVERSIONS: dict[str, Callable[[Any], Any]] = {
    "int": _dtype_code,
    "float": _real,
    "string": _string,
    "tensor": lambda v: freeze_array(np.asarray(v)),
    "graph": lambda v: v,
    "ints": _several(_integer),
    "floats": _several(_real),
    "strings": _several(_string),
    "type": lambda v: v,
    "known": lambda v: v,
}


def make_attribute(kind: str, value: Any) -> Attribute:
    """The attribute of that kind. Raises ValueError or TypeError where the value doesn't fit."""
    return Attribute(kind, _CONVERSIONS[kind](value))


def kind_of(value: object) -> str:
    """The kind that a plain Python value stands for (opaque operators without a schema)."""
    if isinstance(value, bool | int | np.integer):
        return "int"
    if isinstance(value, float | np.floating):
        return "float"
    if isinstance(value, str | bytes):
        return "string"
    if isinstance(value, np.ndarray):
        return "tensor"
    if isinstance(value, Sequence):
        kinds = {kind_of(v) for v in value}
        return "floats" if "float" in kinds else "strings" if "string" in kinds else "ints"
    return "graph"
