"""Whether a spec that was written from a program computes what the program does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..backends.runtime.comparison import allclose
from ..backends.runtime.protocols import Evaluator
from ..backends.runtime.samples import draw, size_choices
from ..graph.diagnostics import SpecError, fail
from ..graph.ir import Graph, Program, Value, constant, graph_digest, leaf, nested_graphs, substitute
from ..graph.ir.node import SMALL
from ..graph.types.dimensions import substitute as with_sizes
from ..graph.types.dimensions import symbol
from ..graph.types.parsing import parse_type
from ..graph.types.refinement import consistent
from ..graph.types.types import OptionalType, SequenceType, TensorType, Type
from ..passes.manager.pass_ import Context
from ..passes.outlining.tidying import Tidy
from .faults import first_line

Array = np.ndarray[Any, Any]

LARGEST_RUN = 2**27
"""The most elements that all values of a run may have together, where it is done to compare."""

MOST_STEPS = 4096


@dataclass(frozen=True)
class Agreement:
    """How two programs were found to agree: `graphs` (the same operations on the same weights),
    `values` (equal results on drawn inputs), or `unchecked`, with the reason."""

    kind: str
    reason: str = ""
    largest: float = 0.0


def agree(
    before: Program, after: Program, names: Mapping[str, str], sizes: Mapping[str, str], seed: int = 0
) -> Agreement:
    """Compares a program with what was built from its spec; `names` maps the leaves of `before` to
    those of `after`, `sizes` its sizes. Raises SpecError G1223 where they differ."""
    _check_signature(before, after, names, sizes)
    if _canonical(before, {}) == _canonical(after, {v: k for k, v in names.items()}):
        return Agreement("graphs")
    reason = _too_much(before)
    if reason:
        return Agreement("unchecked", reason)
    try:
        return _by_values(before, after, names, seed)
    except SpecError as error:
        if any(d.code == "G1223" for d in error.diagnostics):
            raise
        return Agreement("unchecked", error.diagnostics[0].message)


def _check_signature(
    before: Program, after: Program, names: Mapping[str, str], sizes: Mapping[str, str]
) -> None:
    for old, new in names.items():
        mine, theirs = _leaf(before, old), _leaf(after, new)
        if theirs is not None and (mine is None or str(_renamed(mine.type, sizes)) != str(theirs.type)):
            raise fail("G1223", f"'{new}' came back as {theirs.type}")
    results = zip(before.output_names, before.graph.outputs, after.graph.outputs, strict=False)
    for name, one, other in results:
        wanted = _renamed(one.type, sizes)
        if not consistent(_without_ranges(wanted), _without_ranges(other.type)):
            raise fail("G1223", f"the result '{name}' was {wanted} and came back as {other.type}")


def _without_ranges(type_: Type) -> Type:
    """The type with sizes that are only names; a spec may know their ranges better."""
    return parse_type(str(type_))


def _renamed(type_: Type, sizes: Mapping[str, str]) -> Type:
    """The type with the sizes called as in the spec."""
    if isinstance(type_, SequenceType | OptionalType):
        return type(type_)(_renamed(type_.element, sizes))
    if not isinstance(type_, TensorType) or type_.axes is None:
        return type_
    symbols = {old: symbol(new) for old, new in sizes.items() if old != new}
    axes = tuple(None if d is None else with_sizes(d, symbols) for d in type_.axes)
    return TensorType.of(type_.dtype, axes)


def _leaf(program: Program, name: str) -> Value | None:
    return next((v for v in program.graph.inputs if v.node.attribute("name") == name), None)


# --- the same graph ---------------------------------------------------------------------------------


def _canonical(program: Program, names: Mapping[str, str]) -> str:
    """The digest after tidying, with weights and fixed parameters named by their content and leaves
    by their name in the model."""
    tidy = Tidy().run(program, Context()).program
    leaves = {
        v
        for graph in nested_graphs(Graph((), tidy.graph.outputs))
        for n in graph.nodes
        for v in n.outputs
        if v.is_leaf
    }
    moved: dict[Value, Value] = {}
    for value in sorted(leaves, key=repr):
        if value.role in ("Input", "Noise", "State"):
            own = value.node.attribute("name")
            moved[value] = leaf("Input", names.get(own, own), value.type)
        if value.role in ("Weight", "Parameter", "State"):
            array = _content(tidy, value)
            if array is not None:
                small = array.size <= SMALL
                moved[value] = (
                    constant(np.asarray(array))
                    if small
                    else leaf("Weight", tidy.weights.digest(value.node.attribute("name")), value.type)
                )
    outputs = substitute(tidy.graph.outputs, moved)
    return graph_digest(Graph((), outputs))


def _content(program: Program, value: Value) -> Array | None:
    name = value.node.attribute("name")
    if value.role == "State" and name in program.updates:
        return None
    return program.weights.arrays.get(name)


# --- the same results -------------------------------------------------------------------------------


def _too_much(program: Program) -> str:
    """Why the program is not run to compare: it would take too much memory or time."""
    for graph in nested_graphs(Graph((), program.graph.outputs)):
        for node in graph.nodes:
            if node.name == "Loop":
                count = node.inputs[0]
                known = count.known if count is not None else None
                if known is None or not isinstance(known[0], int) or known[0] > MOST_STEPS:
                    return "it has a Loop of an unknown number of steps"
    sizes = size_choices(program)[0]
    total = 0
    for node in program.graph.nodes:
        for value in node.outputs:
            if isinstance(value.type, TensorType) and value.type.dims is not None:
                found = with_sizes(value.type.size, sizes)
                total += found if isinstance(found, int) else 0
    return "" if total <= LARGEST_RUN else f"a run would hold {total:,} elements"


def _by_values(before: Program, after: Program, names: Mapping[str, str], seed: int) -> Agreement:
    largest, failed, compared = 0.0, "", 0
    choices = size_choices(before, seed)
    for sizes in choices:
        feeds = draw(before, seed, sizes)
        given = {names.get(n, n): a for n, a in feeds.items()}
        try:
            expected = _run(before, feeds)
        except Exception as error:  # whatever the runtime says of a model that states what it can't keep
            failed = f"the model does not run at the sizes {sizes}: {first_line(error)}"
            continue
        try:
            actual = _run(after, given)
        except Exception as error:
            raise fail("G1223", f"the spec does not run where the model does: {first_line(error)}") from None
        labels = (*before.output_names, *before.updates)
        for name, left, right in zip(labels, expected, actual, strict=True):
            largest = max(largest, _compare(name, right, left, sizes))
        compared += 1
    return Agreement("values", largest=largest) if compared else Agreement("unchecked", failed)


def _run(program: Program, feeds: Mapping[str, Any]) -> list[Any]:
    given: dict[Value, Any] = {}
    for graph in nested_graphs(Graph((), program.graph.outputs)):
        for node in graph.nodes:
            for value in node.outputs:
                if not value.is_leaf or value.role in ("Constant", "Argument"):
                    continue
                name = value.node.attribute("name")
                given[value] = feeds[name] if name in feeds else program.weights[name]
    return _evaluator().evaluate(program.graph.outputs, given)


def _evaluator() -> Evaluator:
    from ..backends.torch_fx.evaluator import TorchEvaluator

    return TorchEvaluator()


def _compare(name: str, actual: Any, expected: Any, sizes: Mapping[str, int]) -> float:
    if isinstance(expected, list):
        if len(actual) != len(expected):
            raise fail("G1223", f"the result '{name}' came back with {len(actual)} elements")
        pairs = zip(actual, expected, strict=True)
        return max((_compare(name, a, e, sizes) for a, e in pairs), default=0.0)
    if expected is None or actual is None:
        if expected is not actual:
            raise fail("G1223", f"the result '{name}' came back absent, or present")
        return 0.0
    left, right = np.asarray(actual), np.asarray(expected)
    scale = 1.0
    if right.dtype.kind == "f" and right.size:
        finite = right[np.isfinite(right)]
        scale = max(1.0, float(np.max(np.abs(finite), initial=0.0)))
    tolerance = _TOLERANCES.get(right.dtype.name, 0.0)
    found = allclose(left, right, tolerance, tolerance * scale, equal_nan=True, broadcast=False)
    if not found:
        where = ", ".join(f"{n}={s}" for n, s in sizes.items())
        raise fail("G1223", f"the result '{name}' differs{f' at {where}' if where else ''}: {found}")
    return float(found.max_abs)


_TOLERANCES = {"float32": 1e-5, "float64": 1e-10, "float16": 1e-2, "bfloat16": 3e-2}
