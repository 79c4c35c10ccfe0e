"""Reads the text form of graphs and programs that `printing` writes: the same nodes again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..diagnostics.diagnostic import fail
from ..diagnostics.span import Source
from ..diagnostics.suggestion import did_you_mean
from ..operators.attributes import KINDS, Attribute, make_attribute
from ..operators.leaves import CONSTANT, LEAF_DOMAIN, LEAVES
from ..operators.operator import Operator, RuleError
from ..operators.table import operator as find_operator
from ..operators.table import operator_names
from ..types.dimensions import Dimension, symbol
from ..types.dtypes import BOOL, FLOAT32, FLOAT64, INT64, STRING, DType
from ..types.parsing import MAX_DEPTH, read_dimension, read_type
from ..types.tokens import Token, TokenReader
from ..types.types import TensorType, Type
from .graph import Graph
from .literals import Literal, literal_array, literal_element, read_literal
from .node import Node, Value, make_node
from .printing import RESERVED, SIGNATURE_ROLES, STATEMENTS, leading_attribute, weight_type
from .program import Assumption, Domain, Program, Size, Weights

Arrays = Mapping[str, np.ndarray[Any, Any]]

_Label = tuple[bool, str]
"""Whether it is a name of the program (not `%…`), and its text."""


def parse_graph(text: str, path: str = "<graph>") -> Graph:
    """The graph of `print_graph`'s text. Raises SpecError (G14xx) with the place of the mistake."""
    parser = _Parser(TokenReader(Source(path, text)))
    parser.reader.expect("graph")
    graph, _ = parser.block()
    parser.expect_end()
    return graph


def parse_program(text: str, weights: Arrays | None = None, path: str = "<program>") -> Program:
    """The program of `print_program`'s text. Arrays are not part of the text: `weights` gives
    them by name, and each is checked against its line. Spans and origins are lost.

    Raises SpecError (G14xx) with the place of the mistake.
    """
    parser = _Parser(TokenReader(Source(path, text)), weights or {})
    reader = parser.reader
    reader.expect("program")
    name = reader.string()
    variant = reader.name("a variant")
    graph, block = parser.block()
    parser.expect_end()
    return parser.program(name, variant, graph, block)


@dataclass
class _Block:
    """What the statements of one block have said so far."""

    labels: dict[_Label, Value] = field(default_factory=dict)
    inputs: list[Value] | None = None
    outputs: dict[str, Value] = field(default_factory=dict)
    updates: dict[str, Value] = field(default_factory=dict)
    results: list[Value] = field(default_factory=list)
    initializers: dict[str, Value] = field(default_factory=dict)
    is_body: bool = False


@dataclass
class _Application:
    """The right-hand side of a node definition, before its types are known."""

    token: Token
    operator: Operator
    operands: list[Value | None] = field(default_factory=list)
    attributes: dict[str, Attribute] = field(default_factory=dict)
    literal: Literal | None = None


