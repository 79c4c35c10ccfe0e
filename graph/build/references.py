"""What an expression refers to, found without evaluating it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..spec import expressions as ex


@dataclass(frozen=True, slots=True)
class Reference:
    """A name in value position. `conditional`: it stands in a branch of `a if c else b`."""

    name: ex.Name
    conditional: bool


def children(expression: ex.Expression) -> Iterator[ex.Expression]:
    """The direct sub-expressions in value position (the function of a call is none)."""
    match expression:
        case ex.Member(base=base):
            yield base
        case ex.ListOf(items=items):
            yield from items
        case ex.Unary(operand=operand):
            yield operand
        case ex.Binary(left=left, right=right):
            yield left
            yield right
        case ex.Comparison(operands=operands) | ex.Logical(operands=operands):
            yield from operands
        case ex.Choice(condition=condition, then=then, otherwise=otherwise):
            yield condition
            yield then
            yield otherwise
        case ex.Call(arguments=arguments, keywords=keywords):
            yield from arguments
            yield from (k.value for k in keywords)
        case ex.Subscript(base=base, items=items):
            yield base
            yield from items
        case ex.Slice(start=start, stop=stop, step=step):
            yield from (part for part in (start, stop, step) if part is not None)


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
            stack += [(child, conditional) for child in reversed(list(children(node)))]
    return found


def calls(expression: ex.Expression) -> list[ex.Call]:
    """Every call in the expression, outermost first."""
    found: list[ex.Call] = []
    stack = [expression]
    while stack:
        node = stack.pop()
        if isinstance(node, ex.Call):
            found.append(node)
        stack += reversed(list(children(node)))
    return found
