"""Nodes and values: immutable, interned, typed at construction.

Two nodes with the same operator, inputs and attributes are one object, so common
subexpressions are merged by building them. The table that does this is weak: a cache,
invisible in results, and the only mutable object at module level.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from ..operators.attributes import Attribute, freeze_array, kind_of, make_attribute
from ..operators.leaves import ARGUMENT, CONSTANT, LEAF_DOMAIN, LEAVES
from ..operators.operator import Call, Known, Operator, RuleError
from ..operators.signature import check_signature, unknown_attribute
from ..operators.table import operator as find_operator
from ..types.dimensions import LARGEST_SIZE
from ..types.types import TensorType, Type

SMALL = 64
"""Constants of at most this many elements live in their node; larger ones in Weights."""


class Value:
    """A result of a node: (node, index), its type, and `known`, the symbolic content of a small
    integer tensor. Compared by identity, which is equality since nodes are interned."""

    __slots__ = ("index", "known", "node", "type")

    def __init__(self, node: Node, index: int, type: Type, known: Known | None) -> None:
        self.node, self.index, self.type, self.known = node, index, type, known

    @property
    def tensor(self) -> TensorType:
        """The type, which must be a tensor's. Raises TypeError where it is another."""
        if not isinstance(self.type, TensorType):
            raise TypeError(f"expected a tensor, got {self.type}")
        return self.type

    @property
    def is_leaf(self) -> bool:
        return self.node.operator.domain == LEAF_DOMAIN

    @property
    def role(self) -> str:
        """The leaf operator's name (Input, Parameter, …), or "" for a computed value."""
        return self.node.operator.name if self.is_leaf else ""

    @property
    def constant(self) -> np.ndarray[Any, Any] | None:
        """The array of a small constant, else None."""
        return self.node.attributes["value"].value if self.node.operator is CONSTANT else None

    def __repr__(self) -> str:
        return f"<{self.node.operator.name}.{self.index}: {self.type}>"

    def __reduce__(self) -> Any:
        raise TypeError("pickle a Graph or a Program, which go in topological order, not a Value")


class Node:
    """Operator, inputs (None for an absent optional one) and attributes; nothing else is in its
    identity: no name, no span. Attributes equal to their defaults are left out. Make nodes with
    `make_node` only. All results always exist."""

    __slots__ = ("__weakref__", "attributes", "inputs", "operator", "outputs")

    operator: Operator
    inputs: tuple[Value | None, ...]
    attributes: Mapping[str, Attribute]
    outputs: tuple[Value, ...]

    def attribute(self, name: str, default: Any = None) -> Any:
        """The attribute's value, else the schema's default, else `default`."""
        return self.operator.attribute(self.attributes, name, default)

    @property
    def name(self) -> str:
        return self.operator.name

    def __repr__(self) -> str:
        return f"<node {self.operator.qualified_name}>"

    def __reduce__(self) -> Any:
        raise TypeError("pickle a Graph or a Program, which go in topological order, not a Node")


_NO_ATTRIBUTES: Mapping[str, Attribute] = {}
_INTERNED: WeakValueDictionary[tuple[object, ...], Node] = WeakValueDictionary()


def make_node(
    operator: Operator,
    inputs: Sequence[Value | None] = (),
    attributes: Mapping[str, Any] | None = None,
    outputs: int | None = None,
) -> Node:
    """The interned node. `attributes` holds plain Python values or Attributes; `outputs` is the
    number of results of an operator with variadic outputs.

    Raises RuleError where the type rule refuses the operands, and for an unknown, missing or
    ill-typed attribute.
    """
    tagged = _tag(operator, attributes) if attributes else _NO_ATTRIBUTES
    end = len(inputs)
    while end and inputs[end - 1] is None:
        end -= 1
    return _intern(operator, tuple(inputs[:end]), tagged, outputs)


def rebuild(node: Node, inputs: Sequence[Value | None]) -> Node:
    """The node with other inputs; itself where they are the same."""
    given = tuple(inputs)
    if given == node.inputs:
        return node
    return _intern(node.operator, given, node.attributes, len(node.outputs))


