"""Why a rule did or did not apply at a node: `graphwright explain pass NAME --node NODE`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ...graph.diagnostics import did_you_mean, fail
from ...graph.ir import Node, Program
from .rewriting_pass import RewritingPass
from .rule import Pair, Rule
from .sweep import RuleIndex, Sweep


@dataclass(frozen=True)
class Attempt:
    """One rule tried at a node. `reason` is None where it applied; `depth` counts what went right
    before it failed: operators of the pattern found there, then conditions held."""

    rule: str
    text: str
    reason: str | None
    depth: int


@dataclass(frozen=True)
class Explanation:
    """All rules tried at `node`, the closest first."""

    node: str
    operator: str
    attempts: tuple[Attempt, ...]

    @property
    def closest(self) -> Attempt | None:
        return self.attempts[0] if self.attempts else None

    def __str__(self) -> str:
        closest = self.closest
        if closest is None:
            return f"{self.node}: no rule of this pass starts at {self.operator}"
        if closest.reason is None:
            return f"{self.node}: rule {closest.rule} applies: {closest.text}"
        return f"{self.node}: the closest rule is {closest.rule}: {closest.text}\n  {closest.reason}"


def explain(pass_: RewritingPass, program: Program, node: str) -> Explanation:
    """Tries every rule of the pass at the node called `node` (one of `program.names`).

    Raises SpecError G1021 for an unknown name.
    """
    value = program.names.get(node) or program.outputs.get(node)
    if value is None:
        hint = did_you_mean(node, [*program.names, *program.outputs])
        raise fail("G1021", f"the program has no node called '{node}'", hint=hint)
    return explain_node(pass_.rules(program), program, value.node, node)


def explain_node(rules: Iterable[Rule], program: Program, node: Node, name: str) -> Explanation:
    index = RuleIndex(rules)
    sweep = Sweep(program, index, "explain")
    sweep.watch(program.graph)
    attempts = [_attempt(rule, node, sweep) for rule in index.all_for(node.operator)]
    attempts.sort(key=lambda a: (a.reason is not None, -a.depth))
    return Explanation(name, node.name, tuple(attempts))


def _attempt(rule: Rule, node: Node, sweep: Sweep) -> Attempt:
    reasons: list[str] = []
    sweep.refuse = reasons.append
    found = rule.attempt(node, sweep)
    text = rule.text if isinstance(rule, Pair) else rule.name
    if found is not None and tuple(found) != node.outputs and sweep._fits(node, tuple(found)):
        return Attempt(rule.name, text, None, 99)
    reason = reasons[-1] if reasons else "it does not apply here"
    return Attempt(rule.name, text, reason, _depth(rule, node, reason))


def _depth(rule: Rule, node: Node, reason: str) -> int:
    """How many of the pattern's operators stand where the pattern wants them."""
    if not isinstance(rule, Pair):
        return 1
    operators = {v.node.operator for v in node.inputs if v is not None}
    wanted = [p.operator for p in rule.pattern.inputs if hasattr(p, "operator")]
    structural = " stands where " in reason or reason[:3] == "no "
    return 1 + sum(o in operators for o in wanted) + (0 if structural else 1)
