"""What an emitted model says: names, spec lines, states, weights; and what older opsets get instead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from graphwright.backends.onnx import check, emit, import_model, save
from graphwright.backends.reference import ReferenceEvaluator
from graphwright.graph.diagnostics import Source, Span, SpecError
from graphwright.graph.ir import Graph, Origin, Program, Value, Weights, apply, apply_all, constant, leaf
from graphwright.graph.types import BOOL, DTYPES, FLOAT32, INT64, TensorType, symbol


def tensor(*dims: Any, dtype: Any = FLOAT32) -> TensorType:
    return TensorType(dtype, dims)


def program(inputs: list[Value], outputs: dict[str, Value], **fields: Any) -> Program:
    return Program("small", Graph(tuple(inputs), tuple(outputs.values())), tuple(outputs), **fields)


def test_names_spec_lines_and_symbolic_sizes() -> None:
    x = leaf("Input", "x", tensor(symbol("batch"), 2 * symbol("n") + 1))
    hidden = apply("Relu", x)
    y = apply("Neg", hidden)
    span = Span(Source("model.yaml", ""), 7, 3, 7, 9)
    m = emit(
        program([x], {"y": y}, names={"stack.3.hidden": hidden}, origins={hidden: Origin((span,), "stack.3")})
    )
    check(m)
    relu = m.graph.node[0]
    assert (relu.name, list(relu.output)) == ("stack.3.hidden", ["stack.3.hidden"])
    assert {p.key: p.value for p in relu.metadata_props} == {"graphwright.spec": "model.yaml:7"}
    assert [d.dim_param for d in m.graph.input[0].type.tensor_type.shape.dim] == ["batch", "2*n + 1"]
    again = import_model(m)
    assert again.origin(again.names["stack.3.hidden"]).spans[0].line == 7
    assert again.inputs["x"].type == x.type


def test_states_and_noise_are_inputs_and_new_states_outputs() -> None:
    x, s, e = leaf("Input", "x", tensor(2)), leaf("State", "s", tensor(2)), leaf("Noise", "e", tensor(2))
    renewed = apply("Add", s, apply("Mul", x, e))
    p = Program("m", Graph((x, s, e), (apply("Neg", renewed), renewed)), ("y",), ("s",))
    m = emit(p)
    check(m)
    assert [i.name for i in m.graph.input] == ["x", "s", "e"]
    assert [o.name for o in m.graph.output] == ["y", "s.next"]
    again = import_model(m)
    assert (list(again.states), list(again.noise), again.updates) == (["s"], ["e"], ("s",))
    assert again.graph == p.graph


def test_outputs_that_no_node_of_their_own_makes(ort: Any) -> None:
    """An input, a constant and one value under two names are results too."""
    x = leaf("Input", "x", tensor(2))
    y = apply("Neg", x)
    m = emit(program([x], {"a": x, "b": y, "c": y, "d": constant(np.float32(3))}))
    check(m)
    values = ort(m, {"x": np.array([1, 2], np.float32)})
    assert [v.tolist() for v in values] == [[1, 2], [-1, -2], [-1, -2], 3]


def test_names_of_values_that_collide_are_made_unique(ort: Any) -> None:
    x = leaf("Input", "x", tensor(2))
    inner = apply("Neg", x)
    m = emit(program([x], {"y": apply("Exp", inner)}, names={"y": inner, "x": inner}))
    check(m)
    assert len({n for node in m.graph.node for n in node.output}) == len(m.graph.node)


def test_unused_optional_results_are_left_out() -> None:
    x = leaf("Input", "x", tensor(1, 1, 4))
    pooled = apply_all("MaxPool", x, kernel_shape=(2,))[0]
    assert list(emit(program([x], {"y": pooled})).graph.node[0].output) == ["y"]


def test_a_parameter_without_value_names_its_line() -> None:
    w = leaf("Parameter", "w", tensor(2))
    span = Span(Source("model.yaml", ""), 4, 1, 4, 2)
    with pytest.raises(SpecError) as error:
        emit(program([w], {"y": apply("Neg", w)}, origins={w: Origin((span,))}))
    (found,) = error.value.diagnostics
    assert (found.code, found.span) == ("G1111", span)


# --- files ------------------------------------------------------------------------------------


@pytest.fixture
def weighted() -> Program:
    x, w = leaf("Input", "x", tensor(1000)), leaf("Parameter", "w", tensor(1000))
    q = leaf("Weight", "q", tensor(3001, dtype=DTYPES["int4"]))
    total = apply("Add", x, w)
    codes = (np.arange(3001) % 15 - 7).astype(DTYPES["int4"].numpy)
    values = np.linspace(0, 1, 1000, dtype=np.float32)
    wide = apply("Cast", q, to=FLOAT32.code)
    return program([x, w], {"y": total, "z": wide}, weights=Weights({"w": values, "q": codes}))


def test_external_data_comes_back_bit_for_bit(weighted: Program, tmp_path: Path) -> None:
    path = save(weighted, tmp_path / "m.onnx", external_data=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.onnx", "m.onnx.data"]
    assert path.stat().st_size < 2000
    again = import_model(path)
    assert isinstance(again.weights["w"], np.memmap)
    for name in ("w", "q"):
        assert again.weights[name].tobytes() == weighted.weights[name].tobytes()
    loaded = onnx.load(path)
    assert np.array_equal(onnx.numpy_helper.to_array(loaded.graph.initializer[0]), weighted.weights["w"])


def test_emission_with_external_data_holds_no_weights(weighted: Program) -> None:
    m = emit(weighted, external_data="w.bin")
    assert {t.data_location for t in m.graph.initializer} == {onnx.TensorProto.EXTERNAL}
    assert m.ByteSize() < 2000


def test_more_than_two_gigabytes_need_external_data(tmp_path: Path) -> None:
    """The array is a broadcast view: nothing of it is ever made."""
    huge = np.broadcast_to(np.float32(0), (2**15, 2**14 + 1))
    w = leaf("Parameter", "w", tensor(*huge.shape))
    p = program([w], {"y": apply("Shape", w)}, weights=Weights({"w": huge}))
    with pytest.raises(SpecError) as error:
        emit(p)
    assert error.value.diagnostics[0].code == "G1113"
    emit(p, external_data="w.bin")


def test_a_model_that_is_refused_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x = leaf("Input", "x", tensor(2))
    path = save(program([x], {"y": apply("Neg", x)}), tmp_path / "m.onnx")
    before = path.read_bytes()

    def refuse(*arguments: Any, **options: Any) -> None:
        raise onnx.checker.ValidationError("no")

    monkeypatch.setattr(onnx.checker, "check_model", refuse)
    with pytest.raises(SpecError) as error:
        save(program([x], {"y": apply("Exp", x)}), path)
    assert error.value.diagnostics[0].code == "G1117"
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["m.onnx"]


def test_a_folder_that_is_missing_is_a_diagnostic(tmp_path: Path) -> None:
    x = leaf("Input", "x", tensor(2))
    with pytest.raises(SpecError) as error:
        save(program([x], {"y": apply("Neg", x)}), tmp_path / "no" / "m.onnx")
    assert error.value.diagnostics[0].code == "G1118"


# --- older opsets -----------------------------------------------------------------------------

RANDOM = np.random.default_rng(2)
F16 = DTYPES["float16"]


def given(dtype: Any, *shape: int) -> np.ndarray[Any, Any]:
    numbers = RANDOM.normal(size=shape) * (20 if dtype.is_integer else 1)
    return numbers.astype(dtype.numpy)


def integers(name: str, *values: int) -> np.ndarray[Any, Any]:
    return np.array(values, DTYPES[name].numpy)


CASES: dict[str, tuple[str, list[Any], dict[str, Any]]] = {
    "Swish": ("Swish", [given(FLOAT32, 3, 4)], {"alpha": 1.5}),
    "SwiGLU": ("SwiGLU", [given(FLOAT32, 3, 4), given(FLOAT32, 3, 4)], {}),
    "RMSNormalization": ("RMSNormalization", [given(FLOAT32, 3, 4), given(FLOAT32, 4)], {"axis": -1}),
    "RotaryEmbedding": (
        "RotaryEmbedding",
        [given(FLOAT32, 1, 2, 3, 4), given(FLOAT32, 1, 3, 2), given(FLOAT32, 1, 3, 2)],
        {},
    ),
    "Attention": ("Attention", [given(FLOAT32, 1, 2, 3, 4) for _ in range(3)], {"is_causal": 1}),
    "Attention with a mask": (
        "Attention",
        [*(given(FLOAT32, 1, 2, 3, 4) for _ in range(3)), np.array([[True, False, False]] * 3)],
        {},
    ),
    "TensorScatter": (
        "TensorScatter",
        [given(FLOAT32, 2, 3, 6, 4), given(FLOAT32, 2, 3, 2, 4), np.array([1, 4])],
        {},
    ),
    "TensorScatter around": (
        "TensorScatter",
        [given(FLOAT32, 2, 6, 4), given(FLOAT32, 2, 3, 4), np.array([5, 2])],
        {"mode": "circular"},
    ),
    "CumProd": ("CumProd", [given(FLOAT32, 3, 4), constant(np.int64(1))], {}),
    "CumProd back": (
        "CumProd",
        [given(FLOAT32, 3, 4), constant(np.int64(0))],
        {"reverse": 1, "exclusive": 1},
    ),
    "SpaceToDepth": ("SpaceToDepth", [given(FLOAT32, 1, 2, 4, 4)], {"blocksize": 2, "mode": "CRD"}),
    "Range": ("Range", [np.float16(0), np.float16(2), np.float16(0.25)], {}),
    "Celu of float16": ("Celu", [given(F16, 5)], {"alpha": 0.5}),
    "DequantizeLinear": (
        "DequantizeLinear",
        [integers("int8", -3, 4, 127), np.float32(0.5), integers("int8", 1)[0]],
        {"output_dtype": F16.code},
    ),
    "QuantizeLinear": (
        "QuantizeLinear",
        [given(F16, 7), np.float16(0.1), integers("int8", 1)[0]],
        {"precision": FLOAT32.code},
    ),
    "Mod": ("Mod", [np.float32([5, -5, 5, -5, 6, -0.5]), np.float32([3, 3, -3, -3, -3, 1])], {}),
    "BitShift right": (
        "BitShift",
        [integers("int8", -8, 8, -1, 127, -128, -5), integers("int8", 1, 2, 7, 9, -1, 8)],
        {"direction": "RIGHT"},
    ),
    "BitShift left": (
        "BitShift",
        [integers("int32", -8, 8, -1, 2**30), integers("int32", 1, 2, 31, 40)],
        {"direction": "LEFT"},
    ),
    "MaxPool whose last window starts in the padding": (
        "MaxPool",
        [given(FLOAT32, 1, 1, 2, 2)],
        {"kernel_shape": (1, 1), "strides": (2, 2), "pads": (0, 0, 1, 1), "ceil_mode": 1},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_node_that_opset_21_lacks(name: str, ort: Any) -> None:
    """Against the reference evaluator at the pinned opset; ONNX Runtime runs opset 21."""
    operator, arrays, attributes = CASES[name]
    operands = [
        a if isinstance(a, Value) else leaf("Input", f"i{k}", TensorType(_dtype(a), np.shape(a)))
        for k, a in enumerate(arrays)
    ]
    result = apply(operator, *operands, **attributes)
    feeds = {f"i{k}": np.asarray(a) for k, a in enumerate(arrays) if not isinstance(a, Value)}
    leaves = [v for v in operands if v.role == "Input"]
    m = emit(program(leaves, {"y": result}), opset=21)
    check(m)
    assert [o.version for o in m.opset_import] == [21]
    given_values = {v: feeds[v.node.attribute("name")] for v in leaves}
    (expected,) = ReferenceEvaluator().evaluate([result], given_values)
    (found,) = ort(m, feeds)
    assert found.dtype == expected.dtype
    tolerance = 2e-3 if found.dtype == np.float16 else 2e-6
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


def _dtype(array: Any) -> Any:
    from graphwright.graph.types import from_numpy

    return from_numpy(np.asarray(array).dtype)


def test_what_no_rule_helps_names_operator_line_and_opset() -> None:
    x = leaf("Input", "x", tensor(2))
    y = apply("BitCast", x, to=DTYPES["int32"].code)
    span = Span(Source("model.yaml", ""), 9, 5, 9, 20)
    with pytest.raises(SpecError) as error:
        emit(program([x], {"y": y}, origins={y: Origin((span,))}))
    (found,) = error.value.diagnostics
    assert (found.code, found.span) == ("G1110", span)
    assert "BitCast" in found.message
    assert "26" in (found.hint or "")
    check(emit(program([x], {"y": y}), opset=26))


def test_origins_go_on_to_what_replaces_a_node() -> None:
    x = leaf("Input", "x", tensor(3))
    y = apply("Swish", x)
    span = Span(Source("model.yaml", ""), 9, 5, 9, 20)
    m = emit(program([x], {"y": y}, origins={y: Origin((span,))}))
    assert len(m.graph.node) > 1
    assert all([p.value for p in n.metadata_props] == ["model.yaml:9"] for n in m.graph.node)


def test_bodies_are_lowered_too(ort: Any) -> None:
    from graphwright.graph.ir import argument

    x, c = leaf("Input", "x", tensor(3)), leaf("Input", "c", tensor(dtype=BOOL))
    inner = argument(0, x.type)
    then, other = Graph((inner,), (apply("Swish", inner),)), Graph((inner,), (inner,))
    y = apply("If", c, x, then_branch=then, else_branch=other)
    m = emit(program([x, c], {"y": y}))
    check(m)
    values = np.array([-1, 0, 2], np.float32)
    assert np.allclose(ort(m, {"x": values, "c": np.array(True)})[0], values / (1 + np.exp(-values)))
    assert np.array_equal(ort(m, {"x": values, "c": np.array(False)})[0], values)


@pytest.mark.parametrize("lead", [(), (5,)])
def test_a_transposed_matrix_times_a_vector(lead: tuple[int, ...], ort: Any) -> None:
    """ONNX Runtime 1.31 fuses the plain form to a product with the matrix as it was."""
    a, v = leaf("Input", "a", tensor(*lead, 3, 2)), leaf("Input", "v", tensor(3))
    order = (*range(len(lead)), len(lead) + 1, len(lead))
    m = emit(program([a, v], {"y": apply("MatMul", apply("Transpose", a, perm=order), v)}))
    matrix, vector = RANDOM.normal(size=(*lead, 3, 2)), RANDOM.normal(size=3)
    found = ort(m, {"a": matrix.astype(np.float32), "v": vector.astype(np.float32)})[0]
    np.testing.assert_allclose(found, np.swapaxes(matrix, -1, -2) @ vector, rtol=1e-4, atol=1e-5)


def test_a_transpose_that_moves_nothing_before_a_gemm(ort: Any) -> None:
    """ONNX Runtime 1.31 folds the plain form as if it swapped the axes."""
    a, b = leaf("Input", "a", tensor(3, 3)), leaf("Input", "b", tensor(3, 3))
    m = emit(program([a, b], {"y": apply("Gemm", apply("Transpose", a, perm=(0, 1)), b)}))
    left, right = (RANDOM.normal(size=(3, 3)).astype(np.float32) for _ in range(2))
    np.testing.assert_allclose(ort(m, {"a": left, "b": right})[0], left @ right, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("axis", [0, -1])
def test_one_hot_of_a_single_index(axis: int, ort: Any) -> None:
    index = leaf("Input", "index", TensorType(INT64, ()))
    values = constant(np.array([2, 5], np.float32))
    hot = apply("OneHot", index, constant(np.int64(4)), values, axis=axis)
    program = Program("one", Graph((index,), (hot,)), ("hot",))
    model = emit(program)
    check(model)
    (found,) = ort(model, {"index": np.array(2)})
    np.testing.assert_array_equal(found, np.array([2, 2, 5, 2], np.float32))


def test_opsets_out_of_range() -> None:
    x = leaf("Input", "x", tensor(3, dtype=INT64))
    for opset in (17, 29):
        with pytest.raises(SpecError) as error:
            emit(program([x], {"y": apply("Neg", x)}), opset=opset)
        assert error.value.diagnostics[0].code == "G1116"
