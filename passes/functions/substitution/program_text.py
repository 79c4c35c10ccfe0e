"""A region as one elementwise program: the steps of each function's program between those of the arithmetic."""

from __future__ import annotations

from collections.abc import Mapping

from ....backends.native.elementwise import Elementwise, Operand, Step
from ....graph.ir import Node, Value
from ..elementwise import elementwise
from ..program import FunctionProgram
from .regions import ARITHMETIC, Region, number_of, operand_of


def region_program(region: Region, programs: Mapping[Node, FunctionProgram]) -> Elementwise:
    """The program over the region's inputs `x0`, `x1`, …."""
    names: dict[Value, Operand] = {v: f"x{i}" for i, v in enumerate(region.inputs)}
    steps: list[Step] = []
    tables: dict[str, tuple[float, ...]] = {}
    for number, node in enumerate(region.nodes):
        operands = [_operand(v, names) for v in node.inputs if v is not None]
        if node in programs:
            part = elementwise(programs[node]).renamed(f"n{number}_", [_operand(operand_of(node), names)])
            steps += part.steps
            tables.update(part.tables)
            names[node.outputs[0]] = part.result
            continue
        name = f"n{number}"
        steps.append(Step(name, ARITHMETIC[node.name], tuple(operands), "float32"))
        names[node.outputs[0]] = name
    result = names[region.result]
    assert isinstance(result, str)
    inputs = tuple(f"x{i}" for i in range(len(region.inputs)))
    return Elementwise(inputs, "float32", tuple(steps), result, tables)


def _operand(value: Value, names: Mapping[Value, Operand]) -> Operand:
    if value in names:
        return names[value]
    number = number_of(value)
    assert number is not None
    return number
