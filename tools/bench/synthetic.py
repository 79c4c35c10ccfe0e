"""Synthetic ONNX models for scaling: blocks of a dozen nodes with known redundancy.

    python -m graphwright.tools.bench.synthetic [NODES ...]

prints the CPU time of the importer for each size. A block holds two scalar constants and their
sum, a Mul by it, two equal MatMuls by shared 32x32 weights, an Add of both, an Identity, a Tanh,
a residual Add and a dead Neg; every fourth block also a Shape-Gather-Concat-Reshape that changes
nothing. One weight exists twice. Cleaned up fully (folding, deduplication, identities, dead code),
`minimal_nodes` are left: Mul, MatMul, Add, Tanh, Add of each block.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

WIDTH = 32
BLOCK = 12
WEIGHTS = 8


def synthetic_model(nodes: int, *, batch: int | str = 4, opset: int = 21) -> onnx.ModelProto:
    """A model of about `nodes` nodes, one input `x: float32[batch, 32]`, one output `y`."""
    builder = _Builder()
    current = "x"
    for block in range(_blocks(nodes)):
        current = _block(builder, block, current)
    builder.add("Identity", [current], "y")
    graph = helper.make_graph(
        builder.nodes,
        "synthetic",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, WIDTH])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, WIDTH])],
        _weights(),
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def minimal_nodes(nodes: int) -> int:
    """How many nodes are left of `synthetic_model(nodes)` after full clean-up."""
    return 5 * _blocks(nodes)


def _blocks(nodes: int) -> int:
    return max(-(-nodes // BLOCK), 1)


class _Builder:
    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []

    def add(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(operator, inputs, [output], f"{output}_node", **attributes))
        return output

    def scalar(self, name: str, number: float) -> str:
        value = numpy_helper.from_array(np.array(number, np.float32))
        return self.add("Constant", [], name, value=value)


def _weights() -> list[onnx.TensorProto]:
    random = np.random.default_rng(0)
    arrays = [random.normal(0, WIDTH**-0.5, (WIDTH, WIDTH)).astype(np.float32) for _ in range(WEIGHTS)]
    arrays.append(arrays[0])  # the duplicate
    named = {f"w{i}": a for i, a in enumerate(arrays)}
    named["first_axis"], named["width"] = np.array([0]), np.array([WIDTH])
    return [numpy_helper.from_array(a, name) for name, a in named.items()]


def _block(b: _Builder, k: int, x: str) -> str:
    first, second = b.scalar(f"a{k}", 0.5 + k % 7), b.scalar(f"b{k}", 0.25)
    scale = b.add("Add", [first, second], f"s{k}")
    scaled = b.add("Mul", [x, scale], f"m{k}")
    weight = f"w{k % (WEIGHTS + 1)}"
    left = b.add("MatMul", [scaled, weight], f"p{k}")
    right = b.add("MatMul", [scaled, weight], f"q{k}")
    both = b.add("Add", [left, right], f"r{k}")
    same = b.add("Identity", [both], f"i{k}")
    result = b.add("Add", [b.add("Tanh", [same], f"t{k}"), x], f"o{k}")
    b.add("Neg", [result], f"dead{k}")
    return _reshaped(b, k, result) if k % 4 == 0 else result


def _reshaped(b: _Builder, k: int, x: str) -> str:
    shape = b.add("Shape", [x], f"shape{k}")
    rows = b.add("Gather", [shape, "first_axis"], f"rows{k}")
    target = b.add("Concat", [rows, "width"], f"target{k}", axis=0)
    return b.add("Reshape", [x, target], f"reshaped{k}")


def import_seconds(model: onnx.ModelProto, repeats: int = 5) -> float:
    """The least CPU time of an import from memory, of `repeats`."""
    from ...backends.onnx import import_model

    best = float("inf")
    for _ in range(repeats):
        start = time.process_time()
        program = import_model(model)
        best = min(best, time.process_time() - start)
        del program
    return best


def main(arguments: list[str]) -> None:
    """Prints a row a size: nodes, seconds, microseconds a node."""
    for count in map(int, arguments or ["1000", "2000", "5000", "10000", "50000"]):
        model = synthetic_model(count)
        seconds = import_seconds(model)
        nodes = len(model.graph.node)
        print(f"{nodes:>7} nodes  {seconds:.4f} s  {seconds / nodes * 1e6:.2f} us a node")


if __name__ == "__main__":
    main(sys.argv[1:])
