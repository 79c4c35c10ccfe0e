"""What differs between two programs.

Nodes are interned, so equal parts are the same objects and only the rest is compared: nodes are
paired by the names of their results, then by origin, then by operator and paired operands.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..operators.attributes import Attribute
from ..operators.leaves import CONSTANT
from .graph import Graph, nested_graphs
from .node import Node, Value
from .printing import plain_attribute_text, weight_type
from .program import Program


@dataclass(frozen=True, slots=True)
class NodeChange:
    """A pair of nodes that differ in more than what their operands became. `attributes` maps a
    name to its two texts, `types` lists (result, before, after), `operands` positions."""

    before: Node
    after: Node
    attributes: tuple[tuple[str, str, str], ...]
    types: tuple[tuple[int, str, str], ...]
    operands: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class WeightChange:
    """An array in both programs. `largest` is the largest absolute difference, None where dtype or
    shape differ or the arrays hold no numbers; NaN where one has a NaN that the other has not."""

    name: str
    before: str
    after: str
    largest: float | None


@dataclass(frozen=True, slots=True)
class Difference:
    """`signature` holds lines about inputs, outputs, updates, sizes and assumptions; `only_before`
    and `only_after` leave constants out, which are shown as operands of their users; `rebuilt`
    counts pairs that differ only in what their operands became."""

    signature: tuple[str, ...]
    only_before: tuple[Node, ...]
    only_after: tuple[Node, ...]
    changed: tuple[NodeChange, ...]
    weights: tuple[WeightChange, ...]
    weights_only_before: tuple[str, ...]
    weights_only_after: tuple[str, ...]
    rebuilt: int
    text: str

    @property
    def is_empty(self) -> bool:
        return not self.text

    def __str__(self) -> str:
        return self.text


def diff(before: Program, after: Program) -> Difference:
    """The difference; its `text` is a listing for people, empty where there is none."""
    pairs, only_before, only_after = _pair_nodes(before, after)
    changes = [_compare(a, b, pairs) for a, b in pairs.items()]
    changed = tuple(c for c in changes if c.attributes or c.types or c.operands)
    weights, gone, new = _weights(before, after)
    signature = tuple(_signature(before, after))
    rebuilt = len(pairs) - len(changed)
    old_labels, new_labels = _Labels(before), _Labels(after)
    lines = [
        *signature,
        *(f"- {old_labels.describe(n)}" for n in only_before),
        *(f"+ {new_labels.describe(n)}" for n in only_after),
        *(line for c in changed for line in _change_lines(c, old_labels, new_labels)),
        *(f"- weight {n}" for n in gone),
        *(f"+ weight {n}" for n in new),
        *map(_weight_line, weights),
    ]
    return Difference(
        signature, only_before, only_after, changed, weights, gone, new, rebuilt, "\n".join(lines)
    )


# --- pairing ------------------------------------------------------------------------------------


def _all_nodes(program: Program) -> dict[Node, None]:
    """Every node, also of bodies and initializers, operands before their users."""
    roots = (*program.graph.inputs, *program.graph.outputs, *program.initializers.values())
    return dict.fromkeys(n for graph in nested_graphs(Graph((), roots)) for n in graph.nodes)


def _pair_nodes(
    before: Program, after: Program
) -> tuple[dict[Node, Node], tuple[Node, ...], tuple[Node, ...]]:
    left, right = _all_nodes(before), _all_nodes(after)
    old = [n for n in left if n not in right]
    new = [n for n in right if n not in left]
    pairs: dict[Node, Node] = {}
    _pair_by(_by_name(before), _by_name(after), old, new, pairs)
    _pair_by(_by_origin(before), _by_origin(after), old, new, pairs)
    _pair_by_operands(old, new, pairs)
    taken = set(pairs.values())
    gone = tuple(n for n in old if n not in pairs and n.operator is not CONSTANT)
    added = tuple(n for n in new if n not in taken and n.operator is not CONSTANT)
    return pairs, gone, added


Key = Callable[[Node], Iterable[Hashable]]


def _pair_by(old_key: Key, new_key: Key, old: list[Node], new: list[Node], pairs: dict[Node, Node]) -> None:
    """Pairs nodes of one operator that share a key that only one node on each side has."""
    places: dict[Hashable, list[Node]] = {}
    for node in new:
        for key in new_key(node):
            places.setdefault((node.operator, key), []).append(node)
    rivals: dict[Hashable, int] = {}
    for node in old:
        for key in old_key(node):
            rivals[node.operator, key] = rivals.get((node.operator, key), 0) + 1
    taken = set(pairs.values())
    for node in old:
        for key in old_key(node):
            found = places.get((node.operator, key), ())
            if node in pairs or len(found) != 1 or rivals[node.operator, key] != 1 or found[0] in taken:
                continue
            pairs[node] = found[0]
            taken.add(found[0])


def _by_name(program: Program) -> Key:
    names: dict[Node, list[Hashable]] = {}
    for name, value in program.names.items():
        names.setdefault(value.node, []).append((name, value.index))
    return lambda node: names.get(node, _leaf_name(node))


def _leaf_name(node: Node) -> list[Hashable]:
    name = node.attribute("name") if node.outputs and node.outputs[0].is_leaf else None
    return [("leaf", name)] if name is not None else []


def _by_origin(program: Program) -> Key:
    def keys(node: Node) -> list[Hashable]:
        origins = [program.origins[v] for v in node.outputs if v in program.origins]
        return [(o.path, tuple(map(str, o.spans))) for o in origins if o.path or o.spans]

    return keys


def _pair_by_operands(old: list[Node], new: list[Node], pairs: dict[Node, Node]) -> None:
    """Pairs nodes of one operator whose operands are the same, paired, or constants both, in
    topological order; those with equal attributes and constants first."""
    taken = set(pairs.values())
    waiting: dict[Hashable, list[Node]] = {}
    for node in new:
        if node not in taken:
            waiting.setdefault((node.operator, _without_constants(node.inputs)), []).append(node)
    for node in old:
        if node in pairs or node.outputs[0].is_leaf:
            continue
        inputs = [_counterpart(v, pairs) for v in node.inputs]
        found = waiting.get((node.operator, _without_constants(inputs)), [])
        if found:
            mine = _keys(node)
            chosen = max(found, key=lambda n: (_keys(n) == mine) + (n.inputs == node.inputs))
            found.remove(chosen)
            pairs[node] = chosen


def _without_constants(inputs: Iterable[Value | None]) -> tuple[Hashable, ...]:
    return tuple("constant" if v is not None and v.node.operator is CONSTANT else v for v in inputs)


def _counterpart(value: Value | None, pairs: dict[Node, Node]) -> Value | None:
    if value is None or value.node not in pairs:
        return value
    outputs = pairs[value.node].outputs
    return outputs[value.index] if value.index < len(outputs) else None


def _keys(node: Node) -> dict[str, object]:
    return {name: a.key for name, a in node.attributes.items()}


# --- comparing ----------------------------------------------------------------------------------


def _compare(before: Node, after: Node, pairs: dict[Node, Node]) -> NodeChange:
    names = sorted({*before.attributes, *after.attributes})
    texts = [(n, before.attributes.get(n), after.attributes.get(n)) for n in names]
    attributes = tuple(
        (n, _attribute_text(a), _attribute_text(b)) for n, a, b in texts if not _same_attribute(a, b)
    )
    both = zip(before.outputs, after.outputs, strict=False)
    types = tuple((a.index, str(a.type), str(b.type)) for a, b in both if a.type != b.type)
    count = max(len(before.inputs), len(after.inputs))
    old = [*before.inputs, *[None] * (count - len(before.inputs))]
    new = [*after.inputs, *[None] * (count - len(after.inputs))]
    operands = tuple(i for i in range(count) if _counterpart(old[i], pairs) is not new[i])
    return NodeChange(before, after, attributes, types, operands)


def _same_attribute(a: Attribute | None, b: Attribute | None) -> bool:
    return a is not None and b is not None and a.key == b.key


def _attribute_text(attribute: Attribute | None) -> str:
    if attribute is None:
        return "its default"
    if attribute.kind == "graph":
        return f"a body of {len(attribute.value.nodes)} nodes"
    text = plain_attribute_text(attribute)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _signature(before: Program, after: Program) -> list[str]:
    lines: list[str] = []
    for title in ("inputs", "states", "noise", "parameters", "outputs", "new_states"):
        old = {n: str(v.type) for n, v in getattr(before, title).items()}
        new = {n: str(v.type) for n, v in getattr(after, title).items()}
        lines += _table_lines(title, old, new)
    lines += _table_lines("sizes", _size_texts(before), _size_texts(after))
    old_terms, new_terms = (dict.fromkeys(map(str, p.assumptions), "") for p in (before, after))
    lines += _table_lines("assumptions", old_terms, new_terms)
    if before.variant != after.variant:
        lines.append(f"~ variant: {before.variant} -> {after.variant}")
    return lines


def _size_texts(program: Program) -> dict[str, str]:
    return {n: f"{s.low}..{'' if s.high is None else s.high}" for n, s in program.sizes.items()}


def _table_lines(title: str, old: dict[str, str], new: dict[str, str]) -> list[str]:
    def shown(name: str, text: str) -> str:
        return f"{name}: {text}" if text else name

    lines = [f"- {title}: {shown(n, t)}" for n, t in old.items() if n not in new]
    lines += [f"+ {title}: {shown(n, t)}" for n, t in new.items() if n not in old]
    lines += [f"~ {title}: {n}: {t} -> {new[n]}" for n, t in old.items() if n in new and new[n] != t]
    return lines


def _weights(
    before: Program, after: Program
) -> tuple[tuple[WeightChange, ...], tuple[str, ...], tuple[str, ...]]:
    old, new = before.weights, after.weights
    both = [n for n in old.arrays if n in new]
    changed = [n for n in both if old[n] is not new[n] and old.digest(n) != new.digest(n)]
    gone = tuple(n for n in old.arrays if n not in new)
    added = tuple(n for n in new.arrays if n not in old)
    return tuple(_weight_change(n, old[n], new[n]) for n in changed), gone, added


def _weight_change(name: str, before: np.ndarray[Any, Any], after: np.ndarray[Any, Any]) -> WeightChange:
    old, new = weight_type(before), weight_type(after)
    largest = None
    if old == new and old.dtype.kind not in ("string", "complex"):
        largest = _largest_difference(before, after)
    return WeightChange(name, str(old), str(new), largest)


def _largest_difference(before: np.ndarray[Any, Any], after: np.ndarray[Any, Any]) -> float:
    """max |a - b|, in float64 a row at a time, so that a large array is never copied whole."""
    largest = 0.0
    for old, new in zip(np.atleast_1d(before), np.atleast_1d(after), strict=True):
        a, b = np.asarray(old, np.float64), np.asarray(new, np.float64)
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        with np.errstate(invalid="ignore"):
            delta = np.where(same, 0.0, np.abs(a - b))
        largest = float(np.maximum(largest, delta.max(initial=0.0)))
    return largest


# --- the listing --------------------------------------------------------------------------------


class _Labels:
    """How a listing calls the values of one program."""

    def __init__(self, program: Program) -> None:
        self._origins = program.origins
        self._names: dict[Value, list[str]] = {}
        for name, value in program.names.items():
            self._names.setdefault(value, []).append(name)

    def of(self, value: Value | None) -> str:
        if value is None:
            return "_"
        leaf_name = value.node.attribute("name") if value.is_leaf else None
        if isinstance(leaf_name, str):
            return leaf_name
        if value in self._names:
            return self._names[value][0]
        constant = value.constant
        return str(constant.tolist()) if constant is not None and constant.size == 1 else value.node.name

    def operand(self, node: Node, position: int) -> str:
        return self.of(node.inputs[position]) if position < len(node.inputs) else "_"

    def describe(self, node: Node) -> str:
        """`names = Operator(operands): types  # origin`."""
        named = [n for v in node.outputs for n in self._names.get(v, ())]
        head = f"{', '.join(named)} = " if named else ""
        operands = ", ".join(map(self.of, node.inputs))
        if isinstance(leaf_name := node.attribute("name"), str) and node.outputs[0].is_leaf:
            operands = leaf_name
        types = ", ".join(str(v.type) for v in node.outputs)
        origin = next((self._origins[v] for v in node.outputs if v in self._origins), None)
        place = f"  # {origin.path or origin.spans[0]}" if origin and (origin.path or origin.spans) else ""
        return f"{head}{node.operator.qualified_name}({operands}): {types}{place}"


def _change_lines(change: NodeChange, before: _Labels, after: _Labels) -> list[str]:
    lines = [f"~ {after.describe(change.after)}"]
    lines += [f"    {name}: {old} -> {new}" for name, old, new in change.attributes]
    lines += [f"    result {index}: {old} -> {new}" for index, old, new in change.types]
    for position in change.operands:
        old, new = before.operand(change.before, position), after.operand(change.after, position)
        lines.append(f"    operand {position + 1}: {old} -> {new}")
    return lines


def _weight_line(change: WeightChange) -> str:
    if change.largest is None:
        return f"~ weight {change.name}: {change.before} -> {change.after}"
    return f"~ weight {change.name}: {change.after}, max |Δ| = {change.largest:.3g}"
