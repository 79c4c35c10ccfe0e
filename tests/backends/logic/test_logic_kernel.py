"""The kernel against forgeries, mutated certificates and noise."""

from __future__ import annotations

import ast
import json
import random
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphwright.backends.logic import kernel
from graphwright.backends.logic.certificates import header
from graphwright.backends.logic.engine.prover import Prover
from graphwright.backends.logic.kernel import check
from graphwright.graph.spec.reader import read_document
from graphwright.graph.theory.reader import read_theory

SPECS = Path(kernel.__file__).parents[2] / "specs" / "logic"
Record = dict[str, Any]


@cache
def certificate(name: str) -> tuple[str, ...]:
    theory = read_theory(read_document(str(SPECS / f"{name}.yaml"))).theory
    return tuple(Prover(theory).run(theory.goals).certificate.lines())


PEANO = [
    {"record": "theory", "name": "numbers", "format": 1},
    {"record": "sort", "name": "N"},
    {"record": "function", "name": "0", "inputs": [], "output": "N"},
    {"record": "function", "name": "1", "inputs": [], "output": "N"},
    {"record": "function", "name": "s", "inputs": ["N"], "output": "N"},
    {"record": "function", "name": "*", "inputs": ["N", "N"], "output": "N"},
    {"record": "relation", "name": "even", "inputs": ["N"]},
    {"record": "relation", "name": "in", "inputs": ["N"]},
    {"record": "datatype", "sort": "N", "constructors": ["0", "s"], "relation": "in"},
    {"record": "axiom", "name": "one", "statement": ["=", ["1"], ["s", ["0"]]]},
    {"record": "axiom", "name": "some is even", "statement": ["some", [["x", "N"]], [["is", "even", "x"]]]},
    {
        "record": "axiom",
        "name": "zero",
        "statement": ["all", [["x", "N"]], [], ["=", ["*", "x", ["0"]], ["0"]]],
    },
    {"record": "axiom", "name": "even zero", "statement": ["is", "even", ["0"]]},
    {
        "record": "axiom",
        "name": "even step",
        "statement": ["all", [["x", "N"]], [["is", "even", "x"]], ["is", "even", ["s", "x"]]],
    },
]
ZERO_IS_ONE = ["=", ["0"], ["1"]]


def proof(statement: Any, *steps: Record, variables: dict[str, str] | None = None) -> list[str]:
    """A certificate over the numbers: each step without id and record, the last is the theorem."""
    records: list[Record] = [
        *PEANO,
        {"record": "theorem", "name": "t", "statement": statement, "variables": variables or {}},
        *({"record": "step", "id": i, **step} for i, step in enumerate(steps, 1)),
        {"record": "qed", "name": "t", "step": len(steps)},
    ]
    return [json.dumps(r) for r in records]


def step(rule: str, premises: list[int], conclusion: Any, **rest: Any) -> Record:
    return {"rule": rule, "premises": premises, "conclusion": conclusion, **rest}


def test_it_accepts_a_small_proof() -> None:
    verdict = check(
        proof(["=", ["s", ["0"]], ["1"]], step("cite", [], ["=", ["1"], ["s", ["0"]]], name="one"),
              step("symmetry", [1], ["=", ["s", ["0"]], ["1"]]))
    )  # fmt: skip
    assert verdict.accepted
    assert verdict.theorems == {"t": ("one",)}


def test_two_lines_that_justify_each_other_are_rejected() -> None:
    """0 = 1 by symmetry from 1 = 0, which is by symmetry from 0 = 1."""
    forged = proof(
        ZERO_IS_ONE, step("symmetry", [2], ["=", ["1"], ["0"]]), step("symmetry", [1], ZERO_IS_ONE)
    )
    verdict = check(forged)
    assert not verdict.accepted
    assert verdict.line == len(PEANO) + 2


def test_a_theorem_may_not_cite_itself_or_a_later_one() -> None:
    for name in ("t", "later"):
        forged = proof(ZERO_IS_ONE, step("cite", [], ZERO_IS_ONE, name=name))
        later = [json.loads(line) | {"name": "later"} for line in forged[len(PEANO) :]]
        later[1] |= {"id": 2, "name": "t"}
        later[2] |= {"step": 2}
        assert not check([*forged, *map(json.dumps, later)]).accepted


