"""Proving: the grid is run, and its theorems with their proofs take its place."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from ...backends.logic.backend import LogicBackend, LogicEvaluator
from ...backends.logic.engine.block import Counts
from ...backends.logic.engine.prover import Cycle, Outcome
from ...backends.logic.reading import node_of, theorem_lines, theory_of
from ...graph.diagnostics import SpecError
from ...graph.ir import Program
from ...graph.theory.infix_printer import print_statement
from ..manager.contract import Certified
from ..manager.pass_ import Context, Result
from .theory_pass import BOTH, relowered, theorems_node, with_result


@dataclass(frozen=True)
class Prove:
    """Proves the goals of a theory: runs its grid on the logic backend and puts the theorems, each
    with its proof, in the grid's place. The result depends neither on the number of workers nor on
    the order of the goals.

    The limits replace those of the theory's `bounds:`."""

    workers: int = field(default=1, metadata={"doc": "Processes that try goals."})
    seconds: float | None = field(default=None, metadata={"doc": "Stop searching after so long."})
    cycles: int | None = field(default=None, metadata={"doc": "Rounds in which theorems become lemmas."})
    rounds: int | None = field(default=None, metadata={"doc": "Rounds of saturation an obligation."})
    depth: int | None = field(default=None, metadata={"doc": "Nested inductions."})

    name: ClassVar[str] = "prove"
    variants: ClassVar[frozenset[str]] = BOTH

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise ValueError("at least one worker")

    @property
    def contract(self) -> Certified:
        return Certified()

    def run(self, program: Program, context: Context) -> Result:
        if node_of(program, "Fixpoint") is None:
            return Result(program, visits=len(program.graph.nodes))
        bounded = self._bounded(program)
        faults = LogicBackend().unsupported(bounded)
        if faults:
            raise SpecError(list(faults))
        with self._executor() as executor:
            evaluator = LogicEvaluator(bounded, executor, context.progress)
            (facts,) = evaluator.values((bounded.outputs["theorems"],))
        theory = theory_of(program)
        assert theory is not None
        lines = theorem_lines(theory, facts.theorems)
        methods = [facts.methods.get(t.name, "") for t in facts.theorems]
        made = theorems_node(program.names["axioms"], lines, methods, facts.stopped)
        hits: dict[str, int] = {}
        for method in methods:
            kind = method.split(" ")[0] or "known"
            hits[kind] = hits.get(kind, 0) + 1
        (outcome,) = evaluator.outcomes.values()
        return Result(
            with_result(program, made), notes=tuple(_notes(outcome)), hits=hits, visits=len(outcome.cycles)
        )

    def _bounded(self, program: Program) -> Program:
        """The program with these limits for its search."""
        given = {n: getattr(self, n) for n in ("seconds", "cycles", "rounds", "depth")}
        changes = {n: v for n, v in given.items() if v is not None}
        theory = theory_of(program)
        if not changes or theory is None:
            return program
        return relowered(program, replace(theory, bounds=replace(theory.bounds, **changes)))

    def _executor(self) -> AbstractContextManager[Any]:
        if self.workers == 1:
            return nullcontext()
        from ...backends.runtime.executor import ProcessExecutor

        return ProcessExecutor(self.workers)


def _notes(outcome: Outcome) -> list[str]:
    """What the search did, cycle by cycle, and which goals hold without some of their premises."""
    notes = [f"stopped: {outcome.stopped}"] if outcome.stopped else []
    notes += [
        f"'{name}' holds without some of its premises: {print_statement(statement)}"
        for name, statement in sorted(outcome.stronger().items())
    ]
    total = sum((c.counts for c in outcome.cycles), Counts())
    notes.append(f"{len(outcome.cycles)} cycles: {_counts(total)}")
    return notes + [_cycle(c) for c in outcome.cycles]


def _cycle(cycle: Cycle) -> str:
    done = f"{cycle.proved} of {cycle.tried} proved, {cycle.rules} rules"
    return f"cycle {cycle.number}, stage {cycle.level}: {done}, {_counts(cycle.counts)}"


def _counts(counts: Counts) -> str:
    return ", ".join(f"{value} {name}" for name, value in vars(counts).items())
