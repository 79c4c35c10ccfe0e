"""The operators of theories, over values of the `facts` type: a grid of Logic Blocks, what it is
given, and what becomes of the theorems that it proves.

A grid is one Fixpoint node with a closed body: its state is the facts of all blocks, its body one
cycle. Only the logic backend runs them. A `facts` type names its theory; the program's table of
theories has its symbols, models and bounds, and the graph's statements are those of that table.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..types.dtypes import STRING
from ..types.types import FactsType, TensorType, Type
from .operator import AttributeSpec, Call, Formal, Operator, RuleError

BLOCKS_DOMAIN = "graphwright.logic"


def _facts(call: Call) -> FactsType:
    """The type that every operand has."""
    found = {v.type for v in call.inputs if v is not None}
    if len(found) != 1 or not isinstance(first := found.pop(), FactsType):
        raise RuleError("G0405", f"{call.operator.name} takes facts of one theory", (0,))
    return first


def _named(call: Call) -> Sequence[Type]:
    return (FactsType(call.attribute("theory")),)


def _block(call: Call) -> Sequence[Type]:
    found = _facts(call)
    return (found, found)


def _same(call: Call) -> Sequence[Type]:
    return (_facts(call),)


def _export(call: Call) -> Sequence[Type]:
    _facts(call)
    return (TensorType(STRING, None), TensorType(STRING, None))


def _fixpoint(call: Call) -> Sequence[Type]:
    body = call.attribute("body")
    found = _facts(call)
    types = {v.type for v in (*body.inputs, *body.outputs)}
    if types != {found} or len(body.inputs) != len(call.inputs) or len(body.outputs) != len(call.inputs):
        raise RuleError("G0405", "a cycle takes the facts of every block and gives them anew", (0,))
    return (found,) * len(call.inputs)


def _text(name: str, doc: str) -> AttributeSpec:
    return AttributeSpec(name, "string", required=True, doc=doc)


def _strings(name: str, doc: str) -> AttributeSpec:
    return AttributeSpec(name, "strings", doc=doc)


_THEORY = _text("theory", "The name of the theory, a key of the program's theories.")

BLOCKS: dict[str, Operator] = {
    o.name: o
    for o in (
        Operator(
            BLOCKS_DOMAIN,
            "Axiom",
            1,
            (),
            (Formal("facts"),),
            {
                "theory": _THEORY,
                "name": _text("name", "What proofs cite it by."),
                "statement": _text("statement", "What is taken for true, in infix."),
            },
            infer=_named,
            doc="An axiom of a theory, or one direction of a definition.",
        ),
        Operator(
            BLOCKS_DOMAIN,
            "Assumption",
            1,
            (),
            (Formal("facts"),),
            {"theory": _THEORY, "formula": _text("formula", "The premise; none for the root.")},
            infer=_named,
            doc="What a block begins with: the premise that it adds to its parent's.",
        ),
        Operator(
            BLOCKS_DOMAIN,
            "Block",
            1,
            (Formal("state"), Formal("mail")),
            (Formal("facts"), Formal("proved")),
            {
                "scope": _strings("scope", "What the block assumes, from the root on."),
                "goals": _strings("goals", "The names of what it is to prove under these assumptions."),
                "statements": _strings("statements", "Each goal in full, in infix."),
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
            infer=_same,
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
                "cycles": AttributeSpec(
                    "cycles", "int", required=True, doc="The most cycles for each stage of search."
                ),
            },
            infer=_fixpoint,
            doc="Repeats the body on its own results until nothing changes. What it proved is in the first.",
        ),
        Operator(
            BLOCKS_DOMAIN,
            "Theorems",
            1,
            (Formal("axioms"),),
            (Formal("facts"),),
            {
                "proofs": _strings("proofs", "The lines of the certificate after the theory's own."),
                "methods": _strings("methods", "How each theorem was proved, in their order."),
                "stopped": AttributeSpec("stopped", "string", doc="Why the search ended before its time."),
            },
            infer=_same,
            doc="Facts with their proofs: what a Fixpoint proved, as a constant.",
        ),
        Operator(
            BLOCKS_DOMAIN,
            "Certified",
            1,
            (Formal("theorems"),),
            (Formal("facts"),),
            {
                "checkers": _strings("checkers", "The names of the checkers."),
                "verdicts": _strings("verdicts", "What each said: accepted, rejected, not installed."),
                "details": _strings("details", "In more words."),
                "rests": _strings("rests", "What each accepted theorem rests on: a JSON list a theorem."),
                "database": AttributeSpec("database", "string", doc="The Metamath database checked."),
            },
            infer=_same,
            doc="Theorems with the verdicts of the checkers of their proofs.",
        ),
        Operator(
            BLOCKS_DOMAIN,
            "Export",
            1,
            (Formal("facts"),),
            (Formal("files"), Formal("texts")),
            {"formats": _strings("formats", "theorems, certificates, metamath, explorer, tptp, smtlib.")},
            infer=_export,
            doc="Certified theorems as files: their paths, and the text of each.",
        ),
    )
}
