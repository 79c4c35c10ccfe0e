"""The benches of digits under noise: which images each may see, and how G11 is judged. Nothing is trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphwright.tools.bench import delay
from graphwright.tools.bench import spikes as bench
from graphwright.tools.bench import spikes_recipes as recipes
from graphwright.tools.bench.delay import spike_frequencies

Array = np.ndarray[Any, Any]
Call = tuple[float, int, int, Mapping[str, float], Array]
POLES = len(spike_frequencies())


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Call]:
    """Each call of a classifier as tau, seed, images fitted, changes, images asked for. Right on nine of ten
    images, on all of them without a gate."""
    pytest.importorskip("sklearn")
    calls: list[Call] = []
    _, labels = bench.sequences()

    def classifier(
        tau: float,
        seed: int,
        count: int,
        changes: Mapping[str, float] | None = None,
        batch: int | None = None,
    ) -> Callable[[Array], Array]:
        given = changes or {}

        def classify(some: Array) -> Array:
            calls.append((tau, seed, count, given, some))
            right = labels[count : count + len(some)]
            wrong = np.arange(len(some)) % 10 == 0
            return right if given == {"gated": False} else np.where(wrong, (right + 1) % 10, right)

        return classify

    monkeypatch.chdir(tmp_path)
    for module in (bench, recipes):
        monkeypatch.setattr(module, "classifier", classifier)
    monkeypatch.setattr(bench, "curves", lambda *_, **__: True)
    return calls


def test_the_goal_is_tested_on_images_that_no_training_and_no_recipe_saw(asked: list[Call]) -> None:
    x, _ = bench.sequences()
    list(bench.goals())
    assert {(tau, seed) for tau, seed, *_ in asked} == {
        (t, s) for t in bench.STARTS.values() for s in bench.SEEDS
    }
    assert {(count, len(some)) for _, _, count, _, some in asked} == {(bench.TRAIN, len(x) - bench.TRAIN)}
    assert not any(changes for *_, changes, _ in asked)
    done = len(asked)
    list(recipes.goals())
    tried = asked[done:]
    assert recipes.SEED not in bench.SEEDS
    assert {(count, len(some)) for _, _, count, _, some in tried} == {
        (recipes.FIT, bench.TRAIN - recipes.FIT)
    }
    for *_, some in tried[:: POLES + 1]:
        assert np.abs(some - x[recipes.FIT : bench.TRAIN]).max() <= bench.LEVELS[-1] * 2**0.5 + 1e-6


def test_the_noise_has_its_level_and_folds_where_the_pole_folds(asked: list[Call]) -> None:
    x, _ = bench.sequences()
    bench.accuracies(0.5, 1)
    clean, *noisy = [some - x[bench.TRAIN :] for *_, some in asked]
    assert not clean.any()
    assert len(noisy) == len(bench.LEVELS) * POLES + POLES - 1
    rms = [float(np.sqrt(np.mean(n**2))) for n in noisy]
    levels = [level for level in bench.LEVELS for _ in range(POLES)] + [bench.LEVELS[-1]] * (POLES - 1)
    np.testing.assert_allclose(rms, levels, rtol=0.05)
    for w, noise in zip(spike_frequencies(), noisy, strict=False):
        z = np.exp(complex(-0.5, w) * bench.STEP)  # the sampled pole, wherever it lies
        grid = np.linspace(0, np.pi, 20000)
        spectrum = np.abs(np.exp(1j * np.outer(grid, np.arange(256))) @ noise[0])
        distance = abs(grid[spectrum.argmax()] - abs(np.angle(z)))
        assert distance < 2e-3


def test_the_highest_accuracy_without_noise_is_told(asked: list[Call]) -> None:
    lines = list(recipes.goals())
    assert lines[-1].measured == "no gate"
    assert len(lines) == len(recipes.RECIPES) + 1
    assert "no noise 1.000 and 1.000, noise 0.5 1.000 and 1.000: +0.0 points" in lines[2].measured


def test_recipes_right_on_as_many_images_are_equal() -> None:
    """270 + 276 = 272 + 274, of 297 images a start, of which the means as floats are not equal."""
    counts = {"a": (270, 275), "b": (270, 276), "c": (272, 274), "d": (270, 276)}
    scores = {name: [a / 297, b / 297] for name, (a, b) in counts.items()}
    assert recipes.best(scores) == ["b", "c", "d"]


def test_an_interrupted_run_goes_on_where_it_was(asked: list[Call]) -> None:
    first = [*bench.goals(), *recipes.goals()]
    done = len(asked)
    assert [*bench.goals(), *recipes.goals()] == first
    assert len(asked) == done


@pytest.mark.parametrize(
    ("noisy", "clean", "met"),
    [
        (0.95, 0.98, True),
        (0.9, 0.965, True),
        (0.898, 0.98, False),
        (0.95, 0.963, False),
        (0.95, 0.997, False),
    ],
)
def test_the_goal_is_judged_by_its_two_limits(noisy: float, clean: float, met: bool) -> None:
    def found(clean: float, noisy: float) -> list[bench.Accuracies]:
        spikes = [[0.9] * POLES] * (len(bench.LEVELS) - 1) + [[noisy] * POLES]
        return [bench.Accuracies(clean, spikes, [0.9] * (POLES - 1))] * len(bench.SEEDS)

    lines = [g for g in bench.robustness(found(0.98, 0.7), found(clean, noisy)) if g.met is not None]
    assert [g.name for g in lines] == [""] * len(bench.SEEDS) + ["G11"]
    assert {g.met for g in lines} == {met}


def test_the_plot_of_gains_reaches_the_highest_spike() -> None:
    """2 n / pi at n²/pi, which lies between two points of an even grid."""
    points = delay._frequencies()
    gains = delay.gains(0.5, points)
    assert max(gains) == pytest.approx(2 * delay.ORDER / np.pi, rel=0.01)
    assert points[gains.argmax()] == pytest.approx(delay.ORDER**2 / np.pi, rel=0.01)