def _intern(
    operator: Operator,
    inputs: tuple[Value | None, ...],
    attributes: Mapping[str, Attribute],
    outputs: int | None,
) -> Node:
    types: Sequence[Type] | None = None
    if not (operator.outputs and operator.outputs[-1].variadic):
        outputs = None
    elif outputs is None:
        types = infer_types(Call(operator, inputs, attributes))
        outputs = len(types)
    key: tuple[object, ...]
    if attributes:
        key = (operator, inputs, outputs, *((name, attributes[name].key) for name in sorted(attributes)))
    else:
        key = (operator, inputs, outputs)
    found = _INTERNED.get(key)
    if found is not None:
        return found
    call = Call(operator, inputs, attributes, outputs)
    if types is None:
        types = infer_types(call)
    known: Sequence[Known | None] = operator.known(call, types) if operator.known is not None else ()
    node = Node.__new__(Node)
    node.operator, node.inputs, node.attributes = operator, inputs, attributes
    if known:
        node.outputs = tuple(
            Value(node, i, t, within(k, t)) for i, (t, k) in enumerate(zip(types, known, strict=True))
        )
    else:
        node.outputs = tuple(Value(node, i, t, None) for i, t in enumerate(types))
    _INTERNED[key] = node
    return node


def infer_types(call: Call) -> Sequence[Type]:
    """The result types by the operator's rule, after its signature. Raises RuleError."""
    check_signature(call)
    if call.operator.infer is None:
        from .opaque import infer_opaque

        return infer_opaque(call)
    found = call.operator.infer(call)
    for type in found:
        _check_sizes(call.operator, type)
    return found


def _check_sizes(operator: Operator, type: Type) -> None:
    for axis in (type.axes or ()) if isinstance(type, TensorType) else ():
        if isinstance(axis, int) and axis > LARGEST_SIZE:
            raise RuleError(
                "G0411", f"a size of the result of {operator.name}, {axis}, does not fit into 64 bits"
            )


def within(known: Known | None, type: Type) -> Known | None:
    """The content without numbers that the type does not hold: an operator that computes one wraps."""
    if known is None or not isinstance(type, TensorType):
        return known
    bits = type.dtype.bits
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if type.dtype.kind == "int" else (0, (1 << bits) - 1)
    if all(not isinstance(element, int) or low <= element <= high for element in known):
        return known
    return tuple(None if isinstance(e, int) and not low <= e <= high else e for e in known)


def _tag(operator: Operator, given: Mapping[str, Any]) -> Mapping[str, Attribute]:
    tagged: dict[str, Attribute] = {}
    for name, value in given.items():
        if value is None:
            continue
        spec = operator.attributes.get(name)
        if spec is None and (operator.attributes or operator.infer is not None):
            raise unknown_attribute(operator, name)
        attribute = value if isinstance(value, Attribute) else _convert(operator, name, value)
        if spec is not None and attribute.kind != spec.kind:
            raise RuleError(
                "G0504", f"attribute '{name}' of {operator.name} takes {spec.kind}, not {attribute.kind}"
            )
        if spec is None or spec.default is None or spec.default.key != attribute.key:
            tagged[name] = attribute
    return tagged


def _convert(operator: Operator, name: str, value: Any) -> Attribute:
    spec = operator.attributes.get(name)
    kind = spec.kind if spec is not None else kind_of(value)
    try:
        return make_attribute(kind, value)
    except (TypeError, ValueError, KeyError, OverflowError) as error:
        raise RuleError(
            "G0504", f"attribute '{name}' of {operator.name} takes {kind}, not {value!r}"
        ) from error


# --- leaves and one-line construction ---------------------------------------------------------


def constant(array: Any, dtype: Any = None) -> Value:
    """A constant of at most SMALL elements. Raises ValueError for a larger one (use Weights)."""
    content = freeze_array(np.asarray(array, dtype=dtype))
    if content.size > SMALL:
        raise ValueError(f"a constant of {content.size} elements belongs in Weights")
    return make_node(CONSTANT, (), {"value": Attribute("tensor", content)}).outputs[0]


def leaf(role: str, name: str, type: Type, **attributes: Any) -> Value:
    """The leaf of that role (Input, Parameter, State, Noise, Weight, Draw) and name."""
    return make_node(LEAVES[role], (), {"name": name, "type": type, **attributes}).outputs[0]


def argument(index: int, type: Type, known: Known | None = None) -> Value:
    """The input of a closed body at `index`."""
    return make_node(ARGUMENT, (), {"index": index, "type": type, "known": known}).outputs[0]


def apply(name: str, *inputs: Value | None, domain: str = "", **attributes: Any) -> Value:
    """The first result of an operator: `apply("Add", a, b)`."""
    return make_node(find_operator(name, domain), inputs, attributes).outputs[0]


def apply_all(
    name: str, *inputs: Value | None, domain: str = "", outputs: int | None = None, **attributes: Any
) -> tuple[Value, ...]:
    """All results of an operator."""
    return make_node(find_operator(name, domain), inputs, attributes, outputs).outputs