@pytest.mark.parametrize("constant", [["0"], "y"])
def test_a_witness_must_be_fresh(constant: Any) -> None:
    """From "some x is even" follows neither that 0 is, by taking 0 for x, nor that y is."""
    even = ["is", "even", constant]
    forged = proof(
        even,
        step("cite", [], ["some", [["x", "N"]], [["is", "even", "x"]]], name="some is even"),
        step("assume", [], even),
        step("open", [1, 2, 2], even, substitution=[constant]),
        variables={"y": "N"},
    )
    assert not check(forged).accepted


def test_a_variable_of_an_assumption_is_not_general() -> None:
    even = ["is", "even", "x"]
    everywhere = ["all", [["x", "N"]], [], even]
    forged = proof(
        ["all", [["x", "N"]], [even], everywhere],
        step("assume", [], even),
        step("close", [1], everywhere),
        step("close", [2, 1], ["all", [["x", "N"]], [even], everywhere]),
        variables={"x": "N"},
    )
    assert "fresh" in check(forged).reason


def test_induction_needs_the_typing() -> None:
    """The numbers are generated within `in` only: without it induction says too much."""
    even = ["is", "even", "x"]
    closed = ["all", [["x", "N"]], [["is", "in", "x"], even], ["is", "even", ["s", "x"]]]
    steps = [
        step("cite", [], ["is", "even", ["0"]], name="even zero"),
        step("cite", [], PEANO[-1]["statement"], name="even step"),
        step("assume", [], ["is", "in", "x"]),
        step("assume", [], even),
        step("apply", [2, 4], ["is", "even", ["s", "x"]], substitution=["x"]),
        step("close", [5, 3, 4], closed),
    ]
    typed = ["all", [["x", "N"]], [["is", "in", "x"]], even]
    untyped = ["all", [["x", "N"]], [], even]
    assert check(proof(typed, *steps, step("induction", [1, 6], typed), variables={"x": "N"})).accepted
    forged = proof(untyped, *steps, step("induction", [1, 6], untyped), variables={"x": "N"})
    assert not check(forged).accepted


def test_a_constructor_of_a_relation_is_not_injective() -> None:
    """`in` says nothing of numbers outside of it: s might map two of them to one."""
    equal = ["=", ["s", "x"], ["s", "y"]]
    statement = ["all", [["x", "N"], ["y", "N"]], [equal], ["=", "x", "y"]]
    forged = proof(
        statement,
        step("assume", [], equal),
        step("injective", [1], ["=", "x", "y"], position=0),
        step("close", [2, 1], statement),
        variables={"x": "N", "y": "N"},
    )
    assert not check(forged).accepted


def test_mirroring_with_a_constant_output_is_no_rule() -> None:
    """From "s(v) = 1 and w * v = y give s(y) = 1" does not follow "w * v = 0 gives v = 0"."""
    axiom = ["all", [["v", "N"], ["w", "N"]], [["=", "v", ["0"]]], ["=", ["*", "w", "v"], ["0"]]]
    mirrored = ["all", [["v", "N"], ["w", "N"]], [["=", ["*", "w", "v"], ["0"]]], ["=", "v", ["0"]]]
    base = [*PEANO, {"record": "axiom", "name": "forward", "statement": axiom}]
    for rule, extra in (
        ("mirror", {}),
        ("cite", {"name": "forward"}),
        ("symmetry", {}),
        ("apply", {"substitution": []}),
    ):
        premises = [] if rule == "cite" else [1]
        lines = [
            *base,
            {"record": "theorem", "name": "t", "statement": mirrored, "variables": {}},
            {"record": "step", "id": 1, **step("cite", [], axiom, name="forward")},
            {"record": "step", "id": 2, **step(rule, premises, mirrored, **extra)},
            {"record": "qed", "name": "t", "step": 2},
        ]
        assert not check(map(json.dumps, lines)).accepted


@pytest.mark.parametrize("positions", [[1], [0, 1], [], [-2], [2], [True], "0"])
def test_congruence_at_a_wrong_position_is_rejected(positions: Any) -> None:
    one = ["s", ["0"]]
    right = ["=", ["*", ["1"], ["0"]], ["*", one, ["0"]]]
    cite = step("cite", [], ["=", ["1"], one], name="one")
    assert check(proof(right, cite, step("congruence", [1], right, positions=[0]))).accepted
    assert not check(proof(right, cite, step("congruence", [1], right, positions=positions))).accepted


def test_a_missing_premise_of_a_conditional_theorem_is_rejected() -> None:
    even = ["is", "even", ["s", ["s", ["0"]]]]
    cite = step("cite", [], PEANO[-1]["statement"], name="even step")
    assert not check(proof(even, cite, step("apply", [1], even, substitution=[["s", ["0"]]]))).accepted


