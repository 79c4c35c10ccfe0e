"""Sequential digits with a sinusoid at S4D's spike frequencies: goal G11, with a plot.

How the recipe (readout and rate of learning) is chosen: the four of RECIPES are each trained on the first 1000
of the 1297 training images with seed 0, for both starts that G11 compares; the one with the highest accuracy on
the other 297, without noise, mean of the two starts, is taken (of equals the first in the list). Neither the
test images nor noise nor the gap between starts has a part in it. The recipe chosen is then trained on all 1297
from the seeds after 0, which had no part in the choice, and only these are tested, on the last 500 images.

Runs so far. 16 epochs: mean and last readout at 2e-2 were right on 576 of 594 both, so the order of the list, fixed
before, decided for the mean: +10.2 points, where G11 wants 20 (the last readout, trained from the same seeds
afterwards, gave +13.9). 40 epochs, as many as the prototype trained: the mean at 2e-2 had the highest validation
accuracy alone (.9815, the last .9697) and gave +12.4 points, +34.8 at the worst frequency, clean -0.1. Both starts
are more accurate under noise than the prototype's (.942 and .818, there .915 and .652): S4D's loss is what is
smaller. Nothing was changed for what a test gave.

What was not chosen on held-out images: batch, norm, width, order, step and weight decay are one fixed value. An
earlier version of this bench used the mean at 5e-3, then the last at 2e-2, picked by its test accuracy and gap on
seed 0: so the list, unlike the choice from it, was written with such figures known.

Each training is kept in RESULTS as soon as it is done, and not repeated while it is there: an interrupted run
goes on. `GRAPHWRIGHT_SEEDS` sets how many seeds are tested (3 by default).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import process_time
from typing import Any, Literal

import numpy as np

from ...graph.build.prelude.hippo import legs_diagonal
from .delay import spike_frequencies
from .goals import Goal, show
from .plots import curves

COMMAND = "python -m graphwright.tools.bench spikes"
RESULTS = Path("state_space_spikes.json")
WIDTH, ORDER, STEP = 32, 64, 0.02
EPOCHS, BATCH = 40, 32
TRAIN, FIT = 1297, 1000
"""Images trained on, the rest being for tests; and how many of them while a recipe is chosen."""
CHOICE_SEED = 0
SEEDS = range(1, 1 + int(os.environ.get("GRAPHWRIGHT_SEEDS", "3")))
LEVELS = (0.0, 0.1, 0.2, 0.3, 0.5)
STARTS = {"S4D-LegS": 0.5, "PTD tau .1": 0.1, "PTD tau .01": 0.01}
COMPARED = ("S4D-LegS", "PTD tau .1")
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Recipe:
    """The outputs that the classifier reads, the last or the mean of all, and AdamW's rate at the start."""

    readout: Literal["mean", "last"]
    rate: float

    def __str__(self) -> str:
        return f"{self.readout} readout, rate {self.rate:g}"


RECIPES = (Recipe("mean", 5e-3), Recipe("mean", 2e-2), Recipe("last", 5e-3), Recipe("last", 2e-2))


def report() -> None:
    """The choice of recipe, accuracy by start and noise, the goal, and the plot."""
    print(f"command: {COMMAND}")
    show(goals())


def goals() -> Iterator[Goal]:
    """Validation accuracy by recipe, mean test accuracy by start and level of noise over the seeds, and G11."""
    scores = {r: [validated(r, STARTS[name]) for name in COMPARED] for r in RECIPES}
    for recipe, found in scores.items():
        each = ", ".join(f"{name} {a:.4f}" for name, a in zip(COMPARED, found, strict=True))
        yield Goal("", str(recipe), f"validation accuracy {np.mean(found):.4f} ({each})")
    chosen, *equal = best(scores)
    others = f", the first of equals: {'; '.join(map(str, equal))}" if equal else ""
    yield Goal("", "chosen, by validation accuracy alone", f"{chosen}{others}")
    tested: dict[str, Array] = {}
    for name, tau in STARTS.items():
        tested[name] = np.array([trained(chosen, tau, seed) for seed in SEEDS])
        yield from accuracy_lines(name, tested[name])
    yield from robustness(*(tested[name] for name in COMPARED))
    means = {name: rows.mean(axis=0) for name, rows in tested.items()}
    series = {n: r[:, 0] for n, r in means.items()} | {f"{n}, worst": r[:, 1] for n, r in means.items()}
    title = f"digits as sequences, a sinusoid at S4D's spikes, mean of {len(SEEDS)} seeds"
    curves(Path("state_space_spikes.png"), title, "RMS of the noise", "accuracy", LEVELS, series, log=False)


