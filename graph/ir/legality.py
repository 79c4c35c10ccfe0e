"""Legality as data: what every graph and program must satisfy, one table of rules.

`FAST` rules look at signatures and tables only. `NODES` rules add a look at every node: the pass
manager runs them on the nodes that a pass made. `FULL` rules infer all types anew: for tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np

from ..operators.leaves import ARGUMENT, CONSTANT, DRAW
from ..operators.operator import Call, RuleError
from ..operators.signature import required_attributes
from ..types.dtypes import from_numpy
from ..types.types import TensorType, named_sizes_of
from .graph import Graph, bodies, nested_graphs, topological
from .node import SMALL, Node, Value, infer_types, make_node, within
from .printing import size_text
from .program import Assumption, Program, Size

MAIN_ROLES = ("Input", "State", "Noise", "Parameter")
"""The roles of a main graph's inputs, in the order of the signature."""

COMPARISONS = frozenset({"==", "!=", "<", "<=", ">", ">="})


class Level(IntEnum):
    FAST = 0
    NODES = 1
    FULL = 2


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that does not hold, in words, and the node at fault where it is one."""

    rule: str
    message: str
    node: Node | None = None

    def __str__(self) -> str:
        place = f" ({self.node.operator.qualified_name})" if self.node is not None else ""
        return f"{self.rule}: {self.message}{place}"


Findings = Iterator[str | tuple[str, Node]]


@dataclass(frozen=True, slots=True)
class Rule:
    """`scope` is what `find` takes: a node, a body (a closed Graph), a main graph, or a program.
    It yields a message for each violation, with the node at fault where `scope` is no node."""

    name: str
    scope: str
    level: Level
    doc: str
    find: Callable[[Any], Findings]


# --- nodes --------------------------------------------------------------------------------------


def _attributes(node: Node) -> Findings:
    for name, attribute in node.attributes.items():
        spec = node.operator.attributes.get(name)
        if spec is None:
            if node.operator.attributes or node.operator.infer is not None:
                yield f"no attribute '{name}' is declared"
            continue
        if spec.kind != attribute.kind:
            yield f"attribute '{name}' is {attribute.kind}, declared {spec.kind}"
        elif spec.default is not None and spec.default.key == attribute.key:
            yield f"attribute '{name}' is its default, which is left out"
    for name in required_attributes(node.operator):
        if name not in node.attributes:
            yield f"attribute '{name}' is missing"


def _arrays(node: Node) -> Findings:
    for name, attribute in node.attributes.items():
        if attribute.kind == "tensor" and attribute.value.flags.writeable:
            yield f"the array of '{name}' can be written"
    if node.operator is CONSTANT and node.attributes["value"].value.size > SMALL:
        yield f"a constant of {node.attributes['value'].value.size} elements belongs in Weights"


def _links(node: Node) -> Findings:
    for index, value in enumerate(node.outputs):
        if value.node is not node or value.index != index:
            yield f"result {index} belongs to another node"
    if node.inputs and node.inputs[-1] is None:
        yield "absent operands at the end are left out"


def _known(node: Node) -> Findings:
    for value in node.outputs:
        if value.known is None:
            continue
        if not isinstance(value.type, TensorType) or value.type.dtype.kind not in ("int", "uint", "bool"):
            yield f"{value.type} has known content"
        elif value.type.is_static and value.type.size != len(value.known):
            yield f"{value.type} has known content of {len(value.known)} elements"


def _constant_content(node: Node) -> Findings:
    array = node.outputs[0].constant
    known = node.outputs[0].known
    if array is not None and known is not None and tuple(array.ravel().tolist()) != known:
        yield f"known content {known} of the constant {array.ravel().tolist()}"


def _call(node: Node) -> Call:
    return Call(node.operator, node.inputs, node.attributes, len(node.outputs))


def _types(node: Node) -> Findings:
    try:
        inferred = tuple(infer_types(_call(node)))
    except RuleError as error:
        yield f"the type rule refuses it: {error.message}"
        return
    for value, type in zip(node.outputs, inferred, strict=False):
        if value.type != type:
            yield f"result {value.index} is {value.type}, by the rule {type}"
    if len(inferred) != len(node.outputs):
        yield f"{len(node.outputs)} results, by the rule {len(inferred)}"


def _known_by_rule(node: Node) -> Findings:
    rule = node.operator.known
    types = [v.type for v in node.outputs]
    if [*_types(node)]:
        return  # the rule of known content may rest on the type rule
    told = [*rule(_call(node), types)] if rule is not None else []
    known = [within(content, type) for content, type in zip(told, types, strict=True)] if told else []
    for value, found in zip(node.outputs, known or [None] * len(types), strict=True):
        if value.known != found:
            yield f"known content {value.known}, by the rule {found}"


def _interned(node: Node) -> Findings:
    try:
        same = make_node(node.operator, node.inputs, node.attributes, len(node.outputs))
    except RuleError as error:
        yield f"it can't be made: {error.message}"
        return
    if same is not node:
        yield "another node has the same operator, inputs and attributes"


# --- bodies and main graphs ---------------------------------------------------------------------


def _closed(body: Graph) -> Findings:
    for node in body.nodes:
        leaf = node.outputs[0].is_leaf
        if leaf and node.operator not in (ARGUMENT, CONSTANT):
            yield f"a body may not hold the leaf {node.operator.name} '{node.attribute('name')}'", node
        elif node.operator is ARGUMENT and node.outputs[0] not in body.inputs:
            yield f"argument {node.attribute('index')} is no input of its body", node


def _numbered(body: Graph) -> Findings:
    for position, value in enumerate(body.inputs):
        if value.node.operator is not ARGUMENT or value.node.attribute("index") != position:
            yield f"input {position} of a body must be argument {position}", value.node


def _signature(graph: Graph) -> Findings:
    names: set[str] = set()
    for value in graph.inputs:
        if value.role not in MAIN_ROLES:
            yield f"{value.role or value.node.name} may not be an input of a main graph", value.node
            continue
        name = value.node.attribute("name")
        if name in names:
            yield f"two inputs are called '{name}'", value.node
        names.add(name)


def _leaves(graph: Graph) -> Findings:
    inputs = set(graph.inputs)
    for node in graph.nodes:
        value = node.outputs[0] if node.outputs else None
        if value is None or not value.is_leaf:
            continue
        if node.operator in (ARGUMENT, DRAW):
            yield f"a main graph may not hold {node.operator.name} leaves", node
        elif value.role in MAIN_ROLES and value not in inputs:
            yield f"{value.role} '{node.attribute('name')}' is not among the inputs", node


# --- programs -----------------------------------------------------------------------------------


def _results(program: Program) -> Findings:
    wanted = len(program.output_names) + len(program.updates)
    if len(program.graph.outputs) != wanted:
        yield f"{len(program.graph.outputs)} results for {wanted} names"
    for names in (program.output_names, program.updates):
        for name in dict.fromkeys(n for n in names if names.count(n) > 1):
            yield f"two results are called '{name}'"


def _updates(program: Program) -> Findings:
    states = program.states
    for name, value in zip(program.updates, program.graph.outputs[len(program.output_names) :], strict=False):
        if name not in states:
            yield f"'{name}' is updated and is no state"
        elif states[name].type != value.type:
            yield f"state '{name}' is {states[name].type}, its update {value.type}", value.node


def _order(program: Program) -> Findings:
    ranks = [MAIN_ROLES.index(v.role) for v in program.graph.inputs if v.role in MAIN_ROLES]
    if ranks != sorted(ranks):
        yield "the signature is not in the order inputs, states, noise, parameters"


def _weights(program: Program) -> Findings:
    for value in (*program.graph.inputs, *_weight_leaves(program)):
        name = value.node.attribute("name") if value.role in (*MAIN_ROLES, "Weight") else None
        array = program.weights.arrays.get(name) if name is not None else None
        if array is not None and not fits(value, array):
            yield f"weights '{name}' are {array.dtype}{list(array.shape)}, the leaf {value.type}", value.node


def fits(value: Value, array: np.ndarray[Any, Any]) -> bool:
    """Whether an array has the value's dtype and, where they are numbers, its dimensions."""
    type = value.type
    if not isinstance(type, TensorType):
        return False
    if type.axes is None:
        return from_numpy(array.dtype) is type.dtype
    same = [not isinstance(d, int) or d == n for d, n in zip(type.axes, array.shape, strict=False)]
    return from_numpy(array.dtype) is type.dtype and array.ndim == len(same) == type.rank and all(same)


