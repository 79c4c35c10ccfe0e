"""Operators with bodies, by walking the body once an iteration."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ...graph.ir import Graph, Node
from .kernel import Array, Datum
from .walk import Walk, body_walk

ControlKernel = Callable[[Node, Sequence[Datum], bool], list[Datum]]


def _step(walk: Walk, body: Graph, arguments: Sequence[Datum], float64: bool) -> list[Datum]:
    return walk.run(dict(zip(body.inputs, arguments, strict=True)), float64)


def _if(node: Node, inputs: Sequence[Datum], float64: bool) -> list[Datum]:
    taken = "then_branch" if bool(np.asarray(inputs[0]).reshape(())) else "else_branch"
    body = node.attribute(taken)
    return _step(body_walk(body), body, inputs[1:], float64)


def _loop(node: Node, inputs: Sequence[Datum], float64: bool) -> list[Datum]:
    body: Graph = node.attribute("body")
    captures = node.attribute("captures")
    padded = [*inputs, *(None,) * (2 - len(inputs))]
    limit, condition = padded[0], padded[1]
    end = len(padded) - captures
    carried, captured = list(padded[2:end]), padded[end:]
    trips = None if limit is None else int(np.asarray(limit).reshape(()))
    going = True if condition is None else bool(np.asarray(condition).reshape(()))
    walk, stacked, iteration = body_walk(body), _empty_stacks(body, 1 + len(carried)), 0
    while going and (trips is None or iteration < trips):
        arguments = [np.array(iteration, np.int64), np.array(True), *carried, *captured]
        results = _step(walk, body, arguments, float64)
        going = bool(np.asarray(results[0]).reshape(()))
        carried = results[1 : 1 + len(carried)]
        for pile, result in zip(stacked, results[1 + len(carried) :], strict=True):
            pile.append(result)
        iteration += 1
    return [*carried, *_stack_all(body, 1 + len(carried), stacked, [0] * len(stacked))]


def _empty_stacks(body: Graph, first: int) -> list[list[Array]]:
    return [[] for _ in body.outputs[first:]]


def _stack_all(body: Graph, first: int, piles: list[list[Array]], axes: Sequence[int]) -> list[Datum]:
    """The results of all steps stacked; of none, an empty tensor of the body's static shape."""
    found: list[Datum] = []
    for value, pile, axis in zip(body.outputs[first:], piles, axes, strict=True):
        if pile:
            found.append(np.stack(pile, axis=axis))
            continue
        declared = value.tensor
        dims = [d if isinstance(d, int) else 0 for d in declared.axes or ()]
        axis = axis + len(dims) + 1 if axis < 0 else axis
        found.append(np.zeros([*dims[:axis], 0, *dims[axis:]], declared.dtype.numpy))
    return found


def _scan(node: Node, inputs: Sequence[Datum], float64: bool) -> list[Datum]:
    body: Graph = node.attribute("body")
    count, captures = node.attribute("num_scan_inputs"), node.attribute("captures")
    first = len(inputs) - count - captures
    states = list(inputs[:first])
    scanned, captured = inputs[first : first + count], inputs[first + count :]
    axes = node.attribute("scan_input_axes") or (0,) * count
    backward = node.attribute("scan_input_directions") or (0,) * count
    slices = [np.moveaxis(x, a, 0) for x, a in zip(scanned, axes, strict=True)]
    slices = [x[::-1] if back else x for x, back in zip(slices, backward, strict=True)]
    walk, stacked = body_walk(body), _empty_stacks(body, first)
    for position in range(slices[0].shape[0]):
        arguments = [*states, *(x[position] for x in slices), *captured]
        results = _step(walk, body, [np.asarray(a) if a is not None else a for a in arguments], float64)
        states = results[:first]
        for pile, result in zip(stacked, results[first:], strict=True):
            pile.append(result)
    out_axes = node.attribute("scan_output_axes") or (0,) * len(stacked)
    reversed_out = node.attribute("scan_output_directions") or (0,) * len(stacked)
    piles = [p[::-1] if back else p for p, back in zip(stacked, reversed_out, strict=True)]
    return [*states, *_stack_all(body, first, piles, out_axes)]


def _sequence_map(node: Node, inputs: Sequence[Datum], float64: bool) -> list[Datum]:
    body: Graph = node.attribute("body")
    walk = body_walk(body)
    results: list[Datum] = [[] for _ in body.outputs]
    for position in range(len(inputs[0])):
        arguments = [x[position] if isinstance(x, list) else x for x in inputs]
        for pile, result in zip(results, _step(walk, body, arguments, float64), strict=True):
            pile.append(result)
    return results


CONTROL: dict[str, ControlKernel] = {"If": _if, "Loop": _loop, "Scan": _scan, "SequenceMap": _sequence_map}
