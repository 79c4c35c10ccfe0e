"""Operators whose ONNX meaning differs from what NumPy, Python or PyTorch mean by the name (R25)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..diagnostics import Span
from ..ir import Value
from ..types import Dim
from ..types.dimensions import bounds
from .construction import Construction


def warn_of_surprises(
    build: Construction,
    name: str,
    inputs: Sequence[Value | None],
    attributes: Mapping[str, Any],
    span: Span,
) -> None:
    """Warns (G0441) of a call that leaves to ONNX's default what NumPy does otherwise. A call that
    writes the attribute out means it."""
    found = _surprise(name, inputs, attributes)
    if found is not None:
        message, hint = found
        build.diagnostics.warning("G0441", message, span, hint=hint, notes=tuple(reversed(build.callers)))


def _surprise(
    name: str, inputs: Sequence[Value | None], attributes: Mapping[str, Any]
) -> tuple[str, str] | None:
    if name in ("ArgMax", "ArgMin") and "axis" not in attributes:
        lower = name.lower()
        return (
            f"{name} takes axis 0 and keeps it, where NumPy flattens",
            f"write axis=…, or {lower}(x, axis=…)",
        )
    if (name.startswith("Reduce") or name in ("ArgMax", "ArgMin")) and "keepdims" not in attributes:
        lower = "sum" if name == "ReduceSum" else name.removeprefix("Reduce").lower()
        return f"{name} keeps the reduced axes", f"write keepdims=…, or {lower}(x, axis=…)"
    if name == "BatchNormalization" and attributes.get("momentum", 1.0) < 0.5:
        momentum = attributes["momentum"]
        return (
            "momentum is the share that the old statistics keep, 1 minus PyTorch's, "
            "and the running variance is the biased one",
            f"PyTorch's {momentum:g} is momentum={1 - momentum:g}",
        )
    if name == "Div" and _may_be_negative(inputs):
        return "Div rounds integers towards zero: -7 by 2 is -3", "write a // b for the floor, -4"
    return None


def _may_be_negative(inputs: Sequence[Value | None]) -> bool:
    """Whether this is a division of signed integers that are not known to be at least 0."""
    operands = [v for v in inputs if v is not None]
    if not operands or operands[0].tensor.dtype.kind != "int":
        return False
    known = [d for v in operands for d in (v.known or (None,))]
    return any(d is None or (bounds(d)[0] < 0 if isinstance(d, Dim) else d < 0) for d in known)
