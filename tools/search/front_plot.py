"""The front as a picture."""

from __future__ import annotations

import math
from pathlib import Path

from ...passes.functions.classical import forms
from ...passes.functions.target import Target
from ..bench.plots import curves
from .function_search import Found


def draw(target: Target, found: list[Found], path: Path) -> bool:
    """Digits over cost, of what was found and of the textbook forms. False without matplotlib."""
    costs = [f.cost for f in found]
    known = [(float(f.program.operations), -math.log10(f.error)) for f in forms(target, max(costs))]
    textbook = [max((d for c, d in known if c <= cost), default=math.nan) for cost in costs]
    series = {"found": [f.digits for f in found], "textbook": textbook}
    title = f"{target.name} on {target.low:g} to {target.high:g}"
    return curves(path, title, "cost", f"digits of {target.error} error", costs, series, log=False)
