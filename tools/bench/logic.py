"""The logic engine: goals of the library, a batch ten times as large, joins beside peers."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np

from ...backends.logic.certificates import header
from ...backends.logic.engine.block import Block, Limits
from ...backends.logic.engine.prover import Prover
from ...backends.logic.engine.rules import rule_of
from ...backends.logic.kernel import check
from ...graph.spec.reader import read_document
from ...graph.theory import (
    FALSEHOOD,
    All,
    Application,
    ArithmeticModel,
    Atom,
    Axiom,
    Equation,
    Formula,
    Goal,
    Or,
    Signature,
    Some,
    Term,
    Theory,
    Variable,
)
from ...graph.theory.reader import read_theory
from ...passes.logic.functionalise import Licence, functionalised, licence

COMMAND = "python -m graphwright.tools.bench logic"
SPECS = Path(__file__).parents[2] / "specs" / "logic"
COPIES, PLACES, LINKS = 10, 60, 150


def report() -> None:
    """The tables; CPU seconds of one process."""
    print(f"command: {COMMAND}")
    print(f"{'theory':18} {'goals':>9} {'search s':>9} {'kernel s':>9} {'steps':>6}")
    for path in sorted(SPECS.glob("*.yaml")):
        _row(path.stem, _in_functions(read_theory(read_document(str(path))).theory))
    _row(f"peano, {COPIES} copies", copies(read_theory(read_document(str(SPECS / "peano.yaml"))).theory))
    _joins()


def _in_functions(theory: Theory) -> Theory:
    """The theory as the pass `functionalise` leaves it: what the engine gets."""
    found = (licence(theory, relation) for relation in theory.signature.relations)
    return functionalised(theory, [one for one in found if isinstance(one, Licence)])


def _row(name: str, theory: Theory) -> None:
    start = process_time()
    outcome = Prover(theory).run(theory.goals)
    searched = process_time()
    verdict = check(outcome.certificate.lines(), header(theory))
    checked = process_time()
    proved = f"{len(theory.goals) - len(outcome.unproved)}/{len(theory.goals)}"
    rejected = "" if verdict.accepted else f" REJECTED: {verdict.reason}"
    times = f"{searched - start:9.2f} {checked - searched:9.2f}"
    print(f"{name:18} {proved:>9} {times} {verdict.steps:6}{rejected}")


def copies(theory: Theory, count: int = COPIES) -> Theory:
    """The theory so many times beside itself, each with sorts, functions and goals of its own."""
    parts = [_Copy(f".{i}") for i in range(count)]
    signature = Signature(
        tuple(replace(s, name=s.name + c.mark) for c in parts for s in theory.signature.sorts),
        tuple(
            replace(
                f,
                name=f.name + c.mark,
                inputs=tuple(s + c.mark for s in f.inputs),
                output=f.output + c.mark,
                infix="",
            )
            for c in parts
            for f in theory.signature.functions
        ),
        (),
        tuple(
            replace(d, sort=d.sort + c.mark, constructors=tuple(k + c.mark for k in d.constructors))
            for c in parts
            for d in theory.signature.datatypes
        ),
    )
    axioms = tuple(Axiom(a.name + c.mark, c.formula(a.statement)) for c in parts for a in theory.axioms)
    goals = tuple(Goal(g.name + c.mark, c.formula(g.statement)) for c in parts for g in theory.goals)
    models = tuple(
        ArithmeticModel(
            m.name,
            {s + c.mark: points for c in parts for s, points in m.points.items()},
            {f + c.mark: body for c in parts for f, body in m.functions.items()},
        )
        for m in theory.models
        if isinstance(m, ArithmeticModel)
    )
    return replace(theory, signature=signature, axioms=axioms, goals=goals, models=models, definitions=())


class _Copy:
    def __init__(self, mark: str) -> None:
        self.mark = mark

    def variable(self, variable: Variable) -> Variable:
        return Variable(variable.name, variable.sort + self.mark)

    def term(self, term: Term) -> Term:
        if isinstance(term, Variable):
            return self.variable(term)
        assert isinstance(term, Application)
        arguments = tuple(self.term(a) for a in term.arguments)
        return Application(term.symbol + self.mark, arguments, term.sort + self.mark)

    def formula(self, formula: Formula) -> Formula:
        match formula:
            case Equation(left, right):
                return Equation(self.term(left), self.term(right))
            case Or(alternatives):
                return Or(tuple(map(self.formula, alternatives)))
            case Some(variables, conjuncts):
                return Some(tuple(map(self.variable, variables)), tuple(map(self.formula, conjuncts)))
            case All(variables, premises, conclusion):
                bound, given = tuple(map(self.variable, variables)), tuple(map(self.formula, premises))
                return All(bound, given, self.formula(conclusion))
        return formula


# --- joins ---------------------------------------------------------------------------------

Links = list[tuple[int, int]]


def _joins() -> None:
    """What is reachable in a random graph: two rules, facts a second of each engine."""
    draw = random.Random(0)
    links = sorted({(draw.randrange(PLACES), draw.randrange(PLACES)) for _ in range(LINKS)})
    print(f"\nreachability, {PLACES} places, {len(links)} links; matches are messages between rules")
    print(f"{'engine':34} {'facts':>6} {'CPU s':>8} {'facts/s':>10} {'to ours':>8}")
    engines: list[tuple[str, Callable[[Links], int]]] = [
        ("ours (explains every fact)", _ours),
        ("semi-naive join, Python sets", _sets),
        ("semi-naive join, NumPy", _arrays),
    ]
    if find_spec("egglog") is not None:
        engines.append(("egglog (Rust; no proofs)", _egglog(import_module("egglog.bindings"))))
    else:
        print("egglog is not installed: pip install graphwright[bench]")
    rate = 0.0
    for name, engine in engines:
        start = process_time()
        facts = engine(links)
        taken = max(process_time() - start, 1e-6)
        rate = rate or facts / taken
        print(f"{name:34} {facts:6} {taken:8.4f} {facts / taken:10.0f} {facts / taken / rate:8.1f}")


def _ours(links: Links) -> int:
    x, y, z = (Variable(n, "P") for n in "xyz")

    def atom(relation: str, *places: Term) -> Atom:
        return Atom(relation, places)

    rules = [
        rule_of("start", All((x, y), (atom("link", x, y),), atom("path", x, y))),
        rule_of("step", All((x, y, z), (atom("path", x, y), atom("link", y, z)), atom("path", x, z))),
    ]
    block = Block(rules, frozenset(), set(), Limits(rounds=PLACES, nodes=100_000))
    for a, b in links:
        block.assume(atom("link", Application(f"p{a}", (), "P"), Application(f"p{b}", (), "P")))
    block.saturate(FALSEHOOD)
    print(f"  ours: {block.matches} matches, {block.graph.unions} unions")
    return len(block.graph.tables["is path"])


def _sets(links: Links) -> int:
    following: dict[int, list[int]] = {}
    for a, b in links:
        following.setdefault(a, []).append(b)
    known = set(links)
    new = known
    while new:
        new = {(a, c) for a, b in new for c in following.get(b, ())} - known
        known = known | new
    return len(known)


def _arrays(links: Links) -> int:
    link = np.zeros((PLACES, PLACES), dtype=np.int64)
    link[tuple(np.array(links).T)] = 1
    known = link > 0
    new = known
    while new.any():
        new = (new.astype(np.int64) @ link > 0) & ~known
        known = known | new
    return int(known.sum())


def _egglog(bindings: Any) -> Callable[[Links], int]:
    """The program as text: parsing it is in the time."""

    def run(links: Links) -> int:
        graph = bindings.EGraph()
        program = """(relation link (i64 i64)) (relation path (i64 i64))
            (rule ((link x y)) ((path x y))) (rule ((path x y) (link y z)) ((path x z)))"""
        program += " ".join(f"(link {a} {b})" for a, b in links) + f"(run {PLACES}) (print-size path)"
        output = graph.run_program(*graph.parse_program(program))
        return int("".join(c for c in str(output[-1]) if c.isdigit()))

    return run
