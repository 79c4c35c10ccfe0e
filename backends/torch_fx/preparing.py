"""A program made ready for eager runs: integer convolutions, and everything that only constants decide.

Packed weights are decoded once when a program is loaded, as ONNX Runtime does, and not in every run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from ...graph.diagnostics import SpecError
from ...graph.ir import Node, Program, Value, apply, bodies, constant, consumers, leaf, rebuild
from ...graph.ir.node import SMALL
from ...graph.types.dtypes import FLOAT32, INT8, INT32, UINT8, from_numpy
from ...graph.types.types import TensorType
from .evaluator import TorchEvaluator
from .lowerings.integers import convolves_integers

Array = np.ndarray[Any, Any]

LARGEST = 2**28
"""Bytes of a result above which it is computed in every run."""


def prepared(program: Program) -> Program:
    """The program with the same outputs that runs fastest here."""
    if convolves_integers():
        program = _with_integer_convolutions(_with_quantized_convolutions(program))
    return _folded(program)


def _with(program: Program, moved: Mapping[Value, Value]) -> Program:
    if not moved:
        return program
    outputs = tuple(moved.get(v, v) for v in program.graph.outputs)
    return program.with_graph(
        outputs,
        names={n: moved.get(v, v) for n, v in program.names.items()},
        origins={moved.get(v, v): o for v, o in program.origins.items()},
    )


def _moved(nodes: Sequence[Node], new_form: Callable[[Node, Node], Value | None]) -> dict[Value, Value]:
    """What becomes of values where `new_form` of a node, and of the node on moved inputs, gives the result another
    value; None leaves it."""
    moved: dict[Value, Value] = {}
    for node in nodes:
        new = (
            rebuild(node, [None if v is None else moved.get(v, v) for v in node.inputs])
            if node.inputs
            else node
        )
        if new is not node:
            moved.update(zip(node.outputs, new.outputs, strict=True))
        found = new_form(node, new)
        if found is not None:
            moved[node.outputs[0]] = found
    return moved


# --- convolutions -----------------------------------------------------------------------------------------


def _with_quantized_convolutions(program: Program) -> Program:
    """The program with QLinearConv where a convolution of codes, and a Relu that starts at the zero point, is
    quantized: with the runtime's formula, so with its codes."""
    readers = consumers(program.graph.nodes)
    outputs = set(program.graph.outputs)

    def alone(value: Value | None) -> bool:
        return value is not None and value not in outputs and len(readers.get(value, ())) == 1

    def form(old: Node, new: Node) -> Value | None:
        if old.name != "QuantizeLinear" or not alone(old.inputs[0]) or new.attribute("block_size"):
            return None
        before = old.inputs[0]
        assert before is not None
        if before.node.name == "Relu" and not (alone(before.node.inputs[0]) and _starts_at_zero(new)):
            return None
        return _quantized_convolution(new)

    return _with(program, _moved(program.graph.nodes, form))


def _starts_at_zero(node: Node) -> bool:
    point = node.inputs[2].constant if len(node.inputs) > 2 and node.inputs[2] is not None else None
    return point is not None and point.size == 1 and point.dtype == np.uint8 and int(point) == 0


def _quantized_convolution(node: Node) -> Value | None:
    """QLinearConv for QuantizeLinear(Relu?(Conv(…))) with one scale and a zero point."""
    value, scale, zero = (*node.inputs, None)[:3]
    assert value is not None and scale is not None
    inner = value.node.inputs[0] if value.node.name == "Relu" else value
    item = _convolution(inner.node) if inner is not None else None
    if item is None or zero is None or not _single(scale) or scale.tensor.dtype is not FLOAT32:
        return None
    (x, x_scale, x_zero, _), (w, w_scale, _, _), bias = item
    assert inner is not None
    none = constant(np.zeros((), w.tensor.dtype.numpy))
    point = x_zero if x_zero is not None else constant(np.zeros((), x.tensor.dtype.numpy))
    whole = None
    if bias is not None:
        whole = apply(
            "Cast", apply("Round", apply("Div", bias, apply("Mul", x_scale, w_scale))), to=INT32.code
        )
    operands = (x, x_scale, point, w, w_scale, none, scale, zero, whole)
    made = apply("QLinearConv", *operands, **_attributes(inner.node))
    return made if made.type == node.outputs[0].type else None


def _with_integer_convolutions(program: Program) -> Program:
    """The program with ConvInteger, scaled, for the other convolutions of codes."""
    return _with(program, _moved(program.graph.nodes, lambda _, new: _integer_convolution(new)))


def _integer_convolution(node: Node) -> Value | None:
    item = _convolution(node)
    if item is None:
        return None
    (x, x_scale, x_zero, _), (w, w_scale, _, _), bias = item
    total = apply("Cast", apply("ConvInteger", x, w, x_zero, **_attributes(node)), to=FLOAT32.code)
    channels = constant(np.array([-1, 1, 1]))
    if not _single(w_scale):
        w_scale = apply("Reshape", w_scale, channels)
    value = apply("Mul", total, apply("Mul", x_scale, w_scale))
    if bias is not None:
        value = apply("Add", value, apply("Reshape", bias, channels))
    return value if value.type == node.outputs[0].type else None


