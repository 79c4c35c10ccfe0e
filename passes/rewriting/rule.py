"""Rules: what may be replaced by what, and why not where it may not."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from ...graph.ir import Node, Value, apply, constant
from .pattern import BINARY, UNARY, Application, Literal, Match, literal, match, parse_pattern

Function = Callable[..., Any]


class Site(Protocol):
    """What a rule sees besides the node (`sweep.Sweep` is one)."""

    @property
    def refuse(self) -> Callable[[str], None] | None:
        """Told why a match failed; None where nobody asks."""
        ...

    @property
    def variant(self) -> str: ...

    @property
    def in_body(self) -> bool:
        """Whether the node lies in a closed body, which has no Weight leaves."""
        ...

    def array(self, value: Value) -> np.ndarray[Any, Any] | None:
        """The content of a constant leaf, small or large, else None."""
        ...

    def constant(self, array: np.ndarray[Any, Any], like: str = "folded") -> Value | None:
        """A constant leaf with that content: small in its node, large as a new weight. None in a
        body where it is large."""
        ...

    def readers(self, value: Value) -> int:
        """How many operands and outputs read it in the graph before the sweep (0: a new value)."""
        ...

    def consume(self, nodes: Sequence[Node]) -> None:
        """Nodes besides the root whose spec lines the replacement also comes from."""
        ...


class Rule(Protocol):
    """One rewriting. `roots` are operator names ("" for every operator but leaves); `sense` is
    what it keeps: "bits" or "algebra" (see `contract.Exact`)."""

    @property
    def name(self) -> str: ...

    @property
    def roots(self) -> tuple[str, ...]: ...

    @property
    def sense(self) -> str: ...

    @property
    def operands(self) -> Sequence[frozenset[str]]:
        """Sets of operator names, of each of which one must be among the operands (early reject)."""
        ...

    def attempt(self, node: Node, site: Site) -> Sequence[Value] | None:
        """What replaces the node's results, one each, or None where the rule does not apply
        (`site.refuse` is then told the reason, where it is there)."""
        ...


@dataclass(frozen=True, eq=False)
class Procedure:
    """A rule in Python, for what no pattern says. `rewrite` may return a reason (str)."""

    name: str
    roots: tuple[str, ...]
    rewrite: Callable[[Node, Site], Sequence[Value] | str | None]
    sense: str = "bits"
    operands: tuple[frozenset[str], ...] = ()

    def attempt(self, node: Node, site: Site) -> Sequence[Value] | None:
        found = self.rewrite(node, site)
        if isinstance(found, str):
            if site.refuse:
                site.refuse(found)
            return None
        return found


@dataclass(frozen=True, eq=False)
class Pair:
    """A pattern and its replacement. `conditions` return None or why they do not hold."""

    name: str
    pattern: Application
    replacement: ast.expr
    conditions: tuple[ast.Call, ...]
    functions: Mapping[str, Function]
    sense: str
    text: str

    @property
    def roots(self) -> tuple[str, ...]:
        return (self.pattern.operator.name,)

    @cached_property
    def operands(self) -> tuple[frozenset[str], ...]:
        needed: dict[frozenset[str], None] = {}
        for operand in self.pattern.inputs:
            if isinstance(operand, Application):
                needed[frozenset((operand.operator.name,))] = None
            elif isinstance(operand, Literal):
                needed[frozenset(("Constant",))] = None
            elif operand.leaf:
                needed[frozenset(("Constant", "Weight"))] = None
        return tuple(needed)

    def attempt(self, node: Node, site: Site) -> Sequence[Value] | None:
        found = match(self.pattern, node, site.refuse)
        if found is None:
            return None
        for condition in self.conditions:
            reason = _evaluate(condition, found, self.functions, site)
            if reason is not None:
                if site.refuse:
                    site.refuse(reason)
                return None
        value = _build(self.replacement, found, self.functions, site)
        if value is None:
            return None
        site.consume(found.nodes[1:])
        return (value,)


# --- reading a table of pairs --------------------------------------------------------------------

_LINE = re.compile(r"^\s*([\w-]+):\s*(.+?)\s*->\s*(.+?)(?:\s+if\s+(.+))?$")


def rules(text: str, functions: Mapping[str, Function], sense: str = "bits") -> tuple[Pair, ...]:
    """The rules of a table, one a line: `name: pattern -> replacement if condition(x), …`.

    In a replacement a capital letter begins an operator and a small one a function of
    `functions`, given what its arguments are bound to; arithmetic stands for operators, a
    number for a constant with the dtype of the other operand. A function whose first parameter
    is called `site` is handed the Site. Raises ValueError for a line that is no rule.
    """
    found = []
    for line in text.splitlines():
        if not line.strip() or line.strip().startswith("#"):
            continue
        parts = _LINE.match(line)
        if parts is None:
            raise ValueError(f"no rule: {line.strip()}")
        name, pattern, replacement, conditions = parts.groups()
        calls = _conditions(conditions or "")
        found.append(
            Pair(
                name,
                parse_pattern(pattern),
                ast.parse(replacement, mode="eval").body,
                calls,
                functions,
                sense,
                line.strip(),
            )
        )
    return tuple(found)


def _conditions(text: str) -> tuple[ast.Call, ...]:
    if not text:
        return ()
    tree = ast.parse(f"({text},)", mode="eval").body
    assert isinstance(tree, ast.Tuple)
    if not all(isinstance(e, ast.Call) for e in tree.elts):
        raise ValueError(f"conditions are calls: {text}")
    return tuple(e for e in tree.elts if isinstance(e, ast.Call))


def sole(site: Site, value: Value) -> str | None:
    """Nothing else reads `value` (the condition of rules that would compute it twice)."""
    count = site.readers(value)
    return f"the result of {value.node.name} has {count} readers" if count > 1 else None


def _evaluate(tree: ast.expr, found: Match, functions: Mapping[str, Function], site: Site) -> Any:
    """A condition or an attribute's value: calls, variables, numbers, lists."""
    if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name):
        name = tree.func.id
        function = sole if name == "sole" else functions[name]
        arguments = [_evaluate(a, found, functions, site) for a in tree.args]
        return function(site, *arguments) if _takes_site(function) else function(*arguments)
    if isinstance(tree, ast.Name):
        return found.bound[tree.id] if tree.id in found.bound else functions[tree.id]
    if isinstance(tree, ast.List):
        return [_evaluate(e, found, functions, site) for e in tree.elts]
    number = literal(tree)
    if number is None:
        raise ValueError(f"no argument: {ast.unparse(tree)}")
    return number.value


