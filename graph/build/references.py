"""What an expression refers to, found without evaluating it."""

from __future__ import annotations

from dataclasses import dataclass

from ..spec import expressions as ex
from ..spec.static_rules import children


@dataclass(frozen=True, slots=True)
class Reference:
    """A name in value position. `conditional`: it stands in a branch of `a if c else b`."""

    name: ex.Name
    conditional: bool


def _value_children(expression: ex.Expression) -> tuple[ex.Expression, ...]:
    """The direct sub-expressions in value position: the function of a call is none."""
    found = children(expression)
    return found[1:] if isinstance(expression, ex.Call) else found


def references(expression: ex.Expression) -> list[Reference]:
    """Every name in value position, in order; iterative, so that depth does not matter."""
    found: list[Reference] = []
    stack: list[tuple[ex.Expression, bool]] = [(expression, False)]
    while stack:
        node, conditional = stack.pop()
        if isinstance(node, ex.Name):
            found.append(Reference(node, conditional))
        elif isinstance(node, ex.Choice):
            stack += [(node.otherwise, True), (node.then, True), (node.condition, conditional)]
        else:
            stack += [(child, conditional) for child in reversed(_value_children(node))]
    return found


def calls(expression: ex.Expression) -> list[ex.Call]:
    """Every call in the expression, outermost first."""
    found: list[ex.Call] = []
    stack = [expression]
    while stack:
        node = stack.pop()
        if isinstance(node, ex.Call):
            found.append(node)
        stack += reversed(_value_children(node))
    return found
