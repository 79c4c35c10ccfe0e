"""Types and values of the standard's own node tests (`onnx.backend.test.case.node`).

The expected shapes, dtypes and arrays are theirs; nothing here is our own output frozen. `make test`
has one case an operator, in tests/conformance.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import defs, numpy_helper

from graphwright.backends.reference import ReferenceEvaluator
from graphwright.graph.ir import Graph, Value, argument, constant, leaf, make_node
from graphwright.graph.ir.opaque import from_type_proto
from graphwright.graph.operators import RuleError, operator
from graphwright.graph.operators.rules import TYPE_RULES
from graphwright.graph.types import BOOL, INT64, OptionalType, SequenceType, TensorType
from graphwright.graph.types.dimensions import substitute, symbol, symbols_of

pytestmark = pytest.mark.slow


@dataclass
class Case:
    name: str
    model: Any
    data_sets: Any
    rtol: float
    atol: float


RANDOM = frozenset({"Bernoulli", "RandomUniformLike"})
"""Their cases draw, so their arrays mean nothing."""


@cache
def cases() -> dict[str, list[Case]]:
    """Operator -> the official cases of it (the expanded functions are under their operator too)."""
    from onnx.backend.test.case.node import collect_testcases

    found: dict[str, list[Case]] = {}
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        collected = collect_testcases(None)
    for c in collected:
        if {o.domain for o in c.model.opset_import} - {"", "ai.onnx"} or not c.data_sets:
            continue
        names = {n.op_type for n in c.model.graph.node}
        if not readable(c.model):
            continue
        for name in names if len(names) == 1 else {_title(c)}:
            found.setdefault(name, []).append(Case(c.name, c.model, c.data_sets, c.rtol, c.atol))
    return found


def _title(case: Any) -> str:
    """The operator that an expanded case is about: its nodes' names start with it."""
    words = {n.name.split("_")[1] for n in case.model.graph.node if n.name.startswith("Func_")}
    ops = {n.op_type for n in case.model.graph.node}
    folded = case.name.replace("_", "")
    best = [o for o in TYPE_RULES if folded.startswith("test" + o.lower())]
    return max(best, key=len) if best else sorted(words | ops)[0]


# --- a small reader of models -----------------------------------------------------------------