def _weight_leaves(program: Program) -> Iterator[Value]:
    return (n.outputs[0] for n in program.graph.nodes if n.outputs and n.outputs[0].role == "Weight")


def _stored(program: Program) -> Findings:
    for value in _weight_leaves(program):
        if value.node.attribute("name") not in program.weights:
            yield f"weights hold no '{value.node.attribute('name')}'", value.node


def _initializers(program: Program) -> Findings:
    leaves = {**program.parameters, **program.states, **program.noise}
    for name, value in program.initializers.items():
        if name not in leaves:
            yield f"'{name}' has an initializer and is no parameter, state or noise"
        elif leaves[name].type != value.type:
            yield f"'{name}' is {leaves[name].type}, its initializer {value.type}", value.node


def _initializer_leaves(program: Program) -> Findings:
    for node in topological(program.initializers.values()):
        value = node.outputs[0] if node.outputs else None
        if value is not None and value.is_leaf and value.role not in ("Draw", "Constant", "Weight"):
            yield f"an initializer may not read {value.role} leaves", node


def _tables(program: Program) -> Findings:
    for name, size in program.sizes.items():
        if size.low < 1 or (size.high is not None and size.high < size.low):
            yield f"size '{name}' can't be {size.low} to {size.high}"
    for name in program.domains:
        if name not in program.inputs:
            yield f"'{name}' has a domain and is no input"
    for assumption in _all_assumptions(program.assumptions):
        if assumption.operator not in COMPARISONS:
            yield f"an assumption compares with '{assumption.operator}'"


