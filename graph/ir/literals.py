"""The text of numbers and arrays, exact to the bit: decimal where that reads back to the same
bits, else the bits themselves."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np

from ..operators.attributes import freeze_array
from ..types.dtypes import DType, from_numpy
from ..types.tokens import Token, TokenReader, quoted

LIST_LIMIT = 256
"""Arrays of more elements are written as base64 of their bytes."""

_COMPONENTS: dict[str, np.dtype[Any]] = {
    "complex64": np.dtype(np.float32),
    "complex128": np.dtype(np.float64),
}


def array_text(array: np.ndarray[Any, Any]) -> str:
    """One element for a scalar, else the list of all, row by row; complex numbers as two."""
    if array.size > LIST_LIMIT and array.dtype.kind != "O":
        return f"base64 {quoted(base64.b64encode(np.ascontiguousarray(array).tobytes()).decode())}"
    dtype = from_numpy(array.dtype)
    flat: np.ndarray[Any, Any] = np.ascontiguousarray(array).reshape(-1)
    if dtype.name in _COMPONENTS:
        flat = flat.view(_COMPONENTS[dtype.name])
    elements = [_element_text(x, dtype) for x in flat]
    return elements[0] if array.ndim == 0 and len(elements) == 1 else f"[{', '.join(elements)}]"


def float_text(value: float) -> str:
    """The text of a binary32 number (a `float` attribute)."""
    return _float_text(np.float32(value))


def _element_text(element: Any, dtype: DType) -> str:
    if dtype.kind == "string":
        return quoted(str(element))
    if dtype.kind == "bool":
        return "true" if element else "false"
    if dtype.is_integer:
        return str(int(element))
    return _float_text(element)


def _float_text(element: Any) -> str:
    for text in (str(element), repr(float(element))):
        with np.errstate(over="ignore"):
            same = element.dtype.type(float(text)).tobytes() == element.tobytes()
        if same:
            return text
    content: bytes = element.tobytes()
    return f"0x{content[::-1].hex()}"


class Literal(NamedTuple):
    """What was read of an array before its dtype is known: elements with their signs, and whether
    they stood in a list; or bytes."""

    first: Token
    elements: Sequence[tuple[bool, Token]]
    is_list: bool
    content: bytes | None = None


def read_literal(reader: TokenReader) -> Literal:
    """Reads what `array_text` writes."""
    first = reader.token
    if reader.take("base64"):
        token = reader.token
        try:
            return Literal(first, (), False, base64.b64decode(reader.string(), validate=True))
        except binascii.Error as error:
            raise reader.error(f"not base64: {error}", token, "G1406") from error
    if not reader.take("["):
        return Literal(first, [_read_element(reader)], False)
    elements: list[tuple[bool, Token]] = []
    while not reader.at("]"):
        elements.append(_read_element(reader))
        if not reader.take(","):
            break
    reader.expect("]")
    return Literal(first, elements, True)


def _read_element(reader: TokenReader) -> tuple[bool, Token]:
    negative = reader.take("-")
    if reader.token.kind not in ("number", "bits", "name", "string"):
        raise reader.error(f"expected a number, a string, true or false, found {reader.describe()}")
    return negative, reader.next()


def literal_array(
    literal: Literal, dtype: DType, shape: tuple[int, ...], reader: TokenReader
) -> np.ndarray[Any, Any]:
    """The read-only array. Raises SpecError (G1406) where an element or their number doesn't fit."""
    per_element = 2 if dtype.name in _COMPONENTS else 1
    if literal.content is not None:
        return _from_bytes(literal, dtype, shape, reader)
    if len(literal.elements) != prod(shape) * per_element:
        found = len(literal.elements)
        message = f"{dtype.name}{list(shape)} has {prod(shape) * per_element} numbers, not {found}"
        raise reader.error(message, literal.first, "G1406")
    part = _COMPONENTS.get(dtype.name, dtype.numpy)
    flat = np.empty(len(literal.elements), part)
    for i, (negative, token) in enumerate(literal.elements):
        flat[i] = literal_element(negative, token, part, dtype, reader)
    return freeze_array(flat.view(dtype.numpy).reshape(shape))


def _from_bytes(
    literal: Literal, dtype: DType, shape: tuple[int, ...], reader: TokenReader
) -> np.ndarray[Any, Any]:
    content = literal.content or b""
    if dtype.kind == "string" or len(content) != prod(shape) * dtype.numpy.itemsize:
        message = f"{len(content)} bytes are no {dtype.name}{list(shape)}"
        raise reader.error(message, literal.first, "G1406")
    return freeze_array(np.frombuffer(content, dtype.numpy).reshape(shape))


def literal_element(negative: bool, token: Token, numpy_dtype: Any, dtype: DType, reader: TokenReader) -> Any:
    """One element as a Python or NumPy scalar. Raises SpecError (G1406)."""
    try:
        return _element(negative, token, numpy_dtype, dtype)
    except (ValueError, TypeError, OverflowError) as error:
        sign = "-" if negative else ""
        raise reader.error(f"'{sign}{token.text}' is no {dtype.name}", token, "G1406") from error


def _element(negative: bool, token: Token, numpy_dtype: Any, dtype: DType) -> Any:
    if dtype.kind == "string":
        if token.kind != "string" or negative:
            raise ValueError(token.text)
        return json.loads(token.text)
    if dtype.kind == "bool":
        if negative or token.text not in ("true", "false"):
            raise ValueError(token.text)
        return token.text == "true"
    if token.kind == "bits":
        content = bytes.fromhex(token.text[2:].zfill(numpy_dtype.itemsize * 2))[::-1]
        return np.frombuffer(content, numpy_dtype)[0]
    if dtype.is_integer:
        return _integer_element(-int(token.text) if negative else int(token.text), numpy_dtype, dtype)
    if token.kind != "number" and token.text not in ("nan", "inf"):
        raise ValueError(token.text)
    with np.errstate(over="ignore"):
        return numpy_dtype.type(-float(token.text) if negative else float(token.text))


def _integer_element(value: int, numpy_dtype: Any, dtype: DType) -> Any:
    signed = dtype.kind == "int"
    low = -(1 << (dtype.bits - 1)) if signed else 0
    if not low <= value < low + (1 << dtype.bits):
        raise OverflowError(value)
    return numpy_dtype.type(value)
