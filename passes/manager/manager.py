"""Runs a pipeline, checks every contract, and records what happened."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np

from ...backends.runtime.protocols import Evaluator
from ...graph.diagnostics import fail
from ...graph.ir import Origin, Program, collector_paused
from ...graph.spec.expressions import Expression
from .bisection import Culprit, bisect
from .budget import BudgetFinding, budget_of_contract, check_metrics, decide, metrics_in
from .contract import Bounded, Budget, Certified, Contract, Exact
from .evaluation import default_evaluator
from .failure import ContractBroken, outputs_diagnostic, site_diagnostic
from .measurement import Measurement, measure
from .pass_ import Context, Pass, Result
from .pipeline import Pipeline, Step
from .record import CompileRecord, PassRecord
from .reproducer import program_case, site_case, write_reproducer
from .verdict import Verdict
from .verification import Verification, Verifier

VERIFY = ("none", "final", "each")
STATIC_METRICS = ("bytes", "macs", "nodes", "parameters")

Progress = Callable[[str, int, int], None]


@dataclass
class PassManager:
    """`evaluator` checks contracts (the torch-FX one by default, loaded when first needed);
    `reproducers` is the folder for reproducers of broken contracts (None: none is written);
    `progress` is told (pass name, number from 1, how many)."""

    evaluator: Evaluator | None = None
    reproducers: Path | None = None
    progress: Progress | None = None

    def run(
        self,
        program: Program,
        pipeline: Pipeline | Sequence[Pass],
        context: Context | None = None,
        verify: str | None = None,
    ) -> CompileRecord:
        """The program after every pass, with the record of each.

        `verify` is none, final (first against last program) or each (every pass, at its sites and
        outputs); None takes the pipeline's. Raises ContractBroken (a SpecError) where a contract or
        a budget is broken: it carries the record and the last good program. Raises SpecError G1003
        for a pass that does not take this variant, G1030 to G1033 for a budget that can't be decided.
        """
        steps = pipeline if isinstance(pipeline, Pipeline) else Pipeline(tuple(Step(p) for p in pipeline))
        mode = verify if verify is not None else steps.verify
        if mode not in VERIFY:
            raise ValueError(f"verify is one of {', '.join(VERIFY)}")
        with collector_paused():
            return _Compile(self, program, steps, context or Context(), mode).run()


class _Compile:
    """The state of one compile."""

    def __init__(
        self, manager: PassManager, program: Program, pipeline: Pipeline, context: Context, verify: str
    ) -> None:
        self.manager, self.start, self.pipeline = manager, program, pipeline
        self.context, self.verify = context, verify
        self.program = program
        self.records: list[PassRecord] = []
        self.history: list[tuple[Step, Program, Result]] = []
        self.first = measure(program, context.sizes)
        self.last = self.first
        self._verifier: Verifier | None = None

    @property
    def verifier(self) -> Verifier:
        if self._verifier is None:
            evaluator = self.manager.evaluator or default_evaluator()
            self._verifier = Verifier(evaluator, self.context.seed)
            self._verifier.prepare(self.start)
        return self._verifier

    def run(self) -> CompileRecord:
        check_pipeline(self.pipeline, self.program, self.context)
        total = len(self.pipeline.steps)
        for number, step in enumerate(self.pipeline.steps, 1):
            if self.manager.progress:
                self.manager.progress(step.pass_.name, number, total)
            self._step(step)
        verdict, reason = self._overall()
        budgets = self._decide(self.pipeline.budgets, self.start, self.program, None)
        self._stop_over_budget(budgets, None)
        record = self._record(budgets)
        return replace(record, verdict=verdict, reason=reason)

    def _record(self, budgets: tuple[BudgetFinding, ...] = ()) -> CompileRecord:
        return CompileRecord(
            self.program,
            tuple(self.records),
            self.first,
            self.last,
            self.verify,
            self.context.seed,
            budgets=budgets,
        )

    # --- one pass --------------------------------------------------------------------------------

    def _step(self, step: Step) -> None:
        before, pass_ = self.program, step.pass_
        began = process_time()
        result = pass_.run(before, replace(self.context, calibration=step.data))
        seconds = process_time() - began
        after = self.last if result.program is before else measure(result.program, self.context.sizes)
        check_legality(result, before, pass_)
        record = PassRecord(
            pass_.name,
            options_of(pass_),
            str(pass_.contract),
            None,
            seconds,
            before=self.last,
            after=after,
            hits=dict(result.hits),
            visits=result.visits,
            attempts=result.attempts,
            notes=result.notes,
        )
        self.history.append((step, before, result))
        if self.verify == "each":
            record = self._verified(step, before, result, record)
        record = self._budgeted(step, before, result, record)
        self.records.append(record)
        self.program, self.last = result.program, after

    def _verified(self, step: Step, before: Program, result: Result, record: PassRecord) -> PassRecord:
        began = process_time()
        contract = step.pass_.contract
        if isinstance(contract, Certified):
            verification = certified(before, result.program, contract)
        else:
            verification = self.verifier.verify(before, result, contract)
        record = verified_record(record, verification, process_time() - began)
        if verification.verdict is Verdict.BROKEN:
            raise self._broken(step, before, result, verification, record)
        return record

    def _broken(
        self, step: Step, before: Program, result: Result, verification: Verification, record: PassRecord
    ) -> ContractBroken:
        if isinstance(step.pass_.contract, Certified):
            origin = next(iter(before.origins.values()), Origin())
            diagnostic = outputs_diagnostic(step.pass_, verification.reason, None, None, origin, None)
            folder = None
        elif verification.broken:
            case = site_case(verification.broken[0], step.pass_.name)
            folder = self._reproducer(case)
            diagnostic = site_diagnostic(step.pass_, before, result.program, verification, folder)
        else:
            culprit = self._bisected(step, before, result)
            facts = {
                "pass": step.pass_.name,
                "rule": culprit.replacement.rule if culprit else None,
                "reason": verification.reason,
            }
            feeds = self.verifier.samples[0].feeds
            folder = self._reproducer(
                program_case(before, (culprit.result if culprit else result).program, feeds, facts)
            )
            rule, number = (culprit.replacement.rule, culprit.number) if culprit else (None, None)
            origin = culprit_origin(culprit, before, result.program)
            diagnostic = outputs_diagnostic(step.pass_, verification.reason, rule, number, origin, folder)
        self.records.append(replace(record, reproducer=str(folder) if folder else None))
        return ContractBroken(diagnostic, replace(self._record(), verdict=Verdict.BROKEN), folder)

    def _reproducer(self, case: Any) -> Path | None:
        folder = self.manager.reproducers
        return write_reproducer(case, folder) if folder is not None else None

    def _bisected(self, step: Step, before: Program, result: Result) -> Culprit | None:
        contract = step.pass_.contract
        outputs = self.verifier.outputs
        assert outputs is not None

        def broken(attempt: Result) -> bool:
            return outputs.compare(before, attempt, contract).verdict is Verdict.BROKEN

        return bisect(step.pass_, before, self.context, result, broken)

    # --- budgets ---------------------------------------------------------------------------------

    def _budgeted(self, step: Step, before: Program, result: Result, record: PassRecord) -> PassRecord:
        budgets = step.budgets
        contract = step.pass_.contract
        if isinstance(contract, Budget) and not budgets:
            text = f"{contract.metric} >= before.{contract.metric} - {contract.max_drop:g}"
            budgets = ((budget_of_contract(contract.metric, contract.max_drop, place(step)), text),)
        if not budgets:
            return record
        found = self._decide(budgets, before, result.program, step.data)
        record = replace(record, budgets=found)
        if isinstance(contract, Budget):
            record = replace(record, verdict=Verdict.HOLDS)
        if any(b.verdict is not Verdict.HOLDS for b in found):
            costs = self._costs(step, before, result, budgets)
            self.records.append(replace(record, verdict=worst_verdict(found), notes=(*record.notes, *costs)))
            self._stop_over_budget(found, step, costs)
        return record

    def _decide(
        self,
        budgets: Sequence[tuple[Expression, str]],
        before: Program,
        after: Program,
        data: str | None,
    ) -> tuple[BudgetFinding, ...]:
        programs = {"after": after, "before": before, "start": self.start}
        cache: dict[tuple[str, str], np.ndarray[Any, Any]] = {}
        found = []
        for expression, text in budgets:
            wanted = metrics_in(expression)
            wanted |= {("before", m) for s, m in wanted if s == "after" and ("start", m) not in wanted}
            for stage, metric in wanted:
                if (stage, metric) not in cache:
                    cache[stage, metric] = self._metric(programs[stage], metric, data)
            found.append(decide(expression, text, {k: cache[k] for k in wanted}, self.context.seed))
        return tuple(found)

    def _metric(self, program: Program, metric: str, data: str | None) -> np.ndarray[Any, Any]:
        if metric in STATIC_METRICS:
            measured = self.first if program is self.start else measure(program, self.context.sizes)
            return np.asarray([measured.metric(metric)], dtype=np.float64)
        assert self.context.meter is not None
        return np.atleast_1d(np.asarray(self.context.meter.measure(program, metric, data), dtype=np.float64))

    def _costs(
        self, step: Step, before: Program, result: Result, budgets: Sequence[tuple[Expression, str]]
    ) -> tuple[str, ...]:
        """Which layers cost most: the budget's margin with only that layer's sites replaced."""
        from .layers import layer_costs

        def cost(program: Program) -> float:
            return min((f.margin for f in self._decide(budgets, before, program, step.data)), default=0.0)

        return layer_costs(before, result, cost)

    def _stop_over_budget(
        self, found: Sequence[BudgetFinding], step: Step | None, costs: Sequence[str] = ()
    ) -> None:
        bad = [b for b in found if b.verdict is not Verdict.HOLDS]
        if not bad:
            return
        where = f"pass {step.pass_.name}" if step else "the recipe"
        first = bad[0]
        if first.verdict is Verdict.BROKEN:
            error = fail("G1004", f"{where} is over its budget: {first}", place(step))
            if costs:
                error = fail(
                    "G1004",
                    f"{where} is over its budget: {first}. Most of it: {'; '.join(costs)}",
                    place(step),
                )
        else:
            message = f"{first.examples} examples can't resolve the budget of {where}: {first}"
            error = fail("G1033", message, place(step), hint=f"about {first.needed} examples would")
        record = replace(self._record(tuple(found)), verdict=worst_verdict(found))
        raise ContractBroken(error.diagnostics[0], record)

    # --- the whole -------------------------------------------------------------------------------

    def _overall(self) -> tuple[Verdict | None, str]:
        """The verdict of the compile: of all passes, or of first against last program."""
        if self.verify == "none":
            return None, ""
        if self.verify == "each":
            verdicts = [r for r in self.records if r.verdict is not None]
            unsure = [r for r in verdicts if r.verdict is Verdict.INCONCLUSIVE]
            if unsure:
                return Verdict.INCONCLUSIVE, "; ".join(f"{r.name}: {r.reason}" for r in unsure)
            return Verdict.HOLDS, ""
        return self._final()

    def _final(self) -> tuple[Verdict, str]:
        if any(isinstance(s.pass_.contract, Certified) for s, _, _ in self.history):
            return self._final_theorems()
        contract = joint_contract([s.pass_.contract for s, _, _ in self.history])
        if contract is None:
            return Verdict.INCONCLUSIVE, "passes with budgets change the outputs; their metrics were checked"
        whole = Result(
            self.program,
            tuple(r for _, _, result in self.history for r in result.replacements),
            scratch={k: v for _, _, result in self.history for k, v in result.scratch.items()},
        )
        outputs = self.verifier.outputs
        assert outputs is not None
        finding = outputs.compare(self.start, whole, contract)
        if finding.verdict is Verdict.BROKEN:
            self._blame()
            raise fail("G1005", f"the compiled program differs from the first one: {finding.reason}")
        return finding.verdict, finding.reason

    def _final_theorems(self) -> tuple[Verdict, str]:
        """Every pass's promise, checked at the end."""
        for index, (step, before, result) in enumerate(self.history):
            contract = step.pass_.contract
            if isinstance(contract, Certified):
                verification = certified(before, result.program, contract)
                if verification.verdict is Verdict.BROKEN:
                    record = self.records[index]
                    self.records = self.records[:index]
                    self.program, self.last = before, record.before
                    raise self._broken(step, before, result, verification, record)
        return Verdict.HOLDS, ""

    def _blame(self) -> None:
        """Checks every pass again, in order, and raises ContractBroken at the first broken one."""
        for index, (step, before, result) in enumerate(self.history):
            verification = self.verifier.verify(before, result, step.pass_.contract)
            if verification.verdict is Verdict.BROKEN:
                record = verified_record(self.records[index], verification, 0.0)
                self.records = self.records[:index]
                self.program, self.last = before, record.before
                raise self._broken(step, before, result, verification, record)