def _ranges(program: Program) -> Findings:
    for size in frozenset().union(*(named_sizes_of(v.type) for v in program.graph.inputs)):
        declared = program.sizes.get(size.name, Size())
        above = size.high is not None and (declared.high is None or declared.high > size.high)
        if declared.low < size.low or above:
            proved = size_text(Size(size.low, size.high))
            yield f"size {size} may be {size_text(declared)}, types rest on {proved}"


def _all_assumptions(assumptions: Iterable[Assumption]) -> Iterator[Assumption]:
    waiting = [*assumptions]
    while waiting:
        assumption = waiting.pop()
        yield assumption
        waiting += assumption.alternatives


def _names(program: Program) -> Findings:
    whole = Graph((), (*program.graph.outputs, *program.initializers.values()))
    nodes = {node for graph in nested_graphs(whole) for node in graph.nodes}
    nodes.update(v.node for v in program.graph.inputs)
    for name, value in program.names.items():
        if value.node not in nodes:
            yield f"'{name}' names a value that the program does not hold", value.node


RULES: tuple[Rule, ...] = (
    Rule("attributes", "node", Level.NODES, "Declared, of their kind, defaults left out.", _attributes),
    Rule("arrays", "node", Level.NODES, "Arrays in nodes are small and can't be written.", _arrays),
    Rule("links", "node", Level.NODES, "Results point back at their node.", _links),
    Rule("known", "node", Level.NODES, "Known content is an integer or bool tensor's, of its size.", _known),
    Rule("constant", "node", Level.NODES, "A constant's known content is its content.", _constant_content),
    Rule("types", "node", Level.FULL, "Types are those that the rule infers.", _types),
    Rule("known-rule", "node", Level.FULL, "Known content is what the rule infers.", _known_by_rule),
    Rule("interned", "node", Level.FULL, "Equal nodes are one object.", _interned),
    Rule("closed", "body", Level.NODES, "A body's leaves are its arguments, and constants.", _closed),
    Rule("numbered", "body", Level.FAST, "A body's inputs are Arguments 0, 1, ….", _numbered),
    Rule("signature", "graph", Level.FAST, "Inputs are leaves with names of their own.", _signature),
    Rule("leaves", "graph", Level.NODES, "Every leaf with a role is an input.", _leaves),
    Rule("results", "program", Level.FAST, "One name for each result.", _results),
    Rule("updates", "program", Level.FAST, "Updates are states', of their types.", _updates),
    Rule("order", "program", Level.FAST, "Inputs, states, noise, parameters.", _order),
    Rule("initializers", "program", Level.FAST, "Initializers are leaves', of their types.", _initializers),
    Rule("tables", "program", Level.FAST, "Sizes, domains and assumptions make sense.", _tables),
    Rule("ranges", "program", Level.FAST, "Sizes keep to the ranges that types rest on.", _ranges),
    Rule("weights", "program", Level.NODES, "Arrays have the types of their leaves.", _weights),
    Rule("stored", "program", Level.NODES, "Every Weight leaf has its array.", _stored),
    Rule("draws", "program", Level.NODES, "Initializers read draws and constants.", _initializer_leaves),
    Rule("names", "program", Level.NODES, "Names are those of values that exist.", _names),
)


def check(subject: Program | Graph | Iterable[Node], level: Level = Level.FULL) -> list[Violation]:
    """What is wrong with a program, a main graph or some nodes, by the rules up to `level`."""
    if isinstance(subject, Program):
        found = _apply("program", [subject], level) + check(subject.graph, level)
        return found + _check_inside((), (*subject.initializers.values(),), level)
    if isinstance(subject, Graph):
        return _apply("graph", [subject], level) + _check_inside(subject.inputs, subject.outputs, level)
    nodes = [*subject]
    inner = dict.fromkeys(body for node in nodes for _, body in bodies(node))
    return _apply("node", nodes, level) + _apply("body", inner, level)


def _check_inside(inputs: tuple[Value, ...], outputs: tuple[Value, ...], level: Level) -> list[Violation]:
    """The rules of nodes and bodies for everything that these values need, at every depth."""
    whole = Graph((), (*inputs, *outputs))
    *inner, _ = nested_graphs(whole)
    nodes = dict.fromkeys(node for graph in (whole, *inner) for node in graph.nodes)
    return _apply("node", nodes, level) + _apply("body", inner, level)


def _apply(scope: str, subjects: Iterable[Any], level: Level) -> list[Violation]:
    rules = [r for r in RULES if r.scope == scope and r.level <= level]
    found: list[Violation] = []
    for subject in subjects:
        for rule in rules:
            for finding in rule.find(subject):
                message, node = finding if isinstance(finding, tuple) else (finding, None)
                at = subject if isinstance(subject, Node) else node
                found.append(Violation(rule.name, message, at))
    return found
