"""Curves as a picture, where matplotlib is installed (extra `plots`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np


def curves(
    path: Path,
    title: str,
    x_label: str,
    y_label: str,
    x: Sequence[float] | np.ndarray[Any, Any],
    series: Mapping[str, Any],
    *,
    log: bool = True,
) -> bool:
    """Draws every series over x into a PNG file, and says so; without matplotlib says what to install."""
    try:
        import matplotlib
    except ImportError:
        print("no plot: pip install 'graphwright[plots]'")
        return False
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4.5))
    for name, y in series.items():
        axes.plot(x, y, label=name, linewidth=1.2)
    if log:
        axes.set_xscale("log")
        axes.set_yscale("log")
    axes.set(title=title, xlabel=x_label, ylabel=y_label)
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
    print(f"wrote {path}")
    return True
