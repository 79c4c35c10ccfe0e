"""Gradients of a case: torch's automatic differentiation against central differences.

The program is computed in float64 on the case's own inputs. Along a random direction of each input
the derivative of every floating-point result is measured by differences, and by the gradient of a random weighted
sum of the results. Places where the function has no derivative are found by measurement, left out
and counted: a result whose one-sided differences disagree (a kink, a jump, a tie), an input whose
gradient is not finite.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from ...backends.torch_fx import LOWERINGS, TorchEvaluator
from ...backends.torch_fx.arrays import to_torch
from ...graph.ir import Program, Value, topological
from ...graph.types.dimensions import evaluate
from ...graph.types.types import OptionalType, SequenceType, TensorType, Type
from .cases import Case
from .outcome import Outcome, absent, failed, passed
from .torch_check import program_inputs

STEP = 1e-6
AGREE = 1e-5
"""Of the sum of magnitudes: how far the two derivatives may be apart."""
SMOOTH = 1e-4
"""How far the one-sided differences may be apart, relative to their size."""

Tensor = torch.Tensor


def check_gradient(case: Case, program: Program) -> Outcome:
    """Checks the first data set; `counts`: results compared, results and inputs left out."""
    results = [v for v in program.graph.outputs if _is_float(v.type)]
    leaves = [v for v in _leaves(program) if v.role in ("Input", "Parameter")]
    subjects = [v for v in leaves if _varies(v, program)]
    if not results:
        return absent("no floating-point result")
    if not subjects:
        return absent("no floating-point input")
    data = next(case.data_sets())
    function = _Function.of(program, subjects, results, program_inputs(program, data))
    if not function.start().numel():
        return absent("no floating-point input")
    generator = torch.Generator().manual_seed(0)
    total = _Tally()
    for direction in function.directions(generator):
        try:
            total = total + _compare(function, direction, generator)
        except _Disagreement as error:
            return failed(str(error))
    if not total.compared:
        return absent("differentiable at none of the case's inputs")
    return passed(compared=total.compared, left_out=total.left_out, inputs_left_out=total.inputs_left_out)


def _is_float(type: Type) -> bool:
    while isinstance(type, SequenceType | OptionalType):
        type = type.element
    return isinstance(type, TensorType) and type.dtype.kind == "float"


def _varies(value: Value, program: Program) -> bool:
    """Whether the value is one to differentiate by: floating-point, and no operand that decides a
    shape or an algorithm (those are read as numbers)."""
    if not _is_float(value.type):
        return False
    uses = [
        (LOWERINGS[n.operator.qualified_name], position)
        for n in program.graph.nodes
        for position, operand in enumerate(n.inputs)
        if operand is value and n.operator.qualified_name in LOWERINGS
    ]
    return not uses or any(position not in lowering.numbers for lowering, position in uses)


class _Disagreement(Exception):
    pass


@dataclass(frozen=True)
class _Tally:
    compared: int = 0
    left_out: int = 0
    inputs_left_out: int = 0

    def __add__(self, other: _Tally) -> _Tally:
        return _Tally(
            self.compared + other.compared,
            self.left_out + other.left_out,
            self.inputs_left_out + other.inputs_left_out,
        )


@dataclass(frozen=True)
class _Function:
    """The program as a function of one flat float64 vector, with one flat float64 result."""

    values: Mapping[Value, Any]
    subjects: Sequence[Value]
    outputs: Sequence[Value]
    run: Any

    @staticmethod
    def of(
        program: Program, subjects: Sequence[Value], outputs: Sequence[Value], inputs: Mapping[str, Any]
    ) -> _Function:
        given = {v: to_torch(_array(program, v, inputs)) for v in _leaves(program)}
        return _Function(given, subjects, outputs, TorchEvaluator().function(outputs, tuple(given)))

    def start(self) -> Tensor:
        parts = [t.detach().to(torch.float64).reshape(-1) for t in self._parts()]
        return torch.cat([torch.zeros(0, dtype=torch.float64), *parts])

    def _parts(self) -> list[Tensor]:
        return [t for v in self.subjects for t in _tensors(self.values[v])]

    def directions(self, generator: torch.Generator) -> list[Tensor]:
        """For each subject a random direction in which only it moves."""
        sizes = [sum(t.numel() for t in _tensors(self.values[v])) for v in self.subjects]
        found = []
        for place, size in enumerate(sizes):
            moved = torch.randn(size, generator=generator, dtype=torch.float64)
            before, after = sum(sizes[:place]), sum(sizes[place + 1 :])
            found.append(torch.cat([torch.zeros(before), moved, torch.zeros(after)]).to(torch.float64))
        return found

    def __call__(self, flat: Tensor) -> Tensor:
        values = dict(self.values)
        offset = 0
        for value in self.subjects:
            values[value], offset = _filled(values[value], flat, offset)
        results = [t for found in self.run(*values.values()) for t in _tensors(found)]
        return torch.cat([flat[:0], *(t.to(torch.float64).reshape(-1) for t in results)])


def _leaves(program: Program) -> list[Value]:
    """Every leaf that the results need and that needs an array, weights included."""
    nodes = topological(program.graph.outputs)
    roles = ("Input", "Parameter", "Weight", "State", "Noise")
    return [n.outputs[0] for n in nodes if n.outputs and n.outputs[0].role in roles]


def _array(program: Program, value: Value, inputs: Mapping[str, Any]) -> Any:
    name = value.node.attribute("name")
    if name in inputs:
        return inputs[name]
    if value.role == "Noise":
        shape = [evaluate(d, {}) for d in value.tensor.shape]
        generator = torch.Generator().manual_seed(1)
        return torch.rand(shape, generator=generator).numpy().astype(value.tensor.dtype.numpy)
    return program.weights[name]


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, list):
        return [t for v in value for t in _tensors(v)]
    return [] if value is None else [value]


def _filled(value: Any, flat: Tensor, offset: int) -> tuple[Any, int]:
    """The value with its numbers from `flat`, and where the next value's begin."""
    if isinstance(value, list):
        parts = []
        for item in value:
            part, offset = _filled(item, flat, offset)
            parts.append(part)
        return parts, offset
    if value is None:
        return None, offset
    end = offset + value.numel()
    return flat[offset:end].reshape(value.shape), end


