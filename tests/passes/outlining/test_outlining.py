"""Blocks that are repeated by construction are found; what is not repeated is left alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from graphwright.graph.ir import Graph, Origin, Program, Size, Value, Weights, apply, constant, leaf
from graphwright.graph.spec.writing.outline import Call, Cell, Outline
from graphwright.graph.types import FLOAT32, TensorType
from graphwright.graph.types.dimensions import symbol
from graphwright.passes.outlining.outline import outline
from graphwright.passes.outlining.scopes import common_scope, function_name, singular
from graphwright.tools.importing import Options, write_spec
from graphwright.tools.programs import open_program

WIDTH = 12
BATCH = symbol("n")


class Builder:
    """A program under construction, with weights numbered in order."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(3)
        self.weights: dict[str, np.ndarray] = {}
        self.names: dict[str, Value] = {}
        self.origins: dict[Value, Origin] = {}

    def input(self, name: str, *shape) -> Value:
        self.names[name] = leaf("Input", name, TensorType(FLOAT32, shape or (BATCH, WIDTH)))
        return self.names[name]

    def weight(self, name: str, *shape: int) -> Value:
        self.weights[name] = self.rng.normal(size=shape or (WIDTH, WIDTH)).astype(np.float32) / 4
        self.names[name] = leaf("Weight", name, TensorType(FLOAT32, shape or (WIDTH, WIDTH)))
        return self.names[name]

    def at(self, value: Value, path: str) -> Value:
        self.origins[value] = Origin((), path)
        return value

    def block(self, x: Value, name: str, scale: float = 0.5) -> Value:
        """A residual block with two weights of its own."""
        hidden = self.at(apply("MatMul", x, self.weight(f"{name}.up")), f"/{name.replace('.', '/')}/MatMul")
        hidden = apply("Tanh", apply("Mul", hidden, constant(np.float32(scale))))
        back = self.at(
            apply("MatMul", hidden, self.weight(f"{name}.down")), f"/{name.replace('.', '/')}/MatMul_1"
        )
        return apply("Add", x, back)

    def program(self, *outputs: Value) -> Program:
        used = {n.outputs[0] for n in Graph((), outputs).nodes if n.outputs[0].role == "Input"}
        inputs = tuple(v for v in self.names.values() if v in used)
        return Program(
            "built",
            Graph(inputs, outputs),
            tuple(f"y{i}" for i in range(len(outputs))),
            weights=Weights(self.weights),
            names=dict(self.names),
            origins=self.origins,
            sizes={"n": Size()},
        )


def calls(cells: Sequence[Cell]) -> list[Call]:
    return [c.call for c in cells if c.call is not None]


def assert_same(program: Program, tmp_path) -> str:
    """The spec with its calls computes what the program does: bit for bit the same graph."""
    found = write_spec(program, tmp_path / "spec.yaml", Options())
    assert found.agreement.kind == "graphs"
    open_program(str(tmp_path / "spec.yaml"))
    return found.spec.read_text()


def test_blocks_in_a_row_are_a_repeat(tmp_path):
    build = Builder()
    x = build.input("x")
    for i in range(7):
        x = build.block(x, f"enc.layers.{i}")
    program = build.program(x)
    found = outline(program)
    (call,) = calls(found.cells)
    assert len(found.cells) == 1
    assert len(call.bindings) == 7
    assert len(call.function.owned) == 2
    assert call.function.name == "layer"
    text = assert_same(program, tmp_path)
    assert "y0: repeat(layer, x, times=7)" in text
    assert "up: float32[12, 12]" in text


def test_without_scopes_names_are_plain(tmp_path):
    build = Builder()
    x = build.input("x")
    for i in range(4):
        x = build.block(x, f"enc.layers.{i}")
    (call,) = calls(outline(build.program(x), scopes=False).cells)
    assert call.function.name == "block"


def test_what_surrounds_the_blocks_stays_outside(tmp_path):
    build = Builder()
    x = apply("Relu", apply("MatMul", build.input("x", BATCH, 5), build.weight("stem", 5, WIDTH)))
    for i in range(3):
        x = build.block(x, f"h.{i}")
    program = build.program(apply("Softmax", apply("MatMul", x, build.weight("head", WIDTH, 4))))
    found = outline(program)
    (call,) = calls(found.cells)
    assert len(call.bindings) == 3
    assert sum(c.node is not None for c in found.cells) == 4
    assert_same(program, tmp_path)


def test_a_repeat_inside_a_repeat(tmp_path):
    build = Builder()
    x = build.input("x")
    for i in range(4):
        for j in range(3):
            x = build.block(x, f"stage.{i}.unit.{j}")
        x = apply("LayerNormalization", x, build.weight(f"stage.{i}.norm", WIDTH), None)
        x = apply("Relu", apply("MatMul", x, build.weight(f"stage.{i}.out")))
    program = build.program(x)
    found = outline(program)
    (outer,) = calls(found.cells)
    assert len(outer.bindings) == 4
    (inner,) = calls(outer.function.cells)
    assert len(inner.bindings) == 3
    text = assert_same(program, tmp_path)
    assert text.count(" @ ") == 3
    assert "stage: repeat(" in text or "y0: repeat(" in text


