"""The kernel: checks certificates; nothing is called a theorem before it says so.

It reads JSON lines (the grammar and the rules are those of `certificates`), imports only the
standard library, and shares no code with the engine that finds the proofs. A step is a sequent: a
formula and the `assume` steps that it rests on. Formulas are tuples as in the file, but a bound
variable is (binders in between, place in its binder), so formulas that differ in bound names only
are equal, and a substitution catches nothing. `python kernel.py FILE` prints the verdict.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

FALSE = ("false",)
DECLARED = """theory name format | sort name | function name inputs output | relation name inputs
 | datatype sort constructors relation | definition name relation variables body | axiom name statement"""
PROVED = "theorem name statement variables | step id rule premises conclusion | qed name step"
KEYS = {words.split()[0]: words.split()[1:] for words in f"{DECLARED}|{PROVED}".split("|")}
OF_RULE = "cite name|apply substitution|witness substitution|open substitution|injective position"
PARAMETER = dict(words.split() for words in f"{OF_RULE}|congruence positions|replace positions".split("|"))
TEXTS = ("record", "rule", "name", "sort", "relation", "output")
Formula = tuple[Any, ...]
Record = dict[str, Any]


class Rejected(Exception):
    """Why a record is not acceptable."""


def need(condition: object, reason: str) -> None:
    if not condition:
        raise Rejected(reason)


def names(data: Any, known: Iterable[str]) -> tuple[str, ...]:
    need(isinstance(data, list) and all(isinstance(n, str) and n in known for n in data), "undeclared names")
    return tuple(data)


def strings(part: Any) -> frozenset[str]:
    """Every name in a formula: of free variables, functions, relations, sorts, and its own words."""
    if isinstance(part, tuple):
        return frozenset[str]().union(*map(strings, part))
    return frozenset((part,) if isinstance(part, str) else ())


def put(term: Any, values: Sequence[Any], depth: int) -> Any:
    """The term with the variables of the binder `depth` levels up replaced."""
    if type(term) is not tuple:
        return term
    if type(term[0]) is int:
        return values[term[1]] if term[0] == depth else term
    return (term[0], *[put(t, values, depth) for t in term[1:]])


def fill(f: Formula, values: Sequence[Any], depth: int = 0) -> Formula:
    """The formula with the variables of the binder around it replaced by terms that have none."""
    if f[0] in ("all", "some"):
        inside = tuple([fill(g, values, depth + 1) for g in f[2]])
        return (f[0], f[1], inside, *[fill(g, values, depth + 1) for g in f[3:]])
    if f[0] == "or":
        return ("or", *[fill(g, values, depth) for g in f[1:]])
    return (f[0], *[put(t, values, depth) for t in f[1:]])  # the name of a relation is no tuple


def congruent(positions: Any, left: Sequence[Any], right: Sequence[Any], given: list[Formula]) -> bool:
    """Whether the premises equate the arguments at the positions, and the others agree."""
    need(isinstance(positions, list) and all(type(i) is int for i in positions), "positions are numbers")
    need(all(i < j for i, j in pairwise([-1, *positions, len(left)])), "positions ascend")
    need(len(positions) == len(given), "a premise a position")
    wanted = dict(zip(positions, given, strict=True))
    pairs = enumerate(zip(left, right, strict=True))
    return all(wanted[i] == ("=", a, b) if i in wanted else a == b for i, (a, b) in pairs)


@dataclass(frozen=True)
class Verdict:
    """Whether every line was accepted; if not, the first bad one (from 1) and why. `theorems`
    gives, for each theorem accepted, the axioms, definitions and datatypes that it rests on."""

    accepted: bool
    theorems: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    steps: int = 0
    line: int = 0
    reason: str = ""


class Kernel:
    """What is declared and proved so far, and the theorem that is being read."""

    def __init__(self) -> None:
        self.sorts: set[str] = set()
        self.functions: dict[str, tuple[tuple[str, ...], str]] = {}
        self.relations: dict[str, tuple[str, ...]] = {}
        self.datatypes: dict[tuple[str, str], tuple[str, ...]] = {}  # (sort, relation): constructors
        self.definitions: dict[str, tuple[str, Formula]] = {}  # relation: name and body
        self.settled: set[str] = set()  # names that may get no definition any more
        self.statements: dict[str, tuple[Formula, frozenset[str]]] = {}  # each with what it rests on
        self.theorems: dict[str, tuple[str, ...]] = {}
        self.theorem, self.goal, self.scope, self.rests = "", FALSE, dict[str, str](), set[str]()
        self.steps: dict[int, tuple[Formula, frozenset[int]]] = {}
        self.assumed: set[int] = set()
        self.phase, self.last = -1, 0  # 0: the theory is named, 1: declarations, 2: theorems; the last id

    def read(self, r: Record) -> None:
        need(all(isinstance(r[k], str) and (r[k] or k == "relation") for k in TEXTS if k in r), "no name")
        kind, rule = str(r.get("record")), r.get("rule", "")
        parameters = {PARAMETER[rule]} if rule in PARAMETER else set()
        need(kind in KEYS and r.keys() == {"record", *KEYS[kind], *parameters}, "missing or extra keys")
        phase = 0 if kind == "theory" else 2 if kind in ("theorem", "step", "qed") else 1
        need(phase >= self.phase and (phase == 0) == (self.phase < 0), "a record out of order")
        need((kind in ("step", "qed")) == bool(self.theorem), "steps and qed are inside of a theorem")
        self.phase = phase
        (self.prove if phase == 2 else self.declare)(kind, r)

    def declare(self, kind: str, r: Record) -> None:
        tables = {"sort": self.sorts, "function": self.functions, "relation": self.relations}
        need(r.get("name") not in tables.get(kind, ()), f"a {kind} twice")
        if kind == "theory":
            need(r["format"] == 1 and type(r["format"]) is int, "an unknown format")
        elif kind == "sort":
            self.sorts.add(r["name"])
        elif kind == "function":
            need(r["output"] in self.sorts, "a function of no sort")
            self.functions[r["name"]] = (names(r["inputs"], self.sorts), r["output"])
        elif kind == "relation":
            self.relations[r["name"]] = names(r["inputs"], self.sorts)
        elif kind == "axiom":
            self.state(r["name"], self.formula(r["statement"], {}, 0), {r["name"]})
        elif kind == "definition":
            sorts, scope = self.bind(r["variables"], {}, 0)
            body = self.formula(r["body"], scope, 1)
            self.settled |= strings(body)
            need(r["relation"] not in self.settled, "a definition twice, or in a circle")
            need(self.relations.get(r["relation"]) == sorts, "a definition of another relation")
            self.settled.add(r["relation"])
            self.definitions[r["relation"]] = (r["name"], body)
        else:
            self.datatype(r["sort"], r["relation"], names(r["constructors"], self.functions))

    def datatype(self, sort: str, relation: str, made: tuple[str, ...]) -> None:
        need(sort in self.sorts and all(self.functions[c][1] == sort for c in made), "another sort")
        need((sort, relation) not in self.datatypes and len({*made}) == len(made), "one of them twice")
        if relation:
            is_typing = self.relations.get(relation) == (sort,) and relation not in self.definitions
            need(is_typing, "a datatype's relation is unary, over its sort, and has no definition")
        else:
            need(any(sort not in self.functions[c][0] for c in made), "no constructor to begin with")
        self.datatypes[sort, relation] = made
        self.settled.add(relation)

    def state(self, name: str, statement: Formula, rests: Iterable[str]) -> None:
        need(name not in self.statements, "a statement's name twice")
        self.statements[name] = (statement, frozenset(rests))

    def prove(self, kind: str, r: Record) -> None:
        if kind == "theorem":
            self.goal, self.scope = self.formula(r["statement"], {}, 0), r["variables"]
            need(isinstance(self.scope, dict) and all(self.scope), "variables have names and sorts")
            names([*self.scope.values()], self.sorts)
            self.theorem, self.steps, self.assumed, self.rests = r["name"], {}, set(), set()
        elif kind == "qed":
            need(r["name"] == self.theorem and type(r["step"]) is int and r["step"] in self.steps, "no step")
            need(self.steps[r["step"]] == (self.goal, frozenset()), "another statement, or assumptions")
            self.state(self.theorem, self.goal, self.rests)
            self.theorems[self.theorem], self.theorem = tuple(sorted(self.rests)), ""
        else:
            step, rule, ids = r["id"], r["rule"], r["premises"]
            need(type(step) is int and step > self.last, "ids increase")
            need(isinstance(ids, list) and all(type(p) is int and p in self.steps for p in ids), "no premise")
            found, given = self.formula(r["conclusion"], self.scope, 0), [self.steps[p][0] for p in ids]
            rests = self.scoped(rule, r, ids, given, found)
            if rests is None:
                need(self.follows(rule, r, given, found), f"not by {rule}")
                rests = frozenset[int]().union(*[self.steps[p][1] for p in ids])
            self.steps[step], self.last = (found, rests), step

    def scoped(self, rule: str, r: Record, ids: list[int], given: list[Formula], found: Formula) -> Any:
        """What a step that makes or discharges assumptions rests on; None for the other rules."""
        match rule, found, given:
            case "assume", _, []:
                self.assumed.add(r["id"])
                return frozenset((r["id"],))
            case "close", ("all", sorts, premises, conclusion), [c, *_]:
                xs = [x for x, _ in r["conclusion"][1]]
                need(all(self.scope.get(x, s) == s for x, s in zip(xs, sorts, strict=True)), "another sort")
                need(c == fill(conclusion, xs), "another conclusion")
                return self.discharge(ids[0], ids[1:], [fill(p, xs) for p in premises], xs, ())
            case "open", _, [("some", sorts, inside) as f, c, *_]:
                xs = self.values(r, sorts)
                need(all(isinstance(x, str) for x in xs) and len({*xs}) == len(xs), "no distinct variables")
                need(c == found, "another conclusion")
                rests = self.discharge(ids[1], ids[2:], [fill(g, xs) for g in inside], xs, (f, found))
                return rests | self.steps[ids[0]][1]
            case "cases", _, [("or", *fs), *_]:
                need(len(ids) == 1 + 2 * len(fs) and all(c == found for c in given[1::2]), "a case missing")
                rests = [
                    self.discharge(c, [h], [f], (), ())
                    for c, h, f in zip(ids[1::2], ids[2::2], fs, strict=True)
                ]
                return self.steps[ids[0]][1].union(*rests)
        return None

    def discharge(self, step: int, ids: list[int], wanted: list[Formula], fresh: Any, apart: Any) -> Any:
        """What the step rests on besides the assumptions `ids`, which are those wanted; the fresh
        variables are neither in that nor in `apart`."""
        need(self.assumed.issuperset(ids) and [self.steps[h][0] for h in ids] == wanted, "discharges another")
        rests = self.steps[step][1].difference(ids)
        elsewhere = [*apart, *[self.steps[h][0] for h in rests]] if fresh else []
        need(all(strings(f).isdisjoint(fresh) for f in elsewhere), "a variable is not fresh")
        return rests

    def follows(self, rule: str, r: Record, given: list[Formula], found: Formula) -> bool:
        match rule, found, given:
            case "cite", _, []:
                statement, rests = self.statements.get(r["name"], (None, ()))
                self.rests.update(rests)
                return found == statement
            case "apply", _, [("all", sorts, premises, conclusion), *rest]:
                values = self.values(r, sorts)
                return [fill(p, values) for p in premises] == rest and found == fill(conclusion, values)
            case "witness", ("some", sorts, inside), _:
                values = self.values(r, sorts)
                return given == [fill(f, values) for f in inside]
            case "either", ("or", *alternatives), [f]:
                return f in alternatives
            case "middle", ("or", f, g), []:
                return bool(g == ("all", (), (f,), FALSE))
            case "absurd", _, [f]:
                return f == FALSE
            case "reflexivity", ("=", left, right), []:
                return bool(left == right)
            case "symmetry", ("=", left, right), [f]:
                return f == ("=", right, left)
            case "transitivity", ("=", left, right), [_, _, *_]:
                chained = all(p[0] == q[0] == "=" and p[2] == q[1] for p, q in pairwise(given))
                return bool(chained and given[0][1] == left and given[-1][2] == right)
            case "congruence", ("=", (f, *left), (g, *right)), _:
                return f == g and congruent(r["positions"], left, right, given)
            case "replace", ("is", f, *right), [("is", g, *left), *rest]:
                return f == g and congruent(r["positions"], left, right, rest)
            case ("unfold", body, [("is", relation, *terms)]) | ("fold", ("is", relation, *terms), [body]):
                name, definition = self.definitions.get(relation, ("", FALSE))
                self.rests.add(name)
                return bool(name and body == fill(definition, terms))
            case "injective" | "distinct", _, [("=", (c, *left), (d, *right))]:
                sort, i = self.functions[c][1], r.get("position", 0)
                need({c, d}.issubset(self.datatypes.get((sort, ""), ())), "no constructors")
                self.rests.add(f"datatype {sort}")
                if rule == "distinct":
                    return c != d and found == FALSE
                return c == d and type(i) is int and 0 <= i < len(left) and found == ("=", left[i], right[i])
            case "induction", ("all", (sort,), guard, goal), _:
                return self.induction(sort, guard, goal, given)
        return False

    def induction(self, sort: str, guard: Formula, goal: Formula, given: list[Formula]) -> bool:
        """Over the sort or, with a guard that says so, over those with a relation."""
        relation = guard[0][1] if guard and guard[0][0] == "is" else ""
        need(guard == ((("is", relation, (0, 0)),) if relation else ()), "a premise that is no typing")
        need((sort, relation) in self.datatypes, "no datatype")
        self.rests.add(f"datatype {relation or sort}")
        for c, case in zip(self.datatypes[sort, relation], given, strict=False):
            inputs = self.functions[c][0]
            ys = [y for y, s in enumerate(inputs) if s == sort]
            wanted = [("is", relation, y) for y in ys if relation] + [fill(goal, [y]) for y in ys]
            if inputs:
                need(case[:2] == ("all", inputs), "a case of another constructor")
                need([fill(p, range(len(inputs))) for p in case[2]] == wanted, "other hypotheses")
                case = fill(case[3], range(len(inputs)))
            need(case == fill(goal, [(c, *range(len(inputs)))]), "a case of another statement")
        return len(given) == len(self.datatypes[sort, relation])

    def values(self, r: Record, sorts: tuple[str, ...]) -> list[Any]:
        """The terms of a substitution, which have these sorts."""
        need(isinstance(r["substitution"], list), "a substitution is a list of terms")
        found = [self.term(t, self.scope, 0) for t in r["substitution"]]
        need(tuple([s for _, s in found]) == sorts, "a substitution of other sorts")
        return [t for t, _ in found]

    def formula(self, data: Any, scope: Mapping[str, Any], level: int) -> Formula:
        """The formula, if it is one of declared symbols and right sorts, inside `level` binders."""
        match data:
            case ["=", left, right]:
                (a, sort), (b, other) = self.term(left, scope, level), self.term(right, scope, level)
                need(sort == other, "an equation between sorts")
                return ("=", a, b)
            case ["is", str(relation), *rest] if relation in self.relations:
                found = [self.term(t, scope, level) for t in rest]
                need(tuple([s for _, s in found]) == self.relations[relation], "a relation on other sorts")
                return ("is", relation, *[t for t, _ in found])
            case ["or", _, _, *_]:
                return ("or", *[self.formula(f, scope, level) for f in data[1:]])
            case ["all", binder, [*inside], *rest] | ["some", binder, [*inside], *rest]:
                sorts, scope = self.bind(binder, scope, level)
                need(len(rest) == (data[0] == "all") and (inside or (sorts and rest)), "an empty formula")
                parts = tuple([self.formula(f, scope, level + 1) for f in inside])
                return (data[0], sorts, parts, *[self.formula(f, scope, level + 1) for f in rest])
        need(data == ["false"], "no formula")
        return FALSE

    def bind(self, data: Any, scope: Mapping[str, Any], level: int) -> tuple[Any, Mapping[str, Any]]:
        need(isinstance(data, list) and all(isinstance(p, list) and len(p) == 2 for p in data), "no binder")
        need(all(isinstance(x, str) and x for x, _ in data), "a bound variable has a name")
        places = {x: (sort, level, place) for place, (x, sort) in enumerate(data)}
        need(len(places) == len(data), "a name bound twice")
        return names([sort for _, sort in data], self.sorts), {**scope, **places}

    def term(self, data: Any, scope: Mapping[str, Any], level: int) -> tuple[Any, str]:
        """The term and its sort."""
        if isinstance(data, str):
            need(data in scope, "an undeclared variable")
            found = scope[data]
            return (data, found) if isinstance(found, str) else ((level - 1 - found[1], found[2]), found[0])
        need(isinstance(data, list) and data and isinstance(data[0], str), "no term")
        need(data[0] in self.functions, "an unknown function")
        inputs, output = self.functions[data[0]]
        arguments = [self.term(t, scope, level) for t in data[1:]]
        need(tuple([s for _, s in arguments]) == inputs, "a function on other sorts")
        return (data[0], *[t for t, _ in arguments]), output


def record_of(line: str) -> Record:
    def unique(pairs: list[tuple[str, Any]]) -> Record:
        need(len(dict(pairs)) == len(pairs), "a key twice")
        return dict(pairs)

    try:
        record = json.loads(line, object_pairs_hook=unique)
    except ValueError as error:
        raise Rejected(f"no JSON: {error}") from None
    need(isinstance(record, dict), "a record is an object")
    return dict(record)


def check(lines: Iterable[str], declared: Iterable[str] | None = None) -> Verdict:
    """The verdict on a certificate. With `declared`, the first lines of a theory's certificate, it
    must begin with these and declare no more; without, it may rest on axioms of its own."""
    kernel, number = Kernel(), 0
    try:
        header = None if declared is None else [record_of(line) for line in declared]
        for number, line in enumerate(lines, 1):
            record = record_of(line)
            kernel.read(record)
            is_declared = header is None or record in header[number - 1 : number]
            need(is_declared or (kernel.phase == 2 and number > len(header or ())), "not the theory's")
        need(number >= len(header or ()) and kernel.phase >= 0 and not kernel.theorem, "the end is missing")
    except (Rejected, RecursionError) as error:
        return Verdict(False, kernel.theorems, kernel.last, number, str(error))
    return Verdict(True, kernel.theorems, kernel.last)


if __name__ == "__main__":
    print(check(Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()))
