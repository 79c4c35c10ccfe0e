"""The state of one build, and the one place where it makes nodes.

Everything that becomes part of a program (leaves, weights, origins, names, assumptions) is
recorded here; the other modules of this folder give meaning to text by calling `op`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import UnionType
from typing import Any

import numpy as np

from ..diagnostics import Diagnostics, Note, Span, fail
from ..ir import Assumption, Domain, Origin, Size, Value, apply_all, constant, leaf
from ..ir.node import SMALL
from ..spec import expressions as ex
from ..spec.documents import NodeDefinition
from ..types import FLOAT32, FLOAT64, INT64, Dim, Dimension, DType, TensorType
from ..types.dimensions import Compound, Symbol, symbol
from ..types.dtypes import from_numpy
from ..types.types import Axis
from .array_files import Entry
from .meanings import Array, Items, Meaning, Tensor, is_tensor_like, kind_name, weak_dtype
from .references import references
from .scope import Frame, NodeContext, Target

MAX_CONSTANT = 1 << 28
"""The most elements that a constant made at compile time may have."""


BROADCASTING = frozenset(
    "Add Sub Mul Div Pow Mod Max Min Where Equal Less LessOrEqual Greater GreaterOrEqual And Or Xor "
    "BitwiseAnd BitwiseOr BitwiseXor".split()
)


@dataclass
class Loop:
    """A scan or while_loop whose body is being built. `steps` is its number of rounds at most, None
    where only a run tells it; `scanned` collects (outer value, the body's slice of it), noise added on
    the way included. `iteration` is the round's number in a while_loop, which gathers instead of
    scanning."""

    steps: Axis
    scanned: list[tuple[Value, Value]] = field(default_factory=list)
    iteration: Value | None = None

    def slice_of(self, build: Construction, whole: Value) -> Value:
        """The body's slice, along axis 0, of an outer value."""
        if self.iteration is not None:
            return build.op("Gather", whole, self.iteration, axis=0)
        for outer, inner in self.scanned:
            if outer is whole:
                return inner
        type_ = whole.tensor
        axes = type_.axes or type_.shape
        inner = build.placeholder(TensorType.of(type_.dtype, axes[1:]))
        self.scanned.append((whole, inner))
        return inner


@dataclass
class Construction:
    """Everything that one build has made so far."""

    diagnostics: Diagnostics = field(default_factory=Diagnostics)
    default_float: DType = FLOAT32
    allow_unbound_slots: bool = False
    checking: bool = False  # only types are wanted: rounds of a repeat that say nothing new are left out
    stub_sizes: set[str] = field(default_factory=set)  # sizes that only an unbound slot would tell
    origins: dict[Value, Origin] = field(default_factory=dict)
    weights: dict[str, Array] = field(default_factory=dict)
    leaves: dict[str, Value] = field(default_factory=dict)  # inputs, states, noise, parameters by name
    initializers: dict[str, Value] = field(default_factory=dict)
    domains: dict[str, Domain] = field(default_factory=dict)
    sizes: dict[str, Size] = field(default_factory=dict)
    size_values: dict[str, Value] = field(default_factory=dict)
    assumptions: list[Assumption] = field(default_factory=list)
    loops: list[Loop] = field(default_factory=list)
    target: Target | None = None
    draws: dict[str, int] = field(default_factory=dict)
    placeholders: int = 0
    span: Span | None = None
    path: str = ""
    frames: list[Frame] = field(default_factory=list)
    context: NodeContext | None = None
    needed: dict[int, tuple[NodeDefinition, tuple[ex.Name, ...]]] = field(default_factory=dict)
    ownership: dict[int, bool] = field(default_factory=dict)
    slot_calls: dict[str, int] = field(default_factory=dict)
    overridden: dict[tuple[int, str, TensorType], Value] = field(default_factory=dict)
    depth: int = 0
    callers: list[Note] = field(default_factory=list)  # the calls around the one being evaluated
    further: int = 0  # nodes of failed calls that were evaluated for their errors
    headers: dict[Path, dict[str, Entry]] = field(default_factory=dict)  # of safetensors files

    # --- nodes ------------------------------------------------------------------------------

    def ops(
        self,
        name: str,
        *inputs: Value | None,
        domain: str = "",
        outputs: int | None = None,
        **attributes: Any,
    ) -> tuple[Value, ...]:
        """All results of an operator; raises RuleError, which `evaluate` turns into a diagnostic."""
        results = apply_all(name, *inputs, domain=domain, outputs=outputs, **attributes)
        self.record(results)
        if name in BROADCASTING:
            self._check_meeting([v for v in inputs if v is not None], results[0])
        return results

    def _check_meeting(self, operands: Sequence[Value], result: Value) -> None:
        """Warns where broadcasting operands of different rank makes a named dimension meet itself:
        [B] with [B, 1] gives [B, B] (R14)."""
        if any(v.tensor.dims is None for v in (*operands, result)):
            return
        ranks = [v.tensor.rank for v in operands]
        dims = result.tensor.dims or ()
        if min(ranks) == max(ranks) or len(dims) < 2 or self.span is None:
            return
        twice = next((d for d in dims if isinstance(d, Dim) and dims.count(d) > 1), None)
        if twice is None or any((v.tensor.dims or ()).count(twice) > 1 for v in operands):
            return
        types = " and ".join(str(v.type) for v in operands)
        self.diagnostics.warning(
            "G0440",
            f"{types} broadcast to {result.type}: every element of '{twice}' meets every other",
            self.span,
            hint="write x[None, :] for the operand of lower rank if all pairs are meant, else x[:, None]",
            notes=tuple(reversed(self.callers)),
        )

    def op(self, name: str, *inputs: Value | None, domain: str = "", **attributes: Any) -> Value:
        """The first result of an operator."""
        return self.ops(name, *inputs, domain=domain, **attributes)[0]

    def record(self, values: Sequence[Value]) -> None:
        """Notes where the values come from: the expression and call that are being evaluated."""
        if self.span is None:
            return
        origin = Origin((self.span,), self.path)
        for value in values:
            known = self.origins.get(value)
            if known is None:
                self.origins[value] = origin
            elif self.span not in known.spans and len(known.spans) < 8:
                self.origins[value] = known.merge(origin)

    @contextmanager
    def at(self, span: Span | None) -> Iterator[None]:
        """Evaluating the expression at `span`."""
        before = self.span
        self.span = span or before
        try:
            yield
        finally:
            self.span = before

    @contextmanager
    def generating(self, target: Target | None) -> Iterator[None]:
        """Evaluating a generator expression for `target` (None: an ordinary expression)."""
        before, self.target = self.target, target
        try:
            yield
        finally:
            self.target = before

    def needs(self, definition: NodeDefinition) -> tuple[ex.Name, ...]:
        """The names that a node's expression evaluates whatever its conditions say; found once."""
        known = self.needed.get(id(definition))
        if known is None:
            names = tuple(r.name for r in references(definition.expression) if not r.conditional)
            known = self.needed[id(definition)] = (definition, names)
        return known[1]

    def placeholder(self, type: TensorType, known: Any = None) -> Value:
        """A stand-in for an argument of a body under construction; no two are the same."""
        self.placeholders += 1
        return leaf("Input", f"\0{self.placeholders}", type, known=known)

    # --- constants and sizes ------------------------------------------------------------------

    def constant(self, array: Any, dtype: DType | None = None) -> Value:
        """A constant: in its node if small, else an entry of the weights named by its content."""
        with np.errstate(over="ignore"):  # a number past the dtype's range becomes an infinity
            content = np.asarray(array, dtype=None if dtype is None else dtype.numpy)
        if content.size <= SMALL:
            value = constant(content)
        else:
            digest = hashlib.sha256(repr((content.dtype.name, content.shape)).encode() + _bytes(content))
            name = f"constant_{digest.hexdigest()[:16]}"
            self.weights[name] = content
            value = leaf("Weight", name, TensorType(dtype or weak_dtype(content), content.shape))
        self.record((value,))
        return value

    def stored(self, name: str, array: Array) -> Value:
        """An array of a file, referenced and never copied: a weight of that name."""
        if array.size <= SMALL:
            return self.constant(np.asarray(array))
        self.weights[name] = array
        value = leaf("Weight", name, TensorType(from_numpy(array.dtype), array.shape))
        self.record((value,))
        return value

    def size_value(self, dimension: Dimension) -> Value:
        """The int64 scalar that holds the dimension when the program runs."""
        if isinstance(dimension, int):
            return self.constant(np.int64(dimension))
        total: Value | None = None
        for monomial, coefficient in dimension.terms:
            factors = [self._atom_value(atom) for atom, power in monomial for _ in range(power)]
            if coefficient != 1 or not factors:
                factors.append(self.constant(np.int64(coefficient)))
            product = factors[0]
            for factor in factors[1:]:
                product = self.op("Mul", product, factor)
            total = product if total is None else self.op("Add", total, product)
        assert total is not None
        return total

    def _atom_value(self, atom: Symbol | Compound) -> Value:
        if isinstance(atom, Symbol):
            found = self.size_values.get(atom.name)
            if found is None and atom.name in self.stub_sizes:
                known = (symbol(atom.name, atom.low, atom.high),)
                return self.size_values.setdefault(atom.name, self.placeholder(TensorType(INT64, ()), known))
            if found is None:
                raise fail(
                    "G0410",
                    f"nothing that is given at run time tells the size '{atom.name}'",
                    self.span,
                    hint=f"give an input a dimension '{atom.name}', or make it a number",
                )
            return found
        left, right = self.size_value(atom.left), self.size_value(atom.right)
        return self.op({"//": "Div", "min": "Min", "max": "Max"}[atom.operator], left, right)

    def define_size(self, name: str, value: Value, axis: int) -> None:
        """The size `name` is the length of `value`'s axis."""
        if name not in self.size_values:
            shape = self.op("Shape", value)
            self.size_values[name] = self.op("Gather", shape, self.constant(np.int64(axis)), axis=0)

    def shape_value(self, dims: Sequence[Dimension]) -> Value:
        """The int64[rank] tensor that holds a shape."""
        if all(isinstance(d, int) for d in dims):
            return self.constant(np.array(dims, dtype=np.int64))
        axis = self.constant(np.array([0], dtype=np.int64))
        parts = [self.op("Unsqueeze", self.size_value(d), axis) for d in dims]
        return parts[0] if len(parts) == 1 else self.op("Concat", *parts, axis=0)

    # --- weak meanings to values ----------------------------------------------------------------

    def value(self, meaning: Meaning, dtype: DType | None = None) -> Value:
        """The value of a tensor-like meaning: typed ones as they are, weak ones rounded once to
        `dtype` (None: the dtype they have with nothing typed to meet, R7)."""
        if isinstance(meaning, Tensor):
            return self._cast_weak(meaning, dtype) if meaning.weak else meaning.value
        if isinstance(meaning, Items):
            return self.value(as_array(self, meaning), dtype)
        if not is_tensor_like(meaning):
            raise fail(
                "G0414", f"{kind_name(meaning)} can't stand here: a tensor or a number is wanted", self.span
            )
        found = self.settle(weak_dtype(meaning)) if dtype is None else dtype
        if isinstance(meaning, Dim):
            return self.cast(self.size_value(meaning), found)
        self.check_weak(meaning, found)
        return self.constant(np.asarray(meaning), found)

    def _cast_weak(self, meaning: Tensor, dtype: DType | None) -> Value:
        target = self.settle(meaning.dtype) if dtype is None else dtype
        self.check_weak(meaning, target)
        return self.cast(meaning.value, target)

    def settle(self, weak: DType) -> DType:
        """The dtype of a weak meaning that meets nothing typed: int64, the default float, bool."""
        return self.default_float if weak is FLOAT64 else weak

    def check_weak(self, meaning: Meaning, dtype: DType) -> None:
        """Raises where a weak float would become an integer (R7), or a number overflows."""
        found = weak_dtype(meaning)
        if found is FLOAT64 and dtype.is_integer:
            raise fail(
                "G0404",
                f"{kind_name(meaning)} is no integer, but {dtype} is wanted here",
                self.span,
                hint=f"convert explicitly: {dtype}(floor(…))",
            )
        if found is INT64 and dtype.is_integer and isinstance(meaning, int | np.ndarray):
            self._check_range(meaning, dtype)

    def _check_range(self, meaning: int | Array, dtype: DType) -> None:
        info = np.iinfo(dtype.numpy) if dtype.bits >= 8 else None
        array = np.asarray(meaning)
        if info is not None and array.size and (array.max() > info.max or array.min() < info.min):
            raise fail("G0411", f"{array.max()} does not fit into {dtype}", self.span)

    def cast(self, value: Value, dtype: DType) -> Value:
        return value if value.tensor.dtype is dtype else self.op("Cast", value, to=dtype.code)

    def weak(self, meaning: Meaning) -> Value:
        """A weak meaning as a value of its weak dtype (int64, float64, bool), not rounded."""
        if isinstance(meaning, Tensor):
            return meaning.value
        return self.value(meaning, weak_dtype(meaning))

    # --- leaves -----------------------------------------------------------------------------------

    def add_leaf(self, role: str, name: str, type: TensorType) -> Value:
        """A new leaf of that role; its name must be free."""
        found = leaf(role, name, type)
        self.leaves[name] = found
        self.record((found,))
        return found

    def introduce(self, name: str, size: Size | None = None) -> Dim:
        """A symbolic size."""
        found = self.sizes.setdefault(name, size or Size())
        return symbol(name, found.low, found.high)

    def stream(self, name: str) -> str:
        """The name of the next draw that fills `name`: `h.u`, `h.u#1`, …"""
        count = self.draws.get(name, 0)
        self.draws[name] = count + 1
        return f"{name}#{count}" if count else name


def _bytes(content: Array) -> bytes:
    """The bytes that tell the content from another of its dtype and shape."""
    return repr(content.tolist()).encode() if content.dtype == object else content.tobytes()


def as_array(build: Construction, items: Items) -> Array:
    """A list of compile-time numbers as a weak array. Raises for anything else in it."""
    try:
        array = np.asarray(nested(build, items, bool | int | float | np.ndarray, "compile-time numbers"))
    except ValueError:
        raise fail("G0412", "the rows of this list have different lengths", build.span) from None
    if array.dtype == object:
        raise fail("G0411", "a number in this list does not fit into 64 bits", build.span)
    return array


def nested(build: Construction, items: Items, leaf: type | UnionType, wanted: str) -> list[Any]:
    """The list as Python lists of `leaf`s, which a message calls `wanted`. Raises G0413."""
    result: list[Any] = []
    for item in items.items:
        if isinstance(item, Items):
            result.append(nested(build, item, leaf, wanted))
        elif isinstance(item, leaf):
            result.append(item)
        else:
            raise fail(
                "G0413",
                f"a list in place of a tensor may hold {wanted} only, not {kind_name(item)}",
                build.span,
                hint=None if leaf is str else "write array([…]) or stack(…) to build a tensor from values",
            )
    return result
