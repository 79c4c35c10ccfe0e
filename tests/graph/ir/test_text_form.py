"""Text and back: the same nodes again, for random programs and for every odd literal; mistakes
in a text are reported at their line and column."""

from __future__ import annotations

import struct
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphwright.graph.diagnostics import Diagnostic, SpecError
from graphwright.graph.ir import (
    Assumption,
    Domain,
    Graph,
    Origin,
    Program,
    Size,
    Weights,
    apply,
    apply_all,
    argument,
    constant,
    leaf,
    parse_graph,
    parse_program,
    print_graph,
    print_program,
)
from graphwright.graph.types import BOOL, DTYPES, FLOAT32, INT64, DType, SequenceType, TensorType, symbol
from graphwright.tools.testing.random_graphs import random_program

N = symbol("n", 1, 64)
X = leaf("Input", "x", TensorType(FLOAT32, (N, 4)))


@given(st.integers(0, 2**32 - 1), st.integers(1, 40))
@settings(max_examples=60)
def test_random_programs_round_trip(seed: int, nodes: int) -> None:
    program = random_program(np.random.default_rng(seed), nodes=nodes)
    text = print_program(program)
    again = parse_program(text, program.weights.arrays)
    assert again == program
    assert again.graph.outputs == program.graph.outputs  # values are compared by identity
    assert print_program(again) == text
    assert parse_graph(print_graph(program.graph)) == program.graph


def _small_program() -> Program:
    kernel = leaf("Parameter", "layer.kernel", TensorType(FLOAT32, (4, 3)))
    state = leaf("State", "count", TensorType(INT64, ()))
    noise = leaf("Noise", "eps", TensorType(FLOAT32, (N, 3)))
    hidden = apply("Add", apply("MatMul", X, kernel), noise)
    values, indices = apply_all("TopK", hidden, constant(np.array([2], np.int64)))
    after = apply("Add", state, constant(np.int64(1)))
    draw = leaf("Draw", "layer.kernel", TensorType(FLOAT32, (4, 3)), kind="normal", bits=24)
    return Program(
        name="small",
        graph=Graph((X, state, noise, kernel), (values, indices, after)),
        output_names=("values", "best"),
        updates=("count",),
        weights=Weights({"layer.kernel": np.ones((4, 3), np.float32)}),
        initializers={"layer.kernel": apply("Mul", draw, constant(np.float32(0.1)))},
        names={
            "x": X,
            "hidden": hidden,
            "pre-activation": hidden,
            "best": indices,
            "unread": apply("Neg", X),
        },
        sizes={"n": Size(1, 64)},
        assumptions=(
            Assumption(N, ">=", 2, "two rows"),
            Assumption(
                N, "==", 1, "broadcast", None, (Assumption(N, "==", 1), Assumption(N, "<", 2 * N - 1, "why"))
            ),
        ),
        domains={"x": Domain("range", -0.5, N + 1, (1.5,), declared=False)},
        variant="train",
        metadata={"producer": 'line\n"quoted"'},
    )


def test_text_of_a_program() -> None:
    assert print_program(_small_program()) == (
        """\
program "small" train {
  metadata "producer" = "line\\n\\"quoted\\""
  size n: 1..64
  assume n >= 2 because "two rows"
  assume n == 1 because "broadcast" any (n == 1, n < 2*n - 1 because "why")
  domain x = range(low=-0.5, high=n + 1, arguments=[1.5], declared=false)
  weight layer.kernel: float32[4, 3]
  x = Input("x"): float32[n, 4]
  %count = State("count"): int64[]
  %eps = Noise("eps"): float32[n, 3]
  %layer.kernel = Parameter("layer.kernel"): float32[4, 3]
  %0 = MatMul(x, %layer.kernel): float32[n, 3]
  hidden = Add(%0, %eps): float32[n, 3]
  %1 = Constant([2]): int64[1]
  %2, best = TopK(hidden, %1): float32[n, 2], int64[n, 2]
  %3 = Constant(1): int64[]
  %4 = Add(%count, %3): int64[]
  %5 = Draw("layer.kernel", bits=24, kind="normal"): float32[4, 3]
  %6 = Constant(0.1): float32[]
  %7 = Mul(%5, %6): float32[4, 3]
  unread = Neg(x): float32[n, 4]
  name "pre-activation" = hidden
  output values = %2
  output best = best
  update count = %4
  initialize layer.kernel = %7
}
"""
    )


