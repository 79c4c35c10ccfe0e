"""What a training does, resolved: the builder fills these records, a backend's trainer reads them.

They lie here and not beside a trainer, so that reading and checking a spec loads no framework.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from ...graph.ir import Program
from .metrics import Metric

OptionValue = float | bool | tuple[float, ...]


@dataclass(frozen=True)
class Schedule:
    """A learning rate over the steps of a training: `kind` is a key of SCHEDULES."""

    kind: str
    rate: float
    options: Mapping[str, float] = field(default_factory=dict)

    def at(self, step: int, total: int) -> float:
        """The rate of step `step` (from 0) of `total`.

        The first `warmup` steps rise linearly to the rate. Then: constant; cosine and linear fall
        to `final` at the end; step multiplies by `factor` every `every` steps; exponential does
        so smoothly.
        """
        warmup = int(self.options.get("warmup", 0))
        if step < warmup:
            return self.rate * (step + 1) / warmup
        done, every = step - warmup, self.options.get("every", 1)
        factor, final = self.options.get("factor", 1.0), self.options.get("final", 0.0)
        if self.kind == "step":
            return self.rate * math.pow(factor, done // every)
        if self.kind == "exponential":
            return self.rate * math.pow(factor, done / every)
        share = done / max(total - warmup, 1)
        if self.kind == "linear":
            return self.rate + (final - self.rate) * share
        if self.kind == "cosine":
            return final + (self.rate - final) * (1 + math.cos(math.pi * share)) / 2
        return self.rate


@dataclass(frozen=True)
class OptimizerCall:
    """`adamw(lr=cosine(1e-3), weight_decay=0.01)`; `options` leaves out lr."""

    name: str
    rate: Schedule
    options: Mapping[str, OptionValue] = field(default_factory=dict)


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters by dotted path, and what moves them."""

    parameters: tuple[str, ...]
    optimizer: OptimizerCall


@dataclass(frozen=True)
class TrainingStep:
    """One step of the alternation: an output of the train program that is made small. The step
    moves those parameters of its groups that the loss reaches. Each step of an alternation has
    its own optimizer state."""

    loss: str
    groups: tuple[ParameterGroup, ...]


@dataclass(frozen=True)
class TrainingPlan:
    """A whole training.

    - `steps` are taken in turn, one mini-batch each. Each loss is an output of the train program.
    - Either `epochs` or `step_count` is given.
    - `evaluation` is an infer program whose outputs hold what `metrics` name; its inputs are among
      the columns (after `bind`), its parameters and states share the train program's names.
    - `after_step` is a program over Parameter and State leaves of those names; its outputs are
      called like the parameters and states that they replace after each step.
    - `bind` is a program from columns (Input leaves, rows first) to inputs of the same names as
      its outputs; columns that it does not replace go to the inputs of their own name.
    """

    steps: tuple[TrainingStep, ...]
    epochs: int | None = None
    step_count: int | None = None
    batch: int | None = None
    clip_norm: float | None = None
    metrics: tuple[Metric, ...] = ()
    evaluation: Program | None = None
    after_step: Program | None = None
    bind: Program | None = None
