"""A program: a graph with names, weights, origins and what its sizes may be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..diagnostics.span import Span
from ..types.dimensions import Dimension
from .content_hash import array_digest
from .graph import Graph
from .node import Value


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value comes from: spec lines, the path of calls (`stack.3.att`), the passes that made it."""

    spans: tuple[Span, ...] = ()
    path: str = ""
    passes: tuple[str, ...] = ()

    def merge(self, other: Origin, by: str = "") -> Origin:
        """Both origins as one, made by pass `by`."""
        spans = self.spans + tuple(s for s in other.spans if s not in self.spans)
        passes = self.passes + tuple(p for p in (*other.passes, by) if p and p not in self.passes)
        return Origin(spans, self.path or other.path, passes)


@dataclass(frozen=True, slots=True)
class Size:
    """What a symbolic size may be: `low` to `high` (None: no bound)."""

    low: int = 1
    high: int | None = None


@dataclass(frozen=True, slots=True)
class Assumption:
    """A condition on sizes that is checked when a run starts: `left operator right`, with
    `operator` one of == != < <= > >=. All of a program's assumptions must hold; one with
    `alternatives` holds where any of those does."""

    left: Dimension
    operator: str
    right: Dimension
    reason: str = ""
    span: Span | None = None
    alternatives: tuple[Assumption, ...] = ()

    def __str__(self) -> str:
        if self.alternatives:
            return " or ".join(map(str, self.alternatives))
        return f"{self.left} {self.operator} {self.right}"


DOMAIN_KINDS = frozenset(
    "normal prefix permutation simplex spd onehot unit positive nonzero triangular sorted".split()
)
"""What `~ kind` may say of an input."""


@dataclass(frozen=True, slots=True)
class Domain:
    """What an input's values are: `kind` (range, or one of DOMAIN_KINDS), with `low` and `high` for
    a range (dimensions or numbers)."""

    kind: str = "normal"
    low: Dimension | float | None = None
    high: Dimension | float | None = None
    arguments: tuple[float, ...] = ()
    declared: bool = True


@dataclass(frozen=True)
class Weights:
    """Named arrays: parameters' values, states' values, constants of more than 64 elements.

    Arrays may be memory-mapped; they are referenced, never copied, until written. Who writes makes
    new Weights: an array's hash is computed once, when it is first asked for.
    """

    arrays: Mapping[str, np.ndarray[Any, Any]] = field(default_factory=dict)
    _digests: dict[str, str] = field(default_factory=dict, init=False, repr=False)

    def digest(self, name: str) -> str:
        """The hash of an array's dtype, shape and content. Raises KeyError."""
        if name not in self._digests:
            self._digests[name] = array_digest(self.arrays[name])
        return self._digests[name]

    def __eq__(self, other: object) -> bool:
        """Whether the names and all contents are equal, bit for bit."""
        if not isinstance(other, Weights) or self.arrays.keys() != other.arrays.keys():
            return NotImplemented if not isinstance(other, Weights) else False
        return all(a is other.arrays[n] or self.digest(n) == other.digest(n) for n, a in self.arrays.items())

    def __getitem__(self, name: str) -> np.ndarray[Any, Any]:
        return self.arrays[name]

    def __contains__(self, name: object) -> bool:
        return name in self.arrays

    def with_arrays(self, arrays: Mapping[str, np.ndarray[Any, Any]]) -> Weights:
        return self._keeping_digests({**self.arrays, **arrays})

    def only(self, names: Iterable[str]) -> Weights:
        return self._keeping_digests({n: self.arrays[n] for n in names if n in self.arrays})

    def _keeping_digests(self, arrays: Mapping[str, np.ndarray[Any, Any]]) -> Weights:
        result = Weights(arrays)
        same = (n for n in self._digests if n in arrays and arrays[n] is self.arrays[n])
        result._digests.update({n: self._digests[n] for n in same})
        return result

    @property
    def nbytes(self) -> int:
        return sum(a.nbytes for a in self.arrays.values())


@dataclass(frozen=True)
class Program:
    """One variant (`train` or `infer`) of a document, or an imported model.

    `graph.inputs` are leaves, in this order: inputs, states, noise, parameters (and Weight leaves
    are found by walking). `graph.outputs` are the results called `output_names`, then the new
    states called `updates`. `initializers` maps parameters, states and noise to the expression
    (over Draw leaves and constants) that fills them; a name in `weights` needs none. `theories` holds
    the theory (`graph.theory.Theory`) that each `facts` type names.
    """

    name: str
    graph: Graph
    output_names: tuple[str, ...]
    updates: tuple[str, ...] = ()
    weights: Weights = field(default_factory=Weights)
    initializers: Mapping[str, Value] = field(default_factory=dict)
    names: Mapping[str, Value] = field(default_factory=dict)
    origins: Mapping[Value, Origin] = field(default_factory=dict)
    sizes: Mapping[str, Size] = field(default_factory=dict)
    assumptions: tuple[Assumption, ...] = ()
    domains: Mapping[str, Domain] = field(default_factory=dict)
    variant: str = "infer"
    metadata: Mapping[str, str] = field(default_factory=dict)
    theories: Mapping[str, Any] = field(default_factory=dict)

    def _leaves(self, role: str) -> dict[str, Value]:
        return {v.node.attribute("name"): v for v in self.graph.inputs if v.role == role}

    @property
    def inputs(self) -> dict[str, Value]:
        return self._leaves("Input")

    @property
    def parameters(self) -> dict[str, Value]:
        return self._leaves("Parameter")

    @property
    def states(self) -> dict[str, Value]:
        return self._leaves("State")

    @property
    def noise(self) -> dict[str, Value]:
        return self._leaves("Noise")

    @property
    def outputs(self) -> dict[str, Value]:
        """The declared results."""
        return dict(zip(self.output_names, self.graph.outputs, strict=False))

    @property
    def new_states(self) -> dict[str, Value]:
        """State name -> its value after the run."""
        return dict(zip(self.updates, self.graph.outputs[len(self.output_names) :], strict=True))

    def __reduce__(self) -> tuple[object, ...]:
        from .pickling import reduce_program

        return reduce_program(self)

    def origin(self, value: Value) -> Origin:
        return self.origins.get(value, Origin())

    def with_graph(self, outputs: tuple[Value, ...], **changes: Any) -> Program:
        """The program with other output values (same names); unreached leaves stay in the signature."""
        return replace(self, graph=Graph(self.graph.inputs, outputs), **changes)

    def with_weights(self, arrays: Mapping[str, np.ndarray[Any, Any]]) -> Program:
        return replace(self, weights=self.weights.with_arrays(arrays))
