"""What a program weighs, against counts by hand."""

from __future__ import annotations

from pathlib import Path

import graphwright
from graphwright.passes.manager.measurement import measure
from graphwright.passes.manager.pass_ import Context
from graphwright.passes.manager.pipeline import parse_passes

SPECS = Path(graphwright.__file__).parent / "specs"


def simplified(program, passes):
    from graphwright.backends.runtime.feeds import initialize
    from graphwright.passes.manager.manager import PassManager

    return PassManager().run(initialize(program, 0), parse_passes(passes), Context(), "none").program


def test_a_scan_costs_what_its_steps_written_out_cost():
    program = graphwright.load(SPECS / "models/gru_classifier.yaml")
    before = measure(program, {"B": 3})
    after = measure(simplified(program, ["freeze_parameters", "simplify"]), {"B": 3})
    # Two directions of eight steps, three gates of 64 from 8 pixels and 64 units; then 10 classes.
    assert before.macs == after.macs == 3 * (2 * 8 * (8 + 64) * (3 * 64) + 128 * 10)


def test_freezing_loses_no_parameters():
    program = graphwright.load(SPECS / "models/digits_mlp.yaml")
    before = measure(program)
    after = measure(simplified(program, ["freeze_parameters"]))
    assert before.parameters == after.parameters > 1000
    assert before.bytes <= after.bytes