@dataclass
class Reader:
    """Builds our nodes from a GraphProto. `captured` collects outer names that a body reads."""

    opset: int
    values: dict[str, Value]
    outer: Reader | None = None
    captured: list[str] = field(default_factory=list)
    inlined: bool = False

    def find(self, name: str) -> Value | None:
        if not name:
            return None
        if name not in self.values and self.outer is not None:
            found = self.outer.find(name)
            assert found is not None
            if self.inlined:
                return found
            self.captured.append(name)
            self.values[name] = argument(1000 + len(self.captured), found.type, found.known)
        return self.values[name]

    def read(self, graph: Any) -> list[Value]:
        for initializer in graph.initializer:
            self.values[initializer.name] = constant(numpy_helper.to_array(initializer))
        for node in graph.node:
            self.add(node)
        return [self.find(o.name) for o in graph.output]

    def add(self, node: Any) -> None:
        found = operator(node.op_type)
        inputs = [self.find(name) for name in node.input]
        attributes: dict[str, Any] = {}
        captures: list[str] = []
        bodies = {a.name: a.g for a in node.attribute if a.type == onnx.AttributeProto.GRAPH}
        for a in node.attribute:
            if a.type == onnx.AttributeProto.TENSOR:
                attributes[a.name] = numpy_helper.to_array(a.t)
            elif a.type == onnx.AttributeProto.TYPE_PROTO:
                attributes[a.name] = from_type_proto(a.tp)
            elif a.type != onnx.AttributeProto.GRAPH:
                attributes[a.name] = onnx.helper.get_attribute_value(a)
        if node.op_type == "If" and inputs[0] is not None and inputs[0].known is not None:
            # a branch that is never taken need not make sense for the sizes at hand
            self.inline(node, bodies["then_branch" if inputs[0].known[0] else "else_branch"])
            return
        readers = {name: self.body(node, g, inputs) for name, g in bodies.items()}
        for reader, _ in readers.values():
            captures += [c for c in reader.captured if c not in captures]
        for name, (reader, outputs) in readers.items():
            attributes[name] = self.closed(bodies[name], reader, outputs, captures)
        if captures and node.op_type in ("Loop", "Scan"):
            attributes["captures"] = len(captures)
        inputs += [self.find(c) for c in captures]
        count = len(node.output) if found.outputs[-1].variadic else None
        made = make_node(found, inputs, attributes, count)
        self.values.update(zip(node.output, made.outputs, strict=False))

    def inline(self, node: Any, branch: Any) -> None:
        outputs = Reader(self.opset, {}, self, inlined=True).read(branch)
        self.values.update(zip(node.output, outputs, strict=True))

    def body(self, node: Any, graph: Any, inputs: list[Value | None]) -> tuple[Reader, list[Value]]:
        types = []
        for position, info in enumerate(graph.input):
            given = inputs[position] if position < len(inputs) else None
            types.append(argument_type(node, position, given, info))
        arguments = [argument(i, t) for i, t in enumerate(types)]
        reader = Reader(self.opset, dict(zip([i.name for i in graph.input], arguments, strict=True)), self)
        return reader, reader.read(graph)

    def closed(self, graph: Any, reader: Reader, outputs: list[Value], captures: list[str]) -> Graph:
        """The body with its captured names as further arguments."""
        from graphwright.graph.ir import substitute

        arguments = [reader.values[i.name] for i in graph.input]
        moved, extra = {}, []
        for name in captures:
            found = self.find(name)
            new = argument(len(arguments) + len(extra), found.type, found.known)
            extra.append(new)
            if name in reader.captured:
                moved[reader.values[name]] = new
        return Graph((*arguments, *extra), substitute(outputs, moved))


def argument_type(node: Any, position: int, given: Value | None, info: Any) -> Any:
    """A body's argument as its graph declares it. Sequences that grow keep open shapes; bodies
    of expanded functions declare nothing and take their operand's type."""
    if node.op_type == "SequenceMap":
        return given.type.element if isinstance(given.type, SequenceType) else given.type
    if info.type.WhichOneof("value") is not None:
        declared = from_type_proto(info.type)
        return declared if isinstance(declared, TensorType) or given is None else open_type(given.type)
    if node.op_type == "Loop" and position < 2:
        return TensorType((INT64, BOOL)[position], ())
    scanned = next((a.i for a in node.attribute if a.name == "num_scan_inputs"), 0)
    if node.op_type == "Scan" and position >= len(node.input) - scanned:
        return TensorType(given.type.dtype, given.type.dims[1:])
    return given.type


def open_type(found: Any) -> Any:
    if isinstance(found, TensorType):
        return TensorType(found.dtype, None)
    return type(found)(open_type(found.element))


@cache
def changed(name: str, opset: int) -> bool:
    """Whether the operator had other operands or attributes at that opset."""
    old, new = defs.get_schema(name, opset), defs.get_schema(name)
    inputs = [[(i.name, i.option) for i in s.inputs] for s in (old, new)]
    missing = set(old.attributes) - set(new.attributes)
    return inputs[0] != inputs[1][: len(inputs[0])] or bool(missing)


def readable(model: Any) -> bool:
    """Whether every node is an operator of the pinned opset, with its operands and attributes."""
    known = {s.name for s in defs.get_all_schemas() if not s.domain and not s.deprecated}
    return all(n.op_type in known and not changed(n.op_type, opset_of(model)) for n in all_nodes(model.graph))


def all_nodes(graph: Any) -> Iterator[Any]:
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from all_nodes(attribute.g)


def opset_of(model: Any) -> int:
    return next(o.version for o in model.opset_import if o.domain in ("", "ai.onnx"))


