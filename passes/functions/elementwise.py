"""Function programs as the elementwise programs that backends compute."""

from __future__ import annotations

import math

from ...backends.native.elementwise import Elementwise, Operand, Step
from .constants import Constant
from .program import INPUT, FunctionProgram


def elementwise(program: FunctionProgram) -> Elementwise:
    """The same steps, constants rounded to their dtype. A program for a part of the numbers ends in
    `outside`, which gives the function itself elsewhere."""
    dtypes = {INPUT: program.dtype} | {s.name: s.dtype for s in program.steps}

    def operand(found: str | Constant, dtype: str) -> Operand:
        return found if isinstance(found, str) else found.rounded(dtype)

    steps = []
    for step in program.steps:
        used = [dtypes[o] for o in step.operands if isinstance(o, str) and dtypes.get(o, "bool") != "bool"]
        dtype = used[0] if used else program.dtype
        steps.append(
            Step(step.name, step.operation, tuple(operand(o, dtype) for o in step.operands), step.dtype)
        )
    result = program.result
    low, high = program.domain
    if (low, high) != (-math.inf, math.inf):
        steps.append(Step("inside", "outside", (INPUT, result, low, high), program.dtype, program.function))
        result = "inside"
    return Elementwise((INPUT,), program.dtype, tuple(steps), result, program.tables)