def best(scores: Mapping[Recipe, Sequence[float]]) -> list[Recipe]:
    """The recipes of the highest mean, in the order given; rounded, so that equal counts of images are equal."""
    means = {recipe: round(float(np.mean(found)), 9) for recipe, found in scores.items()}
    return [recipe for recipe, mean in means.items() if mean == max(means.values())]


def accuracy_lines(name: str, rows: Array) -> Iterator[Goal]:
    """What a start reached at each level of noise, of [seeds, levels, 2]."""
    for level, of_seeds in zip(LEVELS, rows.swapaxes(0, 1), strict=True):
        mean, worst = of_seeds.mean(axis=0)
        each = "/".join(f"{a:.3f}" for a in of_seeds[:, 0])
        yield Goal("", f"{name}, noise {level}", f"accuracy {mean:.3f} ({each}), worst frequency {worst:.3f}")


def robustness(s4d: Array, ptd: Array) -> Iterator[Goal]:
    """G11 for each seed and for their mean, from accuracies [seeds, levels, 2]."""
    gaps = 100 * (ptd - s4d)
    for seed, gap in zip(SEEDS, gaps, strict=True):
        yield Goal("", f"G11 on seed {seed} alone", *_judged(gap))
    target = "+20 points at noise 0.5 over S4D, clean +-1.5"
    yield Goal("G11", target, *_judged(gaps.mean(axis=0)), "+26 points")


def _judged(gap: Array) -> tuple[str, bool]:
    # Rounded, so that a difference of shares that is the limit itself counts as within it.
    (clean, _), (noisy, worst) = np.round(gap[[0, -1]], 9)
    text = f"{noisy:+.1f} points, worst frequency {worst:+.1f}, clean {clean:+.1f}"
    return text, bool(noisy >= 20 and abs(clean) <= 1.5)


def validated(recipe: Recipe, tau: float) -> float:
    """Accuracy on the training images held out of the fit, without noise; kept."""
    key = f"validation {recipe} tau={tau} seed={CHOICE_SEED} fit={FIT}"
    found: float = kept(key, lambda: validation_accuracy(recipe, tau))
    return found


def trained(recipe: Recipe, tau: float, seed: int) -> list[list[float]]:
    """`accuracies`, kept."""
    key = f"test {recipe} tau={tau} seed={seed} levels={LEVELS}"
    found: list[list[float]] = kept(key, lambda: accuracies(recipe, tau, seed).tolist())
    return found


def kept(name: str, compute: Callable[[], Any]) -> Any:
    """What RESULTS holds under the name and the fixed sizes, computed and put there if it is new."""
    known: dict[str, Any] = {}
    if RESULTS.exists():
        known = json.loads(RESULTS.read_text(encoding="utf-8"))
    key = f"{name} epochs={EPOCHS} batch={BATCH} width={WIDTH}"
    if key not in known:
        start = process_time()
        known[key] = compute()
        print(f"      {name}: {process_time() - start:.0f} s of CPU", flush=True)
        partial = RESULTS.with_suffix(".tmp")
        partial.write_text(json.dumps(known, indent=1), encoding="utf-8")
        partial.replace(RESULTS)
    return known[key]


