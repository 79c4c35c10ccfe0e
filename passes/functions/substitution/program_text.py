"""A region as one elementwise program: the steps of each place's program between those of the arithmetic."""

from __future__ import annotations

from collections.abc import Mapping

from ....backends.native.elementwise import Elementwise, Operand, Step
from ....graph.ir import Node, Value
from ..elementwise import elementwise
from ..program import FunctionProgram
from .infinities import Ends
from .matches import number_of
from .regions import ARITHMETIC, Region


def region_program(
    region: Region, programs: Mapping[Node, FunctionProgram], at_ends: Mapping[Node, Ends]
) -> Elementwise:
    """The program over the region's inputs `x0`, `x1`, …; `at_ends` are results at infinite operands that a program
    has not of itself."""
    names: dict[Value, Operand] = {v: f"x{i}" for i, v in enumerate(region.inputs)}
    steps: list[Step] = []
    tables: dict[str, tuple[float, ...]] = {}
    (dtype,) = {p.dtype for p in programs.values()}
    written = {n for m in region.matches.values() for n in m.nodes}
    for number, node in enumerate(region.nodes):
        if node in programs:
            operand = _operand(region.matches[node].operand, names)
            part = elementwise(programs[node]).renamed(f"n{number}_", [operand])
            steps += part.steps
            tables.update(part.tables)
            names[node.outputs[0]] = part.result
            for k, (x, value) in enumerate(at_ends.get(node, ())):
                met, made = f"n{number}_met{k}", f"n{number}_end{k}"
                steps.append(Step(met, "eq", (operand, x), "bool"))
                steps.append(Step(made, "where", (met, value, names[node.outputs[0]]), dtype))
                names[node.outputs[0]] = made
        elif node not in written:
            operands = tuple(_operand(v, names) for v in node.inputs if v is not None)
            steps.append(Step(f"n{number}", ARITHMETIC[node.name], operands, dtype))
            names[node.outputs[0]] = f"n{number}"
    result = names[region.result]
    assert isinstance(result, str)
    inputs = tuple(f"x{i}" for i in range(len(region.inputs)))
    return Elementwise(inputs, dtype, tuple(steps), result, tables)


def _operand(value: Value, names: Mapping[Value, Operand]) -> Operand:
    if value in names:
        return names[value]
    number = number_of(value)
    assert number is not None
    return number
