"""Programs that share one set of parameters: the losses, the evaluation, the projections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from ....graph.ir import Graph, Program, topological
from ..emitter import emit
from ..module import EmittedModule

Tensors = Mapping[str, Any]


def restricted(program: Program, outputs: Sequence[str]) -> Program:
    """The program that computes only these outputs and the new states; leaves that they do not
    reach are left out."""
    wanted = (*(program.outputs[n] for n in outputs), *program.new_states.values())
    reached = {v for node in topological(wanted) for v in node.outputs}
    inputs = tuple(v for v in program.graph.inputs if v in reached)
    return replace(program, graph=Graph(inputs, wanted), output_names=tuple(outputs))


@dataclass(frozen=True)
class Model:
    """A program as a module whose parameters are shared tensors."""

    program: Program
    module: EmittedModule

    def __call__(self, arguments: Tensors) -> dict[str, Any]:
        """Results by name, from inputs, states and noise by name."""
        found: dict[str, Any] = self.module(*(arguments[n] for n in self.module.signature.inputs))
        return found


def make_model(program: Program, parameters: Mapping[str, torch.nn.Parameter], device: str) -> Model:
    """The program's module on `device`; its parameters are replaced by those given. Raises
    SpecError (G1101)."""
    module = emit(program).to(device)
    renamed = module.signature.tensors or {}
    for target, _ in list(module.named_parameters()):
        path, _, last = target.rpartition(".")
        module.get_submodule(path).register_parameter(last, parameters[renamed.get(target, target)])
    return Model(program, module)
