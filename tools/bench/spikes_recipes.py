"""What the recipe of training does to the goal of `spikes` (G11), on held-out training images.

Each of RECIPES is trained on the first 1000 of the 1297 training images with seed 0, for both starts that G11
compares; the other 297 give its accuracy without noise and under the noise of G11. The test images have no part.

How the recipe of `spikes` came about. An earlier version of that bench had readouts of norm 1 and chose, by accuracy
on these 297 without noise, among the mean or the last output read and rates 5e-3 or 2e-2: .9596, .9815 for the mean,
.9562, .9697 for the last. The mean at 2e-2 ("earlier" below) gave +12.4 points on the test images (seven frequencies,
seeds 1 to 3). Asking on the held-out images why S4D lost less than in the prototype, the authors' public example was
tried next, with each coefficient of a pole trained by itself: accuracy .987 and .990 without noise, .448 and .939 with;
its variant without gate and dropout .980 and .970, .410 and .932; and the earlier recipe again on all nine frequencies
.713 and .926. So the recipe was fixed as that example, with these figures known and no other; the list below
was written before any of it was measured (nine more in it were left out unmeasured, for want of time).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from .delay import spike_frequencies
from .goals import Goal, show
from .spikes import COMPARED, LEVELS, STARTS, TRAIN, accuracy, classifier, kept, sequences

COMMAND = "python -m graphwright.tools.bench spikes_recipes"
FIT, SEED = 1000, 0


@dataclass(frozen=True)
class Recipe:
    """Changes to the spec's attributes, and to its batch."""

    name: str
    changes: Mapping[str, float] = field(default_factory=dict)
    batch: int | None = None


RECIPES = (
    Recipe("as in spikes"),
    Recipe("readouts of norm 1 at the start", {"spread": 0.125}),
    Recipe("no gate", {"gated": False}),
    Recipe(
        "earlier: norm 1, no gate, no dropout, rate 2e-2",
        {"spread": 0.125, "gated": False, "dropped": 0.0, "rate": 2e-2},
        32,
    ),
)


def report() -> None:
    """A line a recipe, and what accuracy without noise alone would choose."""
    print(f"command: {COMMAND}")
    show(goals())


def goals() -> Iterator[Goal]:
    """Accuracy on held-out images of every recipe and both starts, without noise and with."""
    clean = {}
    for recipe in RECIPES:
        found = np.array([validated(recipe, STARTS[name]) for name in COMPARED])
        clean[recipe.name] = found[:, 0].tolist()
        (s4d, s4d_noisy), (ptd, ptd_noisy) = found
        text = f"no noise {s4d:.3f} and {ptd:.3f}, noise {LEVELS[-1]} {s4d_noisy:.3f} and {ptd_noisy:.3f}"
        yield Goal("", recipe.name, f"{text}: {100 * (ptd_noisy - s4d_noisy):+.1f} points")
    yield Goal(
        "", f"highest accuracy without noise, mean of {' and '.join(COMPARED)}", "; ".join(best(clean))
    )


def best(scores: Mapping[str, Sequence[float]]) -> list[str]:
    """Those of the highest mean; rounded, so that equal counts of images are equal."""
    means = {name: round(float(np.mean(found)), 9) for name, found in scores.items()}
    return [name for name, mean in means.items() if mean == max(means.values())]


def validated(recipe: Recipe, tau: float) -> tuple[float, float]:
    """`validation`, kept."""
    key = f"validation {dict(recipe.changes)} batch={recipe.batch} tau={tau} seed={SEED} fit={FIT}"
    clean, noisy = kept(key, lambda: validation(recipe, tau))
    return clean, noisy


def validation(recipe: Recipe, tau: float) -> tuple[float, float]:
    """On the training images after the first FIT: accuracy without noise, and its mean over S4D's poles."""
    x, labels = sequences()
    classify = classifier(tau, SEED, FIT, recipe.changes, recipe.batch)
    held_out, right = x[FIT:TRAIN], labels[FIT:TRAIN]
    noisy = [accuracy(classify, held_out, right, w, LEVELS[-1]) for w in spike_frequencies()]
    return accuracy(classify, held_out, right), float(np.mean(noisy))
