"""Patterns: graphs with holes, written in the graph's own language.

`Transpose(Transpose(x, perm=p), perm=q)` matches a Transpose whose operand is a Transpose; `x`
is bound to a value, `p` and `q` to attribute values. Arithmetic stands for its operator
(`x * 1` is `Mul(x, 1)`). A capital letter begins an operator, a small one a variable, so
`maybe(b)` (an operand that may be absent, then None) and `const(c)` (a constant leaf) are the
only two small-letter calls. `(y := Conv(x, w))` binds an inner result. A variable used twice
asks for the same value. Attributes that a pattern does not mention must be at their defaults.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...graph.ir import Node, Value
from ...graph.operators.leaves import CONSTANT, WEIGHT
from ...graph.operators.operator import Operator
from ...graph.operators.table import operator as find_operator

BINARY = {
    ast.Add: "Add",
    ast.Sub: "Sub",
    ast.Mult: "Mul",
    ast.Div: "Div",
    ast.Pow: "Pow",
    ast.MatMult: "MatMul",
    ast.BitAnd: "And",
    ast.BitOr: "Or",
}
UNARY = {ast.USub: "Neg", ast.Invert: "Not"}


@dataclass(frozen=True, slots=True)
class Hole:
    """A variable: any value, or with `leaf` a constant leaf only; `optional` may be absent."""

    name: str
    optional: bool = False
    leaf: bool = False


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant whose elements all equal `value`; zero also in its sign."""

    value: int | float | bool


@dataclass(frozen=True, slots=True)
class Application:
    """An operator applied to patterns. `attributes` maps a name to a variable (str) or a value."""

    operator: Operator
    inputs: tuple[Pattern, ...]
    attributes: tuple[tuple[str, str | Literal], ...] = ()
    bound: str | None = None

    @property
    def nodes(self) -> int:
        return 1 + sum(p.nodes for p in self.inputs if isinstance(p, Application))


Pattern = Hole | Literal | Application
Refuse = Callable[[str], None]


@dataclass(slots=True)
class Match:
    """What the variables stand for, and the nodes that the pattern covers, root first."""

    bound: dict[str, Any]
    nodes: list[Node]


# --- reading ------------------------------------------------------------------------------------


def parse_pattern(text: str) -> Application:
    """The pattern. Raises ValueError for text that is none (rules are code: a developer's error)."""
    found = read(ast.parse(text, mode="eval").body)
    if not isinstance(found, Application):
        raise ValueError(f"a rule needs an operator at its root: {text}")
    return found


def read(tree: ast.expr) -> Pattern:
    """The pattern of an expression. Raises ValueError for a form that patterns do not have."""
    if isinstance(tree, ast.NamedExpr):
        inner = read(tree.value)
        if not isinstance(inner, Application):
            raise ValueError("`name :=` goes before an operator")
        return Application(inner.operator, inner.inputs, inner.attributes, tree.target.id)
    if isinstance(tree, ast.Name):
        return Hole(tree.id)
    number = literal(tree)
    if number is not None:
        return number
    if isinstance(tree, ast.BinOp):
        return Application(find_operator(BINARY[type(tree.op)]), (read(tree.left), read(tree.right)))
    if isinstance(tree, ast.UnaryOp):
        return Application(find_operator(UNARY[type(tree.op)]), (read(tree.operand),))
    if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name):
        return _call(tree, tree.func.id)
    raise ValueError(f"no pattern: {ast.unparse(tree)}")


def operator_called(name: str) -> Operator:
    """The standard's operator of that name, else ours."""
    try:
        return find_operator(name)
    except KeyError:
        return find_operator(name, "graphwright")


def _call(tree: ast.Call, name: str) -> Pattern:
    if name in ("maybe", "const"):
        inner = read(tree.args[0])
        if not isinstance(inner, Hole):
            raise ValueError(f"{name}() takes a variable")
        return Hole(inner.name, inner.optional or name == "maybe", inner.leaf or name == "const")
    attributes = tuple((k.arg or "", _attribute(k.value)) for k in tree.keywords)
    return Application(operator_called(name), tuple(map(read, tree.args)), attributes)


def _attribute(tree: ast.expr) -> str | Literal:
    if isinstance(tree, ast.Name):
        return tree.id
    number = literal(tree)
    if number is None:
        raise ValueError(f"an attribute is a variable or a number: {ast.unparse(tree)}")
    return number


def literal(tree: ast.expr) -> Literal | None:
    """The number that `tree` is, signed or not, else None."""
    if isinstance(tree, ast.Constant) and isinstance(tree.value, bool | int | float):
        return Literal(tree.value)
    if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.USub):
        inner = literal(tree.operand)
        return None if inner is None else Literal(-inner.value)
    return None


