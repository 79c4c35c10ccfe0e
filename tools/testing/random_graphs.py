"""Random typed programs, for comparing backends and passes with each other.

Every float value carries a bound on its magnitude, and operators are guarded (a logarithm's
operand is made positive, a rounding's is moved off its ties), so that results are finite, of
moderate size, and the same up to rounding in every right implementation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ...graph.ir import Domain, Graph, Program, Size, Value, Weights, apply, constant, leaf, topological
from ...graph.types import FLOAT32, INT64, DType, TensorType
from ...graph.types.dimensions import Dimension, evaluate, substitute, symbol

MOST_BATCH = 4
"""The symbolic size `n` is 1 to this."""

MAX_ELEMENTS = 2048
MAX_RANK = 5
MAX_BOUND = 50.0

Array = np.ndarray[Any, Any]


class Unsuitable(Exception):
    """No value at hand suits the operator that was drawn."""


class RandomGraph:
    """A graph under construction: the values at hand, bounds on them, and weights."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.batch = symbol("n", 1, MOST_BATCH)
        self.values: list[Value] = []
        self.bounds: dict[Value, float] = {}
        self.weights: dict[str, Array] = {}
        self.parameters: list[Value] = []

    # --- choosing -----------------------------------------------------------------------------

    def integer(self, low: int, high: int) -> int:
        """Uniform from `low` up to, not including, `high`."""
        return int(self.rng.integers(low, high))

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def choose(self, candidates: Sequence[Any]) -> Any:
        """One of the candidates, later ones more often. Raises Unsuitable where there is none."""
        if not candidates:
            raise Unsuitable
        return candidates[max(self.integer(0, len(candidates)), self.integer(0, len(candidates)))]

    def value(
        self, dtype: DType = FLOAT32, suits: Callable[[tuple[Dimension, ...]], bool] | None = None
    ) -> Value:
        """A value at hand of that dtype whose shape suits."""
        found = [v for v in self.values if v.tensor.dtype is dtype]
        return self.choose([v for v in found if suits is None or suits(v.tensor.shape)])  # type: ignore[no-any-return]  # one of `found`

    def bounded(self, limit: float, suits: Callable[[tuple[Dimension, ...]], bool] | None = None) -> Value:
        """A float value of magnitude at most `limit`: squashed where it might be larger."""
        value = self.value(FLOAT32, suits)
        return value if self.bound(value) <= limit else self.note(apply("Tanh", value), 1.0)

    def static_axis(self, value: Value, least: int = 1) -> int:
        """An axis whose size is a number, at least `least`."""
        axes = [i for i, d in enumerate(value.tensor.shape) if isinstance(d, int) and d >= least]
        return int(self.choose(axes))

    def bound(self, value: Value) -> float:
        return self.bounds.get(value, MAX_BOUND)

    def note(self, value: Value, bound: float) -> Value:
        """Records a bound."""
        self.bounds[value] = min(bound, self.bounds.get(value, bound))
        return value

    # --- making -------------------------------------------------------------------------------

    def input(self, name: str, dtype: DType, shape: tuple[Dimension, ...], bound: float) -> Value:
        value = leaf("Input", name, TensorType(dtype, shape))
        self.values.append(self.note(value, bound))
        return value

    def parameter(self, shape: Sequence[int], low: float = -1.0, high: float = 1.0) -> Value:
        """A parameter with uniform values."""
        name = f"w{len(self.parameters)}"
        array = self.rng.uniform(low, high, tuple(shape)).astype(np.float32)
        value = leaf("Parameter", name, TensorType(FLOAT32, tuple(shape)))
        self.weights[name] = array
        self.parameters.append(value)
        return self.note(value, max(abs(low), abs(high)))

    def number(self, value: float) -> Value:
        return self.note(constant(np.float32(value)), abs(value))

    def integers(self, *values: int) -> Value:
        return constant(np.array(values, np.int64))

    def ramp(self, value: Value, axis: int) -> Value:
        """The value plus a ramp along an axis, which breaks ties there."""
        size = value.tensor.shape[axis]
        if not isinstance(size, int) or size > 32:
            raise Unsuitable
        shape = [1] * value.tensor.rank
        shape[axis] = size
        steps = (np.arange(size, dtype=np.float32) * 0.731 + 0.137).reshape(shape)
        return self.note(apply("Add", value, constant(steps)), self.bound(value) + 0.731 * size)

    def off_ties(self, value: Value) -> Value:
        """The value moved so that whole numbers and halves no longer are."""
        return self.note(apply("Add", value, self.number(0.1374)), self.bound(value) + 0.2)

    def partner(self, value: Value) -> Value:
        """A float value that broadcasts with this one."""
        shape = value.tensor.shape
        same = [
            v
            for v in self.values
            if v.tensor.dtype is FLOAT32 and broadcasts(v.tensor.shape, shape) and v is not value
        ]
        if same and self.chance(0.7):
            return self.choose(same)  # type: ignore[no-any-return]  # a Value
        sizes = [d if isinstance(d, int) and self.chance(0.7) else 1 for d in shape]
        kept = sizes[self.integer(0, len(sizes) + 1) :]
        if int(np.prod(kept)) <= 8 and self.chance(0.4):
            array = self.rng.uniform(-1, 1, kept).astype(np.float32)
            return self.note(constant(array), 1.0)
        return self.parameter(kept)

    def fits(self, value: Value) -> bool:
        """Whether a result is small enough to go on with."""
        if not isinstance(value.type, TensorType) or value.type.dims is None:
            return False
        largest = substitute(value.tensor.size, {"n": MOST_BATCH})
        return value.tensor.rank <= MAX_RANK and isinstance(largest, int) and 0 < largest <= MAX_ELEMENTS