def _takes_site(function: Function) -> bool:
    code = getattr(function, "__code__", None)
    return code is not None and code.co_argcount > 0 and code.co_varnames[0] == "site"


def _build(tree: ast.expr, found: Match, functions: Mapping[str, Function], site: Site) -> Value | None:
    """The value that a replacement stands for; None where a function in it gave None."""
    if isinstance(tree, ast.Name):
        value: Value | None = found.bound[tree.id]
        return value
    if isinstance(tree, ast.BinOp):
        return _operation(BINARY[type(tree.op)], [tree.left, tree.right], {}, found, functions, site)
    if isinstance(tree, ast.UnaryOp):
        return _operation(UNARY[type(tree.op)], [tree.operand], {}, found, functions, site)
    if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name):
        name = tree.func.id
        if name[0].isupper():
            keywords = {k.arg or "": _evaluate(k.value, found, functions, site) for k in tree.keywords}
            return _operation(name, tree.args, keywords, found, functions, site)
        result = _evaluate(tree, found, functions, site)
        # Arithmetic on arrays without axes gives NumPy scalars.
        return site.constant(np.asarray(result)) if isinstance(result, np.ndarray | np.generic) else result
    raise ValueError(f"no replacement: {ast.unparse(tree)}")


def _operation(
    name: str,
    operands: Sequence[ast.expr],
    attributes: Mapping[str, Any],
    found: Match,
    functions: Mapping[str, Function],
    site: Site,
) -> Value | None:
    numbers = [literal(o) for o in operands]
    values = [
        None if number is not None else _build(o, found, functions, site)
        for o, number in zip(operands, numbers, strict=True)
    ]
    dtype = next((v.tensor.dtype.numpy for v in values if v is not None), None)
    filled = [
        constant(np.asarray(number.value, dtype=dtype)) if number is not None else value
        for value, number in zip(values, numbers, strict=True)
    ]
    for operand, value in zip(operands, filled, strict=True):
        if value is None and not (isinstance(operand, ast.Name) and found.bound[operand.id] is None):
            return None
    return apply(name, *filled, **attributes)
