"""Parameters that training is done with become constants, so that folding may use them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from ...graph.ir import Graph, Origin, Program, Value, constant, leaf, substitute
from ...graph.ir.node import SMALL
from ..manager.contract import Contract, Exact
from ..manager.pass_ import Context, Result


@dataclass(frozen=True)
class FreezeParameters:
    """Turns every parameter whose value is stored, and every state without an update, into a
    constant: a compile for export. They leave the signature, so a run can't feed them any more."""

    name: ClassVar[str] = "freeze_parameters"
    variants: ClassVar[frozenset[str]] = frozenset({"infer"})

    @property
    def contract(self) -> Contract:
        return Exact("bits")

    def run(self, program: Program, context: Context) -> Result:
        frozen = freeze(program)
        count = len(program.graph.inputs) - len(frozen.graph.inputs)
        return Result(frozen, notes=(f"{count} parameters and states became constants",) if count else ())


def freeze(program: Program) -> Program:
    """The program with its stored parameters and constant states as constants; itself where it has
    none."""
    pairs = {v: _constant(v, program) for v in program.graph.inputs if _is_constant(v, program)}
    if not pairs:
        return program
    inputs = tuple(v for v in program.graph.inputs if v not in pairs)
    names = list(program.names)
    values = substitute((*program.graph.outputs, *(program.names[n] for n in names)), pairs)
    count = len(program.graph.outputs)
    frozen = {v.node.attribute("name") for v in pairs}
    return replace(
        program,
        graph=Graph(inputs, values[:count]),
        names=dict(zip(names, values[count:], strict=True)),
        origins=_moved_origins(program, pairs),
        initializers={n: v for n, v in program.initializers.items() if n not in frozen},
    )


def _moved_origins(program: Program, pairs: dict[Value, Value]) -> dict[Value, Origin]:
    values = list(program.origins)
    moved = substitute(values, pairs)
    return {m: program.origins[v] for v, m in zip(values, moved, strict=True)}


def _is_constant(value: Value, program: Program) -> bool:
    name = value.node.attribute("name")
    if value.role == "Parameter" or (value.role == "State" and name not in program.updates):
        array = program.weights.arrays.get(name)
        return array is not None and array.shape == value.tensor.dims and array.dtype == value.tensor.dtype.numpy
    return False


def _constant(value: Value, program: Program) -> Value:
    name = value.node.attribute("name")
    array = program.weights[name]
    if array.size <= SMALL:
        return constant(np.asarray(array))
    return leaf("Weight", name, value.type)
