"""The data and metrics that a recipe gives the passes of a spec."""

from __future__ import annotations

from pathlib import Path

from ..graph.ir import Program
from ..passes.manager.pass_ import Context
from .compilation import read_recipe
from .documents import Overrides, open_unit


def context_of(spec: str, overrides: Overrides, program: Program, recipe: str, seed: int) -> Context:
    """The context of a compile of `spec` by a recipe file: empty where neither has data. Parameters
    without weights are initialised, as the compile does. Raises SpecError."""
    document = read_recipe(recipe)
    lossy = document.data or document.budget or any(step.budget for step in document.passes)
    if spec.endswith(".onnx") or not lossy:
        return Context(seed=seed)
    from ..backends.runtime.feeds import initialize
    from .metering import recipe_context

    unit = open_unit(spec, overrides)
    return recipe_context(unit, initialize(program, seed), document, Path(recipe).resolve().parent, seed)
