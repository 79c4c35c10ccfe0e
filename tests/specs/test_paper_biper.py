"""BiPer's spec: which layers are binary, and their frequencies by the quantization error of their weights."""

from __future__ import annotations

import numpy as np

from graphwright.backends.runtime.feeds import initialize
from graphwright.passes.quantization.biper import LIMIT, quantization_error
from graphwright.passes.quantization.fake import TrainingSchemes, plan_layers
from graphwright.tools.documents import Overrides, open_unit
from graphwright.tools.programs import open_program


def test_inner_layers_are_binary_with_frequencies_of_their_own() -> None:
    unit = open_unit("specs/papers/biper.yaml", Overrides())
    assert unit.document.training is not None
    assert unit.document.training.quantize is not None
    options = TrainingSchemes.read(unit.document.training.quantize)
    program = initialize(open_program("specs/papers/biper.yaml"), 0)
    plan = plan_layers(program, options, {})
    names = [x.parameter for x in plan.layers]
    assert names == ["logits.c2.conv.kernel", "logits.c3.conv.kernel", "logits.h.kernel"]
    assert plan.staged
    assert len(plan.left) == 2
    for item in plan.layers:
        weight = program.weights[item.parameter]
        # the measured error of the sine against its sign, not the formula for Laplace weights
        wave = np.sin(item.number * weight.astype(np.float64))
        gamma = np.abs(wave).mean()
        error = np.mean((wave - gamma * np.sign(wave)) ** 2) / np.mean(wave**2)
        assert error < 0.3
        assert quantization_error(item.number * float(np.abs(weight).mean())) <= LIMIT * 1.051
        assert item.input is not None
        assert item.input.grid == "uint1"
