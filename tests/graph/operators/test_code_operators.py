"""Quantize and Dequantize: one result on every backend, ONNX's own where it has the type."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper
from onnx.reference import ReferenceEvaluator

from graphwright.backends.onnx.backend import OnnxBackend
from graphwright.backends.reference.operators import evaluate_node
from graphwright.backends.torch_fx import TorchEvaluator
from graphwright.graph.ir import Graph, Program, Value, apply, leaf, parse_program, print_program
from graphwright.graph.ir.quantized import quantized_type
from graphwright.graph.operators.operator import RuleError
from graphwright.graph.types import DTYPES, FLOAT32, TensorType
from graphwright.graph.types.grids import grid

LAYOUTS = [(1, 0, ()), (1, 0, (40,)), (0, 4, (3, 40)), (-1, 7, (10, 6))]


def _pair(name: str, axis: int, block: int, scales: tuple[int, ...], to: str = "uint8") -> tuple[Value, ...]:
    x = leaf("Input", "x", TensorType(FLOAT32, (10, 40)))
    s = leaf("Input", "s", TensorType(FLOAT32, scales))
    layout = {"levels": grid(name).levels, "axis": axis, "block_size": block}
    codes = apply("Quantize", x, s, domain="graphwright", to=DTYPES[to].code, **layout)
    return x, s, codes, apply("Dequantize", codes, s, domain="graphwright", **layout)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", ["e2m1", "nf4", "binary", "power(int4, 0.65)", "e4m3", "int3"])
def test_backends_agree_on_every_code(name: str, layout: tuple[int, int, tuple[int, ...]]) -> None:
    x, s, codes, y = _pair(name, *layout)
    generator = np.random.default_rng(0)
    feeds = {
        "x": (generator.normal(size=(10, 40)) * grid(name).largest).astype(np.float32),
        "s": generator.uniform(0.5, 2, layout[2]).astype(np.float32),
    }
    feeds["x"][0, :3] = np.inf, -np.inf, 0
    program = Program("codes", Graph((x, s), (codes, y)), ("codes", "y"))
    found = OnnxBackend().load(program).run(feeds)
    by_torch = TorchEvaluator().evaluate([codes, y], {x: feeds["x"], s: feeds["s"]})
    by_numpy = evaluate_node(codes.node, [feeds["x"], feeds["s"]])[0]
    assert np.array_equal(by_numpy, by_torch[0])
    assert np.array_equal(by_numpy, found["codes"])
    assert np.array_equal(found["y"], by_torch[1])
    assert np.array_equal(found["y"], evaluate_node(y.node, [by_numpy, feeds["s"]])[0])


def test_codes_of_fp4_are_those_of_the_standards_reference() -> None:
    x, s, _, y = _pair("e2m1", 1, 0, ())
    generator = np.random.default_rng(1)
    given = (generator.normal(size=(10, 40)) * 3).astype(np.float32)
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s"], ["q"], output_dtype=onnx.TensorProto.FLOAT4E2M1),
        helper.make_node("DequantizeLinear", ["q", "s"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "reference",
        [helper.make_tensor_value_info("x", 1, [10, 40]), helper.make_tensor_value_info("s", 1, [])],
        [helper.make_tensor_value_info("y", 1, [10, 40])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 23)])
    wanted = ReferenceEvaluator(model).run(None, {"x": given, "s": np.float32(0.7)})[0]
    assert np.array_equal(TorchEvaluator().evaluate([y], {x: given, s: np.float32(0.7)})[0], wanted)


def test_integer_grids_have_the_codes_of_quantize_linear() -> None:
    x, s, codes, _ = _pair("int8", 1, 0, ())
    generator = np.random.default_rng(2)
    given = np.concatenate([generator.normal(size=200) * 40, np.arange(-100, 100) + 0.5]).astype(np.float32)
    given = given.reshape(10, 40)
    (found,) = TorchEvaluator().evaluate([codes], {x: given, s: np.float32(1)})
    assert np.array_equal(found.astype(np.int64) - 127, np.clip(np.rint(given), -127, 127))


def test_the_quantized_type_of_a_dequantized_value() -> None:
    *_, y = _pair("e2m1", 0, 4, (3, 40), "uint4")
    assert str(quantized_type(y)) == "quantized(e2m1, uint4[10, 40], axis=0, block=4)"
    assert quantized_type(y.node.inputs[1]) is None  # type: ignore[arg-type]


def test_the_text_of_a_program_tells_what_a_decoded_value_stands_for() -> None:
    x, s, _, y = _pair("e2m1", 0, 4, (3, 40), "uint4")
    program = Program("p", Graph((x, s), (y,)), ("y",))
    assert "# quantized(e2m1, uint4[10, 40], axis=0, block=4)" in print_program(program, origins=True)
    assert "quantized(" not in print_program(program)
    assert parse_program(print_program(program, origins=True)).graph.outputs == (y,)


def test_what_the_type_rule_refuses() -> None:
    x, s = leaf("Input", "x", TensorType(FLOAT32, (4,))), leaf("Input", "s", TensorType(FLOAT32, ()))
    for levels, to in (
        ([1.0, 0.0], "uint8"),
        ([0.0], "uint8"),
        (list(range(20)), "uint4"),
        ([0.0, 1.0], "int8"),
    ):
        with pytest.raises(RuleError) as caught:
            apply(
                "Quantize", x, s, domain="graphwright", levels=[float(v) for v in levels], to=DTYPES[to].code
            )
        assert caught.value.code in ("G0468", "G0403")
