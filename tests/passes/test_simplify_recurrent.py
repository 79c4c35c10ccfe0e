"""Initial states that are zero are left out; others stay."""

from __future__ import annotations

import numpy as np
import pytest

from graphwright.passes.manager import PassManager, Verdict
from graphwright.passes.simplify.family import Simplify
from graphwright.passes.simplify.recurrent import STATES

HIDDEN, WIDTH, GATES = 3, 2, {"LSTM": 4, "GRU": 3, "RNN": 1}


def recurrent(make, name, *states):
    """The operator over x: [length, batch, 2], with weights and these initial states."""
    x = make.input(shape=("length", "batch", WIDTH))
    random = np.random.default_rng(1)
    rows = GATES[name] * HIDDEN
    w, r = (make.const(random.normal(size=(1, rows, n))) for n in (WIDTH, HIDDEN))
    return make.apply_all(name, x, w, r, None, None, *states, hidden_size=HIDDEN)[0]


def zeros(make, how):
    shape = make.apply("Concat", make.ints(1), batch(make), make.ints(HIDDEN), axis=0)
    if how == "ConstantOfShape":
        return make.apply("ConstantOfShape", shape)
    expanded = make.apply("Expand", make.const(0.0), shape)
    if how == "Expand":
        return expanded
    both = make.apply("Concat", make.ints(2), batch(make), make.ints(HIDDEN), axis=0)
    return make.apply("Slice", make.apply("Expand", make.const(0.0), both), make.ints(1), make.ints(2))


def batch(make):
    x = make.input(shape=("length", "batch", WIDTH))
    return make.apply("Shape", x, start=1, end=2)


def simplified(program):
    record = PassManager().run(program, [Simplify()], verify="each")
    assert record.verdict is Verdict.HOLDS, record.reason
    return record.program.graph.outputs[0].node


@pytest.mark.parametrize("name", sorted(STATES))
@pytest.mark.parametrize("how", ["ConstantOfShape", "Expand", "Slice"])
def test_zero_states_are_left_out(make, name, how):
    states = [zeros(make, how)] * len(STATES[name])
    node = simplified(make.program(recurrent(make, name, *states)))
    assert node.name == name
    assert len(node.inputs) == 3


def test_only_the_zero_state_is_left_out(make):
    fed = make.input("h", shape=(1, "batch", HIDDEN))
    node = simplified(make.program(recurrent(make, "LSTM", fed, zeros(make, "Expand"))))
    assert node.inputs[5] is fed
    assert len(node.inputs) == 6


@pytest.mark.parametrize("number", [-0.0, 0.5])
def test_other_states_stay(make, number):
    shape = make.apply("Concat", make.ints(1), batch(make), make.ints(HIDDEN), axis=0)
    state = make.apply("Expand", make.const(number), shape)
    node = simplified(make.program(recurrent(make, "GRU", state)))
    assert len(node.inputs) == 6