def sequences() -> tuple[Array, Array]:
    """scikit-learn's digits, enlarged twice and read row by row: [1797, 256] about 0, and labels."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    position = (np.arange(16) + 0.5) / 2 - 0.5
    low = np.clip(np.floor(position).astype(int), 0, 7)
    high, share = np.clip(low + 1, 0, 7), np.clip(position - low, 0, 1)
    rows = digits.images[:, low] * (1 - share)[:, None] + digits.images[:, high] * share[:, None]
    wide = rows[:, :, low] * (1 - share) + rows[:, :, high] * share
    order = np.random.default_rng(0).permutation(len(wide))
    return (wide.reshape(-1, 256)[order] / 8 - 1).astype(np.float32), digits.target[order]


def model(tau: float, seed: int) -> Any:
    """Two residual layers of frozen memories with trained readouts, on torch-FX's own lowering."""
    import torch
    from torch import nn

    from ...backends.torch_fx.lowerings.state_space import lti_ssm

    poles, entering, vectors = legs_diagonal(ORDER, tau)
    a, b, v = (
        torch.tensor(np.stack([x.real, x.imag], -1), dtype=torch.float32) for x in (poles, entering, vectors)
    )

    class Memory(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.c = nn.Parameter(torch.randn(WIDTH, ORDER) / ORDER**0.5)
            self.d = nn.Parameter(torch.randn(WIDTH))
            self.mix = nn.Linear(WIDTH, WIDTH)
            self.norm = nn.LayerNorm(WIDTH)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            c = torch.stack([self.c @ v[..., 0], self.c @ v[..., 1]], -1).unsqueeze(1)
            m = len(a)
            y, _ = lti_ssm(
                x.transpose(1, 2),
                a.expand(WIDTH, m, 2),
                b.unsqueeze(1).expand(WIDTH, m, 1, 2),
                c,
                self.d,
                torch.full((WIDTH,), STEP),
                form="diagonal",
                disc="zoh",
                mode="chunk",
                chunk=64,
            )
            found: torch.Tensor = self.norm(x + self.mix(nn.functional.gelu(y.transpose(1, 2))))
            return found

    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(1, WIDTH), Memory(), Memory()), nn.Linear(WIDTH, 10)


def classifier(recipe: Recipe, tau: float, seed: int, count: int) -> Callable[[Array], Array]:
    """Trained on the first `count` images without noise: gives the labels of sequences [images, 256]."""
    import torch
    from torch.nn import functional

    torch.set_num_threads(1)
    x, labels = sequences()
    inputs, targets = torch.tensor(x[:count])[..., None], torch.tensor(labels[:count])
    body, head = model(tau, seed)

    def logits(some: torch.Tensor) -> torch.Tensor:
        outputs = body(some)
        found: torch.Tensor = head(outputs[:, -1] if recipe.readout == "last" else outputs.mean(1))
        return found

    parameters = [*body.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=recipe.rate, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS * -(-count // BATCH))
    for _ in range(EPOCHS):
        for rows in torch.split(torch.randperm(count), BATCH):
            optimizer.zero_grad()
            loss = functional.cross_entropy(logits(inputs[rows]), targets[rows])
            loss.backward()  # type: ignore[no-untyped-call]  # torch's stubs
            optimizer.step()
            schedule.step()

    def classify(some: Array) -> Array:
        with torch.no_grad():
            return np.asarray(logits(torch.tensor(some, dtype=torch.float32)[..., None]).argmax(-1))

    return classify


def validation_accuracy(recipe: Recipe, tau: float) -> float:
    """On the training images after the first FIT, which it was fitted to from CHOICE_SEED."""
    x, labels = sequences()
    held_out = slice(FIT, TRAIN)
    classify = classifier(recipe, tau, CHOICE_SEED, FIT)
    return float(np.mean(classify(x[held_out]) == labels[held_out]))


def accuracies(recipe: Recipe, tau: float, seed: int) -> Array:
    """For every level of noise the mean and worst test accuracy over frequencies: [levels, 2]."""
    x, labels = sequences()
    classify = classifier(recipe, tau, seed, TRAIN)
    t = np.arange(x.shape[1]) * STEP
    found = []
    for level in LEVELS:
        waves = [0.0] if level == 0 else [float(w) for w in spike_frequencies() if w * STEP < np.pi]
        noises = [level * 2**0.5 * np.sin(w * t) for w in waves]
        scores = [float(np.mean(classify(x[TRAIN:] + noise) == labels[TRAIN:])) for noise in noises]
        found.append((np.mean(scores), min(scores)))
    return np.array(found)