# --- matching -----------------------------------------------------------------------------------


def match(pattern: Application, node: Node, refuse: Refuse | None = None) -> Match | None:
    """How `pattern` fits `node`, else None; then `refuse` was told why, for every way tried."""
    for found in _match_node(pattern, node, {}, refuse):
        return found
    return None


def _match_node(
    pattern: Application, node: Node, bound: Mapping[str, Any], refuse: Refuse | None
) -> Iterator[Match]:
    if node.operator is not pattern.operator:
        if refuse:
            refuse(f"{node.name} stands where {pattern.operator.name} is needed")
        return
    given = _attributes(pattern, node, bound, refuse)
    if given is None:
        return
    if len(node.inputs) > len(pattern.inputs):
        if refuse:
            refuse(f"{node.name} has {len(node.inputs)} operands, the pattern {len(pattern.inputs)}")
        return
    orders = _orders(pattern, node)
    for inputs in orders:
        for found in _match_operands(pattern.inputs, inputs, Match(given, [node]), refuse):
            if pattern.bound:
                found.bound[pattern.bound] = node.outputs[0]
            yield found


def _orders(pattern: Application, node: Node) -> list[tuple[Value | None, ...]]:
    inputs = node.inputs
    if len(inputs) == 2 and len(pattern.inputs) == 2 and "commutative" in pattern.operator.traits:
        return [inputs, (inputs[1], inputs[0])] if inputs[0] is not inputs[1] else [inputs]
    return [inputs + (None,) * (len(pattern.inputs) - len(inputs))]


def _attributes(
    pattern: Application, node: Node, bound: Mapping[str, Any], refuse: Refuse | None
) -> dict[str, Any] | None:
    given = dict(bound)
    mentioned = set()
    for name, wanted in pattern.attributes:
        mentioned.add(name)
        value = node.attribute(name)
        if isinstance(wanted, Literal):
            if value != wanted.value:
                if refuse:
                    refuse(f"{node.name}.{name} is {value}, not {wanted.value}")
                return None
        elif wanted in given and given[wanted] != value:
            if refuse:
                refuse(f"{node.name}.{name} is {value}, elsewhere {given[wanted]}")
            return None
        else:
            given[wanted] = value
    for name in node.attributes:
        if name not in mentioned:
            if refuse:
                refuse(f"{node.name} sets {name}, which the rule does not cover")
            return None
    return given


def _match_operands(
    patterns: tuple[Pattern, ...], inputs: tuple[Value | None, ...], so_far: Match, refuse: Refuse | None
) -> Iterator[Match]:
    if not patterns:
        yield so_far
        return
    for found in _match_operand(patterns[0], inputs[0], so_far, refuse):
        yield from _match_operands(patterns[1:], inputs[1:], found, refuse)


def _match_operand(
    pattern: Pattern, value: Value | None, so_far: Match, refuse: Refuse | None
) -> Iterator[Match]:
    if isinstance(pattern, Application):
        if value is None or value.index != 0:
            if refuse:
                refuse(f"no {pattern.operator.name} stands there")
            return
        for found in _match_node(pattern, value.node, so_far.bound, refuse):
            yield Match(found.bound, so_far.nodes + found.nodes)
        return
    reason = _hole(pattern, value, so_far.bound) if isinstance(pattern, Hole) else _number(pattern, value)
    if reason is not None:
        if refuse:
            refuse(reason)
        return
    if isinstance(pattern, Hole):
        yield Match({**so_far.bound, pattern.name: value}, so_far.nodes)
    else:
        yield so_far


def _hole(pattern: Hole, value: Value | None, bound: Mapping[str, Any]) -> str | None:
    if value is None:
        return None if pattern.optional else f"operand {pattern.name} is absent"
    if pattern.name in bound and bound[pattern.name] is not value:
        return f"two different values stand for {pattern.name}"
    if pattern.leaf and value.node.operator is not CONSTANT and value.node.operator is not WEIGHT:
        return f"{pattern.name} ({value.node.name}) is no constant"
    return None


def _number(pattern: Literal, value: Value | None) -> str | None:
    array = value.constant if value is not None else None
    if array is None:
        return f"no constant {pattern.value} stands there"
    return None if is_filled_with(array, pattern.value) else f"a constant that is not {pattern.value}"


def is_filled_with(array: np.ndarray[Any, Any], number: int | float | bool) -> bool:
    """Whether every element equals `number`; a floating zero also in its sign."""
    if array.dtype == object or not array.size or not bool((array == number).all()):
        return False
    if number == 0 and array.dtype.kind not in "iub":
        return bool((np.signbit(array) == np.signbit(number)).all())
    return True
