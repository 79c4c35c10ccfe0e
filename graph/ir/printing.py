"""The text form of graphs and programs: stable, readable, and read back by `parsing`.

    program "mlp" infer {
      size batch: 1..64
      x = Input("x"): float32[batch, 8]
      kernel = Parameter("kernel"): float32[8, 4]
      %0 = MatMul(x, kernel): float32[batch, 4]
      hidden = Relu(%0): float32[batch, 4]
      output y = hidden
    }

A bare name is a key of `Program.names`; `%…` labels a value without a name. Bodies stand where
they are first used, indented; one that is used again is numbered (`graph @0 {…}`, then `@0`).
The signature is every Input, State, Noise and Parameter in order (in a body every Argument),
unless `inputs` says otherwise. `size` gives the range of a size; `symbol` does where the sizes in
types have another range than the program's table says. Not in the text: arrays of Weights,
theories, spans, paths and passes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from re import compile as pattern
from typing import Any

from ..operators.attributes import Attribute
from ..operators.leaves import CONSTANT, LEAF_DOMAIN
from ..operators.operator import Operator
from ..types.dimensions import Dim, Dimension, named_sizes
from ..types.tokens import name_text, quoted
from ..types.types import TensorType, named_sizes_of
from .graph import Graph, bodies, nested_graphs, topological
from .literals import array_text, float_text
from .node import Node, Value
from .program import Assumption, Domain, Program, Size
from .quantized import quantized_type

SIGNATURE_ROLES = frozenset({"Input", "State", "Noise", "Parameter", "Argument"})
"""Leaves that are part of a signature where `inputs` does not say otherwise."""

STATEMENTS = frozenset(
    {
        "program",
        "graph",
        "inputs",
        "output",
        "return",
        "update",
        "initialize",
        "name",
        "size",
        "symbol",
        "assume",
        "domain",
        "weight",
        "metadata",
    }
)
RESERVED = STATEMENTS | {"_"}
"""Names that are quoted as labels, since the parser gives them a meaning."""

LEADING = {"Constant": "value", "Argument": "index"}
"""Leaf -> the attribute written first and without its name; `name` for the others."""

_LABEL = pattern(r"[A-Za-z][A-Za-z0-9_.]*")


def print_graph(graph: Graph, names: Mapping[str, Value] | None = None) -> str:
    """The text of a graph; `names` labels values. Ends with a line break."""
    writer = _Writer(names or {}, graph.outputs)
    sizes = _symbols((*graph.inputs, *graph.outputs), {}, ())
    return f"{writer.block('graph', graph, '', sizes)}\n"


def print_program(program: Program, *, origins: bool = False, digests: bool = False) -> str:
    """The text of a program. With `origins`, comments tell each node's call path and spec line, and the
    quantized type that a decoded value stands for; with `digests`, weights show their hash (which reads them
    all). Ends with a line break."""
    roots = (*program.graph.outputs, *program.initializers.values())
    writer = _Writer(program.names, roots, program if origins else None)
    head = f"program {quoted(program.name)} {name_text(program.variant)}"
    return f"{writer.block(head, program.graph, '', _header(program, digests), _endings(program))}\n"


def _endings(program: Program) -> list[tuple[str, Value]]:
    """The statements that end a program, each with the value that it names."""
    names = [*(f"output {name_text(n)} = " for n in program.output_names)]
    names += [f"update {name_text(n)} = " for n in program.updates]
    names += ["return "] * (len(program.graph.outputs) - len(names))
    initializers = [(f"initialize {name_text(n)} = ", v) for n, v in program.initializers.items()]
    return [*zip(names, program.graph.outputs, strict=False), *initializers]


def _header(program: Program, digests: bool) -> Iterator[str]:
    for key, text in program.metadata.items():
        yield f"metadata {quoted(key)} = {quoted(text)}"
    for name, size in program.sizes.items():
        yield f"size {name_text(name)}: {size_text(size)}"
    roots = (*program.graph.inputs, *program.graph.outputs, *program.initializers.values())
    written = (d for a in program.assumptions for d in _dimensions(a))
    bounds = (b for d in program.domains.values() for b in (d.low, d.high) if isinstance(b, Dim))
    yield from _symbols((*roots, *program.names.values()), program.sizes, (*written, *bounds))
    for assumption in program.assumptions:
        yield f"assume {assumption_text(assumption)}"
    for name, domain in program.domains.items():
        yield f"domain {name_text(name)} = {domain_text(domain)}"
    for name, array in program.weights.arrays.items():
        hashed = f" {quoted(program.weights.digest(name))}" if digests else ""
        yield f"weight {name_text(name)}: {weight_type(array)}{hashed}"


def _dimensions(assumption: Assumption) -> Iterator[Dimension]:
    yield from (assumption.left, assumption.right)
    for alternative in assumption.alternatives:
        yield from _dimensions(alternative)


def _symbols(roots: tuple[Value, ...], sizes: Mapping[str, Size], others: Iterable[Dimension]) -> list[str]:
    """The `symbol` statements: sizes whose range is not the one that the reader would give them."""
    values = [v for g in nested_graphs(Graph((), roots)) for n in g.nodes for v in n.outputs]
    contents = {d for v in values for d in v.known or () if isinstance(d, Dim)}
    types = {v.type for v in values}
    found = frozenset().union(*map(named_sizes_of, types), *map(named_sizes, (*contents, *others)))
    given = {s: sizes.get(s.name, Size()) for s in sorted(found, key=lambda s: s.sort_key)}
    return [
        f"symbol {name_text(s.name)}: {size_text(Size(s.low, s.high))}"
        for s, size in given.items()
        if (size.low, size.high) != (s.low, s.high)
    ]


def weight_type(array: Any) -> TensorType:
    """The type of an array in Weights."""
    from ..types.dtypes import from_numpy

    return TensorType(from_numpy(array.dtype), tuple(array.shape))


def size_text(size: Size) -> str:
    return f"{size.low}..{'' if size.high is None else size.high}"


def assumption_text(assumption: Assumption) -> str:
    text = f"{assumption.left} {assumption.operator} {assumption.right}"
    if assumption.reason:
        text += f" because {quoted(assumption.reason)}"
    if assumption.alternatives:
        text += f" any ({', '.join(map(assumption_text, assumption.alternatives))})"
    return text


def domain_text(domain: Domain) -> str:
    options: list[str] = []
    for name in ("low", "high"):
        bound = getattr(domain, name)
        if bound is not None:
            options.append(f"{name}={repr(bound) if isinstance(bound, float) else bound}")
    if domain.arguments:
        options.append(f"arguments=[{', '.join(repr(float(a)) for a in domain.arguments)}]")
    if not domain.declared:
        options.append("declared=false")
    return f"{name_text(domain.kind)}({', '.join(options)})"


def operator_text(operator: Operator) -> str:
    """The operator as the parser finds it: leaves without their domain, and since one of them is
    called Constant too, the standard's with it there."""
    if operator.domain == LEAF_DOMAIN:
        return operator.name
    if not operator.domain:
        return f"ai.onnx.{operator.name}" if operator.name == CONSTANT.name else operator.name
    return f"{operator.domain}.{operator.name}"