# --- pieces ---------------------------------------------------------------------------------------


def check_pipeline(pipeline: Pipeline, program: Program, context: Context) -> None:
    """Everything that can be refused before anything runs."""
    meter = context.meter
    known = (*STATIC_METRICS, *(meter.metrics if meter is not None else ()))
    for step in pipeline.steps:
        pass_ = step.pass_
        if program.variant not in pass_.variants:
            variants = " or ".join(sorted(pass_.variants))
            raise fail(
                "G1003", f"pass {pass_.name} takes the {variants} variant, not {program.variant}", step.span
            )
        contract = pass_.contract
        if isinstance(contract, Budget) and not step.budgets and contract.metric not in known:
            message = f"pass {pass_.name} is lossy: it needs 'data:' and the metric '{contract.metric}'"
            raise fail("G1032", message, step.span)
        for expression, _ in step.budgets:
            check_metrics(expression, known)
    for expression, _ in pipeline.budgets:
        check_metrics(expression, known)


def check_legality(result: Result, before: Program, pass_: Pass) -> None:
    """The nodes that a pass made, and the program's tables, obey the table of legal IR. Raises
    SpecError G1006."""
    after = result.program
    if after is before:
        return
    from ...graph.ir.legality import Level, check

    known = set(before.graph.nodes)
    made = [n for n in after.graph.nodes if n not in known]
    found = check(made, Level.NODES) + check(after, Level.FAST)
    if found:
        node = found[0].node
        origin = after.origins.get(node.outputs[0]) if node is not None and node.outputs else None
        message = f"pass {pass_.name} made an illegal graph: {'; '.join(map(str, found[:3]))}"
        raise fail("G1006", message, origin.spans[0] if origin and origin.spans else None)