def as_arrays(proto: Any) -> Any:
    """The datum of a test's proto or array: an array, a list, or None."""
    if isinstance(proto, onnx.TensorProto):
        return numpy_helper.to_array(proto)
    if isinstance(proto, onnx.SequenceProto):
        return numpy_helper.to_list(proto)
    if isinstance(proto, onnx.OptionalProto):
        return numpy_helper.to_optional(proto)
    return np.asarray(proto) if isinstance(proto, np.generic) else proto


def feeds(case: Case) -> tuple[list[Any], list[Any]]:
    inputs, outputs = case.data_sets[0]
    return [as_arrays(x) for x in inputs], [as_arrays(x) for x in outputs]


def given_leaf(info: Any, array: Any, mode: str) -> Value:
    found = from_type_proto(info.type)
    small = isinstance(array, np.ndarray) and array.dtype != object and array.size <= 64
    has_content = mode == "known" or (
        mode == "symbolic" and small and (array.dtype.kind in "iub" or info.name == "scales")
    )
    if small and has_content:
        return constant(array)
    if mode == "symbolic" and isinstance(found, TensorType):
        dims = tuple(symbol(f"s{d}") if d > 1 else d for d in array.shape)
        return leaf("Input", info.name, TensorType(found.dtype, dims))
    return leaf("Input", info.name, found)


def build(case: Case, arrays: list[Any], mode: str) -> tuple[dict[str, Value], list[Value]]:
    """The case's graph. Modes: "declared" leaves only; "known" small constants with content;
    "symbolic" every size above 1 a symbol named after it."""
    graph = case.model.graph
    leaves: dict[str, Value] = {}
    for info, array in zip(graph.input, arrays, strict=True):
        leaves[info.name] = given_leaf(info, array, mode)
    return leaves, Reader(opset_of(case.model), dict(leaves)).read(graph)


def admits(declared: Any, datum: Any) -> bool:
    """Whether a value of that type can be the datum."""
    if isinstance(declared, OptionalType):
        return datum is None or admits(declared.element, datum)
    if isinstance(declared, SequenceType):
        return isinstance(datum, list) and all(admits(declared.element, x) for x in datum)
    array = np.asarray(datum)
    if declared.dtype.kind != "string" and declared.dtype.numpy != array.dtype:
        return False
    return declared.dims is None or (
        len(declared.dims) == array.ndim
        and all(fits(d, size) for d, size in zip(declared.dims, array.shape, strict=True))
    )


def fits(declared: Any, size: int) -> bool:
    """Whether the dimension is the size, with `s7` standing for 7; names of the model fit anything."""
    sizes = {n: int(n[1:]) for n in symbols_of(declared) if n[1:].isdigit()}
    found = substitute(declared, sizes)
    return not isinstance(found, int) or found == size


def refines(ours: Any, theirs: Any) -> bool:
    """Whether our type says at least what ONNX's does, and nothing else."""
    if isinstance(theirs, SequenceType | OptionalType):
        return type(ours) is type(theirs) and refines(ours.element, theirs.element)
    if ours.dtype is not theirs.dtype or theirs.dims is None:
        return ours.dtype is theirs.dtype
    unknown = [str(d).startswith("unk__") for d in theirs.dims]
    if ours.dims is None:
        return any(unknown)  # a rank without sizes is not kept: see rules/layout.py
    pairs = zip(ours.dims, theirs.dims, unknown, strict=True)
    return all(skip or a == b for a, b, skip in pairs)


def built_or_refused(case: Case, arrays: list[Any], mode: str) -> list[Value]:
    """The outputs; none where symbols prove less than numbers would. (Two cases declare a size N.)"""
    try:
        return build(case, arrays, mode)[1]
    except RuleError as error:
        if error.code not in ("G0401", "G0402", "G0405", "G0464", "G0466", "G0467"):
            raise
        if mode != "symbolic" and "cannot prove N ==" not in error.message:
            raise
        return []


