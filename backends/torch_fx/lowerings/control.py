"""If, Loop, Scan over closed bodies: Python control flow where counts and conditions are numbers,
torch's higher-order operators only when exporting what stays symbolic.

A body is called with tensors and returns a tuple; `body.results` holds for each result its dtype's
name and its sizes (None where symbolic), so that a loop of no iterations has something to return.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from ....graph.ir import Graph, Node
from .carriers import CARRIERS, Tensor, number
from .lowering import Keywords, Lowering

Body = Callable[..., Any]

UNROLLED = 64
"""The longest loop that is unrolled when exporting or compiling."""


def is_long(count: Any) -> bool:
    """Whether a loop is not unrolled when exporting or compiling."""
    return isinstance(count, torch.SymInt) or (count is not None and count > UNROLLED)


def if_(cond: Any, *operands: Any, then_branch: Body, else_branch: Body, captures: int = 0) -> Any:
    """The results of one branch."""
    chosen = number(cond) if not isinstance(cond, Tensor) else cond.reshape(())
    if isinstance(chosen, Tensor) and torch.compiler.is_compiling():
        return torch.cond(chosen, _fresh(then_branch), _fresh(else_branch), tuple(operands))
    return then_branch(*operands) if bool(chosen) else else_branch(*operands)


def _fresh(body: Body) -> Body:
    """The body with results that alias no operand, as higher-order operators demand."""

    def run(*operands: Any) -> Any:
        return tuple(r.clone() for r in body(*operands))

    return run


# --- Loop ---------------------------------------------------------------------------------------


def loop(
    max_trip_count: Any = None,
    condition: Any = None,
    *operands: Any,
    body: Body,
    captures: int = 0,
    unconditional: bool = False,
) -> Any:
    """The carried values after the last iteration, then the results of all iterations stacked.
    `unconditional`: nothing but the count ends it."""
    limit = None if max_trip_count is None else number(max_trip_count)
    carried = list(operands[: len(operands) - captures])
    captured = operands[len(operands) - captures :]
    if torch.compiler.is_compiling():
        if isinstance(limit, torch.SymInt) or (unconditional and is_long(limit)):
            return _scanned_loop(limit, carried, captured, body)
        if not unconditional:
            return _while_loop(limit, condition, carried, captured, body)
    return _python_loop(limit, condition, carried, captured, body, unconditional)


def _python_loop(
    limit: Any, condition: Any, carried: list[Any], captured: Sequence[Any], body: Body, unconditional: bool
) -> Any:
    going = torch.tensor(True) if condition is None else condition
    if not isinstance(going, Tensor):
        going = torch.tensor(bool(number(going)))
    steps: list[Sequence[Any]] = []
    count = 0
    while (limit is None or count < limit) and (unconditional or bool(going)):
        results = body(torch.tensor(count), going, *carried, *captured)
        going = results[0]
        carried = list(results[1 : 1 + len(carried)])
        steps.append(results[1 + len(carried) :])
        count += 1
    return (*carried, *_stacked(steps, body, 1 + len(carried)))


def _stacked(steps: Sequence[Sequence[Any]], body: Any, first: int) -> list[Tensor]:
    """Result `first` and on of every step, along a new axis 0."""
    if steps:
        return [torch.stack(list(values)) for values in zip(*steps, strict=True)]
    return [
        torch.zeros((0, *(d or 0 for d in dims)), dtype=torch.float32).to(CARRIERS[dtype])
        for dtype, dims in body.results[first:]
    ]


def _scanned_loop(limit: Any, carried: list[Any], captured: Sequence[Any], body: Body) -> Any:
    """A counted loop as a scan over the iteration numbers."""
    going = torch.tensor(True)

    def step(state: Any, iteration: Tensor) -> Any:
        results = body(iteration, going, *state, *captured)
        fresh = [r.clone() for r in results[1:]]
        return fresh[: len(carried)], fresh[len(carried) :]

    finals, stacked = _higher_order_scan(step, carried, torch.arange(limit))
    return (*finals, *stacked)


def _while_loop(limit: Any, condition: Any, carried: list[Any], captured: Sequence[Any], body: Body) -> Any:
    """A loop that its body may end, without stacked results."""
    going = torch.tensor(True) if condition is None else torch.as_tensor(condition).reshape(())

    def goes_on(count: Tensor, going: Tensor, *state: Any) -> Tensor:
        return going.clone() if limit is None else torch.logical_and(going, count < limit)

    def step(count: Tensor, going: Tensor, *state: Any) -> Any:
        results = body(count, going, *state, *captured)
        return (count + 1, results[0].reshape(()).clone(), *(r.clone() for r in results[1:]))

    from torch._higher_order_ops import while_loop

    start = (torch.tensor(0), going, *carried)
    run: Callable[..., Any] = while_loop
    return tuple(run(goes_on, step, start)[2:])


def _loop_arguments(node: Node) -> Keywords:
    return {"unconditional": is_unconditional(node)}


def is_unconditional(node: Node) -> bool:
    """Whether nothing but the count ends a Loop: the condition starts true (or is absent) and
    the body hands it on or gives a constant true."""
    start = node.inputs[1] if len(node.inputs) > 1 else None
    if start is not None and start.known != (1,) and not _is_true(start):
        return False
    body: Graph = node.attribute("body")
    value = body.outputs[0]
    while value.node.name == "Identity" and value.node.inputs[0] is not None:
        value = value.node.inputs[0]
    return value is body.inputs[1] or _is_true(value)


def _is_true(value: Any) -> bool:
    constant = value.constant
    return value.known == (1,) or (constant is not None and constant.size == 1 and bool(constant.reshape(())))


# --- Scan ---------------------------------------------------------------------------------------


def scan(
    *operands: Any,
    body: Body,
    num_scan_inputs: int,
    captures: int = 0,
    scan_input_axes: Sequence[int] | None = None,
    scan_input_directions: Sequence[int] | None = None,
    scan_output_axes: Sequence[int] | None = None,
    scan_output_directions: Sequence[int] | None = None,
) -> Any:
    """The states after the last step, then the results of all steps stacked along their axes."""
    end = len(operands) - captures
    states, captured = list(operands[: end - num_scan_inputs]), operands[end:]
    axes = scan_input_axes or (0,) * num_scan_inputs
    backward = scan_input_directions or (0,) * num_scan_inputs
    scanned = [
        x.movedim(axis, 0) if axis else x
        for x, axis in zip(operands[end - num_scan_inputs : end], axes, strict=True)
    ]
    length = scanned[0].shape[0]
    if torch.compiler.is_compiling() and is_long(length):
        ordered = [x.flip(0) if b else x for x, b in zip(scanned, backward, strict=True)]
        states, stacked = _symbolic_scan(ordered, states, captured, body)
    else:
        slices = [x.unbind(0)[::-1] if b else x.unbind(0) for x, b in zip(scanned, backward, strict=True)]
        states, stacked = _python_scan(slices, states, captured, body)
    results = []
    for i, y in enumerate(stacked):
        y = y.flip(0) if scan_output_directions and scan_output_directions[i] else y
        results.append(y.movedim(0, scan_output_axes[i]) if scan_output_axes and scan_output_axes[i] else y)
    return (*states, *results)


def _python_scan(
    slices: Sequence[Sequence[Tensor]], states: list[Any], captured: Sequence[Any], body: Body
) -> tuple[list[Any], list[Tensor]]:
    steps: list[Sequence[Any]] = []
    for items in zip(*slices, strict=True):
        results = body(*states, *items, *captured)
        states, produced = list(results[: len(states)]), results[len(states) :]
        steps.append(produced)
    return states, _stacked(steps, body, len(states))


def _symbolic_scan(
    scanned: list[Tensor], states: list[Any], captured: Sequence[Any], body: Body
) -> tuple[list[Any], list[Tensor]]:
    def step(state: Any, items: Any) -> Any:
        results = [r.clone() for r in body(*state, *items, *captured)]
        return results[: len(states)], results[len(states) :]

    finals, stacked = _higher_order_scan(step, states, scanned)
    return list(finals), list(stacked)


def recurrence(
    step: Callable[[list[Tensor], list[Tensor]], tuple[list[Tensor], list[Tensor]]],
    states: list[Tensor],
    scanned: Sequence[Tensor],
) -> tuple[list[Tensor], list[Tensor]]:
    """`step(states, slices) -> (states, results)` along axis 0: the last states, and the results
    of all steps stacked. For operators that are loops over time."""
    length = scanned[0].shape[0]
    if torch.compiler.is_compiling() and is_long(length):

        def fresh(state: Any, items: Any) -> Any:
            new, results = step(list(state), list(items))
            return [n.clone() for n in new], [r.clone() for r in results]

        finals, stacked = _higher_order_scan(fresh, states, list(scanned))
        return list(finals), list(stacked)
    steps = []
    for items in zip(*(x.unbind(0) for x in scanned), strict=True):
        states, results = step(states, list(items))
        steps.append(results)
    if not steps:
        _, shapes = step(states, [x.new_zeros(x.shape[1:]) for x in scanned])
        return states, [r.new_zeros((0, *r.shape)) for r in shapes]
    return states, [torch.stack(list(values)) for values in zip(*steps, strict=True)]


def _higher_order_scan(step: Callable[..., Any], init: Any, xs: Any) -> Any:
    """torch's scan, whose module is not public yet."""
    from torch._higher_order_ops import scan as higher_order_scan

    return higher_order_scan(step, init, xs)


# --- SequenceMap --------------------------------------------------------------------------------


def sequence_map(sequence: list[Any], *additional: Any, body: Body) -> Any:
    """The body applied to each element (with the same element of other sequences, and tensors
    whole): one sequence a result."""
    columns: list[list[Any]] = [[] for _ in body.results]  # type: ignore[attr-defined]  # as all bodies
    for place, element in enumerate(sequence):
        operands = [a[place] if isinstance(a, list) else a for a in additional]
        for column, result in zip(columns, body(element, *operands), strict=True):
            column.append(result)
    return tuple(columns)


CONTROL: dict[str, Lowering] = {
    "If": Lowering(if_, numbers=frozenset({0})),
    "Loop": Lowering(loop, numbers=frozenset({0}), arguments=_loop_arguments),
    "Scan": Lowering(scan),
    "SequenceMap": Lowering(sequence_map, "eager"),
}
