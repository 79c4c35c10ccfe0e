"""The torch backend: what it can't do, programs made ready to run, exported programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch

from ...graph.diagnostics import Diagnostic, SpecError, fail
from ...graph.ir import Graph, Node, Program, Value, bodies
from ...graph.types.dimensions import symbol_name
from ...graph.types.dtypes import from_numpy
from ...graph.types.types import TensorType
from ..runtime.protocols import Array, Feeds
from ..runtime.run_failures import DATA_ERRORS, run_failure
from .arrays import from_torch, to_torch
from .emitter import emit
from .evaluator import TorchEvaluator, constant_array
from .lowerings import LOWERINGS
from .module import EmittedModule
from .preparing import prepared


@dataclass(frozen=True)
class TorchBackend:
    """Programs as torch.fx modules. A `Backend`."""

    @property
    def name(self) -> str:
        return "torch"

    def unsupported(self, program: Program) -> Sequence[Diagnostic]:
        """G1101 for every operator without a lowering, at its spec line."""
        return [
            Diagnostic(
                "G1101",
                f"the torch backend has no lowering of {node.operator.qualified_name}",
                _span(program, owner),
                hint="replace it, or emit the graph with another backend",
            )
            for node, owner in _calls(program.graph)
            if node.operator.qualified_name not in LOWERINGS
        ]

    def load(self, program: Program) -> TorchExecutable:
        """The program, ready to run: what constants decide is computed now. Raises SpecError (G1101)."""
        self._refuse(self.unsupported(program))
        return TorchExecutable(prepared(program))

    def unexportable(self, program: Program) -> Sequence[Diagnostic]:
        """`unsupported`, and G1102 for every operator that only runs eagerly."""
        found = list(self.unsupported(program))
        for node, owner in _calls(program.graph):
            lowering = LOWERINGS.get(node.operator.qualified_name)
            if lowering is not None and lowering.tier == "eager":
                message = f"{node.operator.qualified_name} runs in torch, but can't be exported or compiled"
                found.append(Diagnostic("G1102", message, _span(program, owner)))
        return found

    def export(self, program: Program, arguments: Mapping[str, Array]) -> torch.export.ExportedProgram:
        """The program as torch.export has it, symbolic sizes kept symbolic. `arguments`: an
        example array for each input, state and noise leaf. Raises SpecError: G1101, G1102."""
        self._refuse(self.unexportable(program))
        module = emit(program)
        tensors = tuple(to_torch(arguments[name]) for name in module.signature.inputs)
        return torch.export.export(module, tensors, dynamic_shapes=dynamic_shapes(program))

    def _refuse(self, diagnostics: Sequence[Diagnostic]) -> None:
        if diagnostics:
            raise SpecError(diagnostics)


def dynamic_shapes(program: Program) -> tuple[dict[int, Any], ...]:
    """For each argument of the emitted module, axis -> torch.export.Dim of its symbolic sizes."""
    dims: dict[str, Any] = {}
    found = []
    for value in (*program.inputs.values(), *program.states.values(), *program.noise.values()):
        axes: dict[int, Any] = {}
        shape = value.type.axes or () if isinstance(value.type, TensorType) else ()
        for axis, dimension in enumerate(shape):
            name = symbol_name(dimension) if dimension is not None else None
            if name is not None and name not in dims:
                size = program.sizes.get(name)
                dims[name] = (
                    torch.export.Dim(name)
                    if size is None
                    else torch.export.Dim(name, min=max(size.low, 0), max=size.high)
                )
            if name is not None:
                axes[axis] = dims[name]
            elif not isinstance(dimension, int):
                axes[axis] = torch.export.Dim.AUTO
        found.append(axes)
    return tuple(found)


@dataclass(frozen=True)
class TorchExecutable:
    """A program emitted and run eagerly. An `Executable`."""

    program: Program

    @cached_property
    def module(self) -> EmittedModule:
        return emit(self.program)

    def run(self, feeds: Feeds) -> dict[str, Array]:
        """Output name -> array, then state name -> its new value. Raises SpecError: G1103 for a
        missing feed, G1105 for one of another dtype or shape, G1122 for a node that can't compute what it is
        given."""
        leaves = {v.node.attribute("name"): v for v in self.program.graph.inputs}
        arguments = [self._argument(name, leaves[name], feeds) for name in self.module.signature.inputs]
        parameters = self._parameters(leaves, feeds)
        try:
            with torch.no_grad():
                if parameters:
                    results = torch.func.functional_call(self.module, parameters, tuple(arguments))
                else:
                    results = self.module(*arguments)
        except torch.linalg.LinAlgError as error:  # type: ignore[attr-defined]  # not in its list of exports
            raise refused(error) from None
        except DATA_ERRORS as error:
            known = {v: self._array(n, v, feeds) for n, v in leaves.items()}
            raise run_failure(self.program, known, TorchEvaluator(), error) from None
        outputs = self.program.graph.outputs
        return {name: from_torch(results[name], v.type) for name, v in zip(results, outputs, strict=True)}

    def _argument(self, name: str, leaf: Value, feeds: Feeds) -> Any:
        return to_torch(self._array(name, leaf, feeds))

    def _array(self, name: str, leaf: Value, feeds: Feeds) -> Array:
        if name in feeds:
            found: Array = _checked(self.program, name, leaf, feeds[name])
            return found
        if name in self.program.weights:
            return self.program.weights[name]
        raise fail(
            "G1103", f"{leaf.role.lower()} '{name}' ({leaf.type}) has no value", _span(self.program, leaf)
        )

    def _parameters(self, leaves: Mapping[str, Value], feeds: Feeds) -> dict[str, Any]:
        """Parameters that the feeds give, by state-dict name."""
        found: dict[str, Any] = {}
        originals = self.module.signature.tensors or {}
        for target in dict(self.module.named_parameters()):
            name = originals.get(target, target)
            leaf = leaves[name]
            if name in feeds:
                found[target] = to_torch(_checked(self.program, name, leaf, feeds[name]))
            elif name not in self.program.weights:
                raise fail(
                    "G1103", f"parameter '{name}' ({leaf.type}) has no value", _span(self.program, leaf)
                )
        return found


def refused(error: Exception) -> SpecError:
    """The diagnostic for a factorization that its matrix does not have."""
    return fail(
        "G1121",
        str(error),
        hint="give the input a domain: x: float64[n, n] ~ spd, or times: float64[T] ~ sorted",
    )


def _checked(program: Program, name: str, leaf: Value, array: Any) -> Any:
    """The array, if the leaf's type takes it."""
    type = leaf.type
    if not isinstance(type, TensorType) or type.axes is None:
        return array
    fits = len(type.axes) == array.ndim and all(
        not isinstance(d, int) or d == s for d, s in zip(type.axes, array.shape, strict=True)
    )
    if fits and from_numpy(array.dtype) is type.dtype:
        return array
    found = f"{array.dtype}{list(array.shape)}"
    raise fail(
        "G1105", f"{leaf.role.lower()} '{name}' is {type}; the array given is {found}", _span(program, leaf)
    )


def _calls(graph: Graph, owner: Node | None = None) -> Iterator[tuple[Node, Node]]:
    """Every operator call, also in bodies, with the node of the main graph that holds it."""
    pending = [(node, owner or node) for node in graph.nodes]
    while pending:
        node, holder = pending.pop(0)
        if not (node.outputs and node.outputs[0].is_leaf) and constant_array(node) is None:
            yield node, holder
        for _, body in bodies(node):
            pending.extend((inner, holder) for inner in body.nodes)


def _span(program: Program, place: Node | Value) -> Any:
    values = place.outputs if isinstance(place, Node) else (place,)
    for value in values:
        spans = program.origin(value).spans
        if spans:
            return spans[0]
    return None
