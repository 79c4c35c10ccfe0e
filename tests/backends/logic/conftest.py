"""Certificates of the library's theories, proved once, and one made by hand with every rule."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from graphwright.tools.proofs.loading import open_theory
from graphwright.tools.proofs.pipeline import Proved, prove

LOGIC = Path(__file__).parents[3] / "specs" / "logic"


@pytest.fixture(scope="session")
def proved() -> dict[str, Proved]:
    """The theories whose proofs use inductions, conditions, definitions and witnesses."""
    return {
        n: prove(open_theory(str(LOGIC / f"{n}.yaml")).theory) for n in ("peano", "lists", "trees", "lattice")
    }


class Writer:
    """Writes certificates by hand: `step` gives the id."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = [{"record": "theory", "name": "by hand", "format": 1}]
        self.last = 0

    def put(self, kind: str, **fields: Any) -> None:
        self.records.append({"record": kind, **fields})

    def theorem(self, name: str, statement: Any, **variables: str) -> None:
        self.put("theorem", name=name, statement=statement, variables=variables)

    def step(self, rule: str, premises: list[int], conclusion: Any, **fields: Any) -> int:
        self.last += 1
        step = {"id": self.last, "rule": rule, "premises": premises, **fields, "conclusion": conclusion}
        self.put("step", **step)
        return self.last

    def qed(self, name: str) -> None:
        self.put("qed", name=name, step=self.last)

    @property
    def lines(self) -> list[str]:
        return [json.dumps(r) for r in self.records]


ZERO = ["0"]
ADD_S = ["=", ["+", "x", ["s", "y"]], ["s", ["+", "x", "y"]]]
DECIDED = ["all", [["x", "N"]], [], ["or", ["=", "x", ZERO], ["is", "P", "x"]]]
REFLEXIVE = ["all", [["a", "N"]], [], ["is", "<=", "a", "a"]]
ALL_P = ["all", [["n", "N"]], [], ["is", "P", "n"]]
TWO = ["some", [["x", "N"], ["y", "N"]], [["=", "x", "y"], ["is", "P", "x"], ["is", "P", "y"]]]


def declarations(w: Writer) -> None:
    w.put("sort", name="N")
    w.put("sort", name="E")
    for name, inputs, output in (
        ("0", [], "N"),
        ("s", ["N"], "N"),
        ("+", ["N", "N"], "N"),
        ("f", ["N"], "E"),
    ):
        w.put("function", name=name, inputs=inputs, output=output)
    w.put("relation", name="<=", inputs=["N", "N"])
    w.put("relation", name="P", inputs=["N"])
    w.put("datatype", sort="N", constructors=["0", "s"], relation="")
    body = ["some", [["z", "N"]], [["=", ["+", "x", "z"], "y"]]]
    w.put("definition", name="le", relation="<=", variables=[["x", "N"], ["y", "N"]], body=body)
    w.put("axiom", name="add 0", statement=["all", [["x", "N"]], [], ["=", ["+", "x", ZERO], "x"]])
    w.put("axiom", name="add s", statement=["all", [["x", "N"], ["y", "N"]], [], ADD_S])
    w.put("axiom", name="either", statement=DECIDED)
    w.put("axiom", name="P 0", statement=["is", "P", ZERO])


def le_is_reflexive(w: Writer) -> None:
    w.theorem("le refl", REFLEXIVE, a="N")
    c = w.step("cite", [], ["all", [["q", "N"]], [], ["=", ["+", "q", ZERO], "q"]], name="add 0")
    i = w.step("apply", [c], ["=", ["+", "a", ZERO], "a"], substitution=["a"])
    e = w.step("witness", [i], ["some", [["k", "N"]], [["=", ["+", "a", "k"], "a"]]], substitution=[ZERO])
    f = w.step("fold", [e], ["is", "<=", "a", "a"])
    w.step("close", [f], REFLEXIVE)
    w.qed("le refl")


