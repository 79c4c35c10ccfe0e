"""Running a grid: a Fixpoint node whose body is one cycle of its blocks.

The engine decides which goals a cycle tries and at which stage; the graph decides the rest. A goal
is tried by the block that lists it, with the rules in that block's mail, and a theorem becomes a
rule once the body brought it into a state. Laws that the engine tries on its own account are tried
by the block that assumes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ...graph.ir import Graph, Node, Value
from ...graph.theory import Goal
from .certificates import Certificate
from .engine.attempt import Found, Workshop
from .engine.block import Counts
from .engine.prover import Cycle, Outcome, Prover, _groups, attempt_all, run_attempts
from .engine.rules import rule_of
from .facts import Facts, merged

Progress = Callable[[Cycle], None]
Tried = dict[str, Found]


class GridProver(Prover):
    """The engine with its attempts made by the blocks of a body. `states` are those of the blocks,
    one an argument of the body."""

    def __init__(self, body: Graph, states: Sequence[Facts], executor: Any = None) -> None:
        given = merged(states)
        theory = given.theory
        kept = tuple(a for a in theory.axioms if a.name in given.statements)
        super().__init__(replace(theory, axioms=kept), executor)
        self.body = body
        self.states = list(states)
        self.blocks = [n for n in body.nodes if n.operator.name == "Block"]
        self.first = next((b for b in self.blocks if not b.attribute("scope")), self.blocks[0])
        self.owner = {g: b for b in self.blocks for g in b.attribute("goals") or ()}
        for theorem in given.theorems:
            self.theorems.append(theorem)
            self.methods[theorem.name] = given.methods.get(theorem.name, "")
            if self.methods[theorem.name].startswith("induction"):
                self.shop.add(rule_of(theorem.name, theorem.statement))

    def _attempts(self, batch: list[Goal], level: int) -> list[Found | None]:
        """One cycle of the body. Blocks whose operands are there are tried together."""
        found: Tried = {}
        values: dict[Value, Facts] = dict(zip(self.body.inputs, self.states, strict=True))
        waiting: list[Node] = []
        for node in self.body.nodes:
            if node.operator.name not in ("Block", "Merge"):
                continue
            if any(v not in values for v in node.inputs if v is not None):
                self._blocks(waiting, values, batch, level, found)
                waiting = []
            if node.operator.name == "Block":
                waiting.append(node)
            else:
                values[node.outputs[0]] = merged([values[v] for v in node.inputs if v is not None])
        self._blocks(waiting, values, batch, level, found)
        self.states = [values[v] for v in self.body.outputs]
        return [found.get(g.name) for g in batch]

    def _blocks(
        self,
        blocks: Sequence[Node],
        values: dict[Value, Facts],
        batch: Sequence[Goal],
        level: int,
        found: Tried,
    ) -> None:
        """The blocks' attempts at their goals of the batch, and what each of them then knows."""
        first = self.first
        together = self.shop.stages[level].kind == "completion"
        tasks: list[tuple[Workshop, list[Goal]]] = []
        for block in blocks:
            mine = [g for g in batch if self.owner.get(g.name, first) is block]
            if mine:
                shop = self._workshop(_operand(values, block, 1))
                tasks += [(shop, [mine[i] for i in group]) for group in _groups(mine, together)]
        for (_, goals), results in zip(tasks, self._results(tasks, level), strict=True):
            found.update({g.name: r for g, r in zip(goals, results, strict=True) if r is not None})
        for block in blocks:
            state, mail = (_operand(values, block, i) for i in (0, 1))
            own = block.attribute("goals") or ()
            proved = {name: found[name] for name in own if name in found}
            if block is first:
                proved |= {name: f for name, f in found.items() if name not in self.owner}
            values[block.outputs[0]] = merged([state, mail])
            values[block.outputs[1]] = Facts(
                state.theory, {name: f.theorem.statement for name, f in proved.items()}
            )

    def _workshop(self, mail: Facts) -> Workshop:
        """The engine's rules: all, where the mail has them all."""
        if all(r.name in mail.statements for r in self.shop.rules):
            return self.shop
        shop = Workshop(self.theory)
        for rule in self.shop.rules:
            if rule.name in mail.statements:
                shop.add(rule)
        return shop

    def _results(self, tasks: Sequence[tuple[Workshop, list[Goal]]], level: int) -> list[list[Found | None]]:
        if self.executor is None:
            results = [attempt_all(shop, goals, level) for shop, goals in tasks]
            others = {id(s): s for s, _ in tasks if s is not self.shop}
            self.shop.counts = sum((s.counts for s in others.values()), self.shop.counts)
            return results
        work = [
            (self.theory, tuple((r.name, r.formula) for r in shop.rules), tuple(goals), level)
            for shop, goals in tasks
        ]
        answers: Iterable[tuple[int, Any]] = sorted(
            self.executor.map_unordered(run_attempts, work), key=lambda answer: answer[0]
        )
        results = []
        for _, (theorems, counts) in answers:
            results.append(theorems)
            self.shop.counts += counts
        return results

    def _is_rule(self, found: Found) -> bool:
        """Of theorems that the body brought into a state, those that the engine has use for."""
        name = found.theorem.name
        return any(name in s.statements for s in self.states) and super()._is_rule(found)


def run_grid(
    node: Node, states: Sequence[Facts], executor: Any = None, progress: Progress | None = None
) -> tuple[list[Facts], Outcome]:
    """The final states of a Fixpoint node, the first with what was proved, and the engine's record.
    Ctrl-C ends the search: what was proved until then is kept."""
    theory = states[0].theory
    bounds = replace(theory.bounds, cycles=node.attribute("cycles"))
    prover = GridProver(
        node.attribute("body"), [replace(s, theory=replace(theory, bounds=bounds)) for s in states], executor
    )
    done = {t.name for t in prover.theorems}
    goals = [g for g in theory.goals if g.name in prover.owner and g.name not in done]
    try:
        outcome = prover.run(goals, progress)
    except KeyboardInterrupt:
        outcome = _partial(prover, goals)
    first = replace(
        prover.states[0],
        theorems=outcome.certificate.theorems,
        methods=outcome.methods,
        stopped=outcome.stopped,
    )
    return [replace(s, theory=theory) for s in (first, *prover.states[1:])], outcome


def _partial(prover: Prover, goals: Sequence[Goal]) -> Outcome:
    names = {t.name for t in prover.theorems}
    return Outcome(
        Certificate(prover.theory, tuple(prover.theorems)),
        dict(prover.methods),
        tuple(g for g in goals if g.name not in names),
        cycles=prover.cycles,
        stopped="interrupted",
    )


def _operand(values: Mapping[Value, Facts], node: Node, place: int) -> Facts:
    value = node.inputs[place]
    assert value is not None
    return values[value]


__all__ = ["Counts", "GridProver", "Progress", "run_grid"]
