"""What a program keeps of an ONNX model: names, types, weights, bodies, functions, draws."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from graphwright.backends.onnx import emit, import_model
from graphwright.backends.reference import ReferenceEvaluator
from graphwright.graph.diagnostics import SpecError
from graphwright.graph.ir import Program, bodies, topological
from graphwright.graph.types.dimensions import symbol

node = helper.make_node


def evaluate(program: Program, feeds: dict[str, Any]) -> list[Any]:
    given = {v: feeds[n] for n, v in {**program.inputs, **program.noise}.items()}
    for n in topological(program.graph.outputs):
        if n.name == "Weight":
            given[n.outputs[0]] = program.weights[n.attribute("name")]
    return ReferenceEvaluator().evaluate(program.graph.outputs, given)


def test_every_value_name_and_node_name_is_kept(model: Any) -> None:
    m = model(
        [node("Relu", ["x"], ["hidden/relu"], "layer.0/act"), node("Neg", ["hidden/relu"], ["y"])],
        {"x": ("FLOAT", ["batch", 3])},
        ["y"],
    )
    program = import_model(m)
    assert {"x", "hidden/relu", "y"} <= set(program.names)
    assert program.names["hidden/relu"].node.name == "Relu"
    assert program.origin(program.names["hidden/relu"]).path == "layer.0/act"
    assert program.output_names == ("y",)


def test_dead_values_keep_their_names(model: Any) -> None:
    m = model([node("Relu", ["x"], ["y"]), node("Neg", ["x"], ["dead"])], {"x": ("FLOAT", [2])}, ["y"])
    assert import_model(m).names["dead"].node.name == "Neg"


def test_small_initializers_are_constants_and_large_ones_weights(model: Any) -> None:
    small, large = np.arange(64, dtype=np.float32), np.arange(65, dtype=np.float32)
    m = model(
        [node("Add", ["x", "s"], ["a"]), node("Concat", ["a", "l"], ["y"], axis=0)],
        {"x": ("FLOAT", [64])},
        ["y"],
        {"s": small, "l": large},
    )
    program = import_model(m)
    assert np.array_equal(program.names["s"].constant, small)
    assert program.names["l"].role == "Weight"
    assert np.array_equal(program.weights["l"], large)
    assert np.array_equal(evaluate(program, {"x": small})[0], np.concatenate([small + small, large]))


def test_a_raw_weight_is_referenced_and_not_copied(model: Any) -> None:
    m = model(
        [node("Add", ["x", "w"], ["y"])], {"x": ("FLOAT", [100])}, ["y"], {"w": np.ones(100, np.float32)}
    )
    array = import_model(m).weights["w"]
    assert not array.flags.owndata
    assert not array.flags.writeable


def test_an_initializer_that_is_also_an_input_is_no_input(model: Any) -> None:
    m = model(
        [node("Add", ["x", "w"], ["y"])],
        {"x": ("FLOAT", [2]), "w": ("FLOAT", [2])},
        ["y"],
        {"w": np.ones(2, np.float32)},
    )
    assert list(import_model(m).inputs) == ["x"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("batch", symbol("batch")),
        ("2*n + 1", 2 * symbol("n") + 1),
        ("n // 2", symbol("n") // 2),
        ("batch size", symbol("batch_size")),
        ("12", 12),
    ],
)
def test_dim_params_are_dimensions(model: Any, text: str, expected: Any) -> None:
    m = model([node("Relu", ["x"], ["y"])], {"x": ("FLOAT", [text])}, ["y"])
    assert import_model(m).inputs["x"].tensor.shape == (expected,)


def test_unnamed_dimensions_get_sizes_of_their_own(model: Any) -> None:
    m = model([node("Relu", ["x"], ["y"])], {"x": ("FLOAT", [None, None])}, ["y"])
    first, second = import_model(m).inputs["x"].tensor.shape
    assert first != second
    assert not isinstance(first, int)


def test_sizes_can_be_fixed(model: Any) -> None:
    m = model([node("Relu", ["x"], ["y"])], {"x": ("FLOAT", ["batch", 2])}, ["y"])
    assert import_model(m, sizes={"batch": 4}).outputs["y"].tensor.shape == (4, 2)
    with pytest.raises(SpecError) as error:
        import_model(m, sizes={"batc": 4})
    assert error.value.diagnostics[0].code == "G1219"
    assert "batch" in (error.value.diagnostics[0].hint or "")


def test_two_names_of_one_size_become_an_assumption(model: Any) -> None:
    m = model(
        [node("Add", ["a", "b"], ["s"], "sum"), node("MatMul", ["s", "c"], ["y"])],
        {"a": ("FLOAT", ["n", 3]), "b": ("FLOAT", ["m", 3]), "c": ("FLOAT", ["k", 2])},
        ["y"],
    )
    program = import_model(m)
    assert {str(a) for a in program.assumptions} in (
        {"n == m", "3 == k"},
        {"m == n", "3 == k"},
        {"n == m", "k == 3"},
    )
    assert any("'sum'" in a.reason for a in program.assumptions)
    assert program.inputs["a"].tensor.shape == program.inputs["b"].tensor.shape
    assert program.inputs["c"].tensor.shape == (3, 2)


def test_a_size_that_must_be_even_is_written_as_twice_another(model: Any) -> None:
    """A down- and up-sampling path that is added to the input fits where the size is even."""
    m = model(
        [
            node("MaxPool", ["x"], ["p"], kernel_shape=[2], strides=[2]),
            node("Resize", ["p", "", "scales"], ["u"]),
            node("Add", ["u", "x"], ["y"]),
        ],
        {"x": ("FLOAT", [1, 1, "h"])},
        ["y"],
        {"scales": np.array([1, 1, 2], np.float32)},
    )
    program = import_model(m)
    (length,) = program.inputs["x"].tensor.shape[2:]
    assert len(program.assumptions) == 1
    assert length % 2 == 0
    assert program.outputs["y"].tensor.shape == (1, 1, length)


def test_a_slice_that_must_be_whole_bounds_a_size(model: Any) -> None:
    """The first n of 128 positions are n where n is at most 128."""
    m = model(
        [
            node("Shape", ["x"], ["n"]),
            node("Slice", ["table", "zero", "n"], ["p"]),
            node("Add", ["x", "p"], ["y"]),
        ],
        {"x": ("FLOAT", ["n"]), "table": ("FLOAT", [128])},
        ["y"],
        {"zero": np.array([0])},
    )
    program = import_model(m)
    assert program.sizes["n"].high == 128
    assert [str(a) for a in program.assumptions] in (["n == min(128, n)"], ["min(128, n) == n"])
    assert import_model(emit(program)).sizes == program.sizes


def test_numbers_that_differ_stay_an_error(model: Any) -> None:
    m = model([node("Add", ["a", "b"], ["y"])], {"a": ("FLOAT", [2]), "b": ("FLOAT", [3])}, ["y"])
    with pytest.raises(SpecError) as error:
        import_model(m)
    assert error.value.diagnostics[0].code == "G0401"
    assert "'y' (Add)" in error.value.diagnostics[0].notes[0].message


def test_nodes_out_of_order_are_ordered(model: Any) -> None:
    m = model([node("Neg", ["h"], ["y"]), node("Relu", ["x"], ["h"])], {"x": ("FLOAT", [2])}, ["y"])
    x = np.array([1, -1], np.float32)
    assert np.array_equal(evaluate(import_model(m), {"x": x})[0], -np.maximum(x, 0))


def test_bodies_are_closed_and_captures_are_operands(model: Any) -> None:
    def branch(name: str, operator: str) -> onnx.GraphProto:
        return helper.make_graph(
            [node(operator, ["x", "w"], ["r"])], name, [], [helper.make_empty_tensor_value_info("r")]
        )

    m = model(
        [node("If", ["c"], ["y"], then_branch=branch("t", "Add"), else_branch=branch("e", "Sub"))],
        {"c": ("BOOL", []), "x": ("FLOAT", [70])},
        ["y"],
        {"w": np.ones(70, np.float32)},
    )
    program = import_model(m)
    (chosen,) = [n for n in program.graph.nodes if n.name == "If"]
    assert [v.node.attribute("name") for v in chosen.inputs[1:] if v is not None] == ["x", "w"]
    for _, body in bodies(chosen):
        assert {n.name for n in body.nodes if n.name in ("Input", "Weight", "Argument")} == {"Argument"}
    x = np.zeros(70, np.float32)
    assert np.array_equal(evaluate(program, {"c": np.array(False), "x": x})[0], x - 1)


def test_captures_of_nested_bodies_pass_through_both(model: Any) -> None:
    info = helper.make_empty_tensor_value_info
    inner = helper.make_graph([node("Mul", ["x", "k"], ["r"])], "inner", [], [info("r")])
    other = helper.make_graph([node("Identity", ["k"], ["q"])], "other", [], [info("q")])
    body = helper.make_graph(
        [
            node("If", ["c"], ["k2"], then_branch=inner, else_branch=other),
            node("Identity", ["go"], ["go2"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("k", TensorProto.FLOAT, [2]),
        ],
        [info("go2"), info("k2")],
    )
    m = model(
        [node("Loop", ["n", "", "start"], ["y"], body=body)],
        {"n": ("INT64", []), "c": ("BOOL", []), "x": ("FLOAT", [2]), "start": ("FLOAT", [2])},
        ["y"],
    )
    program = import_model(m)
    x, start = np.array([2, 3], np.float32), np.array([1, 1], np.float32)
    feeds = {"n": np.array(3), "c": np.array(True), "x": x, "start": start}
    assert np.array_equal(evaluate(program, feeds)[0], x**3)


def test_a_carried_value_that_grows_has_an_unknown_rank(model: Any) -> None:
    info = helper.make_empty_tensor_value_info
    body = helper.make_graph(
        [node("Concat", ["k", "x"], ["k2"], axis=0), node("Identity", ["go"], ["go2"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("k", TensorProto.FLOAT, None),
        ],
        [info("go2"), info("k2")],
    )
    m = model(
        [node("Loop", ["n", "", "x"], ["y"], body=body)], {"n": ("INT64", []), "x": ("FLOAT", [2])}, ["y"]
    )
    program = import_model(m)
    assert program.outputs["y"].tensor.dims is None
    x = np.array([1, 2], np.float32)
    assert np.array_equal(evaluate(program, {"n": np.array(2), "x": x})[0], np.tile(x, 3))


def test_functions_are_inlined_with_attributes_and_missing_inputs(model: Any) -> None:
    scale = node("Constant", [], ["s"])
    scale.attribute.add(name="value_float", ref_attr_name="scale", type=onnx.AttributeProto.FLOAT)
    inner = helper.make_function(
        "own", "Scaled", ["x", "low"], ["y"],
        [scale, node("Mul", ["x", "s"], ["m"]), node("Clip", ["m", "low"], ["y"])],
        [helper.make_opsetid("", 18)], ["scale"],
    )  # fmt: skip
    call = node("Scaled", ["x"], ["y"], domain="own", scale=3.0, name="call")
    m = model([call], {"x": ("FLOAT", [2])}, ["y"], functions=[inner], domains=["own"])
    program = import_model(m)
    assert program.names["call/m"].node.name == "Mul"
    x = np.array([1, -1], np.float32)
    assert np.array_equal(evaluate(program, {"x": x})[0], 3 * x)


def test_draws_are_noise_leaves_and_never_merge(model: Any) -> None:
    draw = {"shape": [1000], "mean": 2.0, "scale": 3.0}
    m = model(
        [
            node("RandomNormal", [], ["a"], **draw),
            node("RandomNormal", [], ["b"], **draw),
            node("Sub", ["a", "b"], ["y"]),
        ],
        {},
        ["y", "a"],
    )
    program = import_model(m)
    assert list(program.noise) == ["a", "b"]
    assert {v.node.attribute("kind") for v in program.initializers.values()} == {"normal"}
    noise = {"a": np.full(1000, 1, np.float32), "b": np.full(1000, -1, np.float32)}
    y, a = evaluate(program, noise)
    assert np.array_equal(a, np.full(1000, 5, np.float32))
    assert np.array_equal(y, np.full(1000, 6, np.float32))


def test_training_dropout_and_multinomial_follow_their_noise(model: Any) -> None:
    m = model(
        [
            node("Dropout", ["x", "ratio", "train"], ["y", "mask"]),
            node("Multinomial", ["scores"], ["k"], sample_size=1),
        ],
        {"x": ("FLOAT", [4]), "scores": ("FLOAT", [1, 3])},
        ["y", "mask", "k"],
        {"ratio": np.array(0.5, np.float32), "train": np.array(True)},
    )
    program = import_model(m)
    uniform = np.array([0.1, 0.6, 0.4, 0.9], np.float32)
    feeds = {"x": np.ones(4, np.float32), "y": uniform, "scores": np.array([[0.0, 50.0, 0.0]], np.float32)}
    y, mask, picked = evaluate(program, {**feeds, "k": np.full((1, 1, 3), 0.5, np.float32)})
    assert np.array_equal(mask, uniform >= 0.5)
    assert np.array_equal(y, np.where(uniform >= 0.5, 2, 0))
    assert picked.tolist() == [[1]]


def test_external_data_is_memory_mapped(model: Any, tmp_path: Path) -> None:
    weight = np.arange(1000, dtype=np.float32)
    m = model([node("Add", ["x", "w"], ["y"])], {"x": ("FLOAT", [1000])}, ["y"], {"w": weight})
    onnx.save(m, tmp_path / "m.onnx", save_as_external_data=True, location="w.bin", size_threshold=0)
    program = import_model(tmp_path / "m.onnx")
    assert isinstance(program.weights["w"], np.memmap)
    assert np.array_equal(program.weights["w"], weight)


@pytest.mark.parametrize(
    "dtype", ["float16", "bfloat16", "float8_e4m3fn", "int4", "uint2", "bool", "complex64"]
)
def test_tensors_of_every_width(model: Any, dtype: str, tmp_path: Path) -> None:
    """Raw, typed and external storage of one array give one content."""
    import ml_dtypes

    wanted = np.dtype(getattr(ml_dtypes, dtype, dtype))
    array = np.array([0, 1, 1, 0, 1] * 15).astype(wanted)
    raw = numpy_helper.from_array(array, "w")
    m = model([node("Identity", ["w"], ["y"])], {}, ["y"])
    m.graph.initializer.append(raw)
    inside = import_model(m)
    onnx.save(m, tmp_path / "m.onnx", save_as_external_data=True, location="w.bin", size_threshold=0)
    for program in (inside, import_model(tmp_path / "m.onnx")):
        assert program.weights["w"].dtype == wanted
        assert np.array_equal(program.weights["w"].astype(complex), array.astype(complex))


def test_sparse_initializers_are_made_dense(model: Any) -> None:
    sparse = helper.make_sparse_tensor(
        numpy_helper.from_array(np.array([5, 7], np.float32), "w"),
        numpy_helper.from_array(np.array([1, 3])),
        [2, 3],
    )
    m = model([node("Identity", ["w"], ["y"])], {}, ["y"])
    m.graph.sparse_initializer.append(sparse)
    assert import_model(m).names["w"].constant.tolist() == [[0, 5, 0], [7, 0, 0]]
