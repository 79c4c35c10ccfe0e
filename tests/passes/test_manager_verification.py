"""Contracts: broken passes are caught at the site, named, bisected, and leave a reproducer."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest

from graphwright.backends.reference import ReferenceEvaluator
from graphwright.graph.diagnostics import Source, Span, SpecError
from graphwright.graph.ir import Origin, apply, constant, substitute
from graphwright.passes.manager import (
    Bounded,
    Context,
    ContractBroken,
    Exact,
    PassManager,
    Replacement,
    Result,
    Verdict,
)
from graphwright.passes.manager.comparison import Measured, distance, same_algebra, same_bits
from graphwright.passes.manager.evaluation import Samples
from graphwright.passes.manager.output_check import OutputCheck
from graphwright.passes.manager.sites import region_of
from graphwright.passes.rewriting import rules
from graphwright.passes.rewriting.rewriting_pass import RewritingPass
from graphwright.passes.simplify.algebra import SimplifyAlgebra
from graphwright.passes.simplify.family import Simplify

F = np.float32


def manager(folder=None):
    return PassManager(ReferenceEvaluator(), folder)


@dataclass(frozen=True)
class TablePass(RewritingPass):
    """A pass made of one table, with a sense of its choice."""

    name: ClassVar[str] = "table"
    table: str = ""
    promise: str = "algebra"

    @property
    def contract(self):
        return Exact(self.promise)

    def rules(self, program):
        return rules(self.table, {}, self.promise)


@dataclass(frozen=True)
class WholePass:
    """A pass without sites: gives each output what `change` makes of it."""

    change: object
    contract: object = Exact("bits")
    name: ClassVar[str] = "whole"
    variants: ClassVar[frozenset[str]] = frozenset({"train", "infer"})

    def run(self, program, context):
        return Result(program.with_graph(tuple(map(self.change, program.graph.outputs))))


WRONG = {
    "a sign": ("wrong: x - (-y) -> x - y", lambda m, x, y: m.apply("Sub", x, m.apply("Neg", y))),
    "an operand": ("wrong: Max(x, y) -> Min(x, y)", lambda m, x, y: m.apply("Max", x, y)),
    "a slightly wrong number": (
        "wrong: x * 2 -> x * 2.0000002",
        lambda m, x, y: m.apply("Mul", x, m.const(2)),
    ),
    "cancellation": ("wrong: x - y -> (x + 1000.0) + (-y + -1000.0)", lambda m, x, y: m.apply("Sub", x, y)),
    "a comparison": ("wrong: Less(x, y) -> Greater(x, y)", lambda m, x, y: m.apply("Less", x, y)),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_rule_is_caught_and_named_at_its_spec_line(make, name):
    table, build = WRONG[name]
    source = Source("model.yaml", "nodes:\n  y: wrong\n")
    value = build(make, make.input("x"), make.input("y"))
    line = Span(source, 2, 3, 2, 8)
    program = make.program(value, origins={value: Origin((line,), "block.2")})
    with pytest.raises(ContractBroken) as error:
        manager().run(program, [TablePass(table)])
    (diagnostic,) = error.value.diagnostics
    assert diagnostic.code == "G1001"
    assert "pass table" in diagnostic.message
    assert "rule wrong" in diagnostic.message
    assert diagnostic.span == line
    assert any("block.2" in n.message for n in diagnostic.notes)
    assert error.value.program is program  # the last good one
    assert error.value.record.passes[-1].verdict is Verdict.BROKEN


def test_cancellation_is_equal_in_real_arithmetic_but_its_native_error_grew(make):
    x, y = make.input("x"), make.input("y")
    with pytest.raises(ContractBroken, match="error in float32 grew"):
        manager().run(make.program(make.apply("Sub", x, y)), [TablePass(WRONG["cancellation"][0])])


def test_right_rules_hold_and_are_recorded(make):
    x = make.input(shape=("n", 4))
    y = make.apply(
        "Mul", make.apply("Mul", make.apply("Add", x, make.const(0)), make.const(0.1)), make.const(0.3)
    )
    record = manager().run(make.program(y), [SimplifyAlgebra()])
    (row,) = record.passes
    assert (row.verdict, row.sites, row.unchecked) == (Verdict.HOLDS, 3, 0)
    assert row.hits == {"add-zero": 1, "mul-mul": 1, "constant-operands": 1}
    assert (row.before.nodes, row.after.nodes) == (3, 1)
    assert record.verdict is Verdict.HOLDS
    assert json.loads(json.dumps(record.to_json()))["passes"][0]["verdict"] == "holds"


def test_fifty_slightly_wrong_rewrites_in_a_deep_chain_are_all_caught(make):
    y = make.input(shape=(4, 8))
    pairs = []
    for k in range(50):
        old = apply("Mul", y, constant(F(0.5 + 0.001 * k)))
        new = apply("Mul", y, constant(F((0.5 + 0.001 * k) * (1 + 1e-6))))
        pairs.append((old, new))
        y = apply("Tanh", old)
    program = make.program(y)
    final = substitute(program.graph.outputs, dict(pairs))
    feeds = {"x": np.random.default_rng(0).standard_normal((4, 8)).astype(F)}
    moved = np.abs(make.run(program, feeds, True)[0] - make.run(make.program(*final), feeds, True)[0]).max()
    assert moved < 1e-8  # at the output there is next to nothing to see

    @dataclass(frozen=True)
    class Listed:
        name: ClassVar[str] = "listed"
        variants: ClassVar[frozenset[str]] = frozenset({"infer"})
        contract: ClassVar[Exact] = Exact("algebra")

        def run(self, program, context):
            sites = tuple(Replacement((o,), (n,), f"rule-{i}") for i, (o, n) in enumerate(pairs))
            return Result(program.with_graph(final), sites)

    with pytest.raises(ContractBroken) as error:
        manager().run(program, [Listed()])
    assert "rule rule-0 at Mul (and at 49 more sites)" in error.value.diagnostics[0].message


def test_a_pass_without_sites_is_compared_at_the_outputs(make):
    program = make.program(make.apply("Tanh", make.input()))
    broken = WholePass(lambda v: apply("Add", v, constant(F(1e-3))))
    with pytest.raises(ContractBroken) as error:
        manager().run(program, [broken])
    assert error.value.diagnostics[0].code == "G1002"
    fine = WholePass(lambda v: apply("Neg", apply("Neg", v)))
    assert manager().run(program, [fine]).passes[0].verdict is Verdict.HOLDS


def test_outputs_are_bisected_to_the_first_guilty_firing(make):
    """The wrong rule claims sites of its own result, so only the outputs show it."""
    y = make.input()
    for k in range(8):
        y = make.apply("Tanh", make.apply("Mul", y, make.const(2.0 if k == 5 else 1.0)))
    program = make.program(y)

    @dataclass(frozen=True)
    class Liar(RewritingPass):
        name: ClassVar[str] = "liar"

        def rules(self, program):
            return rules("right: x * 1 -> x\nwrong: x * 2 -> x", {}, "bits")

        def run(self, program, context):
            from dataclasses import replace

            found = super().run(program, context)
            sites = tuple(replace(r, old=r.new) for r in found.replacements)
            return replace(found, replacements=sites)

    with pytest.raises(ContractBroken) as error:
        manager().run(program, [Liar()])
    message = error.value.diagnostics[0].message
    assert error.value.diagnostics[0].code == "G1002"
    assert "number 6, of rule wrong" in message


def test_a_reproducer_shows_the_error_by_itself(make, tmp_path):
    x, y = make.input("x"), make.input("y")
    deep = make.apply(
        "Tanh", make.apply("Sub", make.apply("Exp", x), make.apply("Neg", make.apply("Relu", y)))
    )
    with pytest.raises(ContractBroken) as error:
        manager(tmp_path).run(make.program(deep), [TablePass(WRONG["a sign"][0])])
    folder = error.value.reproducer
    assert folder.parent == tmp_path
    assert {p.name for p in folder.iterdir()} == {
        "README.md",
        "after.txt",
        "before.txt",
        "facts.json",
        "operands.npz",
        "results.npz",
        "run.py",
    }
    assert "Exp" not in (folder / "before.txt").read_text()  # cut at the site
    assert json.loads((folder / "facts.json").read_text())["rule"] == "wrong"
    ran = subprocess.run([sys.executable, "run.py"], cwd=folder, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert "largest difference" in ran.stdout
    assert [p.name for p in tmp_path.iterdir()] == [folder.name]


def test_verify_final_names_the_guilty_pass(make):
    x = make.input()
    y = make.apply("Mul", make.apply("Sub", make.apply("Identity", x), make.apply("Neg", x)), make.const(1))
    passes = [
        TablePass("gone: Identity(x) -> x", "bits"),
        TablePass(WRONG["a sign"][0]),
        TablePass("one: x * 1 -> x"),
    ]
    with pytest.raises(ContractBroken, match="rule wrong"):
        manager().run(make.program(y), passes, verify="final")
    record = manager().run(make.program(y), passes[:1], verify="final")
    assert record.verdict is Verdict.HOLDS
    assert record.passes[0].verdict is None


def test_verify_none_checks_nothing(make):
    program = make.program(make.apply("Sub", make.input("x"), make.apply("Neg", make.input("y"))))
    record = PassManager(None).run(program, [TablePass(WRONG["a sign"][0])], verify="none")
    assert record.verdict is None
    assert record.passes[0].verdict is None


def test_what_cannot_be_evaluated_is_inconclusive_and_says_so(make):
    class Blind:
        def evaluate(self, outputs, given, *, float64=False):
            raise NotImplementedError("no Tanh here")

    program = make.program(make.apply("Neg", make.apply("Neg", make.input())))
    record = PassManager(Blind()).run(program, [TablePass("neg-neg: -(-x) -> x")])
    assert record.passes[0].verdict is Verdict.INCONCLUSIVE
    assert "no Tanh here" in record.reason
    assert record.verdict is Verdict.INCONCLUSIVE


def test_a_pass_of_another_variant_is_refused_before_anything_runs(make):
    from graphwright.passes.simplify.batch_norm import FoldBatchNorm

    program = make.program(make.input(), variant="train")
    with pytest.raises(SpecError) as error:
        manager().run(program, [FoldBatchNorm()])
    assert error.value.diagnostics[0].code == "G1003"


# --- bounded --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rounded:
    """Rounds to multiples of `step`: an error of at most half of it, which the pass says per site."""

    step: float
    limit: float
    claimed: float
    name: ClassVar[str] = "rounded"
    variants: ClassVar[frozenset[str]] = frozenset({"infer"})

    @property
    def contract(self):
        return Bounded("max_abs", self.limit)

    def run(self, program, context):
        (old,) = program.graph.outputs
        step = constant(F(self.step))
        new = apply("Mul", apply("Round", apply("Div", old, step)), step)
        return Result(program.with_graph((new,)), (Replacement((old,), (new,), "round", bound=self.claimed),))


def test_a_bound_is_checked_at_the_site_and_against_the_first_program(make):
    program = make.program(make.apply("Tanh", make.input()))
    record = manager().run(program, [Rounded(0.01, 0.006, 0.0051)])
    assert record.passes[0].verdict is Verdict.HOLDS
    assert 0 < record.passes[0].output_error <= 0.0051
    with pytest.raises(ContractBroken, match="rule round"):
        manager().run(program, [Rounded(0.01, 0.006, 0.001)])
    # 0.3 first, then 0.011: each step is within its own bound, the drift since the first is not
    with pytest.raises(ContractBroken) as error:
        manager().run(program, [Rounded(0.3, 0.16, 0.16), Rounded(0.011, 0.006, 0.006)])
    assert error.value.diagnostics[0].code == "G1002"


# --- comparisons ------------------------------------------------------------------------------------------


def test_bits_tell_zeros_apart_and_nans_alike():
    a = np.array([0.0, np.nan, 1.0], F)
    assert same_bits(a, a.copy()).verdict is Verdict.HOLDS
    assert same_bits(a, np.array([-0.0, np.nan, 1.0], F)).verdict is Verdict.BROKEN
    assert same_bits(a, a.astype(np.float64)).verdict is Verdict.BROKEN
    assert same_bits(a, a[:2]).verdict is Verdict.BROKEN


def test_ulp_distance_counts_representable_numbers():
    one = np.array([1.0, -0.0], F)
    moved = np.array([np.nextafter(np.nextafter(F(1), F(2)), F(2)), np.nextafter(F(0), F(1))], F)
    assert distance("ulp", one, moved) == 2
    assert distance("max_rel", np.array([2.0, 4.0], F), np.array([2.0, 5.0], F)) == 0.25


def test_two_right_matrix_products_hold_though_they_are_many_ulps_apart():
    generator = np.random.default_rng(0)
    a, b = generator.standard_normal((64, 512)).astype(F), generator.standard_normal((512, 64)).astype(F)
    exact = a.astype(np.float64) @ b.astype(np.float64)
    one = a @ b
    other = np.zeros((64, 64), F)
    for k in range(512):
        other += a[:, k : k + 1] * b[k]
    assert distance("ulp", one, other) > 1000
    scale = float((np.abs(a) @ np.abs(b)).max())
    assert same_algebra(Measured(one, other, exact, exact, scale, 512)).verdict is Verdict.HOLDS
    worse = (exact * (1 + 1e-3)).astype(F)
    assert same_algebra(Measured(one, worse, exact, exact, scale, 512)).verdict is Verdict.BROKEN


def test_ties_are_left_out_and_many_of_them_are_inconclusive(make):
    """x * 3 / 3 and x differ in the last bit, so a comparison with x is decided by rounding."""
    x = make.input(shape=(1000,))
    third = make.apply("Div", make.apply("Mul", x, make.const(3)), make.const(3))
    table = "third: (x * 3) / 3 -> x * 1"
    few = make.apply("Less", third, make.const(0.7))
    assert manager().run(make.program(few), [TablePass(table)]).passes[0].verdict is Verdict.HOLDS
    many = make.apply("Less", third, x)
    record = manager().run(make.program(many), [TablePass(table)])
    assert record.passes[0].verdict is Verdict.INCONCLUSIVE
    assert "ties" in record.passes[0].reason


def test_a_region_ends_where_both_forms_meet(make):
    x, y = make.input("x"), make.input("y")
    shared = make.apply("Exp", x)
    old = make.apply("Sub", shared, make.apply("Neg", make.apply("Tanh", y)))
    new = make.apply("Add", shared, make.apply("Tanh", y))
    region = region_of(Replacement((old,), (new,), "r"))
    assert set(region.boundary) == {shared, make.apply("Tanh", y)}
    assert [n.operator.name for n in region.old_nodes] == ["Neg", "Sub"]


def test_a_boundary_holds_no_second_rounding_of_what_a_form_computes(make):
    """`x * (1 / sqrt(y))` with `y` computed from `x`: the root is one value for both forms, not the
    rounded reciprocal for the old and the root computed from `x` for the new one."""
    x = make.input()
    root = make.apply("Sqrt", make.apply("Add", make.apply("Mul", x, x), make.const(1.0)))
    old = make.apply("Mul", x, make.apply("Reciprocal", root))
    new = make.apply("Div", x, root)
    region = region_of(Replacement((old,), (new,), "r"))
    assert set(region.boundary) == {x, root}
    record = PassManager().run(make.program(old), [SimplifyAlgebra()], verify="each")
    assert record.verdict is Verdict.HOLDS
    assert record.passes[0].hits == {"times-rsqrt": 1}


def test_equal_programs_are_not_run_again(make):
    """Interned outputs over the same arrays: nothing to compare."""

    class Refusing(ReferenceEvaluator):
        def evaluate(self, outputs, given, *, float64=False):
            raise AssertionError("it ran")

    program = make.program(make.apply("Relu", make.input()))
    renamed = replace(program, name="other")
    check = OutputCheck(Refusing(), (Samples({}),))
    assert check.compare(program, Result(renamed), Exact("bits")).verdict is Verdict.HOLDS
    with pytest.raises(AssertionError):
        check.compare(program, Result(make.program(make.apply("Abs", make.input()))), Exact("bits"))


def test_the_collector_is_paused_and_restored(make):
    import gc

    seen = []

    @dataclass(frozen=True)
    class Look(WholePass):
        def run(self, program, context):
            seen.append(gc.isenabled())
            return Result(program)

    manager().run(make.program(make.input()), [Look(None)])
    assert seen == [False]
    assert gc.isenabled()


def test_the_whole_family_holds_on_a_mixed_graph(make):
    x = make.input(shape=("n", 6))
    y = make.apply("Transpose", make.apply("Transpose", x, perm=[1, 0]), perm=[1, 0])
    y = make.apply("Add", make.apply("Mul", make.apply("Identity", y), make.const(0.3)), make.const(-0.0))
    y = make.apply("Softmax", make.apply("Mul", y, make.const(1.7)), axis=-1)
    rows = make.apply("Slice", make.apply("Shape", y), make.ints(0), make.ints(1))
    y = make.apply("Reshape", make.apply("Log", y), make.apply("Concat", rows, make.ints(2, 3), axis=0))
    record = manager().run(make.program(y), [Simplify()], Context(seed=3))
    assert record.passes[0].verdict is Verdict.HOLDS
    assert make.operators(record.program) == ["Mul", "LogSoftmax", "Reshape"]


def test_a_constant_on_a_tie_is_still_one_constant(make):
    """Casts of whole numbers sit on ties; over constants alone there is nothing else to draw."""
    program = make.program(
        make.apply("Cast", make.apply("Add", make.const([1.0, 2.0]), make.const(1.0)), to=7)
    )
    record = PassManager().run(program, [Simplify()], verify="each")
    assert record.verdict is Verdict.HOLDS
    assert record.passes[0].sites
