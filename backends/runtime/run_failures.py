"""Which node of a program can't compute what it was given."""

from __future__ import annotations

from collections.abc import Mapping

from ...graph.diagnostics import fail
from ...graph.ir import Node, Program, Value, needed_nodes
from .protocols import Array, Evaluator

DATA_ERRORS = (ArithmeticError, IndexError, RuntimeError, ValueError)
"""What NumPy and torch raise for numbers and shapes that an operation does not take."""
OWN_FAULTS = (NotImplementedError, RecursionError)
"""RuntimeErrors that are no fault of the numbers."""


def run_failure(
    program: Program, given: Mapping[Value, Array], evaluator: Evaluator, error: Exception
) -> Exception:
    """SpecError G1122 at the first node that fails by itself as the whole run did with `error`; that error
    where none does, or where it is no fault of the numbers. `given` has every leaf that is no constant."""
    if isinstance(error, OWN_FAULTS):
        return error
    found = _failing(program, given, evaluator)
    if found is None:
        return error
    node, reason = found
    value = node.outputs[0]
    name = next((n for n, v in program.names.items() if v is value), "")
    spans = program.origin(value).spans
    what = f"'{name}' ({node.name})" if name else node.name
    failure = fail("G1122", f"{what} can't be computed: {_line(reason)}", spans[0] if spans else None)
    failure.__cause__ = error
    return failure


def _failing(
    program: Program, given: Mapping[Value, Array], evaluator: Evaluator
) -> tuple[Node, Exception] | None:
    values = dict(given)
    outputs = program.graph.outputs
    order = needed_nodes(outputs, frozenset(given))
    read = {*outputs, *(v for node in order for v in node.inputs)}
    for node in order:
        wanted = [v for v in node.outputs if v in read]
        try:
            arrays = evaluator.evaluate(wanted, {v: values[v] for v in node.inputs if v is not None})
        except DATA_ERRORS as error:
            return node, error
        values.update(zip(wanted, arrays, strict=True))
    return None


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
