"""Reverse-mode differentiation of values: cotangents from results back to what they depend on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache

import numpy as np

from ...graph.build.construction import Construction
from ...graph.build.evaluation import evaluate
from ...graph.build.meanings import Meaning, Tensor
from ...graph.build.scope import FileScope, Frame
from ...graph.diagnostics import Source, Span, SpecError, fail
from ...graph.ir import Node, Origin, Value, topological
from ...graph.spec.documents import Block, Document, Label
from ...graph.spec.expression_parser import parse_expression
from ...graph.spec.expressions import Expression
from ...graph.types import Dimension, TensorType
from ...graph.types.types import UnknownShape
from .rules import ELEMENTWISE, NO_GRADIENT

Cotangents = Sequence[Value | None]
Rule = Callable[["Reverse", Node, Cotangents], Sequence[Value | None]]


class Reverse:
    """Builds gradients. `build` makes the nodes, so that constants and sizes go one way."""

    def __init__(self, build: Construction, origins: Mapping[Value, Origin] | None = None) -> None:
        self.build = build
        self.origins = origins or {}

    def gradients(
        self, outputs: Mapping[Value, Value], wrt: Sequence[Value], stop: Iterable[Value] = ()
    ) -> list[Value | None]:
        """For each of `wrt`, the sum over `outputs` of cotangent · d output / d wrt; None where
        nothing depends on it. Each of `wrt` is independent: nothing flows through it.

        Raises SpecError G0712 for an operator without a derivative.
        """
        wanted = set(wrt)
        nodes = topological(outputs)
        active = self._active(nodes, wanted)
        sums: dict[Value, Value] = {}
        for value, cotangent in outputs.items():
            self._add(sums, value, cotangent)
        for node in reversed(nodes):
            if node not in active or all(v in wanted for v in node.outputs):
                continue
            cotangents = [None if v in wanted else sums.get(v) for v in node.outputs]
            if any(c is not None for c in cotangents):
                self._propagate(node, cotangents, active, wanted, sums)
        return [sums.get(v) for v in wrt]

    def _active(self, nodes: Sequence[Node], wanted: set[Value]) -> set[Node]:
        """The nodes whose results change with one of `wanted`."""
        active: set[Node] = set()
        for node in nodes:
            if any(v in wanted for v in node.outputs) or any(
                v is not None and (v in wanted or v.node in active) and _is_float(v) for v in node.inputs
            ):
                active.add(node)
        return active

    def _propagate(
        self,
        node: Node,
        cotangents: Cotangents,
        active: set[Node],
        wanted: set[Value],
        sums: dict[Value, Value],
    ) -> None:
        try:
            shares = self._shares(node, cotangents)
        except UnknownShape as error:
            raise self._no_derivative(node, f"here: {error}") from None
        for value, share in zip(node.inputs, shares, strict=False):
            if value is None or share is None or not _is_float(value):
                continue
            if value in wanted or value.node in active:
                self._add(sums, value, share)

    def _shares(self, node: Node, cotangents: Cotangents) -> Sequence[Value | None]:
        from .structural import STRUCTURAL

        if node.name in NO_GRADIENT:
            return [None] * len(node.inputs)
        first = cotangents[0]
        if node.name in ELEMENTWISE and len(node.inputs) == len(ELEMENTWISE[node.name]) and first is not None:
            return self._elementwise(node, first)
        rule = STRUCTURAL.get(node.name)
        if rule is None:
            raise self._no_derivative(node)
        return rule(self, node, cotangents)

    def _no_derivative(self, node: Node, why: str = "") -> SpecError:
        span = next(iter(self.origins.get(node.outputs[0], Origin()).spans), None)
        message = f"the operator {node.operator.qualified_name} has no derivative {why}".rstrip()
        return fail("G0712", message, span)

    def _elementwise(self, node: Node, g: Value) -> list[Value | None]:
        names = dict(zip("abc", node.inputs, strict=False))
        shares: list[Value | None] = []
        for operand, text in zip(node.inputs, ELEMENTWISE[node.name], strict=True):
            if text is None or operand is None or not _is_float(operand):
                shares.append(None)
                continue
            values: dict[str, Meaning] = {n: Tensor(v) for n, v in names.items() if v is not None}
            values |= {"y": Tensor(node.outputs[0]), "g": Tensor(g)}
            values |= {n: node.attribute(n) for n in node.operator.attributes}
            shares.append(self.unbroadcast(self.express(text, values), operand.tensor))
        return shares

    def _add(self, sums: dict[Value, Value], value: Value, share: Value) -> None:
        before = sums.get(value)
        sums[value] = share if before is None else self.build.op("Add", before, share)

    # --- building blocks of rules ---------------------------------------------------------------

    def express(self, text: str, values: Mapping[str, Meaning]) -> Value:
        """An expression of the spec language over the given values."""
        expression, scope = _parsed(text)
        frame = Frame(Block(scope.document.name), scope, "", False, values=dict(values))
        before, self.build.span = self.build.span, None
        try:
            meaning = evaluate(self.build, frame, expression)
        finally:
            self.build.span = before
        dtype = next((v.dtype for n, v in values.items() if n == "g" and isinstance(v, Tensor)), None)
        return self.build.value(meaning, None if isinstance(meaning, Tensor) and not meaning.weak else dtype)

    def unbroadcast(self, share: Value, wanted: TensorType) -> Value:
        """Summed over the axes along which an operand of type `wanted` was broadcast."""
        found, dims = share.tensor.shape, wanted.shape
        if found == dims:
            return share
        extra = len(found) - len(dims)
        stretched = [i + extra for i, d in enumerate(dims) if d == 1 and found[i + extra] != 1]
        if extra:
            share = self.reduce_sum(share, range(extra), keepdims=False)
            stretched = [i - extra for i in stretched]
        if stretched:
            share = self.reduce_sum(share, stretched, keepdims=True)
        if share.tensor.shape != dims:  # the share itself is smaller: a constant derivative
            share = self.build.op("Expand", share, self.build.shape_value(dims))
        return share

    def reduce_sum(self, value: Value, axes: Iterable[int], *, keepdims: bool) -> Value:
        chosen = list(axes)
        if not chosen:
            return value
        return self.build.op("ReduceSum", value, self.vector(chosen), keepdims=int(keepdims))

    def vector(self, numbers: Sequence[int]) -> Value:
        return self.build.constant(np.array(numbers, dtype=np.int64))

    def zeros(self, type_: TensorType) -> Value:
        zero = self.build.constant(0, type_.dtype)
        if not type_.shape:
            return zero
        return self.build.op("Expand", zero, self.build.shape_value(type_.shape))

    def ones_like(self, value: Value) -> Value:
        return self.build.constant(1, value.tensor.dtype)

    def reshape(self, value: Value, dims: Sequence[Dimension]) -> Value:
        from ...graph.build.prelude.layout import reshape_value

        return value if value.tensor.shape == tuple(dims) else reshape_value(self.build, value, dims)


def _is_float(value: Value) -> bool:
    return isinstance(value.type, TensorType) and value.type.dtype.is_float


@cache
def _parsed(text: str) -> tuple[Expression, FileScope]:
    """A rule's text, parsed once, with a file scope of its own."""
    source = Source("<derivatives>", text)
    span = Span(source, 1, 1, 1, len(text) + 1)
    document = Document(source, "library", Label("derivatives", span))
    return parse_expression(text), FileScope(document)