def _compare(function: _Function, direction: Tensor, generator: torch.Generator) -> _Tally:
    """One direction. Raises _Disagreement where the derivatives differ."""
    start = function.start()
    derivative, smooth = _differences(function, start, direction)
    weights = torch.randn(derivative.shape, generator=generator, dtype=torch.float64)
    tally = _Tally(int(smooth.sum()), int((~smooth).sum()))
    used, gradient = _gradient(function, start, weights, smooth)
    finite = torch.isfinite(gradient)
    if not bool(finite.all()):  # again without moving the inputs whose gradient is not finite
        tally = replace(tally, inputs_left_out=int((~finite).sum()))
        direction = torch.where(finite, direction, torch.zeros_like(direction))
        derivative, still = _differences(function, start, direction)
        smooth = smooth & still
        used, gradient = _gradient(function, start, weights, smooth)
    gradient = torch.where(torch.isfinite(gradient), gradient, torch.zeros_like(gradient))
    measured = torch.where(smooth, derivative, torch.zeros_like(derivative)) * used
    by_torch = gradient * direction
    scale = float(measured.abs().sum() + by_torch.abs().sum())
    distance = abs(float(measured.sum() - by_torch.sum()))
    if distance > AGREE * scale + 1e-7:
        raise _Disagreement(
            f"derivative along a direction {float(measured.sum()):.8g} by differences, "
            f"{float(by_torch.sum()):.8g} by torch ({int(smooth.sum())} results)"
        )
    return tally


def _differences(function: _Function, start: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
    """The directional derivative of each result, and where it exists."""
    step = STEP * max(1.0, float(start[torch.isfinite(start)].abs().max()) if start.numel() else 1.0)
    with torch.no_grad():
        here = function(start)
        ahead = function(start + step * direction)
        behind = function(start - step * direction)
        far = function(start + 3 * step * direction)  # a jump's difference is 1/3 as steep here
    if not here.shape == ahead.shape == behind.shape == far.shape:
        return torch.zeros_like(here), torch.zeros_like(here, dtype=torch.bool)
    right, left, wide = (ahead - here) / step, (here - behind) / step, (far - here) / (3 * step)
    allowed = SMOOTH * (right.abs() + left.abs() + 1) + 1e-13 * here.abs() / step
    smooth = ((right - left).abs() <= allowed) & ((right - wide).abs() <= allowed)
    return torch.nan_to_num((ahead - behind) / (2 * step)), smooth


def _gradient(function: _Function, start: Tensor, weights: Tensor, smooth: Tensor) -> tuple[Tensor, Tensor]:
    """The weights of the smooth results, 0 for others, and the gradient of the weighted sum."""
    used = torch.where(smooth, weights, torch.zeros_like(weights))
    leaf = start.clone().requires_grad_()
    result = function(leaf)
    if not result.requires_grad or result.shape != weights.shape:
        return used, torch.zeros_like(start)
    total = torch.where(smooth, result, torch.zeros_like(result)) * used
    (found,) = torch.autograd.grad(total.sum(), leaf, allow_unused=True)
    return used, torch.zeros_like(start) if found is None else found