def options_of(pass_: Pass) -> dict[str, Any]:
    return {f.name: getattr(pass_, f.name) for f in fields(pass_)}  # type: ignore[arg-type]  # passes are dataclasses


def place(step: Step | None) -> Any:
    return step.span if step is not None else None


def worst_verdict(found: Sequence[BudgetFinding]) -> Verdict:
    broken = any(b.verdict is Verdict.BROKEN for b in found)
    return Verdict.BROKEN if broken else Verdict.INCONCLUSIVE


def verified_record(record: PassRecord, verification: Verification, seconds: float) -> PassRecord:
    """The record with what its verification found, which took `seconds`."""
    return replace(
        record,
        verdict=verification.verdict,
        verify_seconds=seconds,
        sites=verification.sites,
        unchecked=verification.unchecked,
        error=verification.error,
        output_error=verification.output_error,
        ties=verification.ties,
        drift=verification.drift,
        reason=verification.reason,
    )


def certified(before: Program, after: Program, contract: Certified) -> Verification:
    """The verdict on a pass over theories."""
    if after is before:
        return Verification(Verdict.HOLDS)
    from .theorem_check import check_theorems

    finding = check_theorems(before, after, contract)
    return Verification(finding.verdict, reason=finding.reason)


def culprit_origin(culprit: Culprit | None, before: Program, after: Program) -> Origin:
    merged = Origin()
    for value in (*culprit.replacement.old, *culprit.replacement.new) if culprit else ():
        for program in (before, after, culprit.result.program if culprit else after):
            merged = merged.merge(program.origins.get(value, Origin()))
    return merged


def joint_contract(contracts: Sequence[Contract]) -> Contract | None:
    """What all passes together promise; None where one has a budget."""
    if any(isinstance(c, Budget) for c in contracts):
        return None
    bounded = [c for c in contracts if isinstance(c, Bounded)]
    if bounded:
        metrics = {c.metric for c in bounded}
        if len(metrics) > 1:
            return None
        return Bounded(metrics.pop(), sum(c.limit for c in bounded))
    return Exact(
        "algebra" if any(c.sense == "algebra" for c in contracts if isinstance(c, Exact)) else "bits"
    )


__all__ = ["Measurement", "PassManager"]
