"""Certificates: proofs as JSON lines, one record a line. The kernel reads nothing else.

Grammar (every record is an object; its kind is under "record"; keys in this order):

    file     = theory  declaration*  theorem*
    theory   = {"record": "theory", "name": NAME, "format": 1}

    declaration =
        {"record": "sort", "name": NAME}
        {"record": "function", "name": NAME, "inputs": [SORT…], "output": SORT}
        {"record": "relation", "name": NAME, "inputs": [SORT…]}
        {"record": "datatype", "sort": SORT, "constructors": [FUNCTION…], "relation": NAME or ""}
        {"record": "axiom", "name": NAME, "statement": FORMULA}
        {"record": "definition", "name": NAME, "relation": RELATION, "variables": [[NAME, SORT]…],
         "body": FORMULA}

    theorem  = {"record": "theorem", "name": NAME, "statement": FORMULA, "variables": {NAME: SORT…}}
               step*
               {"record": "qed", "name": NAME, "step": ID}
    step     = {"record": "step", "id": ID, "rule": RULE, "premises": [ID…], …, "conclusion": FORMULA}

    TERM     = "x"                             a variable
             | ["f", TERM…]                    a function on arguments; ["0"] is a constant
    FORMULA  = ["false"]
             | ["=", TERM, TERM]
             | ["is", "R", TERM…]              the atom R(…)
             | ["all", [[NAME, SORT]…], [FORMULA…], FORMULA]      variables, premises, conclusion
             | ["some", [[NAME, SORT]…], [FORMULA, …]]            variables, conjuncts
             | ["or", FORMULA, FORMULA, …]

`not F` is ["all", [], [F], ["false"]]. A conjunction is a "some" without variables. Names are
non-empty strings; those of functions, of relations, of sorts, and of statements (axioms,
definitions, theorems) are unique among their like. A datatype without "relation" says that its
constructors are injective, disjoint, and make all of their sort; with it, that the relation is
the least one closed under the constructors. A definition says `relation(variables)` if and only
if its body, which speaks of earlier symbols only.

A step says: from the hypotheses that its premises rest on, its conclusion follows. Ids are
positive integers that increase strictly through the file; premises are ids of earlier steps of
the same theorem. Free variables of a step are declared in the theorem's "variables". Two formulas
that differ in bound names only are the same. The rules, with the keys that they need besides
(σ: "substitution" [TERM…], terms for the bound variables in their order; h: ids of `assume` steps):

    assume        premises []          any F; it rests on itself
    cite          premises []          "name": an axiom's or an earlier theorem's statement
    apply         [a, p…]              a: all(xs, Ps, C); p: the Pσ in order; C σ.  "substitution"
    close         [c, h…]              c: C; h: assumptions Ps, in order; all(xs, Ps, C). The xs are
                                       not free in what remains; the Ps are discharged
    witness       [p…]                 p: the Fσ in order; some(xs, Fs).  "substitution"
    open          [s, c, h…]           s: some(xs, Fs); c: C; h: assumptions Fσ in order, where σ
                                       ("substitution") takes the xs to distinct variables that are
                                       free neither in s nor in C nor in what else c rests on; C
    either        [p]                  p: one of the alternatives; or(…)
    cases         [o, c, h, c, h, …]   o: or(F…), a pair (c, h) an alternative: c: C, h: the
                                       assumption F, discharged from that c; C
    middle        []                   or(F, not F)
    absurd        [p]                  p: false; any F
    reflexivity   []                   t = t
    symmetry      [p]                  p: s = t; t = s
    transitivity  [p, q, …]            p: a = b, q: b = c, …; a = … (two premises or more)
    congruence    [p…]                 f(a…) = f(b…); "positions": the arguments (from 0, ascending)
                                       that the premises a = b equate, one each; the others agree
    replace       [q, p…]              q: R(a…); R(b…); "positions" as above
    injective     [p]                  p: c(a…) = c(b…), c a constructor; a = b at "position"
    distinct      [p]                  p: c(…) = d(…), two constructors of one sort; false
    induction     [p…]                 all([x: S], [], F), or all([x: S], [N(x)], F) for a datatype
                                       with relation N; a premise for each constructor c, in order:
                                       all(ys, Hs, F[x := c(ys)]), where Hs are (N(y), for each y of
                                       sort S, if there is a relation) and then F[x := y] for each y
                                       of sort S; it is just F[x := c] where there are neither ys
                                       nor Hs
    unfold        [p]                  p: R(ts), R defined; the body at ts
    fold          [p]                  p: the body at ts; R(ts)

`qed` names a step that rests on nothing and whose conclusion is the theorem's statement, which is
closed. A variable that `close` or `open` binds has
a name apart from the functions, relations and sorts of the assumptions that stay.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ...graph.theory import (
    FALSEHOOD,
    All,
    Application,
    Atom,
    Equation,
    Falsehood,
    Formula,
    Or,
    Some,
    Term,
    Theory,
    Variable,
)

RULES = (
    "assume",
    "cite",
    "apply",
    "close",
    "witness",
    "open",
    "either",
    "cases",
    "middle",
    "absurd",
    "reflexivity",
    "symmetry",
    "transitivity",
    "congruence",
    "replace",
    "injective",
    "distinct",
    "induction",
    "unfold",
    "fold",
)
Json = Any


@dataclass(frozen=True, slots=True)
class Step:
    """One step. Of the keys that some rules need: `name` for cite, `substitution` for apply,
    witness and open, `positions` for congruence and replace, `position` for injective (-1: none)."""

    id: int
    rule: str
    premises: tuple[int, ...]
    conclusion: Formula
    name: str = ""
    substitution: tuple[Term, ...] = ()
    positions: tuple[int, ...] = ()
    position: int = -1


@dataclass(frozen=True, slots=True)
class Theorem:
    """A statement with its proof. `variables` are the free variables of its steps."""

    name: str
    statement: Formula
    steps: tuple[Step, ...]
    variables: tuple[Variable, ...] = ()

    @property
    def cited(self) -> tuple[str, ...]:
        """The statements that the proof cites, each once, in order."""
        return tuple(dict.fromkeys(s.name for s in self.steps if s.rule == "cite"))


@dataclass(frozen=True)
class Certificate:
    """A theory and its theorems, in an order in which each cites earlier ones only."""

    theory: Theory
    theorems: tuple[Theorem, ...] = ()

    def lines(self) -> Iterator[str]:
        """The JSON lines, without line ends. Steps are numbered anew through the whole file."""
        yield from header(self.theory)
        offset = 0
        for theorem in self.theorems:
            yield from map(_dump, theorem_records(theorem, offset))
            offset += theorem.steps[-1].id


def header(theory: Theory) -> Iterator[str]:
    """The lines before the first theorem: what the kernel compares a certificate with."""
    yield from map(_dump, declarations(theory))


def declarations(theory: Theory) -> Iterator[dict[str, Json]]:
    """The records before the first theorem."""
    yield {"record": "theory", "name": theory.name, "format": 1}
    signature = theory.signature
    for sort in signature.sorts:
        yield {"record": "sort", "name": sort.name}
    for function in signature.functions:
        inputs = list(function.inputs)
        yield {"record": "function", "name": function.name, "inputs": inputs, "output": function.output}
    for relation in signature.relations:
        yield {"record": "relation", "name": relation.name, "inputs": list(relation.inputs)}
    for datatype in signature.datatypes:
        names = list(datatype.constructors)
        yield {
            "record": "datatype",
            "sort": datatype.sort,
            "constructors": names,
            "relation": datatype.relation,
        }
    for definition in theory.definitions:
        yield {
            "record": "definition",
            "name": definition.name,
            "relation": definition.relation,
            "variables": binder(definition.variables),
            "body": formula_json(definition.body),
        }
    for axiom in theory.axioms:
        yield {"record": "axiom", "name": axiom.name, "statement": formula_json(axiom.statement)}


def theorem_records(theorem: Theorem, offset: int = 0) -> Iterator[dict[str, Json]]:
    """The records of a theorem; `offset` is added to the ids of its steps."""
    yield {
        "record": "theorem",
        "name": theorem.name,
        "statement": formula_json(theorem.statement),
        "variables": {v.name: v.sort for v in theorem.variables},
    }
    for step in theorem.steps:
        yield step_record(step, offset)
    yield {"record": "qed", "name": theorem.name, "step": theorem.steps[-1].id + offset}


def step_record(step: Step, offset: int = 0) -> dict[str, Json]:
    """The line of a step; `offset` is added to step numbers, which count through a whole file."""
    record: dict[str, Json] = {"record": "step", "id": step.id + offset, "rule": step.rule}
    record["premises"] = [p + offset for p in step.premises]
    if step.rule == "cite":
        record["name"] = step.name
    if step.rule in ("apply", "witness", "open"):
        record["substitution"] = [term_json(t) for t in step.substitution]
    if step.rule in ("congruence", "replace"):
        record["positions"] = list(step.positions)
    if step.rule == "injective":
        record["position"] = step.position
    record["conclusion"] = formula_json(step.conclusion)
    return record


def term_json(term: Term) -> Json:
    if isinstance(term, Variable):
        return term.name
    assert isinstance(term, Application)
    return [term.symbol, *map(term_json, term.arguments)]


def binder(variables: Iterable[Variable]) -> Json:
    return [[v.name, v.sort] for v in variables]


def formula_json(formula: Formula) -> Json:
    """The formula as a certificate holds it: nested lists, the kind first."""
    if isinstance(formula, Equation):
        return ["=", term_json(formula.left), term_json(formula.right)]
    if isinstance(formula, Atom):
        return ["is", formula.relation, *map(term_json, formula.arguments)]
    if isinstance(formula, Falsehood):
        return ["false"]
    if isinstance(formula, Or):
        return ["or", *map(formula_json, formula.alternatives)]
    if isinstance(formula, Some):
        return ["some", binder(formula.variables), list(map(formula_json, formula.conjuncts))]
    premises = list(map(formula_json, formula.premises))
    return ["all", binder(formula.variables), premises, formula_json(formula.conclusion)]


def term_from_json(data: Json, sorts: Mapping[str, str], theory: Theory) -> Term:
    """The term, `sorts` giving its variables' sorts. Raises KeyError or ValueError on what is no
    term of the theory (certificates of ours are; the kernel judges those of others)."""
    if isinstance(data, str):
        return Variable(data, sorts[data])
    return theory.signature.apply(data[0], *(term_from_json(a, sorts, theory) for a in data[1:]))


def formula_from_json(data: Json, sorts: Mapping[str, str], theory: Theory) -> Formula:
    """The formula; raises as `term_from_json` does."""
    kind = data[0]
    if kind == "false":
        return FALSEHOOD
    if kind == "=":
        return Equation(*(term_from_json(t, sorts, theory) for t in data[1:]))
    if kind == "is":
        return Atom(data[1], tuple(term_from_json(t, sorts, theory) for t in data[2:]))
    if kind == "or":
        return Or(tuple(formula_from_json(f, sorts, theory) for f in data[1:]))
    variables = tuple(Variable(name, sort) for name, sort in data[1])
    inner = {**sorts, **{v.name: v.sort for v in variables}}
    inside = tuple(formula_from_json(f, inner, theory) for f in data[2])
    if kind == "some":
        return Some(variables, inside)
    if kind == "all":
        return All(variables, inside, formula_from_json(data[3], inner, theory))
    raise ValueError(f"no formula: {kind!r}")


def _dump(record: Mapping[str, Json]) -> str:
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"))