class _Parser:
    def __init__(self, reader: TokenReader, weights: Arrays | None = None) -> None:
        self.reader = reader
        self._arrays = weights or {}
        self._names: dict[str, Value] = {}
        self._bodies: dict[str, Graph] = {}
        self._metadata: dict[str, str] = {}
        self._sizes: dict[str, Size] = {}
        self._assumptions: list[Assumption] = []
        self._domains: dict[str, Domain] = {}
        self._weights: dict[str, np.ndarray[Any, Any]] = {}
        self._depth = 0

    def program(self, name: str, variant: str, graph: Graph, block: _Block) -> Program:
        return Program(
            name=name,
            graph=graph,
            output_names=tuple(block.outputs),
            updates=tuple(block.updates),
            weights=Weights(self._weights),
            initializers=block.initializers,
            names=self._names,
            sizes=self._sizes,
            assumptions=tuple(self._assumptions),
            domains=self._domains,
            variant=variant,
            metadata=self._metadata,
        )

    def expect_end(self) -> None:
        if self.reader.token.kind != "end":
            raise self.reader.error(f"expected the end of the text, found {self.reader.describe()}")

    # --- blocks and statements ----------------------------------------------------------------

    def block(self) -> tuple[Graph, _Block]:
        """Reads `{…}`."""
        reader = self.reader
        if self._depth > MAX_DEPTH:
            raise reader.error(f"bodies nested more than {MAX_DEPTH} deep", code="G1405")
        self._depth += 1
        block = _Block(is_body=self._depth > 1)
        reader.expect("{")
        while not reader.at("}"):
            self._statement(block)
        reader.expect("}")
        self._depth -= 1
        inputs = block.inputs
        if inputs is None:
            inputs = [v for v in dict.fromkeys(block.labels.values()) if v.role in SIGNATURE_ROLES]
        outputs = (*block.outputs.values(), *block.updates.values(), *block.results)
        return Graph(tuple(inputs), outputs), block

    def _statement(self, block: _Block) -> None:
        token = self.reader.token
        if token.kind == "name" and token.text in _STATEMENTS:
            self.reader.next()
            _STATEMENTS[token.text](self, block)
        elif token.kind in ("name", "label", "string") and token.text not in STATEMENTS:
            self._definition(block)
        else:
            raise self.reader.error(f"expected a statement, found {self.reader.describe()}")

    def _once(self, name: str, table: Mapping[str, object], token: Token) -> None:
        if name in table:
            raise self.reader.error(f"'{name}' is here twice", token, "G1402")

    def _metadata_statement(self, block: _Block) -> None:
        token = self.reader.token
        key = self.reader.string()
        self._once(key, self._metadata, token)
        self.reader.expect("=")
        self._metadata[key] = self.reader.string()

    def _size_statement(self, block: _Block) -> None:
        token = self.reader.token
        name, size = self._size()
        self._once(name, self._sizes, token)
        self._sizes[name] = size
        self.reader.sizes.setdefault(name, symbol(name, size.low, size.high))

    def _symbol_statement(self, block: _Block) -> None:
        name, size = self._size()
        self.reader.sizes[name] = symbol(name, size.low, size.high)

    def _size(self) -> tuple[str, Size]:
        reader = self.reader
        name = reader.name("a size")
        reader.expect(":")
        low = reader.integer()
        reader.expect("..")
        high = reader.integer() if reader.token.kind == "number" or reader.at("-") else None
        return name, Size(low, high)

    def _assume_statement(self, block: _Block) -> None:
        self._assumptions.append(self._assumption(0))

    def _assumption(self, depth: int) -> Assumption:
        reader = self.reader
        if depth > MAX_DEPTH:
            raise reader.error(f"more than {MAX_DEPTH} levels of brackets", code="G1405")
        left = read_dimension(reader)
        if not reader.at("==", "!=", "<", "<=", ">", ">="):
            raise reader.error(f"expected a comparison, found {reader.describe()}")
        operator = reader.next().text
        right = read_dimension(reader)
        reason = reader.string() if reader.take("because") else ""
        alternatives: list[Assumption] = []
        if reader.take("any"):
            reader.expect("(")
            while not alternatives or reader.take(","):
                alternatives.append(self._assumption(depth + 1))
            reader.expect(")")
        return Assumption(left, operator, right, reason, None, tuple(alternatives))

    def _domain_statement(self, block: _Block) -> None:
        reader = self.reader
        token = reader.token
        name = reader.name("the name of an input")
        self._once(name, self._domains, token)
        reader.expect("=")
        kind = reader.name("the kind of a domain")
        options: dict[str, Any] = {}
        reader.expect("(")
        while not reader.at(")"):
            token = reader.expect_kind("name", "an option of a domain")
            if token.text not in ("low", "high", "arguments", "declared"):
                raise reader.error(f"a domain has no option '{token.text}'", token, "G1403")
            reader.expect("=")
            options[token.text] = self._domain_option(token.text)
            if not reader.take(","):
                break
        reader.expect(")")
        self._domains[name] = Domain(kind, **options)

    def _domain_option(self, name: str) -> Any:
        reader = self.reader
        if name == "declared":
            return bool(literal_array(read_literal(reader), BOOL, (), reader))
        if name == "arguments":
            return tuple(self._number(n, t) for n, t in read_literal(reader).elements)
        return self._bound()

    def _number(self, negative: bool, token: Token) -> float:
        return float(literal_element(negative, token, np.dtype(np.float64), FLOAT64, self.reader))

    def _bound(self) -> Dimension | float:
        """A dimension, or a float: a number with a point or exponent, inf or nan."""
        reader = self.reader
        negative = reader.at("-")
        ahead = reader.peek() if negative else reader.token
        is_float = ahead.kind == "number" and not ahead.text.isdigit()
        if is_float or (ahead.kind == "name" and ahead.text in ("inf", "nan")):
            reader.take("-")
            return self._number(negative, reader.next())
        return read_dimension(reader)

    def _weight_statement(self, block: _Block) -> None:
        reader = self.reader
        token = reader.token
        name = reader.name("the name of an array")
        reader.expect(":")
        declared = read_type(reader)
        hashed = reader.string() if reader.token.kind == "string" else None
        array = self._arrays.get(name)
        if array is None:
            return
        if weight_type(array) != declared:
            raise reader.error(f"the array given for '{name}' is {weight_type(array)}", token, "G1404")
        weights = Weights({name: array})
        if hashed is not None and weights.digest(name) != hashed:
            raise reader.error(f"the array given for '{name}' has other content", token, "G1404")
        self._weights[name] = array

    def _inputs_statement(self, block: _Block) -> None:
        block.inputs = self._values(block)

    def _return_statement(self, block: _Block) -> None:
        block.results += self._values(block)

    def _values(self, block: _Block) -> list[Value]:
        values: list[Value] = []
        while self._at_label():
            values.append(self._value(block))
            if not self.reader.take(","):
                break
        return values

    def _at_label(self) -> bool:
        token = self.reader.token
        return token.kind in ("label", "string") or (token.kind == "name" and token.text not in RESERVED)

    def _named(self, table: Callable[[_Block], dict[str, Value]], block: _Block) -> None:
        token = self.reader.token
        name = self.reader.name("a name")
        self.reader.expect("=")
        self._once(name, table(block), token)
        table(block)[name] = self._value(block)

    def _name_statement(self, block: _Block) -> None:
        token = self.reader.token
        name = self.reader.name("a name")
        self.reader.expect("=")
        self._give_name(name, self._value(block), token)

    def _give_name(self, name: str, value: Value, token: Token) -> None:
        if self._names.setdefault(name, value) is not value:
            raise self.reader.error(f"'{name}' already names another value", token, "G1402")

    # --- node definitions ---------------------------------------------------------------------

    def _definition(self, block: _Block) -> None:
        reader = self.reader
        targets: list[tuple[Token, _Label]] = []
        while not targets or reader.take(","):
            targets.append(self._label())
        reader.expect("=")
        application = self._application(block)
        types = self._types() if reader.take(":") else []
        node = self._node(application, types, len(targets))
        if len(node.outputs) != len(targets):
            message = f"{node.name} has {len(node.outputs)} results, not {len(targets)}"
            raise reader.error(message, application.token, "G1404")
        for (token, label), value in zip(targets, node.outputs, strict=True):
            is_name, text = label
            if label in block.labels:
                raise reader.error(f"'{text}' is defined twice", token, "G1402")
            block.labels[label] = value
            if is_name:
                self._give_name(text, value, token)

    def _label(self) -> tuple[Token, _Label]:
        token = self.reader.token
        if token.kind == "label":
            return self.reader.next(), (False, token.text)
        if token.kind == "name" and token.text in RESERVED:
            raise self.reader.error(f"'{token.text}' can't be a label; put it in double quotes")
        return token, (True, self.reader.name("a label"))

    def _value(self, block: _Block) -> Value:
        token, label = self._label()
        found = block.labels.get(label)
        if found is None:
            hint = did_you_mean(label[1], (text for _, text in block.labels))
            raise fail("G1402", f"nothing above is called '{label[1]}'", self.reader.span(token), hint=hint)
        return found

    def _types(self) -> list[Type]:
        types = [read_type(self.reader)]
        while self.reader.take(","):
            types.append(read_type(self.reader))
        return types

    def _application(self, block: _Block) -> _Application:
        reader = self.reader
        token = reader.expect_kind("name", "an operator")
        application = _Application(token, self._operator(token))
        reader.expect("(")
        leading = leading_attribute(application.operator)
        if leading and not reader.at(")"):
            self._leading(application, leading)
            if not reader.at(")"):
                reader.expect(",")
        while not reader.at(")"):
            self._argument(application, block)
            if not reader.take(","):
                break
        reader.expect(")")
        return application

    def _operator(self, token: Token) -> Operator:
        if token.text in LEAVES:
            return LEAVES[token.text]
        domain, _, name = token.text.rpartition(".")
        try:
            return find_operator(name, "" if domain == "ai.onnx" else domain)
        except KeyError as error:
            hint = did_you_mean(token.text, {*operator_names(), *LEAVES})
            message = f"unknown operator '{token.text}'"
            raise fail("G1402", message, self.reader.span(token), hint=hint) from error

    def _leading(self, application: _Application, name: str) -> None:
        if application.operator is CONSTANT:
            application.literal = read_literal(self.reader)
        else:
            application.attributes[name] = self._attribute_of(application.operator.attributes[name].kind)

    def _argument(self, application: _Application, block: _Block) -> None:
        reader = self.reader
        if reader.take("_"):
            application.operands.append(None)
        elif reader.token.kind == "name" and reader.peek().text == "=":
            token = reader.next()
            reader.expect("=")
            if token.text in application.attributes:
                raise reader.error(f"attribute '{token.text}' is given twice", token, "G1402")
            application.attributes[token.text] = self._attribute(application.operator, token)
        else:
            application.operands.append(self._value(block))

    def _attribute(self, operator: Operator, name: Token) -> Attribute:
        reader = self.reader
        spec = operator.attributes.get(name.text)
        if reader.token.kind == "name" and reader.token.text in KINDS and reader.peek().text == ":":
            kind = reader.next().text
            reader.expect(":")
        elif spec is not None:
            kind = spec.kind
        else:
            hint = did_you_mean(name.text, operator.attributes)
            message = f"{operator.name} has no attribute '{name.text}'"
            raise fail("G1403", message, reader.span(name), hint=hint)
        return self._attribute_of(kind)

    def _attribute_of(self, kind: str) -> Attribute:
        reader = self.reader
        if kind == "graph":
            return Attribute(kind, self._body())
        if kind == "type":
            return Attribute(kind, read_type(reader))
        if kind == "known":
            return Attribute(kind, self._known())
        if kind == "tensor":
            declared = read_type(reader)
            dtype, shape = self._static(declared, reader.token)
            return Attribute(kind, literal_array(read_literal(reader), dtype, shape, reader))
        literal = read_literal(reader)
        if literal.is_list != kind.endswith("s") or literal.content is not None:
            raise reader.error(f"expected {'a list' if kind.endswith('s') else 'one value'}", literal.first)
        values = [self._plain(kind.rstrip("s"), *element) for element in literal.elements]
        return make_attribute(kind, values if literal.is_list else values[0])

    def _plain(self, kind: str, negative: bool, token: Token) -> Any:
        if kind == "int":
            return int(literal_element(negative, token, np.dtype(np.int64), INT64, self.reader))
        if kind == "float":
            return float(literal_element(negative, token, np.dtype(np.float32), FLOAT32, self.reader))
        return literal_element(negative, token, None, STRING, self.reader)

    def _known(self) -> tuple[Dimension | None, ...]:
        reader = self.reader
        reader.expect("[")
        known: list[Dimension | None] = []
        while not reader.at("]"):
            known.append(None if reader.take("?") else read_dimension(reader))
            if not reader.take(","):
                break
        reader.expect("]")
        return tuple(known)

    def _body(self) -> Graph:
        reader = self.reader
        if reader.token.kind == "body":
            token = reader.next()
            if token.text not in self._bodies:
                raise reader.error(f"no body above has the number {token.text}", token, "G1402")
            return self._bodies[token.text]
        reader.expect("graph")
        number = reader.next() if reader.token.kind == "body" else None
        graph, _ = self.block()
        if number is not None:
            if number.text in self._bodies:
                raise reader.error(f"a body above has the number {number.text} too", number, "G1402")
            self._bodies[number.text] = graph
        return graph

    def _static(self, declared: Type, token: Token) -> tuple[DType, tuple[int, ...]]:
        if isinstance(declared, TensorType) and declared.dims is not None:
            shape = tuple(d for d in declared.dims if isinstance(d, int) and d >= 0)
            if len(shape) == len(declared.dims):
                return declared.dtype, shape
        raise self.reader.error(
            f"an array has a type with numbers as dimensions, not {declared}", token, "G1404"
        )

    def _node(self, application: _Application, types: list[Type], results: int) -> Node:
        operator, reader, token = application.operator, self.reader, application.token
        attributes: dict[str, Any] = dict(application.attributes)
        if operator.domain == LEAF_DOMAIN:
            if len(types) != 1:
                raise reader.error(
                    f"{operator.name} needs its type: `{operator.name}(…): type`", token, "G1404"
                )
            if application.literal is not None:
                dtype, shape = self._static(types[0], token)
                array = literal_array(application.literal, dtype, shape, reader)
                attributes["value"] = Attribute("tensor", array)
            elif operator is not CONSTANT:
                attributes["type"] = Attribute("type", types[0])
        try:
            node = make_node(operator, application.operands, attributes, results)
        except RuleError as error:
            raise reader.error(error.message, token, "G1404") from error
        for value, declared in zip(node.outputs, types, strict=False):
            if value.type != declared:
                raise reader.error(f"{operator.name} gives {value.type}, not {declared}", token, "G1404")
        return node


_STATEMENTS: dict[str, Callable[[_Parser, _Block], None]] = {
    "metadata": _Parser._metadata_statement,
    "size": _Parser._size_statement,
    "symbol": _Parser._symbol_statement,
    "assume": _Parser._assume_statement,
    "domain": _Parser._domain_statement,
    "weight": _Parser._weight_statement,
    "inputs": _Parser._inputs_statement,
    "return": _Parser._return_statement,
    "name": _Parser._name_statement,
    "output": lambda parser, block: parser._named(lambda b: b.outputs, block),
    "update": lambda parser, block: parser._named(lambda b: b.updates, block),
    "initialize": lambda parser, block: parser._named(lambda b: b.initializers, block),
}