def test_everything_but_origins_comes_back() -> None:
    program = _small_program()
    text = print_program(program, digests=True)
    assert parse_program(text, program.weights.arrays) == program
    marked = replace(program, origins={program.names["hidden"]: Origin((), "layer.linear", ("fuse",))})
    assert "# layer.linear, by fuse" in print_program(marked, origins=True)
    assert parse_program(print_program(marked, origins=True), program.weights.arrays) == program


def test_sizes_whose_range_is_not_in_the_table() -> None:
    free = symbol("n")
    y = leaf("Input", "y", TensorType(FLOAT32, (free,)))
    program = Program("p", Graph((y,), (apply("Neg", y),)), ("z",), sizes={"n": Size(2, 9)})
    assert parse_program(print_program(program)) == program
    graph = Graph((X,), (apply("Neg", X),))
    assert parse_graph(print_graph(graph)) == graph


def test_bodies_are_written_where_they_are_first_used() -> None:
    inner = argument(0, X.type)
    leafless = Graph((inner,), (apply("Tanh", inner),))
    flag = leaf("Input", "flag", TensorType(BOOL, ()))
    once = apply_all("If", flag, X, then_branch=leafless, else_branch=leafless, outputs=1)[0]
    nested = Graph(
        (argument(0, flag.type), argument(1, X.type)),
        apply_all(
            "If",
            argument(0, flag.type),
            argument(1, X.type),
            then_branch=leafless,
            else_branch=leafless,
            outputs=1,
        ),
    )
    outer = apply_all("If", flag, flag, once, then_branch=nested, else_branch=nested, outputs=1)[0]
    graph = Graph((flag, X), (outer,))
    text = print_graph(graph)
    assert text.count("Tanh") == 1
    assert text.count("graph @") == 2
    assert parse_graph(text) == graph


def test_shared_bodies_do_not_multiply() -> None:
    """Each level uses the level below twice: 2**40 copies if they were written out."""
    flag = TensorType(BOOL, ())
    body = Graph((argument(0, flag),), (apply("Not", argument(0, flag)),))
    for _ in range(40):
        operand = argument(0, flag)
        results = apply_all("If", operand, operand, then_branch=body, else_branch=body, outputs=1)
        body = Graph((operand,), results)
    text = print_graph(body)
    assert len(text) < 40_000
    assert parse_graph(text) == body


@pytest.mark.parametrize(
    "name", ["", "output", "_", "a b", "%0", "ünï", "a.b.c", "x.", '"', "\n", "none", "0"]
)
def test_any_name_comes_back(name: str) -> None:
    x = leaf("Input", name, TensorType(FLOAT32, ()))
    y = apply("Neg", x)
    program = Program(name, Graph((x,), (y,)), (name,), names={name: y, f"{name}2": y})
    assert parse_program(print_program(program)) == program


# --- literals -----------------------------------------------------------------------------------


def _bit_patterns(dtype: DType) -> st.SearchStrategy[np.ndarray]:  # type: ignore[type-arg]  # any dtype
    width = dtype.numpy.itemsize
    limit = 256**width if dtype.bits >= 8 or dtype.bits == 0 else 2**dtype.bits

    def array(numbers: list[int]) -> np.ndarray:  # type: ignore[type-arg]  # any dtype
        raw = b"".join(n.to_bytes(width, "little") for n in numbers)
        return np.frombuffer(raw, dtype.numpy)

    return st.lists(st.integers(0, limit - 1), max_size=8).map(array)


WITH_BITS = [
    d
    for d in DTYPES.values()
    if d.kind not in ("string", "bool") and not (d.is_integer and d.bits < 8)  # every pattern is a number
]


@pytest.mark.parametrize("dtype", WITH_BITS, ids=lambda d: d.name)
@given(data=st.data())
@settings(max_examples=30)
def test_constants_come_back_bit_for_bit(dtype: DType, data: st.DataObject) -> None:
    value = constant(data.draw(_bit_patterns(dtype)))
    (again,) = parse_graph(print_graph(Graph((), (value,)))).outputs
    assert again is value