def test_assumptions_may_not_be_left() -> None:
    assert "assumptions" in check(proof(ZERO_IS_ONE, step("assume", [], ZERO_IS_ONE))).reason


def test_a_definition_may_not_speak_of_itself() -> None:
    circular = {
        "record": "definition",
        "name": "d",
        "relation": "even",
        "variables": [["x", "N"]],
        "body": ["all", [], [["is", "even", "x"]], ["false"]],
    }
    assert not check(map(json.dumps, [*PEANO, circular])).accepted


def test_a_datatype_begins_somewhere() -> None:
    only_s = {"record": "datatype", "sort": "N", "constructors": ["s"], "relation": ""}
    assert not check(map(json.dumps, [*PEANO, only_s])).accepted


def test_axioms_of_its_own_are_rejected_where_the_theory_is_given() -> None:
    lines = list(certificate("trees"))
    theory = read_theory(read_document(str(SPECS / "trees.yaml"))).theory
    declared = list(header(theory))
    assert check(lines, declared).accepted
    extra = '{"record":"axiom","name":"all are equal","statement":["false"]}'
    assert check([*declared, extra, *lines[len(declared) :]]).accepted
    assert not check([*declared, extra, *lines[len(declared) :]], declared).accepted
    assert not check(lines[: len(declared) - 1], declared).accepted


# Mutations. Each is invalid by construction: the rules but `assume`, `absurd` and `either` fix
# their conclusion given the premises, and the premises given the conclusion.

FIXED = (
    "apply",
    "cite",
    "close",
    "symmetry",
    "transitivity",
    "congruence",
    "induction",
    "injective",
    "replace",
)


def mutants(lines: tuple[str, ...], seed: int) -> Any:
    """(kind, lines) of certificates that are no longer valid."""
    random_ = random.Random(seed)
    records = [json.loads(line) for line in lines]
    places = [i for i, r in enumerate(records) if r["record"] == "step"]
    needed = {p for r in records if r["record"] == "step" for p in r["premises"]}
    by_id = {records[i]["id"]: records[i] for i in places}
    for place in random_.sample(places, min(len(places), 60)):
        record = records[place]
        for kind, changed in step_mutations(record, by_id, random_):
            yield kind, [*lines[:place], json.dumps(changed), *lines[place + 1 :]]
        if record["id"] in needed:
            yield "step dropped", [*lines[:place], *lines[place + 1 :]]
    for place, record in enumerate(records):
        if record["record"] == "qed":
            wrong = [i for i, r in by_id.items() if r["conclusion"] != by_id[record["step"]]["conclusion"]]
            changed = record | {"step": random_.choice(wrong)}
            yield "qed of another step", [*lines[:place], json.dumps(changed), *lines[place + 1 :]]
            yield "qed dropped", [*lines[:place], *lines[place + 1 :]]


def step_mutations(record: Record, by_id: dict[int, Record], random_: random.Random) -> Any:
    premises, rule = record["premises"], record["rule"]
    if rule in FIXED:
        for changed in swapped_sides(record["conclusion"]):
            yield "conclusion turned around", record | {"conclusion": changed}
    for i, premise in enumerate(premises):
        ahead = [*premises[:i], record["id"] + random_.randrange(3), *premises[i + 1 :]]
        yield "premise from ahead", record | {"premises": ahead}
        others = [
            j
            for j, r in by_id.items()
            if r["conclusion"] != by_id[premise]["conclusion"] and j < record["id"]
        ]
        if rule in FIXED and others:
            another = [*premises[:i], random_.choice(others), *premises[i + 1 :]]
            yield "another premise", record | {"premises": another}
        yield "premise dropped", record | {"premises": premises[:i] + premises[i + 1 :]}
    yield "id not increasing", record | {"id": 0}
    if rule in ("congruence", "replace"):
        yield "position shifted", record | {"positions": [p + 1 for p in record["positions"]]}
    if rule == "apply" and record["substitution"]:
        yield "substitution cut", record | {"substitution": record["substitution"][1:]}
    if rule == "cite":
        yield "cites nothing", record | {"name": record["name"] + "!"}
    yield "another rule", record | {"rule": "trust"}
    yield "extra key", record | {"because": "obviously"}


def swapped_sides(formula: Any) -> Any:
    """The formula with an equation turned around, where that makes another formula."""
    if formula[0] == "=" and formula[1] != formula[2]:
        yield ["=", formula[2], formula[1]]
    if formula[0] == "all":
        for changed in swapped_sides(formula[3]):
            yield [*formula[:3], changed]


