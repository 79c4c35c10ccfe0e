"""What a run is fed: inputs checked, sizes solved, parameters, states and noise filled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ...graph.diagnostics import Diagnostics, Span, SpecError, did_you_mean, fail
from ...graph.ir import Program, Value, topological
from ...graph.types import OptionalType, SequenceType, TensorType
from . import domains
from .allocation import concrete_shape
from .literals import as_array
from .noise import fill_all
from .protocols import Evaluator, Feeds
from .sizes import Equation, check_sizes, solve, unknown_sizes

Array = np.ndarray[Any, Any]

_ROLES = {"Input": "input", "State": "state", "Noise": "noise", "Parameter": "parameter"}


def prepare(
    program: Program,
    inputs: Mapping[str, object],
    *,
    seed: int = 0,
    parameters: Mapping[str, object] | None = None,
    states: Mapping[str, object] | None = None,
    noise: Mapping[str, object] | None = None,
    evaluator: Evaluator | None = None,
    sizes: Mapping[str, int] | None = None,
    step: int | None = None,
) -> Feeds:
    """An array for every leaf of the program, by name.

    `inputs` holds arrays or literals; symbolic sizes are solved from their shapes and from
    `sizes`. Parameters and states not given are the program's weights, else their initializers;
    noise not given is drawn from its initializer, keyed by `seed` and `step`. `evaluator` computes
    initializers (the reference one by default). Declared domains and the program's assumptions
    are checked.

    Raises SpecError with every fault found: missing or unknown names (G1339, G1340), dtypes
    (G1330), ranks and shapes (G1341, G1331), ranges of sizes (G1332, G1333, G1334), domains
    (G1335), sizes past memory (G1338).
    """
    given = _given(program, inputs, parameters, states, noise)
    arrays = _arrays(program, given)
    found = _solved(program, arrays, sizes or {})
    check_domains(program, arrays, found)
    return complete(program, arrays, found, seed=seed, evaluator=evaluator, step=step)


def solve_sizes(
    program: Program, arrays: Mapping[str, Array], sizes: Mapping[str, int] | None = None
) -> dict[str, int]:
    """The symbolic sizes that the shapes of `arrays` (leaf name -> array) and `sizes` fix.
    Raises SpecError: G1331, G1332, G1334, G1336, G1341."""
    return _solved(program, arrays, sizes or {})


def complete(
    program: Program,
    arrays: Mapping[str, Array],
    sizes: Mapping[str, int],
    *,
    seed: int,
    evaluator: Evaluator | None = None,
    step: int | None = None,
) -> dict[str, Array]:
    """`arrays` with every missing parameter, state, noise leaf and generated input filled (weights, else the
    initializer). Raises SpecError: G1333, G1337, G1338."""
    feeds = dict(arrays)
    generated = {n: v for n, v in program.inputs.items() if n in program.initializers}  # of a spec test
    leaves = {**program.parameters, **program.states, **program.noise, **generated}
    missing = {n: v for n, v in leaves.items() if n not in feeds}
    for name in [n for n, v in missing.items() if v.role != "Noise" and n in program.weights]:
        feeds[name] = _weight(name, missing.pop(name), program, sizes)
    for name, leaf in missing.items():
        concrete_shape(name, leaf.tensor, sizes)
    lasting = {n: v for n, v in missing.items() if v.role != "Noise"}
    _initialize(program, lasting, feeds, sizes, seed, evaluator, None)
    _initialize(
        program, {n: missing[n] for n in missing if n not in lasting}, feeds, sizes, seed, evaluator, step
    )
    return feeds


def fill_noise(
    program: Program,
    arrays: Mapping[str, Array],
    sizes: Mapping[str, int],
    *,
    seed: int,
    evaluator: Evaluator | None = None,
    step: int | None = None,
) -> dict[str, Array]:
    """Every noise leaf of the program, drawn. Raises SpecError: G1333, G1337, G1338."""
    for name, leaf in program.noise.items():
        concrete_shape(name, leaf.tensor, sizes)
    feeds = dict(arrays)
    _initialize(program, program.noise, feeds, sizes, seed, evaluator, step)
    return {name: feeds[name] for name in program.noise}


def initialize(program: Program, seed: int, evaluator: Evaluator | None = None) -> Program:
    """The program with a weight for every parameter, and for every state whose shape is fixed.
    Weights that it has stay. Raises SpecError: G1337, G1338, and G1333 where a parameter has a
    symbolic size."""
    leaves = {n: v for n, v in program.parameters.items() if n not in program.weights}
    for name, leaf in program.states.items():
        if name not in program.weights and leaf.tensor.is_static:
            leaves[name] = leaf
    for name, leaf in leaves.items():
        concrete_shape(name, leaf.tensor, {})
    feeds = {n: program.weights[n] for n in (*program.parameters, *program.states) if n in program.weights}
    _initialize(program, leaves, feeds, {}, seed, evaluator, None)
    return program.with_weights({n: feeds[n] for n in leaves})


def default_evaluator() -> Evaluator:
    """The reference evaluator, imported where it is used."""
    from ..reference.evaluator import ReferenceEvaluator

    return ReferenceEvaluator()


# --- given values -----------------------------------------------------------------------------


def _given(program: Program, *groups: Mapping[str, object] | None) -> dict[str, object]:
    """The groups in the order inputs, parameters, states, noise, as one mapping."""
    owners = (program.inputs, program.parameters, program.states, program.noise)
    found, faults = {}, Diagnostics()
    for group, owned, role in zip(groups, owners, ("input", "parameter", "state", "noise"), strict=True):
        for name, value in (group or {}).items():
            if name in owned:
                found[name] = value
            else:
                faults.error("G1340", f"there is no {role} '{name}'", hint=_other_name(program, name, owned))
    for name, leaf in program.inputs.items():
        if name not in found and not isinstance(leaf.type, OptionalType):
            faults.error("G1339", f"input '{name}' ({leaf.type}) is missing", _span(program, leaf))
    faults.raise_if_errors()
    return found


def _other_name(program: Program, name: str, owned: Iterable[str]) -> str | None:
    for group, role in (
        (program.inputs, "an input"),
        (program.parameters, "a parameter"),
        (program.states, "a state"),
        (program.noise, "noise"),
    ):
        if name in group:
            return f"it is {role} of this program"
    return did_you_mean(name, owned)


def _span(program: Program, leaf: Value) -> Span | None:
    spans = program.origin(leaf).spans
    return spans[0] if spans else None


def _place(leaf: Value) -> str:
    return f"{_ROLES[leaf.role]} '{leaf.node.attribute('name')}'"


def _arrays(program: Program, given: Mapping[str, object]) -> dict[str, Array]:
    leaves = {v.node.attribute("name"): v for v in program.graph.inputs}
    found, faults = {}, Diagnostics()
    for name, value in given.items():
        leaf = leaves[name]
        try:
            found[name] = _one_array(leaf, value)
        except SpecError as error:
            for d in error.diagnostics:
                faults.error(d.code, d.message, d.span or _span(program, leaf), hint=d.hint, notes=d.notes)
    faults.raise_if_errors()
    return found


def _one_array(leaf: Value, value: object) -> Any:
    if isinstance(leaf.type, TensorType):
        return as_array(_place(leaf), value, leaf.type)
    if isinstance(leaf.type, SequenceType) and isinstance(value, list | tuple):
        element = leaf.type.element
        if isinstance(element, TensorType):
            return [as_array(f"item {i} of {_place(leaf)}", v, element) for i, v in enumerate(value)]
        return list(value)
    if isinstance(leaf.type, SequenceType):
        raise fail("G1330", f"{_place(leaf)} is a {leaf.type}; give a list of arrays")
    return value


# --- sizes and domains ------------------------------------------------------------------------


def _solved(program: Program, arrays: Mapping[str, Array], sizes: Mapping[str, int]) -> dict[str, int]:
    unknown_sizes(sizes, program)
    held = {n: a for n, a in program.weights.arrays.items() if n in program.parameters or n in program.states}
    shapes = {n: np.shape(a) for n, a in (*held.items(), *arrays.items())}
    faults, equations = Diagnostics(), []
    for leaf in program.graph.inputs:
        name = leaf.node.attribute("name")
        if name not in shapes or not isinstance(leaf.type, TensorType) or leaf.type.axes is None:
            continue
        if len(shapes[name]) != leaf.tensor.rank:
            shape = list(shapes[name])
            message = (
                f"{_place(leaf)} is {leaf.type}, rank {leaf.tensor.rank}; the array given has shape {shape}"
            )
            faults.error("G1341", message, _span(program, leaf))
            continue
        for axis, (dimension, number) in enumerate(zip(leaf.type.axes, shapes[name], strict=True)):
            if dimension is not None:
                equations.append(Equation(dimension, number, f"axis {axis} of {_place(leaf)}"))
    faults.raise_if_errors()
    solved = solve(equations, sizes)
    check_sizes(program, solved)
    return solved


def check_domains(program: Program, arrays: Mapping[str, Array], sizes: Mapping[str, int]) -> None:
    """Raises SpecError with a G1335 for every array that leaves its declared domain."""
    faults = Diagnostics()
    for name, domain in program.domains.items():
        if domain.declared and name in arrays and isinstance(arrays[name], np.ndarray):
            wrong = domains.check(name, arrays[name], domain, sizes)
            if wrong is not None:
                leaf = program.inputs.get(name)
                faults.error(wrong.code, wrong.message, _span(program, leaf) if leaf is not None else None)
    faults.raise_if_errors()


# --- filling ----------------------------------------------------------------------------------


def _weight(name: str, leaf: Value, program: Program, sizes: Mapping[str, int]) -> Array:
    array = program.weights[name]
    shape = concrete_shape(name, leaf.tensor, sizes)
    if array.shape != shape or array.dtype != leaf.tensor.dtype.numpy:
        raise fail(
            "G1337",
            f"the weight of {_place(leaf)} is {array.dtype}{list(array.shape)}; {leaf.type} is declared",
        )
    return array


def _initialize(
    program: Program,
    leaves: Mapping[str, Value],
    feeds: dict[str, Array],
    sizes: Mapping[str, int],
    seed: int,
    evaluator: Evaluator | None,
    step: int | None,
) -> None:
    """Adds to `feeds` the value of each leaf's initializer; one may read leaves filled before it."""
    pending = dict(leaves)
    if not pending:
        return
    used = evaluator or default_evaluator()
    while pending:
        needs = {n: _needed(program, n, leaf) for n, leaf in pending.items()}
        ready = [n for n in pending if not any(v.node.attribute("name") in pending for v in needs[n])]
        if not ready:
            raise fail("G1337", f"the initializers of {', '.join(sorted(pending))} need one another")
        outputs = [program.initializers[n] for n in ready]
        given: dict[Value, Array] = dict(fill_all(outputs, seed, sizes, step))
        for name in ready:
            given.update({v: _leaf_array(program, v, feeds) for v in needs[name]})
        for name, array in zip(ready, used.evaluate(outputs, given), strict=True):
            feeds[name] = _fitted(name, pending.pop(name), array, sizes)


