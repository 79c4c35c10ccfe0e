"""Small ONNX models that use most of the format: what the fuzz mutates."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

EXTERNAL_FILE = "weights.bin"
EXTERNAL_BYTES = np.arange(64, dtype=np.float32).tobytes()


def _value(name: str, shape: list[int | str], dtype: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, dtype, shape)


def _model(
    graph: onnx.GraphProto, opset: int = 21, functions: list[onnx.FunctionProto] | None = None
) -> bytes:
    opsets = [helper.make_opsetid("", opset)]
    if functions:
        opsets.append(helper.make_opsetid("local", 1))
    model = helper.make_model(graph, opset_imports=opsets, functions=functions or [], ir_version=10)
    found: bytes = model.SerializeToString()
    return found


def _weight(name: str, *shape: int, seed: int = 0) -> onnx.TensorProto:
    rng = np.random.default_rng([seed, *shape])
    return numpy_helper.from_array(rng.normal(size=shape).astype(np.float32), name)


def _perceptron() -> bytes:
    nodes = [
        helper.make_node("MatMul", ["x", "w1"], ["h"], "first/MatMul"),
        helper.make_node("Add", ["h", "b1"], ["h1"], "first/Add"),
        helper.make_node("Relu", ["h1"], ["h2"], "first/Relu"),
        helper.make_node("Gemm", ["h2", "w2", "b2"], ["y"], "second/Gemm", transB=1, alpha=0.5),
        helper.make_node("Softmax", ["y"], ["p"], "out", axis=-1),
    ]
    weights = [_weight("w1", 4, 20), _weight("b1", 20), _weight("w2", 3, 20), _weight("b2", 3)]
    return _model(helper.make_graph(nodes, "mlp", [_value("x", ["n", 4])], [_value("p", ["n", 3])], weights))


def _image() -> bytes:
    nodes = [
        helper.make_node("Conv", ["x", "k", "b"], ["c"], "conv", pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("BatchNormalization", ["c", "s", "b", "m", "v"], ["n"], "bn", epsilon=1e-3),
        helper.make_node("MaxPool", ["n"], ["q"], "pool", kernel_shape=[2, 2]),
        helper.make_node("GlobalAveragePool", ["q"], ["g"]),
        helper.make_node("Flatten", ["g"], ["f"], axis=1),
        helper.make_node("Resize", ["q", "", "scales"], ["r"], mode="nearest"),
    ]
    positive = numpy_helper.from_array(np.full(5, 0.5, np.float32), "v")
    scales = numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), "scales")
    weights = [_weight("k", 5, 3, 3, 3), _weight("b", 5), _weight("s", 5), _weight("m", 5), positive, scales]
    outputs = [_value("f", ["n", 5]), _value("r", ["n", 5, "h", "w"])]
    return _model(helper.make_graph(nodes, "image", [_value("x", ["n", 3, 8, 8])], outputs, weights))


def _shapes() -> bytes:
    nodes = [
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Gather", ["s", "zero"], ["n"], axis=0),
        helper.make_node("Unsqueeze", ["n", "axis"], ["n1"]),
        helper.make_node("Concat", ["n1", "rest"], ["shape"], axis=0),
        helper.make_node("Reshape", ["x", "shape"], ["y"]),
        helper.make_node("Slice", ["y", "starts", "ends", "axes"], ["z"]),
        helper.make_node("Transpose", ["z"], ["t"], perm=[0, 2, 1]),
        helper.make_node("Expand", ["one", "shape"], ["e"]),
        helper.make_node("ConstantOfShape", ["shape"], ["c"], value=helper.make_tensor("v", 1, [1], [2.0])),
        helper.make_node("Sub", ["e", "c"], ["d"]),
        helper.make_node("Split", ["d"], ["p", "q"], axis=2, num_outputs=2),
        helper.make_node("TopK", ["p", "k"], ["top", "at"], axis=1),
    ]
    arrays = {"zero": 0, "axis": [0], "rest": [2, 6], "starts": [1], "ends": [2**62], "axes": [2], "k": [1]}
    weights = [numpy_helper.from_array(np.array(a, np.int64), n) for n, a in arrays.items()]
    weights.append(numpy_helper.from_array(np.ones(1, np.float32), "one"))
    outputs = [_value("t", ["n", 5, 2]), _value("q", ["n", 2, 3]), _value("top", ["n", 1, 3])]
    outputs.append(_value("at", ["n", 1, 3], TensorProto.INT64))
    return _model(helper.make_graph(nodes, "shapes", [_value("x", ["n", 12])], outputs, weights), 18)


def _control() -> bytes:
    then = helper.make_graph([helper.make_node("Add", ["x", "w"], ["a"])], "then", [], [_value("a", [3])])
    other = helper.make_graph([helper.make_node("Sub", ["x", "w"], ["b"])], "else", [], [_value("b", [3])])
    step = helper.make_graph(
        [
            helper.make_node("Add", ["carried", "row"], ["next"]),
            helper.make_node("Mul", ["next", "w"], ["scaled"]),
        ],
        "step",
        [_value("carried", [3]), _value("row", [3])],
        [_value("next", [3]), _value("scaled", [3])],
    )
    turn = helper.make_graph(
        [
            helper.make_node("Add", ["v", "w"], ["v1"]),
            helper.make_node("Identity", ["going"], ["going1"]),
        ],
        "turn",
        [_value("i", [], TensorProto.INT64), _value("going", [], TensorProto.BOOL), _value("v", [3])],
        [_value("going1", [], TensorProto.BOOL), _value("v1", [3])],
    )
    nodes = [
        helper.make_node("ReduceMax", ["x"], ["m"], keepdims=0),
        helper.make_node("Greater", ["m", "m0"], ["c"]),
        helper.make_node("If", ["c"], ["y"], "choice", then_branch=then, else_branch=other),
        helper.make_node("Scan", ["y", "rows"], ["last", "all"], "scan", body=step, num_scan_inputs=1),
        helper.make_node("Loop", ["times", "", "last"], ["z"], "loop", body=turn),
    ]
    weights = [_weight("w", 3), numpy_helper.from_array(np.array(0.5, np.float32), "m0")]
    weights.append(numpy_helper.from_array(np.array(4, np.int64), "times"))
    inputs, outputs = [_value("x", [3]), _value("rows", [4, 3])], [_value("z", [3]), _value("all", [4, 3])]
    return _model(helper.make_graph(nodes, "control", inputs, outputs, weights))


def _functions() -> bytes:
    inner = helper.make_function(
        "local",
        "scale",
        ["a"],
        ["b"],
        [helper.make_node("Mul", ["a", "a"], ["b"])],
        [helper.make_opsetid("", 21)],
    )
    outer = helper.make_function(
        "local",
        "twice",
        ["a"],
        ["c"],
        [helper.make_node("scale", ["a"], ["b"], domain="local"), helper.make_node("Elu", ["b"], ["c"])],
        [helper.make_opsetid("", 21), helper.make_opsetid("local", 1)],
        ["alpha"],
    )
    outer.node[1].attribute.append(
        onnx.AttributeProto(name="alpha", ref_attr_name="alpha", type=onnx.AttributeProto.FLOAT)
    )
    nodes = [
        helper.make_node("twice", ["x"], ["y"], "one", domain="local", alpha=0.5),
        helper.make_node("twice", ["y"], ["z"], "two", domain="local", alpha=0.25),
    ]
    graph = helper.make_graph(nodes, "calls", [_value("x", ["n", 2])], [_value("z", ["n", 2])])
    return _model(graph, functions=[inner, outer])


def _sequences() -> bytes:
    nodes = [
        helper.make_node("SequenceConstruct", ["x", "y"], ["s"]),
        helper.make_node("SequenceAt", ["s", "i"], ["a"]),
        helper.make_node("SequenceLength", ["s"], ["n"]),
        helper.make_node("ConcatFromSequence", ["s"], ["c"], axis=0),
        helper.make_node("Cast", ["n"], ["f"], to=1),
        helper.make_node("Add", ["a", "f"], ["r"]),
    ]
    index = numpy_helper.from_array(np.array(1, np.int64), "i")
    inputs = [_value("x", [2, 3]), _value("y", [2, 3])]
    outputs = [_value("r", [2, 3]), _value("c", [4, 3])]
    return _model(helper.make_graph(nodes, "sequences", inputs, outputs, [index]))


def _external() -> bytes:
    tensor = TensorProto(name="w", data_type=1, dims=[4, 16], data_location=TensorProto.EXTERNAL)
    for key, value in (("location", EXTERNAL_FILE), ("offset", "0"), ("length", "256")):
        tensor.external_data.add(key=key, value=value)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"]), helper.make_node("Tanh", ["y"], ["z"])]
    graph = helper.make_graph(nodes, "external", [_value("x", [2, 4])], [_value("z", [2, 16])], [tensor])
    return _model(graph)


def _odd() -> bytes:
    """Sparse initializers, strings, small dtypes, draws, an initializer that is an input."""
    values, indices = _weight("sp", 2), numpy_helper.from_array(np.array([1, 4], np.int64), "at")
    sparse = helper.make_sparse_tensor(values, indices, [2, 3])
    eight = helper.make_tensor("q", TensorProto.FLOAT8E4M3FN, [2], [0.5, 2.0])
    nodes = [
        helper.make_node("Add", ["x", "sp"], ["a"]),
        helper.make_node("Cast", ["q"], ["b"], to=1),
        helper.make_node("RandomUniformLike", ["a"], ["u"], low=0.0, high=2.0),
        helper.make_node("Mul", ["a", "u"], ["c"]),
        helper.make_node("Constant", [], ["d"], value_floats=[1.0, 2.0, 3.0]),
        helper.make_node("Sub", ["c", "d"], ["e"]),
        helper.make_node("Dropout", ["e"], ["f", "mask"]),
        helper.make_node("Add", ["f", "extra"], ["g"]),
    ]
    inputs = [_value("x", [2, 3]), _value("extra", [3])]
    graph = helper.make_graph(
        nodes, "odd", inputs, [_value("g", [2, 3]), _value("b", [2])], [eight, _weight("extra", 3)]
    )
    graph.sparse_initializer.append(sparse)
    return _model(graph)


def _stack() -> bytes:
    """Equal blocks in a row, which outlining writes once."""
    nodes, weights, name = [], [], "x"
    for i in range(4):
        weights += [_weight(f"layers.{i}.w", 6, 18, seed=i), _weight(f"layers.{i}.v", 18, 6, seed=i)]
        nodes += [
            helper.make_node("LayerNormalization", [name, "scale"], [f"n{i}"], f"/layers.{i}/Norm"),
            helper.make_node("MatMul", [f"n{i}", f"layers.{i}.w"], [f"h{i}"], f"/layers.{i}/up/MatMul"),
            helper.make_node("Gelu", [f"h{i}"], [f"g{i}"], f"/layers.{i}/Gelu"),
            helper.make_node("MatMul", [f"g{i}", f"layers.{i}.v"], [f"d{i}"], f"/layers.{i}/down/MatMul"),
            helper.make_node("Add", [name, f"d{i}"], [f"x{i}"], f"/layers.{i}/Add"),
        ]
        name = f"x{i}"
    weights.append(_weight("scale", 6))
    return _model(
        helper.make_graph(nodes, "stack", [_value("x", ["n", 6])], [_value(name, ["n", 6])], weights)
    )


def _old() -> bytes:
    """Opset 7, whose attributes have become inputs since."""
    nodes = [
        helper.make_node("Slice", ["x"], ["a"], axes=[1], starts=[0], ends=[4]),
        helper.make_node("Clip", ["a"], ["b"], min=-1.0, max=1.0),
        helper.make_node("ReduceSum", ["b"], ["c"], axes=[1], keepdims=1),
        helper.make_node("Squeeze", ["c"], ["d"], axes=[1]),
        helper.make_node("Softmax", ["a"], ["e"], axis=1),
        helper.make_node("Upsample", ["i"], ["u"], mode="nearest", scales=[1.0, 1.0, 2.0, 2.0]),
    ]
    inputs = [_value("x", [3, 6]), _value("i", [1, 1, 2, 2])]
    outputs = [_value("d", [3]), _value("e", [3, 4]), _value("u", [1, 1, 4, 4])]
    return _model(helper.make_graph(nodes, "old", inputs, outputs), 7)


@cache
def seeds() -> tuple[bytes, ...]:
    """Every seed model, serialized."""
    return tuple(_all())


def _all() -> Iterator[bytes]:
    for make in (
        _perceptron, _image, _shapes, _control, _functions, _sequences, _external, _odd, _stack, _old,
    ):  # fmt: skip
        yield make()
