"""What may be quantized: the operands of the operators that multiply by weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from ...graph.ir import Node, Program, Value, consumers
from ...graph.types import TensorType

Array = np.ndarray[Any, Any]

OPERATORS = ("MatMul", "Gemm", "Conv", "ConvTranspose")


@dataclass(frozen=True)
class Layer:
    """A node with a constant weight. `out_axis` and `in_axis` are the weight's axes of output channels
    and of inputs (the first of them for Conv)."""

    node: Node
    name: str
    weight: Value
    array: Array
    out_axis: int
    in_axis: int
    feeds: tuple[str, ...]

    @property
    def position(self) -> int:
        """Of the weight among the operands."""
        return 1

    @property
    def input(self) -> Value:
        found = self.node.inputs[0]
        assert found is not None
        return found

    @property
    def fan_in(self) -> int:
        return int(self.array.size // max(self.array.shape[self.out_axis], 1))

    def matrix(self, array: Array) -> Array:
        """The weight as [outputs, inputs]."""
        moved = np.moveaxis(array, self.out_axis, 0)
        return moved.reshape(moved.shape[0], -1)

    def from_matrix(self, matrix: Array) -> Array:
        """The inverse of `matrix`."""
        shape = self.array.shape
        rest = [n for i, n in enumerate(shape) if i != self.out_axis]
        return np.moveaxis(matrix.reshape(shape[self.out_axis], *rest), 0, self.out_axis)


@dataclass(frozen=True)
class Left:
    """A stored tensor that stays float, and why."""

    name: str
    elements: int
    reason: str


def constant_array(value: Value, program: Program) -> Array | None:
    """The array of a constant, a weight or a parameter that has one."""
    if value.constant is not None:
        return value.constant
    if value.role in ("Weight", "Parameter"):
        return program.weights.arrays.get(value.node.attribute("name"))
    return None


def stored_names(program: Program) -> set[str]:
    """The names of the arrays that the program needs: weights in reach, and all leaves of its signature."""
    found = {
        v.node.attribute("name") for n in program.graph.nodes for v in n.outputs[:1] if v.role == "Weight"
    }
    return found | {v.node.attribute("name") for v in program.graph.inputs}


def find_layers(program: Program) -> tuple[list[Layer], list[Left]]:
    """The layers in the order of computation, and the stored float tensors that belong to none."""
    nodes = program.graph.nodes
    readers = consumers(nodes)
    layers = [layer for node in nodes if (layer := _layer(node, program, readers)) is not None]
    taken = {layer.weight for layer in layers}
    return layers, list(_left(program, taken, readers))


def _layer(node: Node, program: Program, readers: Mapping[Value, Sequence[tuple[Node, int]]]) -> Layer | None:
    if node.name not in OPERATORS or node.operator.domain or len(node.inputs) < 2:
        return None
    weight = node.inputs[1]
    if weight is None or not isinstance(weight.type, TensorType) or not weight.type.dtype.is_float:
        return None
    array = constant_array(weight, program)
    axes = weight_axes(node, array) if array is not None else None
    if array is None or axes is None or is_rotation(array):
        return None
    feeds = tuple(n.name for n, _ in readers.get(node.outputs[0], ()))
    return Layer(node, _name(weight, node, program), weight, array, *axes, feeds)


def is_rotation(array: Array) -> bool:
    """Whether the array is such a matrix: a layer that only rotates has no weights to quantize."""
    size = len(array)
    if array.ndim != 2 or array.shape[1] != size or size < 2 or size & (size - 1) or size > 1024:
        return False
    if not np.allclose(np.abs(array), size**-0.5, rtol=1e-5):
        return False
    return bool(np.allclose(array.astype(np.float64) @ array.T, np.eye(size), atol=1e-5))


def weight_axes(node: Node, array: Array) -> tuple[int, int] | None:
    """(output channels, inputs) of the weight; None where it is no matrix or kernel."""
    if node.name in ("Conv", "ConvTranspose"):
        if array.ndim < 3 or (node.name == "ConvTranspose" and node.attribute("group", 1) != 1):
            return None
        return (0, 1) if node.name == "Conv" else (1, 0)
    if array.ndim != 2:
        return None
    return (0, 1) if node.attribute("transB", 0) else (1, 0)


def _name(weight: Value, node: Node, program: Program) -> str:
    """The layer by its parameter's path (`h.kernel` is of layer `h`), else by the spec's path."""
    if weight.role in ("Weight", "Parameter"):
        stem = str(weight.node.attribute("name")).split("~")[0]
        return stem.rpartition(".")[0] or stem
    return program.origin(node.outputs[0]).path or node.name


def _left(
    program: Program, taken: set[Value], readers: Mapping[Value, Sequence[tuple[Node, int]]]
) -> Iterator[Left]:
    for node in program.graph.nodes:
        value = node.outputs[0]
        if value.role not in ("Weight", "Parameter", "Constant") or value in taken:
            continue
        type = value.type
        if not isinstance(type, TensorType) or not type.dtype.is_float or not type.is_static:
            continue
        elements = prod(int(d) for d in type.shape if isinstance(d, int))
        if elements > 1:
            array = constant_array(value, program)
            if array is not None and is_rotation(array):
                yield Left(
                    str(value.node.attribute("name", "rotation")), elements, "a rotation of what is quantized"
                )
                continue
            used = sorted({_use(n, at, type.rank) for n, at in readers.get(value, ())})
            name = value.node.attribute("name") if value.role != "Constant" else "constant"
            yield Left(str(name), elements, f"read by {', '.join(used) or 'an output'}")


def _use(node: Node, position: int, rank: int) -> str:
    """The operator that reads a float tensor, and why it is no layer's weight where it might be one."""
    if node.operator.domain or node.name not in OPERATORS or position > 1:
        return node.name
    if position == 0:
        return f"{node.name} from the left"
    if node.name == "ConvTranspose" and node.attribute("group", 1) != 1:
        return "ConvTranspose in groups"
    return f"{node.name} in a stack of rank {rank}" if node.name in ("MatMul", "Gemm") else node.name
