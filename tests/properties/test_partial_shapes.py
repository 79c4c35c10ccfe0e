"""What is known of a shape that data decide survives everything: random chains behind NonZero, exported,
imported, simplified, written as YAML and built again. ONNX Runtime says what the shapes are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnxruntime
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graphwright.backends.onnx import emit, import_model, save
from graphwright.backends.torch_fx.backend import TorchBackend
from graphwright.graph.ir import Graph, Program, Value, apply, apply_all, constant, leaf
from graphwright.graph.types import BOOL, FLOAT32, TensorType, symbol
from graphwright.graph.types.refinement import consistent
from graphwright.passes.manager import PassManager, Verdict
from graphwright.passes.simplify.family import Simplify
from graphwright.tools.importing import Options, import_file
from graphwright.tools.programs import open_program

Step = Callable[[Value], Value]


def ints(*values: int) -> Value:
    return constant(np.array(values, np.int64))


def _column_sums(v: Value) -> Value:
    """Along the axis whose size data decide, kept so that the chain goes on."""
    return apply("Sub", v, apply("ReduceMean", v, ints(0), keepdims=1))


def _kept(v: Value) -> Value:
    """The rows whose first element is positive: fewer, nobody knows how many."""
    first = apply("Gather", v, constant(np.int64(0)), axis=1)
    return apply("Compress", v, apply("Greater", first, constant(np.float32(0))), axis=0)


def _through_its_shape(v: Value) -> Value:
    """A reshape to the tensor's own shape, computed as exporters do."""
    rows = apply("Slice", apply("Shape", v), ints(0), ints(1), ints(0))
    return apply("Reshape", v, apply("Concat", rows, ints(4), axis=0))


def _matrix(v: Value) -> Value:
    array = np.linspace(-1, 1, 16, dtype=np.float32).reshape(4, 4)
    return apply("MatMul", v, constant(array))


STEPS: dict[str, Step] = {
    "relu": lambda v: apply("Relu", v),
    "matrix": _matrix,
    "bias": lambda v: apply("Add", v, constant(np.float32([1, -2, 3, 0.5]))),
    "softmax": lambda v: apply("Softmax", v, axis=-1),
    "centred": _column_sums,
    "twice": lambda v: apply("Concat", v, v, axis=0),
    "turned": lambda v: apply("Transpose", apply("Transpose", v, perm=[1, 0]), perm=[1, 0]),
    "widened": lambda v: apply("Squeeze", apply("Unsqueeze", v, ints(1)), ints(1)),
    "kept": _kept,
    "reshaped": _through_its_shape,
    "halves": lambda v: apply("Reshape", apply("Reshape", v, ints(0, 2, 2)), ints(0, 4)),
    "best": lambda v: apply_all("TopK", v, ints(4), axis=1)[0],
    "not the first": lambda v: apply("Slice", v, ints(1), ints(2**31 - 1), ints(0)),
}


def chain(steps: list[str]) -> Program:
    """x[NonZero(x > 0)] through the steps: float32[_, 4] all along."""
    x = leaf("Input", "x", TensorType(FLOAT32, (symbol("n"), 4)))
    sums = apply("ReduceSum", x, ints(1), keepdims=0)
    found = apply("NonZero", apply("Cast", apply("Greater", sums, constant(np.float32(0))), to=BOOL.code))
    value = apply("Gather", x, apply("Gather", found, constant(np.int64(0))))
    assert value.tensor.axes == (None, 4)
    for step in steps:
        value = STEPS[step](value)
        assert value.tensor.axes == (None, 4), step
    results = (value, found, apply("ReduceMax", value, ints(1), keepdims=0))
    return Program("chain", Graph((x,), results), ("y", "found", "best"), names={"x": x})


WANTED = {"y": (None, 4), "found": (1, None), "best": (None,)}


def check_ranks(program: Program) -> None:
    """Every tensor has a rank, and the results the sizes that nothing but data can change."""
    for node in program.graph.nodes:
        for value in node.outputs:
            assert value.tensor.axes is not None, node.name
    assert {n: v.tensor.axes for n, v in program.outputs.items()} == WANTED


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(sorted(STEPS)), max_size=6), st.integers(0, 2**31))
def test_a_chain_behind_non_zero_keeps_its_rank(tmp_path_factory, steps, seed):
    program, folder = chain(steps), tmp_path_factory.mktemp("chain")
    check_ranks(program)
    save(program, folder / "model.onnx", opset=21)
    imported = import_model(folder / "model.onnx")
    check_ranks(imported)
    record = PassManager().run(imported, [Simplify()], verify="none")
    assert record.verdict is not Verdict.BROKEN
    check_ranks(record.program)
    import_file(folder / "model.onnx", folder / "spec.yaml", Options(check=False))
    spec = open_program(str(folder / "spec.yaml"))
    check_ranks(spec)

    x = np.random.default_rng(seed).standard_normal((9, 4)).astype(np.float32)
    expected = run_onnx(program, x)
    for name, type in ((n, v.type) for n, v in program.outputs.items()):
        assert consistent(type, TensorType(type.dtype, expected[name].shape))
    for other in (record.program, spec):
        exported, found = run_onnx(other, x), TorchBackend().load(other).run({"x": x})
        for name in WANTED:
            np.testing.assert_allclose(exported[name], expected[name], rtol=1e-5, atol=1e-5)
            np.testing.assert_allclose(found[name], expected[name], rtol=1e-5, atol=1e-5)


def run_onnx(program: Program, x):
    """The results in ONNX Runtime; the model's own types carry the ranks."""
    model = emit(program, opset=21)
    declared = {
        o.name: tuple(d.dim_value if d.HasField("dim_value") else None for d in o.type.tensor_type.shape.dim)
        for o in model.graph.output
    }
    assert declared == WANTED
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return dict(zip(declared, session.run(None, {"x": x}), strict=True))
