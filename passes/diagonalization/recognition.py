"""Recurrences with constant coefficients found in a graph and raised to LtiSsm."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import ClassVar

import numpy as np

from ...backends.onnx.emitting.state_space_tables import concat, ints, reshape, unsqueeze
from ...graph.ir import Graph, Node, Program, Value, apply, apply_all, constant, make_node, rebuild
from ...graph.operators import RuleError
from ...graph.types.dimensions import Dimension
from ..manager.contract import Bounded, Contract
from ..manager.pass_ import Context, Replacement, Result
from ..rewriting import Procedure, Site
from ..rewriting.rewriting_pass import result_of
from ..rewriting.sweep import rewrite
from .certificates import UNIT
from .layers import numbers_of, operand
from .linear_step import Step, step_of
from .raising import Matrices, Recurrence, raised, rounding_bound

Bounds = dict[Value, float]
LARGEST_STEP = 200
"""Nodes of a step with what it reads, beyond which a row of steps is not looked at."""
LOOPS = frozenset({"Scan", "Loop", "RNN"})
"""Recurrences that the report names with the reason when they are not raised."""
DEEPEST = 6
"""Nodes of one step of a written-out recurrence, along the path of its state."""


@dataclass(frozen=True)
class RaiseSsm:
    """Raises to LtiSsm: Scan and Loop whose body is linear with constant coefficients, RNN with an affine
    activation, at least `least` equal linear steps written one after the other (diffusion on a graph),
    and two filters in a row. `length` stands for a symbolic number of steps in the bound.

    Needs constants: put freeze_parameters and fold_constants before it.
    """

    name: ClassVar[str] = "raise_ssm"
    variants: ClassVar[frozenset[str]] = frozenset({"infer"})

    least: int = 4
    length: int = 1024

    @property
    def contract(self) -> Contract:
        return Bounded("gain", float("inf"))

    def run(self, program: Program, context: Context) -> Result:
        bounds: Bounds = {}
        notes: list[str] = []
        chains = written_out(program.graph, self.least)

        def rule(name: str, root: str, rewriting: Callable[[Node, Site], Found]) -> Procedure:
            def attempt(node: Node, site: Site) -> Sequence[Value] | str | None:
                found = rewriting(node, site)
                if isinstance(found, str):
                    if root in LOOPS:
                        notes.append(f"{_label(node)} left as it is: {found}")
                    return found
                bounds[found[0][0]] = found[1]
                return found[0]

            return Procedure(name, (root,), attempt)

        rules = [
            rule("scan-raised", "Scan", lambda n, s: _scan(n, s, self.length)),
            rule("loop-raised", "Loop", lambda n, s: _loop(n, s)),
            rule("rnn-raised", "RNN", lambda n, s: _rnn(n, s, self.length)),
            rule("filters-joined", "LtiSsm", lambda n, s: _joined(n, s, self.length)),
            *(
                rule("steps-raised", root, lambda n, s: _chain(n, s, chains))
                for root in dict.fromkeys(n.name for n in chains)
            ),
        ]
        rewritten = rewrite(program, rules, self.name, context.firings)
        result = result_of(rewritten, tuple(dict.fromkeys(notes)))
        return replace(result, replacements=tuple(_bounded(r, bounds) for r in result.replacements))


Found = tuple[list[Value], float] | str


def _bounded(site: Replacement, bounds: Bounds) -> Replacement:
    """The site with its bound, without a last state that nothing reads: of the filter before, which stands for
    it, the site has no part."""
    last = site.new[-1].node
    unread = last.name == "LtiSsm" and last.attribute("certificate_kind") == "unread"
    count = 1 if unread else len(site.new)
    return replace(site, old=site.old[:count], new=site.new[:count], bound=bounds.get(site.new[0]))


def _label(node: Node) -> str:
    return f"{node.name} to {', '.join(str(v.type) for v in node.outputs)}"


def _steps(length: Dimension, otherwise: int) -> int:
    return length if isinstance(length, int) else otherwise


# --- Scan and Loop -------------------------------------------------------------------------------


def _captures(body: Graph, inner: Sequence[Value], outer: Sequence[Value | None], site: Site) -> _Captured:
    known: dict[Value, np.ndarray[tuple[int, ...], np.dtype[np.float64]]] = {}
    held: list[tuple[Value, Value]] = []
    for argument, value in zip(inner, outer, strict=True):
        assert value is not None
        array = site.array(value)
        if array is not None:
            known[argument] = array
        else:
            held.append((argument, value))
    return _Captured(known, tuple(a for a, _ in held), tuple(v for _, v in held))


@dataclass(frozen=True, eq=False)
class _Captured:
    known: dict[Value, np.ndarray[tuple[int, ...], np.dtype[np.float64]]]
    arguments: tuple[Value, ...]
    values: tuple[Value, ...]


def _scan(node: Node, site: Site, otherwise: int) -> Found:
    body: Graph = node.attribute("body")
    scanned, captures = node.attribute("num_scan_inputs"), node.attribute("captures", 0)
    inputs = [v for v in node.inputs if v is not None]
    count = len(inputs) - scanned - captures
    if not count:
        return "it carries no state"
    for name in ("scan_input_axes", "scan_output_axes", "scan_input_directions", "scan_output_directions"):
        if any(node.attribute(name) or ()):
            return f"its {name} are not the usual ones"
    captured = _captures(body, body.inputs[count + scanned :], inputs[count + scanned :], site)
    variables = (*body.inputs[: count + scanned], *captured.arguments)
    step = _step(body.outputs, variables, captured, count)
    if isinstance(step, str):
        return step
    sequences = tuple(inputs[count : count + scanned])
    length = sequences[0].tensor.shape[0]
    shapes = _shapes(body.outputs[count:], step.axis)
    found = Recurrence(tuple(inputs[:count]), sequences, captured.values, shapes, step, length)
    return raised(found, site, _steps(length, otherwise))


def _shapes(outputs: Sequence[Value], axis: int | None) -> tuple[tuple[int, ...], ...]:
    found = []
    for value in outputs:
        dims = list(value.tensor.shape)
        if axis is not None:
            del dims[axis]
        found.append(tuple(int(str(d)) for d in dims))
    return tuple(found)


def _step(
    results: Sequence[Value], variables: Sequence[Value], captured: _Captured, states: int
) -> Step | str:
    floats = all(v.tensor.dtype.name in ("float32", "float64") for v in (*results, *variables))
    if not floats:
        return "it carries something else than float32 or float64"
    if any(v.tensor.dims is None for v in (*results, *variables)):
        return "it has an operand of unknown rank"
    step = step_of(results, variables, captured.known)
    if isinstance(step, str):
        return step
    for value in results:
        if step.axis is not None and value.tensor.rank < 2:
            return "a result has no batch"
    return step


def _loop(node: Node, site: Site) -> Found:
    body: Graph = node.attribute("body")
    trips, condition, *rest = node.inputs
    known = trips.known if trips is not None else None
    if known is None or not isinstance(known[0], int) or known[0] < 1:
        return "its number of steps is not known"
    stays = site.array(body.outputs[0])
    if stays is None or not bool(stays.all()):
        if body.outputs[0] is not body.inputs[1] and not _passes(body):
            return "it may stop early"
    first = site.array(condition) if condition is not None else None
    if condition is not None and (first is None or not bool(first.all())):
        return "its condition is not constant"
    captures = node.attribute("captures", 0)
    count = len(rest) - captures
    captured = _captures(body, body.inputs[2 + count :], rest[count:], site)
    variables = (*body.inputs[2 : 2 + count], *captured.arguments)
    step = _step(body.outputs[1:], variables, captured, count)
    if isinstance(step, str):
        return step
    states = tuple(v for v in rest[:count] if v is not None)
    shapes = _shapes(body.outputs[1 + count :], step.axis)
    return _held(Recurrence(states, (), captured.values, shapes, step, known[0]), site)


def _passes(body: Graph) -> bool:
    """Whether the condition that goes out is the one that came in."""
    node = body.outputs[0].node
    return node.name == "Identity" and node.inputs[0] is body.inputs[1]


def _held(found: Recurrence, site: Site) -> Found:
    """A recurrence without scanned operands; one without any gets a channel of zeros."""
    assert isinstance(found.length, int)
    if not found.held and not np.any(found.step.offset):
        zero = np.zeros((len(found.step.matrix), 1))
        states = found.step.matrix.shape[1]
        matrix = np.concatenate([found.step.matrix[:, :states], zero], axis=1)
        found = replace(found, step=replace(found.step, matrix=matrix))
    return raised(found, site, int(str(found.length)))


# --- RNN -----------------------------------------------------------------------------------------


def _rnn(node: Node, site: Site, otherwise: int) -> Found:
    x, w, r, bias, lengths, start = (*node.inputs, *(None,) * 6)[:6]
    names = node.attribute("activations") or ("Tanh",)
    if tuple(n.lower() for n in names) != ("affine",) or node.attribute("direction") != "forward":
        return "its activation is not affine, or it runs backwards"
    if lengths is not None or node.attribute("clip") or node.attribute("layout"):
        return "it has lengths, a clip or its batch in front"
    assert x is not None and w is not None and r is not None
    arrays = [site.array(v) if v is not None else np.zeros(1) for v in (w, r, bias)]
    if any(a is None for a in arrays):
        return "its weights are no constants"
    alpha, beta = (
        (node.attribute("activation_alpha") or (1.0,))[0],
        (node.attribute("activation_beta") or (0.0,))[0],
    )
    entering, recurrent, both = (np.asarray(a, np.float64) for a in arrays)
    n = recurrent.shape[1]
    offset = alpha * both[0].reshape(2, n).sum(0) + beta if bias is not None else np.full(n, float(beta))
    matrix = alpha * np.concatenate([recurrent[0], entering[0]], axis=1)
    step = Step(np.concatenate([matrix, matrix]), np.concatenate([offset, offset]), 0)
    first = _initial(x, start, n)
    length = x.tensor.shape[0]
    found = Recurrence((first,), (x,), (), ((n,),), step, length)
    made = raised(found, site, _steps(length, otherwise))
    if isinstance(made, str):
        return made
    (last, y), bound = made
    return [unsqueeze(y, 1), unsqueeze(last, 0)], bound


def _initial(x: Value, start: Value | None, n: int) -> Value:
    if start is not None:
        return reshape(start, -1, n)
    batch = apply("Shape", x, start=1, end=2)
    return apply("Expand", constant(np.zeros(1, x.tensor.dtype.numpy)), concat(batch, ints(n), axis=0))


# --- steps written out -----------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Chain:
    """`end` is `count` times the step from `start`: `result` as a function of `state`."""

    start: Value
    state: Value
    result: Value
    count: int


def written_out(graph: Graph, least: int) -> dict[Node, Chain]:
    """The last node of every longest row of equal steps, with its chain. Nodes are interned, so that a
    step with its state replaced by the state before is the very node before."""
    ends: dict[Node, Chain] = {}
    lengths: dict[Value, Chain] = {}
    for node in graph.nodes:
        if len(node.outputs) != 1 or node.name not in ("MatMul", "Add", "Sub", "Mul", "Gemm"):
            continue
        value = node.outputs[0]
        found = _longer(value, lengths)
        if found is None:
            continue
        lengths[value] = found
        if found.count >= least:
            ends.pop(found.state.node, None)
            ends[node] = found
    within = {n for c in ends.values() for n in _step_nodes(c.result, c.state)}
    return {n: c for n, c in ends.items() if n not in within}


def _step_nodes(result: Value, state: Value) -> set[Node]:
    """The nodes of the last step below its result."""
    return {v.node for n in _dependent(result, state) for v in n.inputs if v is not None and v is not state}


def _longer(value: Value, lengths: dict[Value, Chain]) -> Chain | None:
    """The chain that ends at `value`: its state is an ancestor of the same type, whose own step is
    the same function."""
    for path in _paths(value):
        state = path[-1]
        before = _follow(state, path, value)
        if before is None or _moved_back(path, before) is not state:
            continue
        earlier = lengths.get(state)
        if earlier is not None and earlier.state is before:
            return Chain(earlier.start, state, value, earlier.count + 1)
        return Chain(before, state, value, 2)
    return None


def _moved_back(path: Sequence[Value], before: Value) -> Value | None:
    """The step along `path` with the state at its end replaced by `before`, wherever a node of the path
    reads it."""
    state, moved = path[-1], before
    for above, below in zip(path[-2::-1], path[:0:-1], strict=True):
        inputs = [before if v is state else moved if v is below else v for v in above.node.inputs]
        try:
            moved = rebuild(above.node, inputs).outputs[above.index]
        except RuleError:
            return None
    return moved


def _paths(value: Value) -> list[tuple[Value, ...]]:
    """Ways from a value to ancestors of its type and operator, at most DEEPEST steps up."""
    found: list[tuple[Value, ...]] = []
    front: list[tuple[Value, ...]] = [(value,)]
    for _ in range(DEEPEST):
        following = []
        for path in front:
            for operand_ in path[-1].node.inputs:
                if operand_ is None or operand_.is_leaf:
                    continue
                longer = (*path, operand_)
                if operand_.type == value.type and operand_.node.operator is value.node.operator:
                    found.append(longer)
                following.append(longer)
        front = following[:16]
    return found


def _follow(state: Value, path: Sequence[Value], value: Value) -> Value | None:
    """The ancestor of `state` at the end of the same operand positions as `path` from `value`."""
    at = state
    for above, below in pairwise(path):
        position = above.node.inputs.index(below)
        if at.node.operator is not above.node.operator or position >= len(at.node.inputs):
            return None
        following = at.node.inputs[position]
        if following is None:
            return None
        at = following
    return at if at.type == value.type else None


def _chain(node: Node, site: Site, chains: dict[Node, Chain]) -> Found:
    chain = chains.get(node)
    if chain is None:
        return "it is not the end of a row of equal steps"
    others: list[Value] = []
    known = {}
    for value in _operands(chain.result, chain.state):
        array = site.array(value)
        if array is not None:
            known[value] = array
        elif value.tensor.dtype.is_float:
            others.append(value)
    variables = (chain.state, *others)
    captured = _Captured(known, tuple(others), tuple(others))
    step = _step((chain.result,), variables, captured, 1)
    if isinstance(step, str):
        return step
    found = Recurrence((chain.start,), (), tuple(others), (), step, chain.count)
    made = _held(found, site)
    return made if isinstance(made, str) else (made[0][:1], made[1])


def _operands(result: Value, state: Value) -> list[Value]:
    """What a step reads besides its state, up to leaves and values that do not depend on the state."""
    order = _dependent(result, state)
    inside = {v for n in order for v in n.outputs} | {state}
    return list(dict.fromkeys(v for n in order for v in n.inputs if v is not None and v not in inside))


def _dependent(result: Value, state: Value) -> list[Node]:
    """The nodes from `state` to `result`, operands first, no more than a step can have."""
    depends, order = {state}, []
    stack = [(result, False)]
    seen: set[Value] = set()
    while stack and len(seen) < LARGEST_STEP:
        value, finished = stack.pop()
        if finished:
            if any(v in depends for v in value.node.inputs):
                depends.add(value)
                order.append(value.node)
        elif value not in seen and value is not state and not value.is_leaf:
            seen.add(value)
            stack.append((value, True))
            stack.extend((v, False) for v in value.node.inputs if v is not None)
    return order


# --- filters in a row --------------------------------------------------------------------------------


def _joined(node: Node, site: Site, otherwise: int) -> Found:
    """Two discrete dense layers of one group in series, from zero states, as one."""
    u = node.inputs[0]
    assert u is not None
    first = u.node
    if node.attribute("certificate_kind") == "unread":
        return "it stands for a last state that nothing reads"
    if first.operator is not node.operator or u.index or site.readers(u) > 1:
        return "its input is no other state-space layer that nothing else reads"
    for layer in (first, node):
        if (
            layer.attribute("form") != "dense"
            or layer.attribute("disc") != "none"
            or operand(layer, "initial")
        ):
            return "one of the two is no dense discrete layer from a zero state"
        if site.readers(layer.outputs[1]):
            return "the last state of one of the two is read"
    parts = [_filter(layer, site) for layer in (first, node)]
    if any(p is None for p in parts):
        return "their matrices are no constants of one group"
    (a1, b1, c1, d1), (a2, b2, c2, d2) = (p for p in parts if p is not None)
    n, m = len(a1), len(a2)
    a = np.block([[a1, np.zeros((n, m))], [b2 @ c1 @ a1, a2]])
    b = np.concatenate([b1, b2 @ (c1 @ b1 + d1)])
    c = np.concatenate([d2 @ c1, c2], axis=1)
    dtype = u.tensor.dtype.name
    weights = [site.constant(x[None].astype(dtype), "filters") for x in (a, b, c, d2 @ d1)]
    if any(w is None for w in weights):
        return "its matrices are too large for a body"
    y, _ = apply_all("LtiSsm", first.inputs[0], *weights, domain="graphwright", form="dense")
    bound = rounding_bound(Matrices(a, b, c, d2 @ d1, n + m), dtype, _steps(u.tensor.shape[2], otherwise))
    if not bound < UNIT[dtype] * float(np.finfo(dtype).max):
        return "what it rounds as one layer has no bound"
    return [y, _unread(node)], bound


def _filter(layer: Node, site: Site) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.float64]], ...] | None:
    numbers = numbers_of(layer, site)
    if isinstance(numbers, str) or numbers.groups != 1:
        return None
    system = numbers.system("dense", 0)
    d = operand(layer, "D")
    through = np.zeros((system.c.shape[0], system.b.shape[1]))
    if d is not None:
        array = site.array(d)
        if array is None:
            return None
        through = np.asarray(array[0] if array.ndim == 3 else np.diag(array), np.float64)
    return system.a, system.b, system.c, through


def _unread(node: Node) -> Value:
    return make_node(node.operator, node.inputs, {**node.attributes, "certificate_kind": "unread"}).outputs[1]
