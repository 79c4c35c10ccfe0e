"""The bench of digits under noise: what its choice of a recipe may see, and how G11 is judged. Nothing is trained."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphwright.tools.bench import spikes as bench

Array = np.ndarray[Any, Any]
BEST = bench.RECIPES[2]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[bench.Recipe, int, int, Array]]:
    """Each call of a classifier as recipe, seed, images fitted, images asked for; only BEST is ever right."""
    pytest.importorskip("sklearn")
    calls: list[tuple[bench.Recipe, int, int, Array]] = []
    _, labels = bench.sequences()

    def classifier(recipe: bench.Recipe, tau: float, seed: int, count: int) -> Callable[[Array], Array]:
        def classify(some: Array) -> Array:
            calls.append((recipe, seed, count, some))
            right = labels[count : count + len(some)]
            return right if recipe == BEST else (right + 1) % 10

        return classify

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bench, "classifier", classifier)
    monkeypatch.setattr(bench, "curves", lambda *_, **__: True)
    return calls


def test_the_recipe_is_chosen_on_clean_training_images_and_tested_from_other_seeds(
    asked: list[tuple[bench.Recipe, int, int, Array]],
) -> None:
    lines = list(bench.goals())
    assert [g.measured for g in lines if g.target.startswith("chosen")] == [str(BEST)]
    x, _ = bench.sequences()
    choices = [c for c in asked if c[1] == bench.CHOICE_SEED]
    tests = [c for c in asked if c[1] != bench.CHOICE_SEED]
    assert {c[0] for c in choices} == set(bench.RECIPES)
    for _, _, count, images in choices:
        assert count == bench.FIT
        np.testing.assert_array_equal(images, x[bench.FIT : bench.TRAIN])
    assert {c[0] for c in tests} == {BEST}
    assert {c[1] for c in tests} == set(bench.SEEDS)
    assert {(c[2], len(c[3])) for c in tests} == {(bench.TRAIN, len(x) - bench.TRAIN)}


def test_of_recipes_right_on_as_many_images_the_first_is_chosen() -> None:
    """270 + 276 = 272 + 274, of 297 images a start, of which the means as floats are not equal."""
    counts = [(270, 275), (270, 276), (272, 274), (270, 276)]
    scores = {r: [a / 297, b / 297] for r, (a, b) in zip(bench.RECIPES, counts, strict=True)}
    assert bench.best(scores) == list(bench.RECIPES[1:])


def test_an_interrupted_run_goes_on_where_it_was(asked: list[tuple[bench.Recipe, int, int, Array]]) -> None:
    first = list(bench.goals())
    done = len(asked)
    assert list(bench.goals()) == first
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
    levels = len(bench.LEVELS) - 2
    s4d = np.array([[[0.98, 0.98], *[[0.8, 0.7]] * levels, [0.7, 0.5]]] * len(bench.SEEDS))
    ptd = np.array([[[clean, clean], *[[0.9, 0.8]] * levels, [noisy, 0.7]]] * len(bench.SEEDS))
    lines = list(bench.robustness(s4d, ptd))
    assert [g.name for g in lines] == [""] * len(bench.SEEDS) + ["G11"]
    assert {g.met for g in lines} == {met}
