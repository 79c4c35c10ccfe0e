"""The operators of a grid of Logic Blocks, over values of the `facts` type.

A grid is one Fixpoint node with a closed body: its state is the facts of all blocks, its body one
cycle. Only the logic backend runs them.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..types.types import FactsType, Type
from .operator import AttributeSpec, Call, Formal, Operator, RuleError

BLOCKS_DOMAIN = "graphwright.logic"


def _theory(call: Call) -> FactsType:
    """The type that every operand has."""
    found = {v.type for v in call.inputs if v is not None}
    if len(found) != 1 or not isinstance(first := found.pop(), FactsType):
        raise RuleError("G0405", f"{call.operator.name} takes facts of one theory", (0,))
    return first


def _block(call: Call) -> Sequence[Type]:
    found = _theory(call)
    return (found, found)


def _merge(call: Call) -> Sequence[Type]:
    return (_theory(call),)


def _fixpoint(call: Call) -> Sequence[Type]:
    body = call.attribute("body")
    found = _theory(call)
    types = {v.type for v in (*body.inputs, *body.outputs)}
    if types != {found} or len(body.inputs) != len(call.inputs) or len(body.outputs) != len(call.inputs):
        raise RuleError("G0405", "a cycle takes the facts of every block and gives them anew", (0,))
    return (found,) * len(call.inputs)


def _strings(name: str, doc: str) -> AttributeSpec:
    return AttributeSpec(name, "strings", doc=doc)


BLOCKS: dict[str, Operator] = {
    o.name: o
    for o in (
        Operator(
            BLOCKS_DOMAIN,
            "Block",
            1,
            (Formal("state"), Formal("mail")),
            (Formal("facts"), Formal("proved")),
            {
                "scope": _strings("scope", "What the block assumes, from the root on."),
                "goals": _strings("goals", "What it is to prove under these assumptions."),
            },
            infer=_block,
            doc="One block in one cycle: takes in its mail, joins, closes; its facts, and the goals proved.",
        ),
        Operator(
            BLOCKS_DOMAIN,
            "Merge",
            1,
            (Formal("facts", "F", variadic=True),),
            (Formal("all"),),
            infer=_merge,
            doc="The facts of all operands.",
        ),
        Operator(
            BLOCKS_DOMAIN,
            "Fixpoint",
            1,
            (Formal("state", "F", variadic=True),),
            (Formal("final", "F", variadic=True),),
            {
                "body": AttributeSpec("body", "graph", required=True, doc="One cycle, closed."),
                "cycles": AttributeSpec("cycles", "int", required=True, doc="The most cycles."),
            },
            infer=_fixpoint,
            doc="Repeats the body on its own results until nothing changes.",
        ),
    )
}
