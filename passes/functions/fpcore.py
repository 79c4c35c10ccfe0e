"""FPCore, the format of the FPBench benchmarks (fpbench.org/spec/fpcore-2.0.html), read to targets of one variable.

Arithmetic, the functions of mpmath's reals, `let`, `let*`, `if`, comparisons and the properties :name, :pre and
:precision are read; loops, tensors and casts are not. Preconditions that bound the variable by numbers give the
domain.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

from ...graph.diagnostics import Span, did_you_mean, fail
from ...graph.diagnostics.span import Source

_TOKEN = re.compile(r"[()\[\]]|\"(?:[^\"\\]|\\.)*\"|[^\s()\[\]\";]+|\"|;[^\n]*")
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")
_RATIONAL = re.compile(r"([+-]?\d+)/(\d*[1-9]\d*)")
_HEXADECIMAL = re.compile(r"[+-]?0[xX][0-9a-fA-F]+(?:\.[0-9a-fA-F]*)?(?:[pP][+-]?\d+)?")
_DEEPEST = 100
_CLOSING = {"(": ")", "[": "]"}
_LARGEST_EXPONENT = 100_000


@dataclass(frozen=True)
class Node:
    """An atom (`items` is None) or a list, with its place."""

    text: str
    items: tuple[Node, ...] | None
    span: Span


@dataclass(frozen=True)
class Core:
    """`(FPCore name (argument) properties… body)`. `text` is the whole, `domain` what :pre says."""

    name: str
    argument: str
    body: Node
    domain: tuple[float, float] | None
    text: str


def read_cores(source: Source) -> list[Core]:
    """Every core of a text. Raises SpecError: G1505 for malformed text, G1506 for what is not supported."""
    nodes = list(_Reader(source).nodes())
    if not nodes:
        raise fail("G1505", f"'{source.path}' holds no FPCore", Span(source, 1, 1, 1, 1))
    return [_core(node, source) for node in nodes]


@lru_cache(maxsize=16)
def parsed(text: str) -> Core:
    """The one core of a text that was read before."""
    return read_cores(Source("<fpcore>", text))[0]


def evaluate(core: Core, x: Any) -> Any:
    """The body's value at x, in mpmath's working precision."""
    return _value(core.body, {core.argument: x})


class _Reader:
    def __init__(self, source: Source) -> None:
        self._source = source
        self._tokens = list(self._scan())
        self._next = 0

    def _scan(self) -> Iterator[tuple[str, Span]]:
        for number, line in enumerate(self._source.lines, 1):
            for found in _TOKEN.finditer(line):
                if not found[0].startswith(";"):
                    span = Span(self._source, number, found.start() + 1, number, found.end() + 1)
                    yield found[0], span

    def nodes(self) -> Iterator[Node]:
        while self._next < len(self._tokens):
            yield self._node(0)

    def _node(self, depth: int) -> Node:
        text, span = self._tokens[self._next]
        self._next += 1
        if text in _CLOSING:
            return self._list(_CLOSING[text], span, depth + 1)
        if text in _CLOSING.values():
            raise fail("G1505", f"this '{text}' closes nothing", span)
        if text == '"':
            raise fail("G1505", "this string does not end on its line", span)
        return Node(text, None, span)

    def _list(self, closing: str, opened: Span, depth: int) -> Node:
        if depth > _DEEPEST:
            raise fail("G1505", f"lists are nested more than {_DEEPEST} deep", opened)
        items: list[Node] = []
        while self._next < len(self._tokens):
            text, span = self._tokens[self._next]
            if text == closing:
                self._next += 1
                return Node("", tuple(items), opened.to(span))
            items.append(self._node(depth))
        raise fail("G1505", f"this list is never closed by '{closing}'", opened)


def _core(node: Node, source: Source) -> Core:
    items = node.items
    if not items or items[0].text != "FPCore":
        raise fail("G1505", "an FPCore is written '(FPCore (x) … body)'", node.span)
    rest = list(items[1:])
    name = rest.pop(0).text if rest and rest[0].items is None and rest[0].text else ""
    if not rest or rest[0].items is None:
        raise fail("G1505", "the list of arguments is missing", node.span, hint="(FPCore (x) body)")
    arguments = rest.pop(0)
    assert arguments.items is not None
    if len(arguments.items) != 1 or arguments.items[0].items is not None:
        message = "a search is for a function of one plain argument"
        raise fail("G1506", message, arguments.span, hint="(FPCore (x) …)")
    argument = arguments.items[0].text
    properties = _properties(rest)
    if len(rest) != 1:
        span = rest[1].span if rest else node.span
        raise fail("G1505", f"an FPCore has one body, not {len(rest)}", span)
    _check(rest[0], {argument})
    shown = properties.get(":name")
    called = shown.text.strip('"') if shown is not None else name
    bounds = _bounds(properties[":pre"], argument) if ":pre" in properties else None
    return Core(called or "fpcore", argument, rest[0], bounds, _text(node.span, source))


def _properties(rest: list[Node]) -> dict[str, Node]:
    """Takes `:key value` pairs off the front."""
    found: dict[str, Node] = {}
    while rest and rest[0].text.startswith(":"):
        key = rest.pop(0)
        if not rest:
            raise fail("G1505", f"'{key.text}' has no value", key.span)
        found[key.text] = rest.pop(0)
    return found


def _text(span: Span, source: Source) -> str:
    lines = source.lines[span.line - 1 : span.end_line]
    lines[-1] = lines[-1][: span.end_column - 1]
    lines[0] = lines[0][span.column - 1 :]
    return "\n".join(lines)


def _bounds(condition: Node, argument: str) -> tuple[float, float] | None:
    """The interval that a precondition leaves to the argument; None where it leaves no bounded one."""
    low, high = float("-inf"), float("inf")
    for below, above in _below(condition):
        if _bounded(above, argument) and (value := _constant(below)) is not None:
            low = max(low, value)
        elif _bounded(below, argument) and (value := _constant(above)) is not None:
            high = min(high, value)
        elif below.items and below.items[0].text == "fabs" and _bounded(below.items[-1], argument):
            value = _constant(above)
            if value is not None:
                low, high = max(low, -value), min(high, value)
    return (low, high) if low > float("-inf") and high < float("inf") else None


def _below(condition: Node) -> Iterator[tuple[Node, Node]]:
    """The pairs a < b or a <= b that a conjunction states."""
    items = condition.items
    if not items:
        return
    if items[0].text == "and":
        for item in items[1:]:
            yield from _below(item)
    elif items[0].text in ("<", "<="):
        yield from pairwise(items[1:])
    elif items[0].text in (">", ">="):
        yield from ((b, a) for a, b in pairwise(items[1:]))


def _bounded(node: Node, argument: str) -> bool:
    return node.items is None and node.text == argument


def _constant(node: Node) -> float | None:
    try:
        _check(node, set())
        return float(_value(node, {}))
    except (ValueError, TypeError, ZeroDivisionError, OverflowError):
        return None


def _check(node: Node, names: set[str]) -> None:
    """Raises SpecError where the expression is not one that can be evaluated."""
    items = node.items
    if items is None:
        if node.text not in names and node.text not in _constants() and not _is_number(node.text):
            hint = did_you_mean(node.text, [*names, *_constants()])
            raise fail("G1505", f"'{node.text}' is no number and nothing that is bound", node.span, hint=hint)
        return
    if not items or items[0].items is not None:
        raise fail("G1505", "an expression begins with the name of an operation", node.span)
    operation = items[0].text
    if operation in ("let", "let*"):
        _check_let(node, names)
        return
    if operation == "!":
        _check(items[-1], names)
        return
    if operation not in _arities():
        hint = did_you_mean(operation, [*_arities(), "let", "let*"])
        raise fail("G1506", f"the operation '{operation}' is not supported", items[0].span, hint=hint)
    least, most = _arities()[operation]
    if not least <= len(items) - 1 <= most:
        given = f"'{operation}' takes {least if least == most else f'{least} or more'} operands"
        raise fail("G1505", f"{given}, not {len(items) - 1}", node.span)
    for item in items[1:]:
        _check(item, names)


def _check_let(node: Node, names: set[str]) -> None:
    items = node.items or ()
    if len(items) != 3 or items[1].items is None:
        raise fail("G1505", "a let is written '(let ([name value] …) body)'", node.span)
    inner = set(names)
    for binding in items[1].items:
        if binding.items is None or len(binding.items) != 2 or binding.items[0].items is not None:
            raise fail("G1505", "a binding is written '[name value]'", binding.span)
        _check(binding.items[1], inner if items[0].text == "let*" else names)
        inner.add(binding.items[0].text)
    _check(items[2], inner)


def _is_number(text: str) -> bool:
    if any(p.fullmatch(text) for p in (_RATIONAL, _HEXADECIMAL)):
        return True
    found = _NUMBER.fullmatch(text)
    exponent = re.split("[eE]", text)[1] if found and re.search("[eE]", text) else "0"
    return found is not None and abs(int(exponent)) <= _LARGEST_EXPONENT


def _number(text: str) -> Any:
    import mpmath

    if found := _RATIONAL.fullmatch(text):
        return mpmath.mpf(int(found[1])) / int(found[2])
    if _HEXADECIMAL.fullmatch(text):
        sign = -1 if text[0] == "-" else 1
        digits, _, exponent = text.lstrip("+-")[2:].replace("P", "p").partition("p")
        whole, _, part = digits.partition(".")
        return sign * mpmath.ldexp(int(whole + part, 16), int(exponent or 0) - 4 * len(part))
    return mpmath.mpf(text)


def _value(node: Node, names: Mapping[str, Any]) -> Any:
    items = node.items
    if items is None:
        if node.text in names:
            return names[node.text]
        constant = _constants().get(node.text)
        return _number(node.text) if constant is None else constant()
    operation = items[0].text
    if operation == "!":
        return _value(items[-1], names)
    if operation == "if":
        return _value(items[2 if _value(items[1], names) else 3], names)
    if operation in ("let", "let*"):
        inner = dict(names)
        for binding in items[1].items or ():
            assert binding.items is not None
            outer = inner if operation == "let*" else names
            inner[binding.items[0].text] = _value(binding.items[1], outer)
        return _value(items[2], inner)
    return _operations()[operation](*(_value(item, names) for item in items[1:]))


def _chain(compare: Callable[[Any, Any], bool]) -> Callable[..., bool]:
    return lambda *given: all(compare(a, b) for a, b in pairwise(given))


@lru_cache(maxsize=1)
def _constants() -> dict[str, Callable[[], Any]]:
    import mpmath as mp

    return {
        "PI": lambda: +mp.pi,
        "E": lambda: +mp.e,
        "LN2": lambda: mp.log(2),
        "LN10": lambda: mp.log(10),
        "LOG2E": lambda: 1 / mp.log(2),
        "LOG10E": lambda: 1 / mp.log(10),
        "PI_2": lambda: mp.pi / 2,
        "PI_4": lambda: mp.pi / 4,
        "M_1_PI": lambda: 1 / mp.pi,
        "M_2_PI": lambda: 2 / mp.pi,
        "M_2_SQRTPI": lambda: 2 / mp.sqrt(mp.pi),
        "SQRT2": lambda: mp.sqrt(2),
        "SQRT1_2": lambda: mp.sqrt(mp.mpf(1) / 2),
        "INFINITY": lambda: mp.inf,
        "NAN": lambda: mp.nan,
        "TRUE": lambda: True,
        "FALSE": lambda: False,
    }


@lru_cache(maxsize=1)
def _operations() -> dict[str, Callable[..., Any]]:
    import mpmath as mp

    same = ("sqrt", "exp", "expm1", "log", "log1p", "sin", "cos", "tan", "asin", "acos", "atan", "atan2")
    more = (
        "sinh",
        "cosh",
        "tanh",
        "asinh",
        "acosh",
        "atanh",
        "erf",
        "erfc",
        "cbrt",
        "hypot",
        "floor",
        "ceil",
    )
    return {
        **{name: getattr(mp, name) for name in (*same, *more)},
        "fabs": mp.fabs,
        "tgamma": mp.gamma,
        "lgamma": lambda a: mp.log(abs(mp.gamma(a))),
        "+": lambda *given: sum(given),
        "-": lambda a, *b: a - sum(b) if b else -a,
        "*": lambda *given: mp.fprod(given),
        "/": lambda a, b: a / b,
        "fma": lambda a, b, c: a * b + c,
        "pow": mp.power,
        "exp2": lambda a: mp.power(2, a),
        "log2": lambda a: mp.log(a) / mp.log(2),
        "log10": mp.log10,
        "fmin": min,
        "fmax": max,
        "fdim": lambda a, b: max(a - b, mp.mpf(0)),
        "copysign": lambda a, b: abs(a) if b >= 0 else -abs(a),
        "<": _chain(lambda a, b: a < b),
        "<=": _chain(lambda a, b: a <= b),
        ">": _chain(lambda a, b: a > b),
        ">=": _chain(lambda a, b: a >= b),
        "==": _chain(lambda a, b: a == b),
        "!=": lambda a, b: a != b,
        "and": lambda *given: all(given),
        "or": lambda *given: any(given),
        "not": lambda a: not a,
    }


@lru_cache(maxsize=1)
def _arities() -> dict[str, tuple[int, int]]:
    two = ("/", "pow", "atan2", "hypot", "fmin", "fmax", "fdim", "copysign", "!=")
    many = ("+", "*", "-", "<", "<=", ">", ">=", "==", "and", "or")
    found = dict.fromkeys(_operations(), (1, 1))
    found.update(dict.fromkeys(two, (2, 2)))
    found.update(dict.fromkeys(many, (1, 1000)))
    return {**found, "fma": (3, 3), "if": (3, 3)}
