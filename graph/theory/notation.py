"""How formulas are written for people: operators with their precedence, words, brackets.

    all x, y in Nat. x + y = y + x          some z. x + z = y          not x = y, x != y
    x = y and y = z -> x = z                P or Q                     P <-> Q          false

A higher precedence binds tighter. Any other name is called: `reverse(xs)`.
"""

from __future__ import annotations

from dataclasses import dataclass

QUANTIFIERS = ("all", "some")
WORDS = frozenset((*QUANTIFIERS, "not", "and", "or", "in", "false"))

QUANTIFIER, ARROW, OR, AND, NOT, COMPARISON, SUM, PRODUCT, PREFIX, POWER, ATOM = range(11)


@dataclass(frozen=True, slots=True)
class Operator:
    """`side` says where an operand of the same precedence may stand without brackets: left, right,
    or nowhere ("")."""

    precedence: int
    side: str


INFIX: dict[str, Operator] = {
    "<": Operator(COMPARISON, ""),
    "<=": Operator(COMPARISON, ""),
    ">": Operator(COMPARISON, ""),
    ">=": Operator(COMPARISON, ""),
    "+": Operator(SUM, "left"),
    "-": Operator(SUM, "left"),
    "++": Operator(SUM, "left"),
    "|": Operator(SUM, "left"),
    "\\/": Operator(SUM, "left"),
    "*": Operator(PRODUCT, "left"),
    "/": Operator(PRODUCT, "left"),
    "%": Operator(PRODUCT, "left"),
    "@": Operator(PRODUCT, "left"),
    "&": Operator(PRODUCT, "left"),
    "/\\": Operator(PRODUCT, "left"),
    "^": Operator(POWER, "right"),
}
PREFIX_SIGNS = ("-", "~")
SIGNS = frozenset((*INFIX, *PREFIX_SIGNS))
"""Every sign that may name a function or a relation; the rest are letters and digits."""
