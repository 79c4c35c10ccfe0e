"""Element types: the ONNX standard's, by one name everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, eq=False)
class DType:
    """`code` is the ONNX TensorProto.DataType; `kind` one of float int uint bool string complex.

    `bits` is the width of one element (0 for strings). Compared by identity: DTYPES holds all.
    """

    name: str
    code: int
    kind: str
    bits: int

    @property
    def is_float(self) -> bool:
        return self.kind == "float"

    @property
    def is_integer(self) -> bool:
        return self.kind in ("int", "uint")

    @property
    def numpy(self) -> np.dtype[Any]:
        return _numpy_dtype(self.name)

    def __repr__(self) -> str:
        return self.name

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return dtype, (self.name,)


_ROWS = (
    ("float32", 1, "float", 32),
    ("uint8", 2, "uint", 8),
    ("int8", 3, "int", 8),
    ("uint16", 4, "uint", 16),
    ("int16", 5, "int", 16),
    ("int32", 6, "int", 32),
    ("int64", 7, "int", 64),
    ("string", 8, "string", 0),
    ("bool", 9, "bool", 8),
    ("float16", 10, "float", 16),
    ("float64", 11, "float", 64),
    ("uint32", 12, "uint", 32),
    ("uint64", 13, "uint", 64),
    ("complex64", 14, "complex", 64),
    ("complex128", 15, "complex", 128),
    ("bfloat16", 16, "float", 16),
    ("float8e4m3fn", 17, "float", 8),
    ("float8e4m3fnuz", 18, "float", 8),
    ("float8e5m2", 19, "float", 8),
    ("float8e5m2fnuz", 20, "float", 8),
    ("uint4", 21, "uint", 4),
    ("int4", 22, "int", 4),
    ("float4e2m1", 23, "float", 4),
    ("float8e8m0", 24, "float", 8),
    ("uint2", 25, "uint", 2),
    ("int2", 26, "int", 2),
    ("float6e2m3", 27, "float", 6),
    ("float6e3m2", 28, "float", 6),
)

DTYPES: dict[str, DType] = {row[0]: DType(*row) for row in _ROWS}
BY_CODE: dict[int, DType] = {d.code: d for d in DTYPES.values()}

FLOAT32, FLOAT64, FLOAT16, BFLOAT16 = (DTYPES[n] for n in ("float32", "float64", "float16", "bfloat16"))
INT64, INT32, UINT8, INT8 = (DTYPES[n] for n in ("int64", "int32", "uint8", "int8"))
BOOL, STRING = DTYPES["bool"], DTYPES["string"]

_ML_DTYPES = {
    "bfloat16": "bfloat16",
    "float8e4m3fn": "float8_e4m3fn",
    "float8e4m3fnuz": "float8_e4m3fnuz",
    "float8e5m2": "float8_e5m2",
    "float8e5m2fnuz": "float8_e5m2fnuz",
    "float8e8m0": "float8_e8m0fnu",
    "float4e2m1": "float4_e2m1fn",
    "float6e2m3": "float6_e2m3fn",
    "float6e3m2": "float6_e3m2fn",
    "uint4": "uint4",
    "int4": "int4",
    "uint2": "uint2",
    "int2": "int2",
}


def dtype(name: str) -> DType:
    """The dtype called `name`. Raises KeyError for an unknown name."""
    return DTYPES[name]


@cache
def _numpy_dtype(name: str) -> np.dtype[Any]:
    import numpy as np

    if name == "string":
        return np.dtype(object)
    if name in _ML_DTYPES:
        import ml_dtypes

        found: np.dtype[Any] = np.dtype(getattr(ml_dtypes, _ML_DTYPES[name]))
        return found
    return np.dtype(name)


@cache
def _names_by_numpy() -> dict[object, DType]:
    return {_numpy_dtype(d.name): d for d in DTYPES.values()}


def from_numpy(numpy_dtype: Any) -> DType:
    """The dtype of a NumPy array's `dtype`. Raises KeyError where ONNX has none (datetime64, …)."""
    import numpy as np

    given = np.dtype(numpy_dtype)
    return STRING if given.kind in "UST" else _names_by_numpy()[given]