def _needed(program: Program, name: str, leaf: Value) -> list[Value]:
    """The leaves, draws aside, that an initializer reads."""
    if name not in program.initializers:
        raise fail("G1337", f"{_place(leaf)} has neither a value nor an initializer", _span(program, leaf))
    inner = (n.outputs[0] for n in topological([program.initializers[name]]) if n.outputs)
    return [v for v in inner if v.is_leaf and v.role not in ("Draw", "Constant", "Argument")]


def _leaf_array(program: Program, leaf: Value, feeds: Mapping[str, Array]) -> Array:
    name = leaf.node.attribute("name")
    if name in feeds:
        return feeds[name]
    if name in program.weights:
        return program.weights[name]
    raise fail("G1337", f"an initializer needs '{name}', which has no value")


def _fitted(name: str, leaf: Value, array: Array, sizes: Mapping[str, int]) -> Array:
    """The initializer's value in the leaf's dtype, broadcast to its shape."""
    shape = concrete_shape(name, leaf.tensor, sizes)
    try:
        wide = np.broadcast_to(array, shape)
    except ValueError as error:
        found = list(np.shape(array))
        raise fail(
            "G1337", f"the initializer of {_place(leaf)} gives shape {found}, not {list(shape)}"
        ) from error
    return np.ascontiguousarray(wide, leaf.tensor.dtype.numpy).reshape(shape)