@pytest.mark.parametrize("name", ["int4", "uint4", "int2", "uint2"])
def test_packed_integers_come_back(name: str) -> None:
    dtype = DTYPES[name]
    low = -(2 ** (dtype.bits - 1)) if dtype.kind == "int" else 0
    value = constant(np.arange(low, low + 2**dtype.bits).astype(dtype.numpy))
    assert parse_graph(print_graph(Graph((), (value,)))).outputs == (value,)


@given(st.lists(st.text(max_size=6), max_size=4))
def test_strings_come_back(strings: list[str]) -> None:
    value = constant(np.array([*strings, ""], object)[:-1])
    assert parse_graph(print_graph(Graph((), (value,)))).outputs == (value,)


@pytest.mark.parametrize("array", [np.array([True, False]), np.float64(1e-310), np.zeros((0, 2), np.int8)])
def test_other_constants_come_back(array: object) -> None:
    value = constant(array)
    assert parse_graph(print_graph(Graph((), (value,)))).outputs == (value,)


@given(st.integers(0, 2**32 - 1))
def test_float_attributes_come_back_bit_for_bit(bits: int) -> None:
    alpha = struct.unpack("<f", struct.pack("<I", bits))[0]
    graph = Graph((X,), (apply("Elu", X, alpha=alpha),))
    assert parse_graph(print_graph(graph)) == graph


def test_attributes_of_every_kind_come_back() -> None:
    sequence = leaf("Input", "s", SequenceType(TensorType(FLOAT32, None)))
    known = leaf("Input", "k", TensorType(INT64, (3,)), known=(N, None, 2))
    large = apply("ConstantOfShape", apply("Shape", X), value=np.full((1,), 0.1, np.float32))
    words = leaf("Input", "w", TensorType(DTYPES["string"], (N,)))
    values = (
        apply("SequenceLength", sequence),
        apply("Neg", known),
        large,
        apply("Transpose", X, perm=[1, 0]),
        apply("StringNormalizer", words, stopwords=["a", 'b"'], case_change_action="LOWER"),
        apply("Cast", X, to="int64"),
        apply("TfIdfVectorizer", apply("Cast", X, to="int64"), **_TFIDF),
    )
    graph = Graph((X, sequence, known, words), values)
    assert parse_graph(print_graph(graph)) == graph


_TFIDF = {
    "max_gram_length": 1,
    "max_skip_count": 0,
    "min_gram_length": 1,
    "mode": "TF",
    "ngram_counts": [0],
    "ngram_indexes": [0, 1],
    "pool_int64s": [3, 5],
    "weights": [0.1, -2.0],
}


# --- mistakes -----------------------------------------------------------------------------------

