"""Passes over theories in the manager: what each does, and that a broken promise is found."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from graphwright.backends.logic import kernel
from graphwright.backends.logic.certificates import Certificate, header
from graphwright.backends.logic.reading import certificate_lines, node_of, read_theorems, theory_of
from graphwright.graph.diagnostics import SpecError
from graphwright.graph.ir import Program
from graphwright.graph.spec.reader import read_document
from graphwright.graph.theory import All, Equation, Goal, Theory, Variable
from graphwright.graph.theory.infix_printer import print_statement
from graphwright.graph.theory.reader import read_theory
from graphwright.passes.logic.certify import Certify
from graphwright.passes.logic.compress import Compress, compressed
from graphwright.passes.logic.conjecture import Conjecture
from graphwright.passes.logic.export import Export
from graphwright.passes.logic.filter import Filter
from graphwright.passes.logic.functionalise import Functionalise
from graphwright.passes.logic.lowering import lower
from graphwright.passes.logic.prove import Prove
from graphwright.passes.logic.theory_pass import relowered, theorems_node, with_result
from graphwright.passes.manager import Certified, Context, ContractBroken, PassManager, Result, Verdict
from graphwright.tools.proofs.pipeline import prove

SPECS = Path(kernel.__file__).parents[2] / "specs" / "logic"


@cache
def theory(name: str) -> Theory:
    return read_theory(read_document(str(SPECS / f"{name}.yaml"))).theory


@cache
def proved(name: str) -> Program:
    return PassManager().run(lower(theory(name)), [Prove()], verify="none").program


def run(program: Program, *passes: object) -> Program:
    record = PassManager().run(program, list(passes))
    assert all(p.verdict is Verdict.HOLDS for p in record.passes)
    return record.program


def names(program: Program) -> set[str]:
    found = theory_of(program)
    assert found is not None
    return {t.name for t in read_theorems(certificate_lines(program), found)}


# --- each pass ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["peano", "lattice", "gauss"])
def test_compressing_keeps_goals_and_shortens_proofs(name: str) -> None:
    before = proved(name)
    after = run(before, Compress())
    assert len(certificate_lines(after)) < len(certificate_lines(before))
    assert {g.name for g in theory(name).goals} <= names(after) <= names(before)
    assert kernel.check(certificate_lines(after), header(theory_of(after))).accepted
    assert run(after, Compress()) is after


def test_no_proof_grows_and_each_says_the_same() -> None:
    found = theory_of(proved("peano"))
    assert found is not None
    for theorem in read_theorems(certificate_lines(proved("peano")), found):
        shorter = compressed(theorem)
        assert len(shorter.steps) <= len(theorem.steps)
        assert shorter.statement == theorem.statement


def test_what_is_said_twice_is_said_once() -> None:
    """A step shown again from more assumptions, and a chain in a chain."""
    found = theory("lattice")
    lines = [json.loads(line) for line in certificate_lines(run(proved("lattice"), Compress()))]
    for name in {r["name"] for r in lines if r["record"] == "theorem"}:
        start = next(i for i, r in enumerate(lines) if r == {**r, "record": "theorem", "name": name})
        steps = [r for r in lines[start:] if r["record"] == "step"]
        chains = {s["id"] for s in steps if s["rule"] == "transitivity"}
        assert not any(chains & set(s["premises"]) for s in steps if s["rule"] == "transitivity")
    assert found.goals


def test_a_relation_becomes_a_function_with_its_licence() -> None:
    before = lower(theory("relational_addition"))
    after = run(before, Functionalise())
    found = theory_of(after)
    assert found is not None
    assert "the_plus" in found.signature.function
    assert {print_statement(a.statement) for a in found.axioms} == {
        "the_plus(x, 0) = x",
        "the_plus(x, s(y)) = s(the_plus(x, y))",
    }
    (definition,) = found.definitions
    assert "a sum exists" in definition.licence
    assert "a sum is unique" in definition.licence
    lines = certificate_lines(run(after, Prove(), Compress()))
    verdict = kernel.check(lines, header(found))
    assert verdict.accepted
    assert verdict.theorems["a sum exists"] == ("plus as a function",)
    assert verdict.theorems["a sum is unique"] == ("plus as a function",)
    assert {g.name for g in theory("relational_addition").goals} <= set(verdict.theorems)


def test_the_functional_goals_are_true_where_the_relational_ones_are() -> None:
    after = theory_of(run(lower(theory("relational_addition")), Functionalise(), Filter()))
    assert after is not None
    (model,) = after.models
    parameters, _ = model.functions["the_plus"]  # type: ignore[union-attr]  # a model of integers
    assert parameters == ("x", "y")


@pytest.mark.parametrize(
    ("old", "new", "note"),
    [
        ("some z. plus(x, y, z)", "some z. plus(x, x, z)", "does not say that 'plus' has a value everywhere"),
        (
            "plus(x, y, w) -> z = w",
            "plus(y, x, w) -> z = w",
            "does not say that 'plus' has one value at most",
        ),
        (
            "plus(x, y, w) -> z = w",
            "plus(x, y, w) -> z = z",
            "does not say that 'plus' has one value at most",
        ),
    ],
)
def test_what_does_not_license_a_function(tmp_path: Path, old: str, new: str, note: str) -> None:
    path = tmp_path / "t.yaml"
    text = (SPECS / "relational_addition.yaml").read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    program = lower(read_theory(read_document(str(path))).theory)
    record = PassManager().run(program, [Functionalise()])
    assert record.program is program
    assert note in record.passes[0].notes[0]


def test_conjectures_are_added_and_filtered() -> None:
    bare = replace(theory("group"), goals=())
    program = run(lower(bare), Conjecture(operators=2), Filter())
    found = theory_of(program)
    assert found is not None
    assert all(g.conjectured for g in found.goals)
    false = Goal("conjecture 0", All(*_commutes()), conjectured=True)
    more = relowered(program, replace(found, goals=(false, *found.goals)))
    record = PassManager().run(more, [Filter()])
    assert "x * y = y * x is false" in record.passes[0].notes[0]
    assert theory_of(record.program).goals == found.goals  # type: ignore[union-attr]  # it has a theory


def _commutes() -> tuple[tuple[Variable, ...], tuple[()], Equation]:
    of = theory("group").signature.apply
    x, y = Variable("x", "G"), Variable("y", "G")
    return (x, y), (), Equation(of("*", x, y), of("*", y, x))


def test_a_goal_that_a_model_refutes_stops_the_filter() -> None:
    wrong = replace(theory("group"), goals=(Goal("commutes", All(*_commutes())),))
    with pytest.raises(SpecError) as caught:
        PassManager().run(lower(wrong), [Filter()])
    assert [d.code for d in caught.value.diagnostics] == ["G1623"]


def test_files_are_outputs_of_the_program() -> None:
    after = run(proved("lattice"), Certify(), Export(("theorems", "tptp", "smtlib", "certificates")))
    assert after.output_names == ("theorems", "files", "texts")
    from graphwright.backends.logic.backend import LogicBackend

    results = LogicBackend().load(after).run({})
    files = dict(zip(results["files"].tolist(), results["texts"].tolist(), strict=True))
    assert {"theorems.jsonl", "certificates.jsonl", "steps.smt2", "tptp/0001.p"} <= set(files)
    assert np.array_equal(results["theorems"], files["certificates.jsonl"].splitlines())


def test_passes_over_tensors_leave_theories_alone_and_the_other_way_round(make) -> None:
    from graphwright.passes.simplify.family import Simplify

    program = lower(theory("lattice"))
    assert Simplify().run(program, Context()).program.graph == program.graph
    x = make.input()
    tensors = make.program(make.apply("Relu", x))
    for pass_ in (Functionalise(), Conjecture(), Filter(), Prove(), Compress(), Certify(), Export()):
        assert pass_.run(tensors, Context()).program is tensors


# --- broken promises ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rogue:
    """A pass that does `what` and promises what the others do."""

    what: str

    name: ClassVar[str] = "rogue"
    variants: ClassVar[frozenset[str]] = frozenset({"infer"})

    @property
    def contract(self) -> Certified:
        return Certified(goals="fewer" if self.what == "drops a goal" else "kept")

    def run(self, program: Program, context: Context) -> Result:
        found = theory_of(program)
        assert found is not None
        if self.what == "drops an axiom":
            return Result(relowered(program, replace(found, axioms=found.axioms[1:])))
        if self.what == "changes a goal":
            other = replace(found.goals[0], statement=found.goals[1].statement)
            return Result(relowered(program, replace(found, goals=(other, *found.goals[1:]))))
        if self.what == "drops a goal":
            return Result(relowered(program, replace(found, goals=found.goals[1:])))
        return Result(self._forged(program, found))

    def _forged(self, program: Program, found: Theory) -> Program:
        node = node_of(program, "Theorems")
        assert node is not None
        axioms = node.inputs[0]
        assert axioms is not None
        theorems = read_theorems(certificate_lines(program), found)
        own = len(list(header(found)))
        methods = list(node.attribute("methods"))
        if self.what == "loses a theorem":
            kept = [t for t in theorems if t.name != found.goals[0].name]
            lines = list(Certificate(found, tuple(kept)).lines())[own:]
            return with_result(program, theorems_node(axioms, lines, methods[1:]))
        lines = list(node.attribute("proofs"))
        place = next(i for i, line in enumerate(lines) if '"rule":"cite"' in line)
        lines[place] = lines[place].replace('"rule":"cite"', '"rule":"reflexivity"')
        return with_result(program, theorems_node(axioms, lines, methods))


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("drops an axiom", "what is taken for true changed"),
        ("changes a goal", "is another one"),
        ("drops a goal", "was lost"),
        ("loses a theorem", "was lost"),
        ("forges a step", "the kernel rejects line"),
    ],
)
@pytest.mark.parametrize("verify", ["each", "final"])
def test_a_broken_promise_stops_the_run(what: str, reason: str, verify: str) -> None:
    grid = "theorem" not in what and "forges" not in what
    program = lower(theory("lattice")) if grid else proved("lattice")
    with pytest.raises(ContractBroken, match=reason) as caught:
        PassManager().run(program, [Rogue(what)], verify=verify)
    assert caught.value.diagnostics[0].code == "G1002"
    assert caught.value.program is program


# --- recipes and the whole ------------------------------------------------------------------------


def test_a_recipe_of_passes_over_theories(tmp_path: Path) -> None:
    from graphwright.tools.compilation import choose_pipeline

    path = tmp_path / "short.yaml"
    path.write_text(
        "graphwright: 1\nkind: recipe\nname: short\npasses:\n"
        "  - functionalise\n  - prove: {workers: 1, depth: 1}\n  - compress\n  - certify\n"
        "  - export: {formats: [certificates]}\n",
        encoding="utf-8",
    )
    found = prove(theory("monoid"), choose_pipeline(str(path), ()))
    assert [p.name for p in found.record.passes] == [
        "functionalise",
        "prove",
        "compress",
        "certify",
        "export",
    ]
    assert list(found.files) == ["certificates.jsonl"]
    assert found.is_complete


def test_nothing_is_a_theorem_before_the_kernel_says_so() -> None:
    """Without certify the facts hold no accepted theorem, though the search found proofs."""
    from graphwright.tools.proofs.pipeline import result_of

    found = result_of(PassManager().run(lower(theory("monoid")), [Prove()]))
    assert found.facts.theorems
    assert not found.is_complete
    assert found.to_json()["theorems"] == []
