"""Test accuracy of the digits CNN, trained from its YAML, for seeds 0, 1, 2."""

from __future__ import annotations

from ...graph.spec.resolution import STANDARD_LIBRARY
from ..documents import open_unit
from ..training import train_unit

SPEC = STANDARD_LIBRARY / "models" / "digits_cnn.yaml"
SEEDS = (0, 1, 2)


def report() -> None:
    """Prints the accuracy on the 797 test samples for each seed, and the mean."""
    found = []
    for seed in SEEDS:
        history = train_unit(open_unit(str(SPEC)), seed=seed, progress=False).history
        accuracy = float(history[-1]["test"]["accuracy"])
        found.append(accuracy)
        print(f"seed {seed}: {100 * accuracy:.2f} %")
    print(f"mean: {100 * sum(found) / len(found):.2f} %")
