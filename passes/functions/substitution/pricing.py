"""Whether programs pay: what a region takes on the target as it is, and by them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ....backends.onnx.emitting.function_programs import unprintable
from ....graph.ir import Node, consumers
from .library import ORIGINAL
from .matches import FUNCTIONS
from .places import Place
from .replacing import Chosen
from .timing import Comparison, Surroundings, measured

SMALL = 2048
"""In the table, a tensor of fewer elements costs its call, whatever is computed."""
PASS, JOINED = 8.0, 1.0
"""In the table: an arithmetic operator by itself, and in the loop of a program."""
UNIT = 0.0115
"""Nanoseconds of the table's unit."""


@dataclass(frozen=True)
class Verdict:
    """What comes of a region: by programs (`chosen`), with what it takes before and after, or why it stays."""

    chosen: Chosen | None
    text: str


def verdict(found: Chosen, places: Mapping[Node, Place], target: str, measure: bool) -> Verdict:
    """Programs where they are faster on the target, at the number of elements of the region."""
    compared = _by_measuring(found, places, target) if measure else _by_table(found, target)
    if isinstance(compared, str):
        return Verdict(None, compared)
    place = places[next(iter(found.entries))]
    if place.count is not None:
        pays, least, count = compared.pays(place.count), 0, place.count
    else:
        count = compared.counts[-1] if place.most is None else max(place.most, 1)
        least = compared.least or 0
        pays = compared.least is not None and least <= count
    before, after = (time / max(count, 1) for time in compared.at(count))
    if not pays:
        text = f"{before:.3g} against {after:.3g} ns an element of {count:,} by programs"
        return Verdict(None, f"the original is no slower on {target}: {text}")
    text = f"{before:.3g} -> {after:.3g} ns an element of {count:,} on {target}"
    if least <= compared.counts[0]:
        return Verdict(found, text)
    if target == "onnx":
        return Verdict(
            None, f"the original is no slower on onnx below {least:,} elements, and their number is open"
        )
    return Verdict(replace(found, least=least), f"{text}, the original below {least:,}")


def _by_measuring(found: Chosen, places: Mapping[Node, Place], target: str) -> Comparison | str:
    if target == "onnx" and (problem := unprintable(found.text())):
        return f"the original: {problem}"
    place = places[next(iter(found.entries))]
    dims = place.match.result.tensor.dims
    columns = dims[-1] if dims and isinstance(dims[-1], int) else 64
    low, high = place.range.seen
    ends = (low, high) if low < high and max(-low, high) < 1e6 else (0.1, 2.0)
    around = _fused(found) if target == "inductor" else (False, False)
    body, programs = replace(found, steps=target == "onnx").forms()
    return measured(target, body, programs, Surroundings(*around, columns, *ends))


def _fused(found: Chosen) -> tuple[bool, bool]:
    """Whether operators stand before and after that a compiler fuses with the region."""
    readers = consumers(found.graph.nodes).get(found.region.result, [])
    before = any(_fuses(v.node) for v in found.region.inputs)
    return before, any(_fuses(node) for node, _ in readers)


def _fuses(node: Node) -> bool:
    return not node.operator.traits.isdisjoint({"elementwise", "reduction"})


def _by_table(found: Chosen, target: str) -> Comparison | str:
    """The shipped table, in float32 of a CPU with vectors of 512 bits."""
    if target not in ORIGINAL:
        return "the table has no costs for it: a program is an operator a step there, each a pass over memory"
    written = {n for m in found.region.matches.values() for n in m.nodes}
    before = sum(_original(n, target) for n in found.region.nodes)
    joined = JOINED * sum(n not in written for n in found.region.nodes)
    after = sum(e.cost(target) for e in found.entries.values()) + joined
    counts = (SMALL - 1, SMALL, 2 * SMALL)
    late = (UNIT * counts[0] * max(before, after), *(UNIT * c * after for c in counts[1:]))
    return Comparison(counts, tuple(UNIT * c * before for c in counts), late)


def _original(node: Node, target: str) -> float:
    name = (
        "softmax"
        if node.name == "Softmax"
        else "exp2"
        if node.name == "Pow"
        else FUNCTIONS.get(node.name, "")
    )
    return ORIGINAL[target].get(name, PASS)
