"""Rules that give operands their schemes: the first that matches wins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from .operands import OPERATORS, Layer
from .scheme import QuantScheme, activation_scheme, weight_scheme

_ALIASES: Mapping[str, tuple[str, ...]] = {
    "linear": ("MatMul", "Gemm"),
    "matmul": ("MatMul", "Gemm"),
    "conv": ("Conv", "ConvTranspose"),
}
_CONDITIONS = ("op", "operand", "name", "feeds", "min_fan_in", "max_fan_in", "min_elements")


@dataclass(frozen=True)
class Rule:
    """An operand matches where all conditions hold: `op` the operator or linear, matmul, conv;
    `operand` weight or input; `name` a layer or a pattern such as `stack.*.att.*`; `feeds` an operator
    that reads the result. `scheme` None is float."""

    scheme: QuantScheme | None
    op: tuple[str, ...] = ()
    operand: str | None = None
    name: tuple[str, ...] = ()
    feeds: tuple[str, ...] = ()
    min_fan_in: int = 0
    max_fan_in: int | None = None
    min_elements: int = 0
    text: str = ""

    def matches(self, layer: Layer, operand: str) -> bool:
        return (
            (not self.op or layer.node.name in self.op)
            and self.operand in (None, operand)
            and (not self.name or any(within(layer.name, n) for n in self.name))
            and (not self.feeds or any(f in layer.feeds for f in self.feeds))
            and layer.fan_in >= self.min_fan_in
            and (self.max_fan_in is None or layer.fan_in <= self.max_fan_in)
            and layer.array.size >= self.min_elements
        )


def within(name: str, pattern: str) -> bool:
    """Whether the layer is `pattern`, lies in it, or matches it as a pattern with * and ?."""
    return name == pattern or name.startswith(f"{pattern}.") or fnmatchcase(name, pattern)


def first_match(rules: Sequence[Rule], layer: Layer, operand: str) -> Rule | None:
    return next((r for r in rules if r.matches(layer, operand)), None)


def read_rules(given: Sequence[Any], schemes: Mapping[str, Any]) -> tuple[Rule, ...]:
    """The rules of a recipe: `{match: {…}, scheme: …}`, where a scheme is a name in `schemes`, `float`,
    or a scheme itself. One without an operand is for both: read as a scheme of weights and as one of
    activations. Raises ValueError."""
    return tuple(rule for item in given for rule in _rules(item, schemes))


def _rules(item: Any, schemes: Mapping[str, Any]) -> Iterator[Rule]:
    if not isinstance(item, Mapping) or not {"match", "scheme"} >= set(item) or "scheme" not in item:
        raise ValueError("a rule is {match: {…}, scheme: …}")
    match = item.get("match") or {}
    if not isinstance(match, Mapping):
        raise ValueError("match: takes a mapping of conditions")
    unknown = [k for k in match if k not in _CONDITIONS]
    if unknown:
        raise ValueError(f"a rule has no condition '{unknown[0]}'; it has {', '.join(_CONDITIONS)}")
    operand = match.get("operand")
    if operand not in (None, "weight", "input"):
        raise ValueError(f"operand is weight or input, not '{operand}'")
    named = item["scheme"]
    named = schemes.get(named, named) if isinstance(named, str) else named
    numbers = {k: int(match[k]) for k in ("min_fan_in", "max_fan_in", "min_elements") if k in match}
    for which, read in (("weight", weight_scheme), ("input", activation_scheme)):
        if operand in (None, which):
            names, feeds = _texts(match.get("name")), _texts(match.get("feeds"))
            text = str(item["scheme"])
            yield Rule(read(named), _operators(match.get("op")), which, names, feeds, **numbers, text=text)


def _texts(given: Any) -> tuple[str, ...]:
    if given is None:
        return ()
    return (given,) if isinstance(given, str) else tuple(map(str, given))


def _operators(given: Any) -> tuple[str, ...]:
    found: list[str] = []
    for name in _texts(given):
        if name not in _ALIASES and name not in OPERATORS:
            raise ValueError(f"op is one of {', '.join((*_ALIASES, *OPERATORS))}, not '{name}'")
        found += _ALIASES.get(name, (name,))
    return tuple(found)
