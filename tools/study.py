"""Studies: one training for each combination of options of `quantize:`, and the table of what they gave.

Combinations run in a fixed order that visits every value of every option early, so that a study that is cut
off by time says something about each. Every result is written when it is there; a study that is run again
goes on where it stopped.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic, process_time
from typing import Any

import numpy as np

from ..backends.runtime.cache import content_key, write_atomically
from ..backends.runtime.philox import derived_seed
from ..graph.build.document import Unit
from ..graph.diagnostics import SpecError, fail

Options = Mapping[str, Any]


@dataclass(frozen=True)
class Study:
    """`base` are options of `quantize:`; each axis has values by name, each a patch of options whose dotted
    keys reach into schemes. `allowed` tells which combinations make sense."""

    doc: str
    base: Options
    axes: Mapping[str, Mapping[str, Options]]
    allowed: Callable[[Mapping[str, str]], bool] = lambda chosen: True


def _fp4_allowed(chosen: Mapping[str, str]) -> bool:
    """Without a grid for gradients there is nothing of theirs to round stochastically."""
    return chosen["gradients"] == "e2m1" or chosen["stochastic"] == "none"


STUDIES: Mapping[str, Study] = {
    "fp4": Study(
        "Training in FP4 (E2M1): scales, tensor scale, Hadamard, gradients, stochastic rounding; after Hu et al., "
        "arXiv 2509.17791.",
        {"weights": {"grid": "e2m1", "block": 16, "scale": "e4m3"}},
        {
            "scale": {
                "e8m0": {"weights.scale": "e8m0", "weights.block": 32},
                "e4m3": {"weights.scale": "e4m3"},
                "ue5m3": {"weights.scale": "ue5m3"},
            },
            "tensor scale": {"no": {}, "yes": {"weights.tensor_scale": True}},
            "hadamard": {"no": {}, "16": {"hadamard": 16}},
            "gradients": {"float": {}, "e2m1": {"gradients": "e2m1"}},
            "stochastic": {
                "none": {},
                "gradients": {"stochastic": "gradients"},
                "backward": {"stochastic": "backward"},
            },
        },
        _fp4_allowed,
    ),
    "surrogates": Study(
        "Two-bit weights and activations by each surrogate gradient.",
        {"weights": {"grid": "int2"}, "activations": {"grid": "int2"}},
        {
            "weights": {n: {"weights.surrogate": n} for n in ("ste", "lsq", "ewgs", "dsq", "identity")},
            "activations": {n: {"activations.surrogate": n} for n in ("ste", "pact", "lsq", "ewgs", "dsq")},
        },
    ),
}


@dataclass(frozen=True)
class Outcome:
    """What one training gave. `error` says why there are no metrics: the loss was no number any more."""

    chosen: Mapping[str, str]
    seed: int
    metrics: Mapping[str, float]
    loss: float
    seconds: float
    error: str = ""


def combinations(study: Study) -> list[dict[str, str]]:
    """All that are allowed, in an order keyed by their names: no value of an axis waits for the others."""
    names = list(study.axes)
    every = [dict(zip(names, c, strict=True)) for c in itertools.product(*(study.axes[n] for n in names))]
    return sorted((c for c in every if study.allowed(c)), key=lambda c: derived_seed(0, json.dumps(c)))


def options_of(study: Study, chosen: Mapping[str, str]) -> dict[str, Any]:
    """The options of `quantize:` for a combination."""
    found: dict[str, Any] = json.loads(json.dumps(study.base))
    for axis, value in chosen.items():
        for path, option in study.axes[axis][value].items():
            place, *rest = path.split(".")
            if rest:
                found[place][rest[0]] = option
            else:
                found[place] = option
    return found


def run_study(
    unit: Unit,
    study: Study,
    folder: Path,
    *,
    epochs: int | None,
    seeds: int,
    seconds: float,
    tell: Callable[[str], None],
) -> list[Outcome]:
    """The float training and every combination at every seed, until `seconds` have passed; those in
    `folder` are not run again. Raises SpecError for a spec that does not train, not for a training that
    diverges."""
    stop, found = monotonic() + seconds, list[Outcome]()
    whole = list(_runs(study, seeds))
    for number, (chosen, seed) in enumerate(whole):
        quantize = options_of(study, chosen) if chosen else None
        key = content_key(unit.document.source.text, quantize, epochs, seed)
        path = folder / f"{key[:24]}.json"
        if not path.exists():
            if monotonic() > stop:
                tell(f"stopped by time after {len(found)} of {len(whole)}; the same command goes on")
                break
            outcome = _trained(unit, quantize, chosen, epochs, seed)
            folder.mkdir(parents=True, exist_ok=True)
            write_atomically(path, json.dumps(outcome.__dict__, indent=1).encode("utf-8"))
        found.append(Outcome(**json.loads(path.read_text(encoding="utf-8"))))
        tell(f"{number + 1}/{len(whole)} {_line(found[-1])}")
    return found


def _runs(study: Study, seeds: int) -> Iterator[tuple[dict[str, str], int]]:
    for seed in range(seeds):
        for chosen in ({}, *combinations(study)):
            yield chosen, seed


def _trained(
    unit: Unit, quantize: Options | None, chosen: Mapping[str, str], epochs: int | None, seed: int
) -> Outcome:
    from .training import train_unit

    training = unit.document.training
    if training is None:
        raise fail("G0920", f"'{unit.document.source.path}' has no training: block", unit.document.name.span)
    document = replace(unit.document, training=replace(training, quantize=quantize))
    start = process_time()
    try:
        result = train_unit(replace(unit, document=document), seed=seed, epochs=epochs, progress=False)
    except SpecError as error:
        first = error.diagnostics[0]
        if first.code != "G0961":
            raise
        return Outcome(chosen, seed, {}, float("nan"), process_time() - start, first.message)
    last = result.history[-1]
    metrics = last.get("test") or last.get("validation") or {}
    loss = float(next(iter(last["losses"].values())))
    return Outcome(chosen, seed, metrics, loss, process_time() - start)


def _line(outcome: Outcome) -> str:
    name = ", ".join(f"{n} {v}" for n, v in outcome.chosen.items()) or "float"
    metrics = " ".join(f"{n} {v:.4f}" for n, v in outcome.metrics.items()) or outcome.error
    return f"{name}, seed {outcome.seed}: {metrics} ({outcome.seconds:.1f} s)"


# --- tables ------------------------------------------------------------------------------------------


def table(study: Study, outcomes: Sequence[Outcome]) -> list[tuple[str, ...]]:
    """A row a combination, best first by the training's loss: its values, the means over seeds."""
    names = list(study.axes)
    metric = next((n for o in outcomes for n in o.metrics), "metric")
    groups: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        groups.setdefault(json.dumps(outcome.chosen), []).append(outcome)
    ordered = sorted(groups.values(), key=lambda g: _mean([o.loss for o in g]))
    rows: list[tuple[str, ...]] = [(*names, "loss", metric, "seeds")]
    for group in ordered:
        chosen = group[0].chosen or dict.fromkeys(names, "-")
        diverged = sum(bool(o.error) for o in group)
        value = _mean([o.metrics.get(metric, float("nan")) for o in group])
        seeds = f"{len(group)}" + (f", {diverged} diverged" if diverged else "")
        rows.append(
            (*(chosen[n] for n in names), f"{_mean([o.loss for o in group]):.4f}", f"{value:.4f}", seeds)
        )
    return rows


def effects(study: Study, outcomes: Sequence[Outcome]) -> list[tuple[str, ...]]:
    """For each value of each axis the mean loss and metric of the trainings that had it."""
    metric = next((n for o in outcomes for n in o.metrics), "metric")
    rows: list[tuple[str, ...]] = [("option", "value", "loss", metric, "trainings", "diverged")]
    for axis, values in study.axes.items():
        for value in values:
            group = [o for o in outcomes if o.chosen.get(axis) == value]
            if group:
                means = (
                    _mean([o.loss for o in group]),
                    _mean([o.metrics.get(metric, np.nan) for o in group]),
                )
                diverged = sum(bool(o.error) for o in group)
                rows.append(
                    (axis, value, f"{means[0]:.4f}", f"{means[1]:.4f}", str(len(group)), str(diverged))
                )
    return rows


def _mean(values: Sequence[float]) -> float:
    """Of those that are numbers; infinity where none is."""
    kept = [v for v in values if np.isfinite(v)]
    return float(np.mean(kept)) if kept else float("inf")
