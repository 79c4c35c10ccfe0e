"""What a model may hold: the operators of one opset, and what a runtime has kernels for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol

from onnx import defs

from ....graph.ir import Node, Value
from ....graph.operators import Operator
from ....graph.operators.foreign import is_foreign
from ....graph.operators.schema import OPSET, schema
from ....graph.types.types import OptionalType, SequenceType, TensorType, Type
from ..importing.upgrades import UPGRADES
from .changed_meanings import differs
from .runtime_faults import miscomputed

OLDEST = 18
DEFAULT = 21
OWN_ATTRIBUTES = frozenset({"captures"})
"""Attributes of ours that the standard writes otherwise."""


class Kernels(Protocol):
    """What a runtime can compute."""

    def has(self, node: Node, opset: int) -> bool: ...


@dataclass
class Target:
    """An opset, and the runtime that is to run the model (None: any)."""

    opset: int = DEFAULT
    kernels: Kernels | None = None
    fitting: dict[Operator, bool] = field(default_factory=dict)  # operators unchanged since `opset`

    def takes(self, node: Node) -> bool:
        """Whether the node can be written as it is."""
        operator = node.operator
        unchanged = self.fitting.get(operator)
        if unchanged is None:
            unchanged = self.fitting[operator] = operator.domain == "" and operator.since <= self.opset
        if is_foreign(operator):
            return True
        if miscomputed(node) or not (unchanged or self._fits_older(node)):
            return False
        return self.kernels is None or self.kernels.has(node, self.opset)

    def _fits_older(self, node: Node) -> bool:
        operator = node.operator
        if operator.domain != "":
            return False
        if any(self.opset < below for below, _ in UPGRADES.get(operator.name, ())):
            return False
        try:
            older = schema(operator.name, self.opset)
        except KeyError:
            return False
        if older.deprecated or not (node.attributes.keys() - OWN_ATTRIBUTES <= older.attributes.keys()):
            return False
        if differs(node, self.opset):
            return False
        own = node.inputs[:1] if operator.name == "If" else node.inputs
        return _takes_types(list(older.inputs), own) and _takes_types(list(older.outputs), node.outputs)


def _takes_types(formals: Sequence[defs.OpSchema.FormalParameter], values: Sequence[Value | None]) -> bool:
    variadic = bool(formals) and formals[-1].option == defs.OpSchema.FormalParameterOption.Variadic
    if len(values) > len(formals) and not variadic:
        return False
    return all(
        value is None or type_string(value.type) in formals[min(position, len(formals) - 1)].types
        for position, value in enumerate(values)
    )


_SPELLINGS: Mapping[str, str] = {"float32": "float", "float64": "double"}


@lru_cache(maxsize=4096)
def type_string(type: Type) -> str:
    """The type as schemas write it: `tensor(float)`."""
    if isinstance(type, TensorType):
        return f"tensor({_SPELLINGS.get(type.dtype.name, type.dtype.name)})"
    if isinstance(type, SequenceType):
        return f"seq({type_string(type.element)})"
    if isinstance(type, OptionalType):
        return f"optional({type_string(type.element)})"
    return str(type)


def lowest_opset(name: str) -> int | None:
    """The lowest opset that has the operator as it is now, None for one that is ours."""
    try:
        return schema(name, OPSET).since_version
    except KeyError:
        return None
