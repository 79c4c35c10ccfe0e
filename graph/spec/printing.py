"""Records back to text: expressions with the fewest brackets, types, declarations, heads.

`parse(print(x))` equals `x` up to spans.
"""

from __future__ import annotations

import math

from .documents import AttributeDeclaration, Block, Declaration, NodeDefinition, SizeDeclaration
from .expressions import (
    Binary,
    Boolean,
    Call,
    Choice,
    Comparison,
    DomainExpression,
    Ellipsis,
    Expression,
    ListOf,
    Logical,
    Member,
    Name,
    Nothing,
    Number,
    RangeDomain,
    Slice,
    SlotSignature,
    Subscript,
    Text,
    TypeExpression,
    Unary,
)
from .type_parser import attribute_kind

_CHOICE, _OR, _AND, _NOT, _COMPARISON, _ARITHMETIC = 0, 1, 2, 3, 4, 5
_UNARY, _POWER, _PRIMARY = 11, 12, 13
_BINARY = {
    "|": 5, "^": 6, "&": 7, "<<": 8, ">>": 8, "+": 9, "-": 9, "*": 10, "/": 10, "//": 10, "%": 10, "@": 10,
    "**": _POWER,
}  # fmt: skip
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def print_expression(found: Expression, minimum: int = _CHOICE) -> str:
    """The text of an expression, in brackets where it binds looser than `minimum`."""
    text, level = _printed(found)
    return text if level >= minimum else f"({text})"


def _printed(found: Expression) -> tuple[str, int]:
    """The text and how tightly its outermost operator binds."""
    if isinstance(found, Binary):
        return _binary(found)
    if isinstance(found, Unary):
        return _unary(found)
    if isinstance(found, Comparison):
        return _comparison(found), _COMPARISON
    if isinstance(found, Logical):
        level = _OR if found.operator == "or" else _AND
        return f" {found.operator} ".join(print_expression(o, level + 1) for o in found.operands), level
    if isinstance(found, Choice):
        then, condition = print_expression(found.then, _OR), print_expression(found.condition, _OR)
        return f"{then} if {condition} else {print_expression(found.otherwise)}", _CHOICE
    return _primary(found)


def _binary(found: Binary) -> tuple[str, int]:
    level = _BINARY[found.operator]
    if found.operator == "**":
        left, right = print_expression(found.left, _PRIMARY), print_expression(found.right, _UNARY)
    else:
        left, right = print_expression(found.left, level), print_expression(found.right, level + 1)
    return f"{left} {found.operator} {right}", level


def _unary(found: Unary) -> tuple[str, int]:
    if found.operator == "not":
        return f"not {print_expression(found.operand, _NOT)}", _NOT
    return found.operator + print_expression(found.operand, _UNARY), _UNARY


def _comparison(found: Comparison) -> str:
    parts = [print_expression(found.operands[0], _ARITHMETIC)]
    for operator, operand in zip(found.operators, found.operands[1:], strict=True):
        parts.append(f"{operator} {print_expression(operand, _ARITHMETIC)}")
    return " ".join(parts)


def _primary(found: Expression) -> tuple[str, int]:
    if isinstance(found, Name):
        return found.name, _PRIMARY
    if isinstance(found, Number):
        return _number(found.value), _PRIMARY if found.value >= 0 else _UNARY
    if isinstance(found, Text):
        return print_text(found.value), _PRIMARY
    if isinstance(found, Boolean):
        return "true" if found.value else "false", _PRIMARY
    if isinstance(found, Nothing):
        return "None", _PRIMARY
    if isinstance(found, Ellipsis):
        return "...", _PRIMARY
    if isinstance(found, ListOf):
        return f"[{', '.join(map(print_expression, found.items))}]", _PRIMARY
    return _suffixed(found), _PRIMARY


def _suffixed(found: Expression) -> str:
    if isinstance(found, Member):
        return f"{_base(found.base)}.{found.name}"
    if isinstance(found, Subscript):
        return f"{_base(found.base)}[{', '.join(map(_subscript_item, found.items))}]"
    if isinstance(found, Call):
        arguments = [print_expression(a) for a in found.arguments]
        arguments.extend(f"{k.name}={print_expression(k.value)}" for k in found.keywords)
        return f"{_base(found.function)}({', '.join(arguments)})"
    raise TypeError(f"no expression: {type(found).__name__}")


def _base(found: Expression) -> str:
    text = print_expression(found, _PRIMARY)
    return f"({text})" if isinstance(found, Number) and found.value >= 0 else text


def _subscript_item(found: Expression) -> str:
    if not isinstance(found, Slice):
        return print_expression(found)
    start, stop, step = (
        "" if p is None else print_expression(p) for p in (found.start, found.stop, found.step)
    )
    return f"{start}:{stop}:{step}" if step else f"{start}:{stop}"


def _number(value: int | float) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
    return repr(value)


def print_text(value: str) -> str:
    """A text in double quotes, every character that is not printable escaped."""
    return f'"{"".join(_escaped(character) for character in value)}"'


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"


# --- types and declarations ---------------------------------------------------------------


def print_type(found: TypeExpression) -> str:
    if found.like is not None:
        return f"like({found.like})"
    if not found.dims:
        return found.dtype
    return f"{found.dtype}[{', '.join(map(print_expression, found.dims))}]"


def print_domain(found: DomainExpression) -> str:
    if isinstance(found, RangeDomain):
        low, high = print_expression(found.low, _ARITHMETIC), print_expression(found.high, _ARITHMETIC)
        return f"in {low}..{high}"
    if not found.arguments:
        return f"~ {found.kind}"
    return f"~ {found.kind}({', '.join(map(print_expression, found.arguments))})"


def print_declaration(found: Declaration) -> str:
    """`type in domain = default`, the value of an entry under inputs, parameters, state, noise."""
    parts = [] if found.type is None else [print_type(found.type)]
    if found.domain is not None:
        parts.append(print_domain(found.domain))
    if found.optional:
        parts.append("= None")
    elif found.default is not None:
        parts.append(f"= {print_expression(found.default)}")
    return " ".join(parts)


def print_attribute(found: AttributeDeclaration) -> str:
    """`literal` where that gives the same kind, else `type = literal`, or `type`."""
    if found.default is None:
        return found.kind
    text = print_expression(found.default)
    bare = attribute_kind(found.default) == found.kind and found.kind not in ("str", "dtype")
    return text if bare else f"{found.kind} = {text}"


def print_size(found: SizeDeclaration) -> str:
    if found.value is not None:
        return print_expression(found.value)
    assert found.low is not None
    return f"{print_expression(found.low)}..{'' if found.high is None else print_expression(found.high)}"


def print_signature(found: SlotSignature) -> str:
    inputs = ", ".join(map(print_type, found.inputs))
    outputs = ", ".join(map(print_type, found.outputs))
    default = "" if found.default is None else f" = {print_expression(found.default)}"
    return f"({inputs}) -> {outputs}{default}"


def print_node(found: NodeDefinition) -> tuple[str, str]:
    """The key and the value of an entry under nodes."""
    key = ", ".join(target.text for target in found.targets)
    text = print_expression(found.expression)
    return key, text if found.type is None else f"{print_type(found.type)} = {text}"


def print_head(found: Block) -> str:
    """`name(inputs, attribute=default)` of a one-line function."""
    arguments = [declaration.name.text for declaration in found.inputs]
    for attribute in found.attributes:
        assert attribute.default is not None
        arguments.append(f"{attribute.name.text}={print_expression(attribute.default)}")
    return f"{found.name.text}({', '.join(arguments)})"
