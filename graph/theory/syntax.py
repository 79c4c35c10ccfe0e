"""What the infix parser makes of a text: trees with places, before names have a meaning."""

from __future__ import annotations

from dataclasses import dataclass

from ..diagnostics import Span


@dataclass(frozen=True, slots=True)
class Node:
    """`bracketed`: the text put brackets around it."""

    span: Span
    bracketed: bool


@dataclass(frozen=True, slots=True)
class Named(Node):
    """A name or number, applied to arguments (none: as it stands), or an operator's sign with its
    operands. `head` is the place of the name itself."""

    name: str
    arguments: tuple[Node, ...]
    head: Span
    called: bool = False  # written with brackets: `f(x)`


@dataclass(frozen=True, slots=True)
class Equal(Node):
    """`left = right`, or `left != right` where `negated`."""

    left: Node
    right: Node
    negated: bool
    sign: Span


@dataclass(frozen=True, slots=True)
class Not(Node):
    operand: Node


@dataclass(frozen=True, slots=True)
class Joined(Node):
    """`word` is and, or, -> or <->; at least two parts, in the order written."""

    word: str
    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class BoundName:
    """A variable after `all` or `some`, with the sort that was written for it."""

    name: str
    span: Span
    sort: str | None
    sort_span: Span | None


@dataclass(frozen=True, slots=True)
class Quantified(Node):
    word: str
    variables: tuple[BoundName, ...]
    body: Node


@dataclass(frozen=True, slots=True)
class False_(Node):
    """The word `false`."""