# --- the tests --------------------------------------------------------------------------------

OPERATORS = sorted(TYPE_RULES)


@pytest.mark.parametrize("name", OPERATORS)
def test_types_admit_the_results_of_the_official_cases(name: str) -> None:
    """With sizes declared, with contents known, and with sizes that are symbols."""
    for case in cases().get(name, ()):
        arrays, expected = feeds(case)
        for mode in ("declared", "known", "symbolic"):
            outputs = built_or_refused(case, arrays, mode)
            for value, datum in zip(outputs, expected, strict=False):
                assert admits(value.type, datum), f"{case.name} ({mode}): {value.type}, not {datum!r:.80}"


@pytest.mark.parametrize("name", OPERATORS)
def test_types_say_at_least_what_onnx_infers(name: str) -> None:
    for case in cases().get(name, ()):
        if any(n.op_type in ("Loop", "Scan", "If", "SequenceMap") for n in case.model.graph.node):
            continue  # ONNX trusts the annotations inside bodies, which are not always right
        model = onnx.ModelProto()
        model.CopyFrom(case.model)
        for output in model.graph.output:
            output.ClearField("type")
        try:
            inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
        except onnx.shape_inference.InferenceError:
            continue
        _, outputs = build(case, feeds(case)[0], "declared")
        for value, info in zip(outputs, inferred.graph.output, strict=False):
            if info.type.WhichOneof("value") is not None:
                theirs = from_type_proto(info.type)
                assert refines(value.type, theirs), f"{case.name}: {value.type}, ONNX says {theirs}"


@pytest.mark.parametrize("name", OPERATORS)
def test_values_of_the_official_cases(name: str) -> None:
    for case in cases().get(name, ()):
        if any(n.op_type in RANDOM for n in case.model.graph.node):
            continue
        if name == "ImageDecoder":
            pytest.importorskip("PIL")
        arrays, expected = feeds(case)
        leaves, outputs = build(case, arrays, "declared")
        given = dict(zip(leaves.values(), arrays, strict=True))
        found = ReferenceEvaluator().evaluate(outputs[: len(expected)], given)
        for ours, theirs in zip(found, expected, strict=True):
            assert_close(ours, theirs, case)


def assert_close(ours: Any, theirs: Any, case: Case) -> None:
    if theirs is None or isinstance(theirs, list):
        assert type(ours) is type(theirs), case.name
        for a, b in zip(ours or (), theirs or (), strict=True):
            assert_close(a, b, case)
        return
    theirs = np.asarray(theirs)
    assert ours.shape == theirs.shape, f"{case.name}: {ours.shape}, not {theirs.shape}"
    if theirs.dtype == object or theirs.dtype.kind in "US":
        assert ours.astype(str).tolist() == theirs.astype(str).tolist(), case.name
        return
    assert ours.dtype == theirs.dtype, f"{case.name}: {ours.dtype}, not {theirs.dtype}"
    if theirs.dtype.kind in "iub":
        np.testing.assert_array_equal(ours, theirs, err_msg=case.name)
        return
    rtol, atol = max(case.rtol, 1e-5), max(case.atol, 1e-6)
    if theirs.dtype.itemsize <= 2 and theirs.dtype.kind not in "iu":
        rtol, atol = max(rtol, 2e-2), max(atol, 1e-3)
    with np.errstate(all="ignore"):
        wide = (np.asarray(x, np.complex128 if x.dtype.kind == "c" else np.float64) for x in (ours, theirs))
        np.testing.assert_allclose(*wide, rtol=rtol, atol=atol, err_msg=case.name)


def test_most_official_operators_have_cases() -> None:
    """The tests above are not empty: nearly every operator is seen by one of them."""
    seen = Counter({name: len(cases().get(name, ())) for name in OPERATORS})
    assert sum(1 for n in OPERATORS if seen[n]) > 180
    assert sum(seen.values()) > 1500