def known_text(known: Iterable[object]) -> str:
    return f"[{', '.join('?' if k is None else str(k) for k in known)}]"


def plain_attribute_text(attribute: Attribute) -> str:
    """The text of an attribute's value that is no graph."""
    value = attribute.value
    match attribute.kind:
        case "float":
            return float_text(value)
        case "string":
            return quoted(value)
        case "tensor":
            return f"{weight_type(value)} {array_text(value)}"
        case "floats":
            return f"[{', '.join(map(float_text, value))}]"
        case "strings":
            return f"[{', '.join(map(quoted, value))}]"
        case "ints":
            return f"[{', '.join(map(str, value))}]"
        case "known":
            return known_text(value)
        case _:
            return str(value)


class _Scope:
    """The labels of one block."""

    def __init__(self) -> None:
        self.labels: dict[Value, str] = {}
        self._used: set[str] = set()
        self._count = 0

    def add(self, value: Value, name: str | None) -> None:
        self.labels[value] = name_text(name, RESERVED) if name is not None else self._free(value)

    def _free(self, value: Value) -> str:
        name = value.node.attribute("name") if value.is_leaf else None
        if isinstance(name, str) and _LABEL.fullmatch(name) and name not in self._used:
            self._used.add(name)
            return f"%{name}"
        self._count += 1
        return f"%{self._count - 1}"


