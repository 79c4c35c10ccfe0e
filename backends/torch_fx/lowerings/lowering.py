"""The record of a lowering: an operator's plain torch function, and how it is called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ....graph.ir import Node
from ....graph.types.dtypes import BY_CODE

Keywords = Mapping[str, Any]


@dataclass(frozen=True)
class Lowering:
    """`function(*operands, **attributes)` computes the operator with torch.

    - `tier`: "full" trains, compiles and exports; "eager" only runs.
    - `numbers`: positions of operands taken as Python numbers where their content is known.
    - `arguments`: keywords that the node's types decide (a dtype that the tensors don't carry).
    - `counted`: the function takes `results=`, the number of leading results wanted: it returns
      the bare result for one, else a tuple. Without it the function returns what the operator has.
    """

    function: Callable[..., Any]
    tier: str = "full"
    numbers: frozenset[int] = frozenset()
    arguments: Callable[[Node], Keywords] | None = None
    counted: bool = False


DTYPE_ATTRIBUTES = frozenset(
    {"to", "dtype", "output_dtype", "output_datatype", "stash_type", "softmax_precision", "precision"}
)
"""Integer attributes that name a dtype."""


def keywords(node: Node, lowering: Lowering, *, float64: bool = False) -> dict[str, Any]:
    """The keyword arguments of a call: attributes other than bodies, dtypes by name. With
    `float64` every floating-point dtype among them is float64 (the shadow run)."""
    found: dict[str, Any] = {}
    for name, attribute in node.attributes.items():
        if name in DTYPE_ATTRIBUTES and attribute.kind == "int":
            found[name] = BY_CODE[attribute.value].name if attribute.value else None
        elif attribute.kind in ("int", "float", "string", "ints", "floats", "strings"):
            found[name] = attribute.value
    if lowering.arguments is not None:
        found.update(lowering.arguments(node))
    if float64:
        for name in (found.keys() | node.operator.attributes.keys()) & DTYPE_ATTRIBUTES:
            default = node.attribute(name)
            if name in found or default:
                found[name] = shadow_dtype(found[name] if name in found else BY_CODE[default].name)
    return found


def shadow_dtype(name: Any) -> Any:
    """The dtype that stands for `name` in a float64 shadow run."""
    if isinstance(name, str) and name.startswith(("float", "bfloat")):
        return "float64"
    return "complex128" if name == "complex64" else name


def result_dtype(keyword: str, index: int = 0) -> Callable[[Node], Keywords]:
    """An `arguments` rule: the dtype of result `index` as `keyword`."""
    return lambda node: {keyword: node.outputs[index].tensor.dtype.name}


def operand_dtype(keyword: str, index: int = 0) -> Callable[[Node], Keywords]:
    """An `arguments` rule: the dtype of operand `index` as `keyword`."""

    def rule(node: Node) -> Keywords:
        operand = node.inputs[index]
        return {} if operand is None else {keyword: operand.tensor.dtype.name}

    return rule
