"""Reads the text form of dimensions and types: what `str` of either writes."""

from __future__ import annotations

from collections.abc import Mapping

from ..diagnostics.span import Source
from .dimensions import Dimension, exact_divide, floor_divide, maximum, minimum, symbol
from .dtypes import DTYPES, DType
from .tokens import UNKNOWN, TokenReader
from .types import Axis, FactsType, OptionalType, QuantizedType, SequenceType, TensorType, Type

MAX_DEPTH = 60


def parse_dimension(text: str, sizes: Mapping[str, Dimension] | None = None) -> Dimension:
    """The dimension that `text` spells, such as `(2*n + 1) // 3`. A name that `sizes` has not is a
    size from 1 on. Raises SpecError (G14xx)."""
    reader = TokenReader(Source("<dimension>", text), sizes)
    result = read_dimension(reader)
    _expect_end(reader)
    return result


def parse_type(text: str, sizes: Mapping[str, Dimension] | None = None) -> Type:
    """The type that `text` spells, such as `float32[n, 4]`. A name that `sizes` has not is a size
    from 1 on. Raises SpecError (G14xx)."""
    reader = TokenReader(Source("<type>", text), sizes)
    result = read_type(reader)
    _expect_end(reader)
    return result


def _expect_end(reader: TokenReader) -> None:
    if reader.token.kind != "end":
        raise reader.error(f"expected the end of the text, found {reader.describe()}")


# --- dimensions: sums of products of atoms ----------------------------------------------------


def read_dimension(reader: TokenReader, depth: int = 0) -> Dimension:
    """Reads `term (("+" | "-") term)*`."""
    if depth > MAX_DEPTH:
        raise reader.error(f"more than {MAX_DEPTH} levels of brackets", code="G1405")
    total = _term(reader, depth)
    while reader.at("+", "-"):
        negative = reader.next().text == "-"
        term = _term(reader, depth)
        total = total - term if negative else total + term
    return total


def _term(reader: TokenReader, depth: int) -> Dimension:
    negative = reader.take("-")
    result = _factor(reader, depth)
    result = -result if negative else result
    while reader.at("*", "//", "/"):
        operator = reader.next()
        right = _factor(reader, depth)
        if operator.text == "*":
            result = result * right
            continue
        if right == 0:
            raise reader.error("division by zero", operator)
        quotient = (floor_divide if operator.text == "//" else exact_divide)(result, right)
        if quotient is None:
            raise reader.error(f"{right} does not divide {result}", operator)
        result = quotient
    return result


def _factor(reader: TokenReader, depth: int) -> Dimension:
    if reader.take("("):
        inner = read_dimension(reader, depth + 1)
        reader.expect(")")
        return inner
    if reader.token.kind == "number":
        return reader.integer()
    token = reader.token
    name = reader.name("a number, a size or '('")
    if token.kind == "name" and name in ("min", "max") and reader.take("("):
        left = read_dimension(reader, depth + 1)
        reader.expect(",")
        right = read_dimension(reader, depth + 1)
        reader.expect(")")
        return minimum(left, right) if name == "min" else maximum(left, right)
    if token.kind == "name" and name == UNKNOWN:
        raise reader.error(f"'{UNKNOWN}' is an unknown size, which stands alone", token)
    found = reader.sizes.get(name)
    return symbol(name) if found is None else found


# --- types ------------------------------------------------------------------------------------


def read_type(reader: TokenReader, depth: int = 0) -> Type:
    """Reads a type. Raises SpecError for an unknown one."""
    if depth > MAX_DEPTH:
        raise reader.error(f"a type of more than {MAX_DEPTH} levels", code="G1405")
    if reader.at("sequence", "optional"):
        wrapper = SequenceType if reader.next().text == "sequence" else OptionalType
        reader.expect("(")
        element = read_type(reader, depth + 1)
        reader.expect(")")
        return wrapper(element)
    if reader.at("quantized"):
        return _quantized(reader)
    if reader.at("facts"):
        reader.next()
        reader.expect("(")
        theory = reader.name("the name of a theory")
        reader.expect(")")
        return FactsType(theory)
    return _tensor(reader)


def _tensor(reader: TokenReader) -> TensorType:
    dtype = read_dtype(reader)
    reader.expect("[")
    if reader.take("..."):
        reader.expect("]")
        return TensorType(dtype, None)
    axes: list[Axis] = []
    while not reader.at("]"):
        axes.append(None if reader.take(UNKNOWN) else read_dimension(reader))
        if not reader.take(","):
            break
    reader.expect("]")
    return TensorType.of(dtype, tuple(axes))


def read_dtype(reader: TokenReader) -> DType:
    token = reader.expect_kind("name", "a dtype")
    if token.text not in DTYPES:
        raise reader.error(f"unknown dtype '{token.text}'", token, "G1403")
    return DTYPES[token.text]


def _quantized(reader: TokenReader) -> QuantizedType:
    reader.next()
    reader.expect("(")
    levels = reader.name("the name of a grid of levels")
    reader.expect(",")
    place = reader.token
    carrier = _tensor(reader)
    if carrier.dims is None:
        raise reader.error(f"a quantized type needs all sizes, not {carrier}", place)
    result: dict[str, object] = {}
    while reader.take(","):
        token = reader.expect_kind("name", "an option of a quantized type")
        if token.text not in _QUANTIZED_OPTIONS:
            raise reader.error(f"a quantized type has no option '{token.text}'", token, "G1403")
        reader.expect("=")
        result[token.text] = _QUANTIZED_OPTIONS[token.text](reader)
    reader.expect(")")
    return QuantizedType(levels, carrier.dtype, carrier.dims, **result)  # type: ignore[arg-type]  # by the table


def _read_bool(reader: TokenReader) -> bool:
    if reader.take("true"):
        return True
    reader.expect("false")
    return False


_QUANTIZED_OPTIONS = {
    "axis": TokenReader.integer,
    "block": TokenReader.integer,
    "scale": lambda reader: reader.name("a grid of scales"),
    "zero_point": read_dtype,
    "tensor_scale": _read_bool,
}
