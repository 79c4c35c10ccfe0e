"""The logic backend: a table of lowerings, one an operator over facts, and an evaluator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ...graph.diagnostics import Diagnostic, SpecError
from ...graph.ir import Node, Program, Value
from ...graph.operators.blocks import BLOCKS, BLOCKS_DOMAIN
from ...graph.theory import Theory
from ...graph.theory.infix_printer import print_statement
from ...graph.types import FactsType
from ..runtime.protocols import Array, Feeds
from .certificates import Certificate
from .engine.prover import Outcome
from .facts import Facts, merged
from .grid import Progress, run_grid
from .reading import read_theorems, rests_of, verdicts_of

Given = list[Any]
Lowering = Callable[["LogicEvaluator", Node, Given], Sequence[Any]]


class LogicBackend:
    """Implements `Backend` for programs over facts."""

    name = "logic"

    def unsupported(self, program: Program) -> Sequence[Diagnostic]:
        """G1626 for a node of another domain, G1625 for one that says other than its theory."""
        return tuple(_faults(program))

    def load(self, program: Program) -> LogicExecutable:
        """Raises SpecError with `unsupported(program)` where that is not empty."""
        found = self.unsupported(program)
        if found:
            raise SpecError(list(found))
        return LogicExecutable(program)


@dataclass(frozen=True)
class LogicExecutable:
    """A program over facts, ready to run."""

    program: Program
    executor: Any = None

    def run(self, feeds: Feeds) -> dict[str, Array]:
        """Output name -> array of texts: of facts, the lines of their certificate."""
        values = LogicEvaluator(self.program, self.executor).values(self.program.graph.outputs)
        return {n: _array(v) for n, v in zip(self.program.output_names, values, strict=True)}


def _array(value: Facts | Array) -> Array:
    if not isinstance(value, Facts):
        return value
    return np.array(list(Certificate(value.theory, value.theorems).lines()), dtype=np.str_)


@dataclass
class LogicEvaluator:
    """Computes values of a program: Facts, or arrays of texts. `outcomes` keeps what the engine
    recorded at each Fixpoint node."""

    program: Program
    executor: Any = None
    progress: Progress | None = None
    outcomes: dict[Node, Outcome] = field(default_factory=dict)

    def values(self, wanted: Sequence[Value]) -> list[Any]:
        known: dict[Value, Any] = {}
        for node in self.program.graph.nodes:
            operands = [known[v] for v in node.inputs if v is not None]
            found = LOWERINGS[node.operator.name](self, node, operands)
            known.update(zip(node.outputs, found, strict=True))
        return [known[v] for v in wanted]

    def theory(self, name: str) -> Theory:
        found = self.program.theories[name]
        assert isinstance(found, Theory)
        return found


# --- the table ------------------------------------------------------------------------------------


def _axiom(evaluator: LogicEvaluator, node: Node, given: Given) -> Sequence[Any]:
    theory, name = evaluator.theory(node.attribute("theory")), node.attribute("name")
    return (Facts(theory, {name: theory.statements[name]}),)


def _assumption(evaluator: LogicEvaluator, node: Node, given: Given) -> Sequence[Any]:
    formula = node.attribute("formula")
    return (Facts(evaluator.theory(node.attribute("theory")), assumed=(formula,) if formula else ()),)


def _merge(evaluator: LogicEvaluator, node: Node, given: Given) -> Sequence[Any]:
    return (merged(given),)


def _fixpoint(evaluator: LogicEvaluator, node: Node, given: Given) -> Sequence[Any]:
    states, evaluator.outcomes[node] = run_grid(node, given, evaluator.executor, evaluator.progress)
    return states


def _theorems(evaluator: LogicEvaluator, node: Node, given: Given) -> Sequence[Any]:
    (axioms,) = given
    theorems = read_theorems(node.attribute("proofs") or (), axioms.theory)
    methods = dict(zip((t.name for t in theorems), node.attribute("methods") or (), strict=True))
    statements = {**axioms.statements, **{t.name: t.statement for t in theorems}}
    stopped = node.attribute("stopped") or ""
    return (Facts(axioms.theory, statements, (), tuple(theorems), methods, stopped),)


def _certified(evaluator: LogicEvaluator, node: Node, given: Given) -> Sequence[Any]:
    (facts,) = given
    database = node.attribute("database") or ""
    return (replace(facts, verdicts=tuple(verdicts_of(node)), rests=rests_of(node), database=database),)


def _export(evaluator: LogicEvaluator, node: Node, given: Given) -> Sequence[Any]:
    from .exporters.files import files_of

    found = files_of(given[0], node.attribute("formats") or ())
    return np.array(list(found), dtype=np.str_), np.array(list(found.values()), dtype=object)


LOWERINGS: dict[str, Lowering] = {
    "Axiom": _axiom,
    "Assumption": _assumption,
    "Merge": _merge,
    "Fixpoint": _fixpoint,
    "Theorems": _theorems,
    "Certified": _certified,
    "Export": _export,
}
"""Block has none of its own: the blocks of a body run together, as `grid` says."""


# --- what it refuses ------------------------------------------------------------------------------


def _faults(program: Program) -> list[Diagnostic]:
    found = []
    for node in program.graph.nodes:
        origin = program.origin(node.outputs[0]) if node.outputs else None
        span = next(iter(origin.spans), None) if origin is not None else None
        if node.operator.domain != BLOCKS_DOMAIN or node.operator.name not in BLOCKS:
            message = f"the logic backend has no {node.operator.qualified_name}"
            found.append(Diagnostic("G1626", message, span))
            continue
        for reason in _differences(program, node):
            found.append(Diagnostic("G1625", reason, span))
    return found


def _differences(program: Program, node: Node) -> list[str]:
    """Where a node says other than the program's theory: the text that is drawn is what runs."""
    type_ = node.outputs[0].type
    if not isinstance(type_, FactsType):
        return []
    theory = program.theories.get(type_.theory)
    if not isinstance(theory, Theory):
        return [f"the program has no theory '{type_.theory}'"]
    if node.operator.name == "Axiom":
        return _differing("axiom", theory.statements, [node.attribute("name")], [node.attribute("statement")])
    if node.operator.name != "Fixpoint":
        return []
    goals = {g.name: g.statement for g in theory.goals}
    found = []
    for block in node.attribute("body").nodes:
        if block.operator.name == "Block":
            names, texts = (block.attribute(a) or () for a in ("goals", "statements"))
            found += _differing("goal", goals, names, texts)
    return found


def _differing(kind: str, known: Any, names: Sequence[str], texts: Sequence[str]) -> list[str]:
    found = []
    for name, text in zip(names, texts, strict=True):
        if name not in known:
            found.append(f"the theory has no {kind} '{name}'")
        elif print_statement(known[name]) != text:
            found.append(
                f"the theory's {kind} '{name}' says {print_statement(known[name])}, the graph {text}"
            )
    return found