def broadcasts(left: Sequence[Dimension], right: Sequence[Dimension]) -> bool:
    pairs = zip(reversed(left), reversed(right), strict=False)
    return all(a == b or 1 in (a, b) for a, b in pairs)


def at_most(size: Dimension) -> int:
    found = substitute(size, {"n": MOST_BATCH})
    assert isinstance(found, int)
    return found


def of_rank(least: int, most: int = 5) -> Callable[[tuple[Dimension, ...]], bool]:
    return lambda shape: least <= len(shape) <= most


def is_static(shape: tuple[Dimension, ...]) -> bool:
    return len(shape) > 0 and all(isinstance(d, int) for d in shape)


def is_image(shape: tuple[Dimension, ...]) -> bool:
    return len(shape) == 4 and all(isinstance(d, int) for d in shape[1:])


def channel_count(value: Value) -> int:
    return at_most(value.tensor.shape[1])


Results = Sequence[tuple[Value, float]]
"""What a recipe gives: results, each with a bound on its magnitude."""

Recipe = Callable[[RandomGraph, str], Results]


def random_program(
    rng: np.random.Generator, operators: Iterable[str] | None = None, nodes: int = 20, outputs: int = 5
) -> Program:
    """A program of about `nodes` drawn operators (each with what guards it) out of `operators`
    (default: all of `random_operators.OPERATORS`) on float32 inputs with a symbolic batch size
    `n`, an image, integer indices and parameters. Its results are up to `outputs` values that
    nothing else reads. The same generator state gives the same program.
    """
    from .random_operators import RECIPES

    recipes = [(name, RECIPES[name]) for name in (operators or RECIPES)]
    graph = RandomGraph(rng)
    _inputs(graph)
    made = 0
    for _ in range(20 * nodes):
        if made == nodes:
            break
        name, recipe = recipes[graph.integer(0, len(recipes))]
        try:
            results = recipe(graph, name)
        except Unsuitable:
            continue
        fitting = [(v, b) for v, b in results if graph.fits(v) and b <= MAX_BOUND]
        graph.values += [graph.note(v, b) for v, b in fitting]
        made += bool(fitting)
    return _program(graph, outputs)


def _inputs(graph: RandomGraph) -> None:
    n = graph.batch
    graph.input("rows", FLOAT32, (n, 6), 2.0)
    graph.input("columns", FLOAT32, (6,), 2.0)
    graph.input("cube", FLOAT32, (2, 3, 4), 2.0)
    graph.input("image", FLOAT32, (n, 4, 6, 6), 2.0)
    graph.input("index", INT64, (n,), 5.0)


def _program(graph: RandomGraph, outputs: int) -> Program:
    read = {v for node in topological(graph.values) for v in node.inputs}
    ends = [v for v in dict.fromkeys(graph.values) if v not in read and not v.is_leaf][-outputs:]
    if not ends:
        ends = [apply("Identity", graph.values[0])]
    needed = {node.outputs[0] for node in topological(ends) if node.outputs}
    signature = [v for v in (*graph.values, *graph.parameters) if v.is_leaf and v in needed]
    leaves = [v for v in dict.fromkeys(signature) if v.role in ("Input", "Parameter")]
    names = {v.node.attribute("name"): v for v in leaves}
    names |= {f"y{i}": v for i, v in enumerate(ends)}
    return Program(
        name="random",
        graph=Graph(tuple(sorted(leaves, key=lambda v: v.role)), tuple(ends)),
        output_names=tuple(f"y{i}" for i in range(len(ends))),
        weights=Weights(graph.weights).only(names),
        names=names,
        sizes={"n": Size(1, MOST_BATCH)},
        domains={v.node.attribute("name"): _domain(v) for v in leaves if v.role == "Input"},
    )


def _domain(value: Value) -> Domain:
    integer = value.tensor.dtype.is_integer
    return Domain("range", 0, 5) if integer else Domain("range", -2.0, 2.0)


def random_inputs(
    program: Program, rng: np.random.Generator, sizes: Mapping[str, int] | None = None
) -> dict[str, Array]:
    """An array for every input, drawn from its domain. `sizes` binds the symbolic sizes (default:
    drawn from their ranges)."""
    bound = {n: int(rng.integers(s.low, (s.high or 8) + 1)) for n, s in program.sizes.items()}
    bound |= dict(sizes or {})
    found: dict[str, Array] = {}
    for name, value in program.inputs.items():
        shape = tuple(evaluate(d, bound) for d in value.tensor.shape)
        if value.tensor.dtype.is_integer:
            found[name] = rng.integers(0, 6, shape).astype(value.tensor.dtype.numpy)
        else:
            found[name] = rng.uniform(-2, 2, shape).astype(value.tensor.dtype.numpy)
    return found
