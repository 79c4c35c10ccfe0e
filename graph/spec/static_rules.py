"""Mistakes that an expression's form alone shows (rules R9, R11, R12, R35)."""

from __future__ import annotations

from ..diagnostics import fail
from .expressions import (
    Binary,
    Boolean,
    Call,
    Choice,
    Comparison,
    Expression,
    ListOf,
    Logical,
    Member,
    Nothing,
    Slice,
    Subscript,
    Text,
    Unary,
)
from .tokens import MAX_DEPTH

_BITWISE = {"&": "and", "|": "or", "^": "!=", "~": "not"}


def check_unary(found: Unary) -> None:
    """Raises SpecError: G0207 on a text, G0209 on a list, G0210 for `~` on a condition."""
    _check_operand(found.operator, found.operand)
    if found.operator == "~" and _is_condition(found.operand):
        raise fail("G0210", "'~' is for integers", found.span, hint="write 'not' for a condition")


def check_binary(found: Binary) -> None:
    """Raises SpecError: G0207 on texts, G0208 on None, G0209 on lists, G0210 for `&` on conditions."""
    _check_operand(found.operator, found.left)
    _check_operand(found.operator, found.right)
    word = _BITWISE.get(found.operator)
    if word is not None and (_is_condition(found.left) or _is_condition(found.right)):
        raise fail(
            "G0210",
            f"'{found.operator}' is for integers and binds tighter than comparisons",
            found.operator_span,
            hint=f"write '{word}' for conditions",
        )


def check_comparison(found: Comparison) -> None:
    """Raises SpecError G0208: `is` with anything but None, `== None`; G0207: an order of texts."""
    for position, operator in enumerate(found.operators):
        left, right = found.operands[position], found.operands[position + 1]
        if operator in ("is", "is not"):
            if not isinstance(right, Nothing):
                wanted = "==" if operator == "is" else "!="
                raise fail("G0208", f"'{operator}' only tests for None", right.span, hint=f"write '{wanted}'")
            continue
        for operand in (left, right):
            if isinstance(operand, Nothing):
                wanted = "is None" if operator == "==" else "is not None"
                message = f"'{operator}' cannot compare with None"
                raise fail("G0208", message, operand.span, hint=f"write 'x {wanted}'")
            if isinstance(operand, Text) and operator not in ("==", "!="):
                raise fail("G0207", f"texts have no order: '{operator}'", operand.span)


def _check_operand(operator: str, operand: Expression) -> None:
    if isinstance(operand, Text):
        raise fail(
            "G0207", f"'{operator}' on a text", operand.span, hint="texts can only be passed on and compared"
        )
    if isinstance(operand, ListOf):
        hint = "join lists with concat([…]), or make a tensor with array([…])"
        raise fail("G0209", f"'{operator}' on a list", operand.span, hint=hint)
    if isinstance(operand, Nothing):
        raise fail("G0208", f"'{operator}' on None", operand.span, hint="test with 'x is None'")


def _is_condition(found: Expression) -> bool:
    if isinstance(found, Comparison | Logical | Boolean):
        return True
    return isinstance(found, Unary) and found.operator == "not"


def check_depth(root: Expression) -> None:
    """Raises SpecError G0201 where records nest deeper than 64; walks without recursion."""
    stack = [(root, 1)]
    while stack:
        found, depth = stack.pop()
        if depth > MAX_DEPTH:
            raise fail(
                "G0201",
                f"operations nested deeper than {MAX_DEPTH} levels",
                root.span,
                hint="split the expression into several nodes",
            )
        stack.extend((child, depth + 1) for child in children(found))


def children(found: Expression) -> tuple[Expression, ...]:
    """The expressions directly inside `found`, in the order written."""
    if isinstance(found, Binary):
        return found.left, found.right
    if isinstance(found, Unary):
        return (found.operand,)
    if isinstance(found, Comparison | Logical):
        return found.operands
    if isinstance(found, Choice):
        return found.then, found.condition, found.otherwise
    if isinstance(found, Call):
        return (found.function, *found.arguments, *(k.value for k in found.keywords))
    if isinstance(found, Member):
        return (found.base,)
    if isinstance(found, Subscript):
        return (found.base, *found.items)
    if isinstance(found, ListOf):
        return found.items
    if isinstance(found, Slice):
        return tuple(part for part in (found.start, found.stop, found.step) if part is not None)
    return ()