@pytest.mark.parametrize("name", ["lists", "trees", "lattice", "group", "monoid", "peano"])
def test_mutated_certificates_are_rejected(name: str) -> None:
    lines = certificate(name)
    assert check(lines).accepted
    count = 0
    for kind, mutated in mutants(lines, 7):
        assert not check(mutated).accepted, kind
        count += 1
    assert count >= 150  # 5 certificates: over 750


@given(st.randoms(use_true_random=False))
def test_a_certificate_with_any_character_changed_proves_nothing_else(random_: random.Random) -> None:
    """Whatever is still accepted has the theorems of the original, if those lines are the same."""
    lines = list(certificate("monoid"))
    place = random_.randrange(len(lines))
    line = lines[place]
    at = random_.randrange(len(line))
    lines[place] = line[:at] + random_.choice('x0[]{}",:=') + line[at + 1 :]
    verdict = check(lines)
    if verdict.accepted and json.loads(lines[place])["record"] == "step":
        assert verdict.theorems == check(certificate("monoid")).theorems


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 9) | st.floats() | st.sampled_from("= all is N 0 s t".split()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["record", "id", "name"]), inner),
    max_leaves=12,
)  # fmt: skip
KEYS = [
    "record",
    "id",
    "rule",
    "premises",
    "conclusion",
    "name",
    "substitution",
    "positions",
    "position",
    "step",
]


@given(st.lists(st.dictionaries(st.sampled_from(KEYS), json_values) | json_values, max_size=5), st.booleans())
def test_noise_is_rejected_without_an_exception(records: list[Any], inside: bool) -> None:
    start = [*PEANO, {"record": "theorem", "name": "t", "statement": ZERO_IS_ONE, "variables": {}}]
    lines = [json.dumps(r) for r in [*(start if inside else []), *records]]
    assert not check(lines).accepted


@given(
    st.sampled_from([*sorted(kernel.PARAMETER), "assume", "close", "cases", "induction", "fold", "either"]),
    st.data(),
)
def test_steps_of_noise_are_rejected_without_an_exception(rule: str, data: st.DataObject) -> None:
    record = step(rule, data.draw(st.lists(st.integers(0, 3), max_size=4)), data.draw(json_values))
    if rule in kernel.PARAMETER:
        record[kernel.PARAMETER[rule]] = data.draw(json_values)
    first = step("reflexivity", [], ["=", ["0"], ["0"]])
    assert not check(proof(ZERO_IS_ONE, first, first, record)).accepted


@given(st.text(max_size=40))
def test_text_is_rejected_without_an_exception(text: str) -> None:
    assert not check([text]).accepted


@pytest.mark.parametrize("opening", ["[", '{"a":', '["all",[],[],'])
def test_deep_nesting_is_rejected(opening: str) -> None:
    assert not check([opening * 100_000]).accepted


def test_the_kernel_is_small_and_stands_alone() -> None:
    source = Path(kernel.__file__).read_text(encoding="utf-8")
    tree = ast.parse(source)
    modules = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    modules |= {str(n.module) for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert {m.split(".")[0] for m in modules} <= sys.stdlib_module_names
    assert not {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)} & {
        "eval",
        "exec",
        "compile",
        "__import__",
    }
    assert len(source.splitlines()) <= 300


@pytest.mark.parametrize("name", ["all", "some"])
def test_a_function_is_not_named_like_a_binder(name: str) -> None:
    """Substitution counts the binders in between by their words."""
    function = {"record": "function", "name": name, "inputs": ["N"], "output": "N"}
    assert "name" in check(map(json.dumps, [*PEANO[:3], function])).reason


def test_a_name_is_used_once() -> None:
    axiom = {"record": "axiom", "name": "one", "statement": ["false"]}
    assert "twice" in check(map(json.dumps, [*PEANO, axiom])).reason
    again = proof(ZERO_IS_ONE)[:-2]
    theorem = {"record": "theorem", "name": "one", "statement": ZERO_IS_ONE, "variables": {}}
    assert "twice" in check([*again, json.dumps(theorem)]).reason


def test_a_step_that_was_derived_is_no_assumption() -> None:
    """Discharging a derived step would turn it into a premise of its own choosing."""
    one = ["=", ["1"], ["s", ["0"]]]
    statement = ["all", [], [one], one]
    cite = step("cite", [], one, name="one")
    assert not check(proof(statement, cite, step("close", [1, 1], statement))).accepted
    assume = step("assume", [], one)
    assert check(proof(statement, assume, step("close", [1, 1], statement))).accepted
