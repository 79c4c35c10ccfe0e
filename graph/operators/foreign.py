"""Operators of other domains (`com.microsoft.FusedMatMul`), whose meaning only their runtime knows.

A program may carry such nodes from one ONNX file to another. Nothing is computed of them, so their
result types are what the model says, kept as attributes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

from ..types.types import Type
from .attributes import Attribute
from .operator import Formal, Operator

RESULT = "result."
"""`result.0` is the attribute that holds the type of the first result. It is ours, not the model's."""


@cache
def foreign_operator(name: str, domain: str, version: int) -> Operator:
    """The operator: any operands, any attributes, any number of results."""
    return Operator(
        domain,
        name,
        version,
        (Formal("inputs", variadic=True, homogeneous=False),),
        (Formal("outputs", variadic=True, homogeneous=False),),
        traits=frozenset({"foreign"}),
        doc=f"An operator of the domain {domain}, which is carried along as it is.",
    )


def is_foreign(operator: Operator) -> bool:
    return "foreign" in operator.traits


def result_types(attributes: Mapping[str, Attribute]) -> Sequence[Type]:
    """The types that the model gives the results."""
    found: list[Type] = []
    while (attribute := attributes.get(f"{RESULT}{len(found)}")) is not None:
        found.append(attribute.value)
    return found