def le_of_the_successor(w: Writer) -> None:
    grows = ["all", [["a", "N"], ["b", "N"]], [["is", "<=", "a", "b"]], ["is", "<=", "a", ["s", "b"]]]
    w.theorem("le s", grows, a="N", b="N", w="N")
    h = w.step("assume", [], ["is", "<=", "a", "b"])
    u = w.step("unfold", [h], ["some", [["z", "N"]], [["=", ["+", "a", "z"], "b"]]])
    g = w.step("assume", [], ["=", ["+", "a", "w"], "b"])
    c = w.step("cite", [], ["all", [["x", "N"], ["y", "N"]], [], ADD_S], name="add s")
    i = w.step("apply", [c], ["=", ["+", "a", ["s", "w"]], ["s", ["+", "a", "w"]]], substitution=["a", "w"])
    j = w.step("congruence", [g], ["=", ["s", ["+", "a", "w"]], ["s", "b"]], positions=[0])
    t = w.step("transitivity", [i, j], ["=", ["+", "a", ["s", "w"]], ["s", "b"]])
    goal = ["some", [["z", "N"]], [["=", ["+", "a", "z"], ["s", "b"]]]]
    e = w.step("witness", [t], goal, substitution=[["s", "w"]])
    f = w.step("fold", [e], ["is", "<=", "a", ["s", "b"]])
    o = w.step("open", [u, f, g], ["is", "<=", "a", ["s", "b"]], substitution=["w"])
    w.step("close", [o, h], grows)
    w.qed("le s")


def everything_is_p(w: Writer) -> None:
    w.theorem("all P", ALL_P, n="N")
    c = w.step("cite", [], DECIDED, name="either")
    i = w.step("apply", [c], ["or", ["=", "n", ZERO], ["is", "P", "n"]], substitution=["n"])
    h1 = w.step("assume", [], ["=", "n", ZERO])
    p0 = w.step("cite", [], ["is", "P", ZERO], name="P 0")
    back = w.step("symmetry", [h1], ["=", ZERO, "n"])
    r = w.step("replace", [p0, back], ["is", "P", "n"], positions=[0])
    h2 = w.step("assume", [], ["is", "P", "n"])
    k = w.step("cases", [i, r, h1, h2, h2], ["is", "P", "n"])
    w.step("close", [k], ALL_P)
    w.qed("all P")


def absurdity(w: Writer) -> None:
    nonzero = ["all", [["n", "N"]], [["=", ["s", "n"], ZERO]], ["=", ["f", "n"], ["f", ZERO]]]
    w.theorem("absurd", nonzero, n="N")
    h = w.step("assume", [], ["=", ["s", "n"], ZERO])
    d = w.step("distinct", [h], ["false"])
    a = w.step("absurd", [d], ["=", ["f", "n"], ["f", ZERO]])
    w.step("close", [a, h], nonzero)
    w.qed("absurd")


def a_pair_with_excluded_middle(w: Writer) -> None:
    pair = [
        "some",
        [],
        [["is", "P", ZERO], ["or", ["is", "P", ZERO], ["all", [], [["is", "P", ZERO]], ["false"]]]],
    ]
    w.theorem("pair", pair)
    c = w.step("cite", [], ALL_P, name="all P")
    i = w.step("apply", [c], ["is", "P", ZERO], substitution=[ZERO])
    m = w.step("middle", [], pair[2][1])
    w.step("witness", [i, m], pair, substitution=[])
    w.qed("pair")


def two_witnesses_at_once(w: Writer) -> None:
    w.theorem("two", TWO)
    z = w.step("reflexivity", [], ["=", ZERO, ZERO])
    p = w.step("cite", [], ["is", "P", ZERO], name="P 0")
    w.step("witness", [z, p, p], TWO, substitution=[ZERO, ZERO])
    w.qed("two")


def opened_twice(w: Writer) -> None:
    one = ["some", [["y", "N"]], [["is", "P", "y"], ["=", "y", "y"]]]
    w.theorem("one", one, u="N", v="N")
    c = w.step("cite", [], TWO, name="two")
    h1 = w.step("assume", [], ["=", "u", "v"])
    h2 = w.step("assume", [], ["is", "P", "u"])
    h3 = w.step("assume", [], ["is", "P", "v"])
    q = w.step("reflexivity", [], ["=", "v", "v"])
    e = w.step("witness", [h3, q], one, substitution=["v"])
    w.step("open", [c, e, h1, h2, h3], one, substitution=["u", "v"])
    w.qed("one")


