"""Types print so that they parse back; mistakes are reported where they stand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphwright.graph.diagnostics import SpecError
from graphwright.graph.types import (
    DTYPES,
    FLOAT32,
    FactsType,
    OptionalType,
    QuantizedType,
    SequenceType,
    TensorType,
    Type,
    parse_type,
    symbol,
)

DIMENSIONS = st.one_of(
    st.integers(0, 99),
    st.sampled_from(["n", "batch", "a b", "min", "_"]).map(symbol),
    st.just(2 * symbol("n") + 1),
)
SHAPES = st.lists(DIMENSIONS, max_size=4).map(tuple)
DTYPE = st.sampled_from(list(DTYPES.values()))
NAMES = st.text(min_size=1, max_size=8)
AXES = st.lists(st.one_of(st.none(), DIMENSIONS), max_size=4).map(tuple)
TENSORS = st.builds(TensorType.of, DTYPE, st.one_of(st.none(), SHAPES, AXES))
QUANTIZED = st.builds(
    QuantizedType,
    NAMES,
    DTYPE,
    SHAPES,
    st.one_of(st.none(), st.integers(-4, 4)),
    st.one_of(st.none(), st.integers(1, 256)),
    st.one_of(st.just("float32"), NAMES),
    st.one_of(st.none(), DTYPE),
    st.booleans(),
)
TYPES = st.recursive(
    st.one_of(TENSORS, QUANTIZED, st.builds(FactsType, NAMES)),
    lambda inner: st.one_of(st.builds(SequenceType, inner), st.builds(OptionalType, inner)),
    max_leaves=3,
)


@given(TYPES)
def test_printing_parses_back(type: Type) -> None:
    assert parse_type(str(type)) == type


def test_a_size_called_like_the_unknown_one_is_quoted() -> None:
    unknown, named = TensorType.of(FLOAT32, (None,)), TensorType(FLOAT32, (symbol("_"),))
    assert (str(unknown), str(named)) == ("float32[_]", 'float32["_"]')
    assert parse_type(str(unknown)) != parse_type(str(named))


@pytest.mark.parametrize(
    ("text", "code", "column"),
    [
        ("float[3]", "G1403", 1),
        ("float32[3", "G1401", 10),
        ("float32[3,,4]", "G1401", 11),
        ("float32[n] extra", "G1401", 12),
        ("sequence(float32[3]", "G1401", 20),
        ("quantized(int8, int8[4], group=3)", "G1403", 26),
        ("float32[n // 0]", "G1401", 11),
        ("float32[(2*n + 1) / 2]", "G1401", 19),
        ("float32[ß]", "G1401", 9),
        ("float32[2*_]", "G1401", 11),
        ("float32[_ + 1]", "G1401", 11),
        ("quantized(int8, int8[_, 4])", "G1401", 17),
        ("", "G1401", 1),
        ("optional(" * 70 + "bool[]" + ")" * 70, "G1405", 550),
        ("float32[" + "(" * 70 + "1" + ")" * 70 + "]", "G1405", 70),
        ("float32[" + "9" * 5000 + "]", "G1401", 9),
    ],
)
def test_mistakes_are_reported_at_their_place(text: str, code: str, column: int) -> None:
    with pytest.raises(SpecError) as caught:
        parse_type(text)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.span is not None
    assert (diagnostic.code, diagnostic.span.line, diagnostic.span.column) == (code, 1, column)