Decoded = tuple[Value, Value, Value | None, int]
"""(codes, scale, zero point, axis) of a DequantizeLinear."""


def _convolution(node: Node) -> tuple[Decoded, Decoded, Value | None] | None:
    """(input, weights, bias) of a Conv of dequantized uint8 or int8 numbers, with one scale, and int8 weights, with
    a scale for each channel; None for any other node."""
    if node.name != "Conv" or node.operator.domain or len(node.outputs[0].tensor.dims or ()) != 4:
        return None
    x, weight = (_decoded(v) for v in node.inputs[:2])
    if x is None or weight is None or not (_single(x[1]) and x[0].tensor.dtype in (UINT8, INT8)):
        return None
    codes, scale, zero, axis = weight
    if codes.tensor.dtype is not INT8 or zero is not None or not (_single(scale) or axis == 0):
        return None
    return x, weight, node.inputs[2] if len(node.inputs) > 2 else None


def _attributes(node: Node) -> dict[str, Any]:
    return {n: a.value for n, a in node.attributes.items()}


def _decoded(value: Value | None) -> Decoded | None:
    node = value.node if value is not None else None
    if (
        node is None
        or node.name != "DequantizeLinear"
        or node.operator.domain
        or node.attribute("block_size")
    ):
        return None
    codes, scale = node.inputs[0], node.inputs[1]
    zero = node.inputs[2] if len(node.inputs) > 2 else None
    if codes is None or scale is None or scale.tensor.dtype is not FLOAT32:
        return None
    return codes, scale, zero, node.attribute("axis")


def _single(scale: Value) -> bool:
    return scale.tensor.dims == ()


# --- constants --------------------------------------------------------------------------------------------


def _folded(program: Program) -> Program:
    """The program with the results of constants computed. What torch refuses to compute stays."""
    wanted = list(_computable(program))
    if not wanted:
        return program
    arrays = program.weights.arrays
    given = {
        v: arrays[v.node.attribute("name")]
        for n in program.graph.nodes
        for v in n.outputs[:1]
        if v.role == "Weight" and v.node.attribute("name") in arrays
    }
    with suppress(SpecError, RuntimeError, ValueError, IndexError, TypeError):
        results = TorchEvaluator().evaluate(wanted, given)
        made, stored = dict[Value, Value](), dict[str, Array]()
        for i, (value, array) in enumerate(zip(wanted, results, strict=True)):
            made[value] = _leaf(f"computed~{i}", array, stored)
        moved = _moved(program.graph.nodes, lambda old, _: made.get(old.outputs[0]) if old.outputs else None)
        folded = _with(replace(program, weights=program.weights.with_arrays(stored)), moved)
        return replace(folded, weights=folded.weights.only(_names(folded))) if stored else folded
    return program


def _leaf(name: str, array: Array, stored: dict[str, Array]) -> Value:
    if array.size <= SMALL:
        return constant(array)
    stored[name] = array
    return leaf("Weight", name, TensorType(from_numpy(array.dtype), array.shape))


def _names(program: Program) -> set[str]:
    """The weights in reach, and the leaves of the signature."""
    found = {
        v.node.attribute("name") for n in program.graph.nodes for v in n.outputs[:1] if v.role == "Weight"
    }
    return found | {v.node.attribute("name") for v in program.graph.inputs}


VIEWS = frozenset({"Transpose", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity"})
"""What torch gives without a copy, so that computing it once would only take memory."""


def _computable(program: Program) -> Iterator[Value]:
    """Results of constants that something else reads, or that are outputs; but not views of what is stored."""
    known: dict[Value, bool] = {}
    costs: set[Value] = set()
    nodes = program.graph.nodes
    for node in nodes:
        first = node.outputs[0] if node.outputs else None
        if first is not None and first.is_leaf:
            known[first] = first.role in ("Weight", "Constant")
        elif first is not None:
            inputs = [v for v in node.inputs if v is not None]
            fits = bool(inputs) and len(node.outputs) == 1 and not any(bodies(node)) and _is_small(first)
            known[first] = fits and all(known.get(v, False) for v in inputs)
            if node.name not in VIEWS or inputs[0] in costs:
                costs.add(first)
    read = {v for node in nodes if not (node.outputs and known.get(node.outputs[0])) for v in node.inputs}
    for value in dict.fromkeys([*(v for n in nodes for v in n.outputs), *program.graph.outputs]):
        if known.get(value) and value in costs and (value in read or value in program.graph.outputs):
            yield value


def _is_small(value: Value) -> bool:
    type = value.type
    if not isinstance(type, TensorType) or not type.is_static or type.dtype.numpy.kind in "OUS":
        return False
    size = int(np.prod([int(str(d)) for d in type.shape], dtype=np.int64))
    return size * max(type.dtype.bits, 8) <= 8 * LARGEST
