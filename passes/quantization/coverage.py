"""What became of every parameter: its scheme, or why it stays float."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .operands import Layer, Left
from .rounding import QuantizedArray, sqnr
from .scheme import QuantScheme


@dataclass(frozen=True)
class Row:
    """One stored tensor. `scheme` is empty where it stays float, and `reason` says why."""

    name: str
    operator: str
    elements: int
    scheme: str
    reason: str = ""
    sqnr: float = float("inf")
    bits: float = 32.0

    def __str__(self) -> str:
        if not self.scheme:
            return f"{self.name:<28} {self.elements:>9,} float: {self.reason}"
        note = f"  ({self.reason})" if self.reason else ""
        size = f"{self.elements:>9,} {self.bits:5.2f} bits {self.sqnr:6.1f} dB"
        return f"{self.name:<28} {size}  {self.operator} {self.scheme}{note}"


def quantized_row(layer: Layer, scheme: QuantScheme, array: QuantizedArray, note: str) -> Row:
    found = sqnr(layer.array, array.dequantize())
    return Row(layer.name, layer.node.name, layer.array.size, str(scheme), note, found, array.bits)


def float_row(layer: Layer, reason: str) -> Row:
    return Row(layer.name, layer.node.name, layer.array.size, "", reason)


def left_row(left: Left) -> Row:
    return Row(left.name, "", left.elements, "", left.reason)


def share(rows: Sequence[Row]) -> float:
    """The share of elements with a scheme."""
    total = sum(r.elements for r in rows)
    return sum(r.elements for r in rows if r.scheme) / total if total else 1.0


def notes(rows: Sequence[Row]) -> tuple[str, ...]:
    """The report: a line for each quantized layer, and one for each reason to stay float, with every
    tensor that has it."""
    quantized = [r for r in rows if r.scheme]
    elements = sum(r.elements for r in quantized)
    bits = sum(r.elements * r.bits for r in quantized) / max(elements, 1)
    head = (
        f"{100 * share(rows):.1f} % of {sum(r.elements for r in rows):,} weights quantized, "
        f"{bits:.3f} bits each with scales"
    )
    reasons: dict[str, list[Row]] = {}
    for row in rows:
        if not row.scheme:
            reasons.setdefault(row.reason, []).append(row)
    left = [
        f"float, {reason}: {', '.join(f'{r.name} {r.elements:,}' for r in group)}"
        for reason, group in reasons.items()
    ]
    return (head, *map(str, quantized), *left)


def costs(found: Sequence[tuple[str, float]], most: int = 5) -> str:
    """The layers that change the outputs most, each quantized alone."""
    worst = sorted(found, key=lambda item: -item[1])[:most]
    return (
        "most of the change, each layer alone: " + ", ".join(f"{n} {c:.2g}" for n, c in worst) + " (KL, nats)"
    )