def test_operands_of_each_block_make_separate_calls(tmp_path):
    build = Builder()
    x = build.input("x")
    for i in range(5):
        x = apply("Add", build.block(x, f"h.{i}"), build.input(f"bias_{i}"))
    program = build.program(x)
    found = calls(outline(program).cells)
    assert [len(c.bindings) for c in found] == [1] * 5
    assert len({c.function for c in found}) == 1
    assert_same(program, tmp_path)


def test_a_shared_operand_is_held_by_the_repeat(tmp_path):
    build = Builder()
    x, mask = build.input("x"), build.input("mask")
    for i in range(5):
        x = apply("Mul", build.block(x, f"h.{i}"), mask)
    program = build.program(x)
    text = assert_same(program, tmp_path)
    assert "repeat(partial(" in text
    assert "mask=mask" in text


def test_a_shared_weight_is_one_parameter(tmp_path):
    """Rounds that use the same weight keep doing so."""
    build = Builder()
    x, tied = build.input("x"), build.weight("tied")
    for i in range(5):
        x = apply("MatMul", build.block(x, f"h.{i}"), tied)
    program = build.program(x)
    assert_same(program, tmp_path)
    spec = open_program(str(tmp_path / "spec.yaml"))
    assert sum(a.size for a in spec.weights.arrays.values()) == 11 * WIDTH * WIDTH


def test_results_inside_of_blocks_can_be_read_outside(tmp_path):
    build = Builder()
    x = build.input("x")
    inner = []
    for i in range(5):
        x = build.block(x, f"h.{i}")
        inner.append(x.node.inputs[1])
    program = build.program(x, inner[1], inner[3], apply("Add", inner[0], inner[4]))
    assert calls(outline(program).cells)
    assert_same(program, tmp_path)


def test_two_values_can_be_carried(tmp_path):
    build = Builder()
    x, y = build.input("x"), build.input("y")
    for i in range(4):
        h = apply("Tanh", apply("MatMul", x, build.weight(f"h.{i}.a")))
        x, y = apply("Relu", apply("Add", apply("MatMul", h, build.weight(f"h.{i}.b")), y)), h
    program = build.program(x, y)
    (found,) = calls(outline(program).cells)
    assert (len(found.bindings), found.carried) == (4, 2)
    text = assert_same(program, tmp_path)
    assert "[x, y], times=4)" in text


def test_blocks_that_differ_in_a_constant_are_apart(tmp_path):
    build = Builder()
    x = build.input("x")
    for i in range(6):
        x = build.block(x, f"h.{i}", scale=0.5 if i % 2 else 0.25)
    program = build.program(x)
    for call in calls(outline(program).cells):
        for binding in call.bindings:
            tied = {
                (a.constant.tobytes(), b.constant.tobytes())
                for a, b in binding.items()
                if a.constant is not None
            }
            assert all(a == b for a, b in tied)
    assert_same(program, tmp_path)


def test_a_chain_of_different_steps_stays_flat():
    build = Builder()
    x = build.input("x")
    for name in ("Tanh", "Relu", "Sigmoid", "Abs", "Exp", "Neg", "Sin", "Cos", "Erf"):
        x = apply(name, apply("MatMul", x, build.weight(f"w.{name}")))
    assert isinstance(found := outline(build.program(x)), Outline)
    assert found.functions == ()


def test_nothing_is_computed_twice(tmp_path):
    """A value that two overlapping candidates would both hold belongs to one."""
    build = Builder()
    x = build.input("x")
    for i in range(6):
        x = apply(
            "MatMul",
            apply("Tanh", apply("MatMul", x, build.weight(f"w.{i}"))),
            build.weight(f"v.{i % 2}.{i}"),
        )
    program = build.program(x)
    found = outline(program)
    made = [v for c in found.cells for v in c.defines]
    assert len(made) == len(set(made))
    assert_same(program, tmp_path)


@pytest.mark.parametrize(
    ("modules", "scope"),
    [
        (["enc.layers.0.attn", "enc.layers.0"], "enc.layers.0"),
        (["a.b", "a.bc"], "a"),
        (["", "a.b", ""], "a.b"),
        ([], ""),
        (["x", "y"], ""),
    ],
)
def test_common_scopes(modules, scope):
    assert common_scope(modules) == scope


def test_function_names():
    assert function_name(["enc.layers.0", "enc.layers.1"]) == "layer"
    assert function_name(["h.0.q", "h.0.k"], "linear_3") == "linear"
    assert function_name(["h.0.q", "h.0.k"], "val_3") == "block"
    assert function_name([""]) == "block"
    words = {"layers": "layer", "branches": "branch", "boxes": "box", "class": "class", "bus": "bu", "h": "h"}
    assert {w: singular(w) for w in words} == words
