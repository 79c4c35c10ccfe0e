"""Pickling: in one process the same objects again, in another the same content."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from graphwright.graph.diagnostics import Source, Span
from graphwright.graph.ir import Graph, Origin, Program, apply, constant, leaf, program_digest
from graphwright.graph.types import FLOAT32, TensorType
from graphwright.tools.testing.random_graphs import random_program


@given(st.integers(0, 2**32 - 1), st.integers(1, 30))
@settings(max_examples=40)
def test_same_objects_in_one_process(seed: int, nodes: int) -> None:
    program = random_program(np.random.default_rng(seed), nodes=nodes)
    again = pickle.loads(pickle.dumps(program))
    assert again == program
    assert all(a is b for a, b in zip(again.graph.nodes, program.graph.nodes, strict=True))
    assert pickle.loads(pickle.dumps(program.graph)) == program.graph
    assert copy.deepcopy(program) == program


def test_same_content_in_another_process() -> None:
    program = random_program(np.random.default_rng(5), nodes=40)
    script = (
        "import pickle, sys\n"
        "from graphwright.graph.ir import check, print_program, program_digest\n"
        "program = pickle.load(sys.stdin.buffer)\n"
        "assert not check(program), check(program)\n"
        "assert all(not a.value.flags.writeable for n in program.graph.nodes for a in n.attributes.values()\n"
        "           if a.kind == 'tensor')\n"
        "again = pickle.loads(pickle.dumps(program))\n"
        "assert again == program and again.graph.outputs == program.graph.outputs\n"
        "print(program_digest(program))\n"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    run = subprocess.run(
        [sys.executable, "-c", script], input=pickle.dumps(program), env=environment, capture_output=True
    )
    assert run.returncode == 0, run.stderr.decode()
    assert run.stdout.decode().strip() == program_digest(program)


def test_a_chain_deeper_than_the_stack() -> None:
    x = value = leaf("Input", "x", TensorType(FLOAT32, (3,)))
    for step in range(5_000):
        value = apply("Add", value, constant(np.float32(step)))
    graph = Graph((x,), (value,))
    assert pickle.loads(pickle.dumps(graph)) == graph


def test_origins_names_and_initializers_come_back() -> None:
    source = Source("model.yaml", "nodes:\n  y: Neg(x)\n")
    span = Span(source, 2, 6, 2, 12)
    x = leaf("Parameter", "x", TensorType(FLOAT32, (3,)))
    y = apply("Neg", x)
    program = Program("p", Graph((x,), (y,)), ("y",), names={"y": y}, initializers={"x": apply("Abs", y)})
    program = replace(program, origins={y: Origin((span, span), "top", ("fold",)), x: Origin()})
    again = pickle.loads(pickle.dumps(program))
    assert (again.names, again.initializers, list(again.origins)) == (
        program.names,
        program.initializers,
        [y, x],
    )
    first, second = again.origins[y].spans
    assert (str(first), first.source.text) == (str(span), source.text)
    assert first.source is second.source