BROKEN = [
    ('graph {\n  x = Input("x"): float32[3]\n  return y\n}', "G1402", 3, 10, None),
    (
        'graph {\n  x = Input("x"): float32[3]\n  y = Relux(x): float32[3]\n}',
        "G1402",
        3,
        7,
        "did you mean 'Relu'?",
    ),
    ('graph {\n  x = Input("x"): float32[3]\n  y = Relu(x): float32[4]\n}', "G1404", 3, 7, None),
    (
        'graph {\n  x = Input("x"): float32[3]\n  y = Softmax(x, axes=0): float32[3]\n}',
        "G1403",
        3,
        18,
        "did you mean 'axis'?",
    ),
    ('graph {\n  x = Input("x")\n}', "G1404", 2, 7, None),
    ('graph {\n  x = Input("x"): float32[3]\n  x = Relu(x): float32[3]\n}', "G1402", 3, 3, None),
    ('graph {\n  x = Input("x"): float32[3]\n  x, y = Relu(x): float32[3]\n}', "G1404", 3, 10, None),
    ("graph {\n  c = Constant([1, 2]): int64[3]\n}", "G1406", 2, 16, None),
    ("graph {\n  c = Constant([1, 300]): uint8[2]\n}", "G1406", 2, 20, None),
    ("graph {\n  c = Constant([1, 2.5]): int64[2]\n}", "G1406", 2, 20, None),
    ('graph {\n  c = Constant("a"): float32[]\n}', "G1406", 2, 16, None),
    ("graph {\n  c = Constant(1): float32[n]\n}", "G1404", 2, 7, None),
    ('graph {\n  c = Constant(base64 "AAA="): float32[]\n}', "G1406", 2, 16, None),
    ('graph {\n  c = Constant(base64 "A~"): float32[]\n}', "G1406", 2, 23, None),
    ("graph {\n  c = Constant([1]): int64[99999999999]\n}", "G1406", 2, 16, None),
    ('graph {\n  x = Input("x"): float32[3]\n  y = Add(x, x, x): float32[3]\n}', "G1404", 3, 7, None),
    ('graph {\n  x = Input("x"): float32[3]\n  y = Elu(x, alpha=[1.0]): float32[3]\n}', "G1401", 3, 20, None),
    (
        'graph {\n  x = Input("x"): float32[3]\n  y = Elu(x, alpha=1.0, alpha=1.0): float32[3]\n}',
        "G1402",
        3,
        25,
        None,
    ),
    (
        'graph {\n  x = Input("x"): float32[3]\n  y = If(x, then_branch=@0): float32[3]\n}',
        "G1402",
        3,
        25,
        None,
    ),
    ('graph {\n  output = Input("x"): float32[3]\n}', "G1401", 2, 10, None),
    ("graph {\n  return\n", "G1401", 3, 1, None),
    ("graph { } graph { }", "G1401", 1, 11, None),
    ('graph {\n  x = Input("x"): float32[3] ; \n}', "G1401", 2, 30, None),
    ("program small infer { }", "G1401", 1, 9, None),
    ('program "p" infer {\n  size n: 1..x\n}', "G1401", 3, 1, None),
    ('program "p" infer {\n  assume n = 2\n}', "G1401", 2, 12, None),
    ('program "p" infer {\n  domain x = range(lo=2)\n}', "G1403", 2, 20, None),
    ('program "p" infer {\n  size n: 1..\n  size n: 2..\n}', "G1402", 3, 8, None),
]


@pytest.mark.parametrize(("text", "code", "line", "column", "hint"), BROKEN, ids=range(len(BROKEN)))
def test_mistakes_are_reported_at_their_place(
    text: str, code: str, line: int, column: int, hint: str | None
) -> None:
    with pytest.raises(SpecError) as caught:
        (parse_program if text.startswith("program") else parse_graph)(text)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.span is not None
    found = (diagnostic.code, diagnostic.span.line, diagnostic.span.column, diagnostic.hint)
    assert found == (code, line, column, hint)


def test_deep_bodies_are_refused() -> None:
    text = "graph { x = If(then_branch=" * 200
    with pytest.raises(SpecError) as caught:
        parse_graph(text)
    assert caught.value.diagnostics[0].code == "G1405"


def test_weights_are_checked_against_their_lines() -> None:
    program = _small_program()
    text = print_program(program, digests=True)
    for array in (np.ones((4, 4), np.float32), np.ones((4, 3)), np.zeros((4, 3), np.float32)):
        with pytest.raises(SpecError) as caught:
            parse_program(text, {"layer.kernel": array})
        assert caught.value.diagnostics[0].code == "G1404"


def _diagnostics(text: str) -> tuple[Diagnostic, ...]:
    try:
        parse_program(text)
    except SpecError as error:
        return error.diagnostics
    return ()


@given(st.integers(0, 2**32 - 1), st.data())
@settings(max_examples=150)
def test_damaged_texts_give_diagnostics_or_programs(seed: int, data: st.DataObject) -> None:
    text = print_program(random_program(np.random.default_rng(seed), nodes=6))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(text)))
        length = data.draw(st.integers(0, 6))
        text = text[:place] + data.draw(st.sampled_from(_PIECES)) + text[place + length :]
    assert all(d.code.startswith("G14") and d.span is not None for d in _diagnostics(text))


_PIECES = [
    "",
    "(",
    ")",
    "{",
    "}",
    "%0",
    "x",
    "=",
    ":",
    ",",
    "[",
    "]",
    '"',
    "-",
    "1",
    "0x1",
    "//",
    "@0",
    "#",
    "\n",
    "graph",
    "_",
    "n",
]
