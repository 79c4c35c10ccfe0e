"""Sequential digits with a sinusoid at S4D's spike frequencies: goal G11, with a plot.

Each training is kept in RESULTS as soon as it is done, and not repeated while it is there: an interrupted run
goes on. `GRAPHWRIGHT_SEEDS` sets how many seeds are averaged (3 by default); a seed takes about 30 s a start.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np

from ...graph.build.prelude.hippo import legs_diagonal
from .delay import spike_frequencies
from .goals import Goal, show
from .plots import curves

COMMAND = "python -m graphwright.tools.bench spikes"
RESULTS = Path("state_space_spikes.json")
WIDTH, ORDER, STEP, EPOCHS = 32, 64, 0.02, 20
SEEDS = range(int(os.environ.get("GRAPHWRIGHT_SEEDS", "3")))
LEVELS = (0.0, 0.1, 0.2, 0.3, 0.5)
STARTS = {"S4D-LegS": 0.5, "PTD tau .1": 0.1, "PTD tau .01": 0.01}
Array = np.ndarray[Any, Any]


def report() -> None:
    """Accuracy by start and noise, the goal, and the plot."""
    print(f"command: {COMMAND}")
    show(goals())


def goals() -> Iterator[Goal]:
    """Mean accuracy by start and level of noise over the seeds, and G11."""
    found: dict[str, Array] = {}
    for name, tau in STARTS.items():
        rows = np.array([trained(tau, seed) for seed in SEEDS])
        found[name] = rows.mean(axis=0)
        for level, (mean, worst) in zip(LEVELS, found[name], strict=True):
            each = "/".join(f"{r:.3f}" for r in rows[:, LEVELS.index(level), 0])
            yield Goal(
                "", f"{name}, noise {level}", f"accuracy {mean:.3f} ({each}), worst frequency {worst:.3f}"
            )
    s4d, ptd = found["S4D-LegS"], found["PTD tau .1"]
    gain, clean = 100 * (ptd[-1, 0] - s4d[-1, 0]), 100 * (ptd[0, 0] - s4d[0, 0])
    text = f"{gain:+.1f} points, worst frequency {100 * (ptd[-1, 1] - s4d[-1, 1]):+.1f}, clean {clean:+.1f}"
    target = "+20 points at noise 0.5 over S4D, clean +-1.5"
    yield Goal("G11", target, text, bool(gain >= 20 and abs(clean) <= 1.5), "+26 points")
    series = {n: r[:, 0] for n, r in found.items()} | {f"{n}, worst": r[:, 1] for n, r in found.items()}
    title = f"digits as sequences, a sinusoid at S4D's spikes, mean of {len(SEEDS)} seeds"
    curves(Path("state_space_spikes.png"), title, "RMS of the noise", "accuracy", LEVELS, series, log=False)


def trained(tau: float, seed: int) -> list[list[float]]:
    """`accuracies`, kept."""
    known: dict[str, list[list[float]]] = {}
    if RESULTS.exists():
        known = json.loads(RESULTS.read_text(encoding="utf-8"))
    key = f"tau={tau} seed={seed} epochs={EPOCHS} width={WIDTH} levels={LEVELS}"
    if key not in known:
        start = process_time()
        known[key] = accuracies(tau, seed).tolist()
        print(f"      trained tau {tau}, seed {seed}: {process_time() - start:.0f} s of CPU", flush=True)
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


def accuracies(tau: float, seed: int) -> Array:
    """For every level of noise the mean and worst accuracy over frequencies: [levels, 2]."""
    import torch
    from torch.nn import functional

    torch.set_num_threads(1)
    x, labels = sequences()
    inputs, targets = torch.tensor(x)[..., None], torch.tensor(labels)
    body, head = model(tau, seed)
    parameters = [*body.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=5e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS)
    train = 1297
    for _ in range(EPOCHS):
        for rows in torch.split(torch.randperm(train), 64):
            optimizer.zero_grad()
            loss = functional.cross_entropy(head(body(inputs[rows]).mean(1)), targets[rows])
            loss.backward()  # type: ignore[no-untyped-call]  # torch's stubs
            optimizer.step()
        schedule.step()

    def accuracy(noisy: torch.Tensor) -> float:
        with torch.no_grad():
            return float((head(body(noisy).mean(1)).argmax(-1) == targets[train:]).float().mean())

    t = torch.arange(256) * STEP
    found = []
    for level in LEVELS:
        waves = [0.0] if level == 0 else [float(w) for w in spike_frequencies() if w * STEP < np.pi]
        scores = [accuracy(inputs[train:] + level * 2**0.5 * torch.sin(w * t)[None, :, None]) for w in waves]
        found.append((np.mean(scores), min(scores)))
    return np.array(found)