def one_of_three(w: Writer) -> None:
    either3 = ["or", ["is", "P", ZERO], ["=", ZERO, ZERO], ["false"]]
    w.theorem("three", either3)
    z = w.step("reflexivity", [], ["=", ZERO, ZERO])
    w.step("either", [z], either3)
    w.qed("three")


def curried(w: Writer) -> None:
    curried = [
        "all",
        [["a", "N"]],
        [["is", "P", "a"]],
        ["all", [["b", "N"]], [["is", "P", "b"]], ["is", "P", "a"]],
    ]
    w.theorem("curried", curried, a="N", b="N")
    h1 = w.step("assume", [], ["is", "P", "a"])
    h2 = w.step("assume", [], ["is", "P", "b"])
    inner = w.step("close", [h1, h2], ["all", [["b", "N"]], [["is", "P", "b"]], ["is", "P", "a"]])
    w.step("close", [inner, h1], curried)
    w.qed("curried")


def injectivity(w: Writer) -> None:
    w.theorem(
        "injective",
        ["all", [["a", "N"], ["b", "N"]], [["=", ["s", "a"], ["s", "b"]]], ["=", "a", "b"]],
        a="N",
        b="N",
    )
    h = w.step("assume", [], ["=", ["s", "a"], ["s", "b"]])
    j = w.step("injective", [h], ["=", "a", "b"], position=0)
    w.step(
        "close", [j, h], ["all", [["a", "N"], ["b", "N"]], [["=", ["s", "a"], ["s", "b"]]], ["=", "a", "b"]]
    )
    w.qed("injective")


def zero_on_the_left(w: Writer) -> None:
    left = ["all", [["n", "N"]], [], ["=", ["+", ZERO, "n"], "n"]]
    w.theorem("zero on the left", left, m="N", n="N")
    c = w.step("cite", [], ["all", [["x", "N"]], [], ["=", ["+", "x", ZERO], "x"]], name="add 0")
    base = w.step("apply", [c], ["=", ["+", ZERO, ZERO], ZERO], substitution=[ZERO])
    h = w.step("assume", [], ["=", ["+", ZERO, "m"], "m"])
    c = w.step("cite", [], ["all", [["x", "N"], ["y", "N"]], [], ADD_S], name="add s")
    i = w.step(
        "apply", [c], ["=", ["+", ZERO, ["s", "m"]], ["s", ["+", ZERO, "m"]]], substitution=[ZERO, "m"]
    )
    j = w.step("congruence", [h], ["=", ["s", ["+", ZERO, "m"]], ["s", "m"]], positions=[0])
    t = w.step("transitivity", [i, j], ["=", ["+", ZERO, ["s", "m"]], ["s", "m"]])
    hypothesis = ["=", ["+", ZERO, "m"], "m"]
    k = w.step(
        "close", [t, h], ["all", [["m", "N"]], [hypothesis], ["=", ["+", ZERO, ["s", "m"]], ["s", "m"]]]
    )
    w.step("induction", [base, k], left)
    w.qed("zero on the left")


def a_bound_exists(w: Writer) -> None:
    statement = ["all", [["x", "N"]], [], ["some", [["y", "N"]], [["is", "<=", "x", "y"]]]]
    w.theorem("bounded", statement, x="N")
    c = w.step("cite", [], REFLEXIVE, name="le refl")
    i = w.step("apply", [c], ["is", "<=", "x", "x"], substitution=["x"])
    e = w.step("witness", [i], statement[3], substitution=["x"])
    w.step("close", [e], statement)
    w.qed("bounded")


@pytest.fixture(scope="session")
def by_hand() -> list[str]:
    """Proofs with the rules that searches seldom use: existence, cases, excluded middle, definitions,
    closed citations, assumptions discharged one inside the other. Later ones cite earlier ones."""
    writer = Writer()
    for write in (
        declarations,
        le_is_reflexive,
        le_of_the_successor,
        everything_is_p,
        absurdity,
        a_pair_with_excluded_middle,
        two_witnesses_at_once,
        opened_twice,
        one_of_three,
        curried,
        injectivity,
        zero_on_the_left,
        a_bound_exists,
    ):
        write(writer)
    return writer.lines
