"""Chains of operations that only move elements or change their type: two become one or none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np

from ...graph.ir import Node, Program, Value, apply, constant, make_node
from ...graph.operators.operator import RuleError
from ...graph.types import DType, TensorType
from ...graph.types.dimensions import Dimension
from ...graph.types.dtypes import BY_CODE
from ..rewriting import Procedure, Rule, Site, rules
from ..rewriting.rewriting_pass import RewritingPass

TABLE = """
    transpose-transpose: Transpose(Transpose(x, perm=p), perm=q) -> Transpose(x, perm=composed(x, p, q)) if permuted(x, p, q)
    transpose-in-order:  Transpose(x, perm=p) -> x             if in_order(x, p)
    cast-same:           Cast(x, to=t) -> x                    if has_dtype(x, t)
    cast-cast:           Cast(Cast(x, to=s), to=t) -> Cast(x, to=t)   if lossless(x, s, t)
    cast-like:           CastLike(x, y) -> Cast(x, to=dtype_of(y))
"""  # noqa: E501  # a table, a rule a line

MOVES = ("Reshape", "Squeeze", "Unsqueeze", "Flatten")
"""Operators that keep the elements in their order and give them another shape."""

BROADCASTING = (
    "Add Sub Mul Div Pow And Or Xor Equal Greater GreaterOrEqual Less LessOrEqual Max Min Where".split()
)


@dataclass(frozen=True)
class FuseChains(RewritingPass):
    """Joins Transposes, Casts, Concats, and Reshape, Squeeze, Unsqueeze and Flatten in a row; removes
    those that change nothing, and Expands whose user broadcasts anyway."""

    name: ClassVar[str] = "fuse_chains"

    def rules(self, program: Program) -> tuple[Rule, ...]:
        return chain_rules()


@cache
def chain_rules() -> tuple[Rule, ...]:
    return (
        *rules(TABLE, _FUNCTIONS),
        Procedure("same-shape", (*MOVES, "Expand", "Tile"), _same_shape),
        Procedure("move-move", MOVES, _move_move, operands=(frozenset(MOVES),)),
        Procedure("slice-all", ("Slice",), _slice_all),
        Procedure("pad-nothing", ("Pad",), _pad_nothing),
        Procedure("expand-operand", tuple(BROADCASTING), _expand_operand, operands=(frozenset({"Expand"}),)),
        Procedure("expand-expand", ("Expand",), _expand_expand, operands=(frozenset({"Expand"}),)),
        Procedure("concat-concat", ("Concat",), _concat_concat, operands=(frozenset({"Concat"}),)),
        Procedure("concat-split", ("Concat",), _concat_split, operands=(frozenset({"Split"}),)),
    )


# --- functions of the table ------------------------------------------------------------------------


def _composed(x: Value, inner: Sequence[int] | None, outer: Sequence[int] | None) -> list[int]:
    """The permutation of `outer` after `inner`; a missing one reverses."""
    first, second = _permutation(x, inner), _permutation(x, outer)
    return [first[i] for i in second]


def _permutation(x: Value, given: Sequence[int] | None) -> list[int]:
    if given is not None:
        return [p % len(given) for p in given]
    return list(range(x.tensor.rank))[::-1]


def _permuted(x: Value, *given: Sequence[int] | None) -> str | None:
    if None in given and x.tensor.axes is None:
        return "the rank of the operand is unknown, and so the order that a Transpose without perm gives"
    return None


def _in_order(x: Value, given: Sequence[int] | None) -> str | None:
    unknown = _permuted(x, given)
    if unknown is not None:
        return unknown
    order = _permutation(x, given)
    return None if order == sorted(order) else f"the axes change places: {order}"


def _has_dtype(x: Value, code: int) -> str | None:
    found = x.tensor.dtype
    return None if found is BY_CODE[code] else f"the operand is {found.name}"


def _dtype_of(y: Value) -> int:
    return y.tensor.dtype.code


_FLOAT_RANGES = {"float64": (53, 1024), "float32": (24, 128), "float16": (11, 16), "bfloat16": (8, 128)}


def holds_exactly(wide: DType, narrow: DType) -> bool:
    """Whether every number of `narrow` is one of `wide`."""
    if narrow is wide:
        return True
    if narrow.kind == "bool":
        return wide.is_float or wide.is_integer
    if wide.is_float:
        digits, exponent = _FLOAT_RANGES.get(wide.name, (0, 0))
        if narrow.is_float:
            other = _FLOAT_RANGES.get(narrow.name)
            return other is not None and other[0] <= digits and other[1] <= exponent
        return narrow.is_integer and narrow.bits - (narrow.kind == "int") <= digits and narrow.bits < exponent
    if not (wide.is_integer and narrow.is_integer):
        return False
    if wide.kind == narrow.kind:
        return narrow.bits <= wide.bits
    return wide.kind == "int" and narrow.bits < wide.bits


def _lossless(x: Value, middle: int, last: int) -> str | None:
    first, between, final = x.tensor.dtype, BY_CODE[middle], BY_CODE[last]
    if not holds_exactly(between, first):
        return f"{between.name} does not hold every {first.name}"
    if between.is_float and final.is_integer and not holds_exactly(final, first):
        return f"a float out of range becomes another {final.name} than an integer does"
    return None


_FUNCTIONS: dict[str, Any] = {
    "composed": _composed,
    "in_order": _in_order,
    "permuted": _permuted,
    "has_dtype": _has_dtype,
    "dtype_of": _dtype_of,
    "lossless": _lossless,
}


# --- rules in Python ---------------------------------------------------------------------------------


def _first(node: Node) -> Value:
    value = node.inputs[0]
    assert value is not None
    return value


def _same_shape(node: Node, site: Site) -> Sequence[Value] | str:
    x = _first(node)
    if x.type == node.outputs[0].type and x.tensor.dims is not None:
        return (x,)
    return f"the shape changes from {x.type} to {node.outputs[0].type}"


def _move_move(node: Node, site: Site) -> Sequence[Value] | str:
    """A shape after a shape is the last one, where a constant can say it."""
    inner = _first(node).node
    if inner.name not in MOVES:
        return f"{inner.name} moves elements about"
    x = _first(inner)
    wanted = node.outputs[0].tensor
    if x.type == wanted and wanted.dims is not None:
        return (x,)
    if wanted.dims is None:
        return "the rank of the result is unknown"
    target = shape_target(x.tensor.dims, wanted.dims)
    if target is None:
        return f"no constant says the shape {wanted}"
    return (reshaped(x, target),)


def reshaped(x: Value, target: Sequence[int]) -> Value:
    return apply("Reshape", x, constant(np.array(target, dtype=np.int64)))


def shape_target(given: Sequence[Dimension] | None, wanted: Sequence[Dimension]) -> list[int] | None:
    """The second operand of a Reshape from `given` to `wanted`: numbers, one -1, and 0 where a size is
    that of the same axis; None where these do not say it."""
    symbolic = [i for i, d in enumerate(wanted) if not isinstance(d, int)]
    if any(d == 0 for d in wanted):
        return None
    if len(symbolic) == 1:
        return [d if isinstance(d, int) else -1 for d in wanted]
    target = []
    for axis, d in enumerate(wanted):
        if isinstance(d, int):
            target.append(d)
        else:
            kept = given is not None and axis < len(given) and given[axis] == d
            target.append(0 if kept else -1)
    return target if target.count(-1) <= 1 else None


def _slice_all(node: Node, site: Site) -> Sequence[Value] | str:
    x = _first(node)
    steps = node.inputs[4] if len(node.inputs) > 4 else None
    if steps is not None and (steps.known is None or any(s != 1 for s in steps.known)):
        return "its steps are not all 1"
    if x.type != node.outputs[0].type or x.tensor.dims is None:
        return f"it takes a part: {x.type} becomes {node.outputs[0].type}"
    return (x,)


def _pad_nothing(node: Node, site: Site) -> Sequence[Value] | str:
    pads = node.inputs[1] if len(node.inputs) > 1 else None
    known = pads.known if pads is not None else None
    if known is None or any(p != 0 for p in known):
        return "it adds or removes elements"
    return (_first(node),)


def _expand_operand(node: Node, site: Site) -> Sequence[Value] | str:
    """An operand need not be expanded where the others have the shape that results."""
    inputs = list(node.inputs)
    changed = False
    for position, value in enumerate(inputs):
        if value is None or value.node.name != "Expand":
            continue
        trial = list(inputs)
        trial[position] = value.node.inputs[0]
        try:
            found = make_node(node.operator, trial, node.attributes)
        except RuleError:
            continue
        if found.outputs[0].type == node.outputs[0].type:
            inputs, changed = trial, True
    if not changed:
        return "the result takes its shape from the expanded operand"
    return make_node(node.operator, inputs, node.attributes).outputs


def _expand_expand(node: Node, site: Site) -> Sequence[Value] | str:
    inner = _first(node).node
    found = apply("Expand", inner.inputs[0], node.inputs[1])
    if found.type != node.outputs[0].type:
        return "the outer shape alone does not give the result"
    return (found,)


def _concat_concat(node: Node, site: Site) -> Sequence[Value] | str:
    """Concat of a Concat that nothing else reads, along the same axis."""
    axis, rank = node.attribute("axis"), node.outputs[0].tensor.rank
    operands: list[Value | None] = []
    for value in node.inputs:
        assert value is not None
        inner = value.node
        same = inner.name == "Concat" and (inner.attribute("axis") - axis) % rank == 0
        if same and site.readers(value) <= 1:
            operands.extend(inner.inputs)
        else:
            operands.append(value)
    if len(operands) == len(node.inputs):
        return "no operand is a Concat along the same axis that nothing else reads"
    return (apply("Concat", *operands, axis=axis),)


def _concat_split(node: Node, site: Site) -> Sequence[Value] | str:
    """All parts of a Split, in order, joined again."""
    split = _first(node).node
    parts = tuple(node.inputs)
    if split.name != "Split" or parts != split.outputs:
        return "not all parts of one Split in their order"
    x = _first(split)
    if (split.attribute("axis") - node.attribute("axis")) % x.tensor.rank:
        return "it splits along another axis"
    return (x,)


__all__ = ["FuseChains", "TensorType", "chain_rules", "holds_exactly", "reshaped", "shape_target"]