class _Writer:
    def __init__(
        self, names: Mapping[str, Value], roots: Iterable[Value], origins: Program | None = None
    ) -> None:
        self.names = names
        self._names_of: dict[Value, list[str]] = {}
        for name, value in names.items():
            self._names_of.setdefault(value, []).append(name)
        self._unwritten = dict.fromkeys(names)
        self._shared = _uses((*roots, *names.values()))
        self._numbers: dict[Graph, int] = {}
        self._origins = origins

    def block(
        self,
        head: str,
        graph: Graph,
        indent: str,
        before: Iterable[str] = (),
        after: Sequence[tuple[str, Value]] | None = None,
    ) -> str:
        """`head {…}` with the statements of one graph; `after` (statement and value, only for the
        main graph of a program) stands for `return`."""
        scope, inner = _Scope(), indent + "  "
        lines = [f"{inner}{line}" for line in before]
        wanted = topological((*graph.inputs, *graph.outputs))
        lines += self._statements(wanted, scope, inner)
        if after is not None:
            seen = set(wanted)
            rest = topological((*(v for _, v in after), *(self.names[n] for n in self._unwritten)))
            lines += self._statements([n for n in rest if n not in seen], scope, inner)
        lines += [f"{inner}{line}" for line in self._aliases(scope)]
        if [v for v in scope.labels if v.role in SIGNATURE_ROLES] != [*graph.inputs]:
            lines.append(f"{inner}inputs {', '.join(scope.labels[v] for v in graph.inputs)}".rstrip())
        if after is None:
            lines.append(f"{inner}return {', '.join(scope.labels[v] for v in graph.outputs)}".rstrip())
        else:
            lines += [f"{inner}{statement}{scope.labels[v]}" for statement, v in after]
        return "\n".join([f"{head} {{", *lines, f"{indent}}}"])

    def _statements(self, nodes: Iterable[Node], scope: _Scope, indent: str) -> Iterator[str]:
        for node in nodes:
            for value in node.outputs:
                names = self._names_of.get(value, ())
                scope.add(value, names[0] if names else None)
                if names:
                    self._unwritten.pop(names[0], None)
            yield f"{indent}{self._node(node, scope, indent)}{self._origin(node)}"

    def _aliases(self, scope: _Scope) -> list[str]:
        lines: list[str] = []
        for value, label in scope.labels.items():
            for name in self._names_of.get(value, ())[1:]:
                if name in self._unwritten:
                    del self._unwritten[name]
                    lines.append(f"name {name_text(name)} = {label}")
        return lines

    def _node(self, node: Node, scope: _Scope, indent: str) -> str:
        results = ", ".join(scope.labels[v] for v in node.outputs)
        arguments = ["_" if v is None else scope.labels[v] for v in node.inputs]
        arguments += self._attributes(node, indent)
        types = ", ".join(str(v.type) for v in node.outputs)
        return f"{results} = {operator_text(node.operator)}({', '.join(arguments)}): {types}"

    def _attributes(self, node: Node, indent: str) -> Iterator[str]:
        leading = leading_attribute(node.operator)
        if leading in node.attributes:
            attribute = node.attributes[leading]
            yield (
                array_text(attribute.value) if node.operator is CONSTANT else plain_attribute_text(attribute)
            )
        for name in sorted(node.attributes):
            if name == leading or (node.operator.domain == LEAF_DOMAIN and name == "type"):
                continue
            attribute = node.attributes[name]
            spec = node.operator.attributes.get(name)
            kind = "" if spec is not None and spec.kind == attribute.kind else f"{attribute.kind}: "
            yield f"{name}={kind}{self._attribute(attribute, indent)}"

    def _attribute(self, attribute: Attribute, indent: str) -> str:
        if attribute.kind != "graph":
            return plain_attribute_text(attribute)
        graph: Graph = attribute.value
        if graph in self._numbers:
            return f"@{self._numbers[graph]}"
        head = "graph"
        if self._shared[graph] > 1:
            self._numbers[graph] = len(self._numbers)
            head += f" @{self._numbers[graph]}"
        return self.block(head, graph, indent)

    def _origin(self, node: Node) -> str:
        if self._origins is None:
            return ""
        found = [self._origins.origins[v] for v in node.outputs if v in self._origins.origins]
        types = [str(t) for v in node.outputs if (t := quantized_type(v)) is not None]
        parts = [str(p) for o in found for p in (o.path, *o.spans, *(f"by {n}" for n in o.passes)) if p]
        parts = [*types, *parts]
        return f"  # {', '.join(dict.fromkeys(parts))}" if parts else ""


def leading_attribute(operator: Operator) -> str:
    """The attribute that a leaf's text starts with; "" for operators."""
    return LEADING.get(operator.name, "name") if operator.domain == LEAF_DOMAIN else ""


def _uses(roots: tuple[Value, ...]) -> Counter[Graph]:
    """How often each body is an attribute of a node that is printed."""
    graphs = nested_graphs(Graph((), roots))
    return Counter(body for graph in graphs for node in graph.nodes for _, body in bodies(node))
