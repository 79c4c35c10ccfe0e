"""Dtypes, dimension arithmetic and the types of values."""

from .dimensions import Dim, Dimension, symbol
from .dtypes import BOOL, DTYPES, FLOAT32, FLOAT64, INT64, DType, dtype, from_numpy
from .parsing import parse_dimension, parse_type
from .types import FactsType, OptionalType, QuantizedType, SequenceType, TensorType, Type

__all__ = [
    "BOOL",
    "DTYPES",
    "FLOAT32",
    "FLOAT64",
    "INT64",
    "DType",
    "Dim",
    "Dimension",
    "FactsType",
    "OptionalType",
    "QuantizedType",
    "SequenceType",
    "TensorType",
    "Type",
    "dtype",
    "from_numpy",
    "parse_dimension",
    "parse_type",
    "symbol",
]
