"""The kernel: checks certificates; nothing is called a theorem before it says so.

It reads JSON lines (grammar and rules: see `certificates`), imports only the standard library, shares no
code with the engine. A step is a sequent: a formula and the `assume` steps that it rests on. Formulas are
as in the file, but bound variables are (binders in between, place in the binder): their names are nothing.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

FALSE, BINDERS = ("false",), ("all", "some")
RECORDS = """theory name format | sort name | function name inputs output | relation name inputs
 | datatype sort constructors relation | definition name relation variables body | axiom name statement
 | theorem name statement variables | step id rule premises conclusion | qed name step"""
KEYS = {words.split()[0]: words.split()[1:] for words in RECORDS.split("|")}
PARAMETER = {"cite": "name", "apply": "substitution", "witness": "substitution", "open": "substitution"}
PARAMETER |= {"injective": "position", "congruence": "positions", "replace": "positions"}
TEXTS = ("record", "rule", "name", "sort", "relation", "output")
Formula = tuple[Any, ...]
Record = dict[str, Any]


def need(condition: object, reason: str) -> None:
    if not condition:
        raise ValueError(reason)


def names(data: Any, known: Iterable[str]) -> tuple[str, ...]:
    need(isinstance(data, list) and all(isinstance(n, str) and n in known for n in data), "undeclared names")
    return tuple(data)


def strings(part: Any) -> frozenset[Any]:
    """What a formula is made of: the names of variables, functions, relations, sorts; its own words."""
    return frozenset[Any]().union(*map(strings, part)) if isinstance(part, tuple) else frozenset((part,))


def fill(part: Any, values: Sequence[Any], depth: int = 0) -> Any:
    """A part of a formula, the variables of the binder `depth` levels up replaced by terms without any."""
    if not isinstance(part, tuple) or not part:
        return part
    if type(part[0]) is int:
        return values[part[1]] if part[0] == depth else part
    return tuple([fill(p, values, depth + (part[0] in BINDERS)) for p in part])


def congruent(positions: Any, left: Sequence[Any], right: Sequence[Any], given: list[Formula]) -> bool:
    """Whether the premises equate the arguments at the positions, and the others agree."""
    need(isinstance(positions, list) and all(type(i) is int for i in positions), "positions are numbers")
    need(all(i < j for i, j in pairwise([-1, *positions, len(left)])), "positions ascend")
    wanted = dict(zip(positions, given, strict=True))
    pairs = enumerate(zip(left, right, strict=True))
    return all(wanted[i] == ("=", a, b) if i in wanted else a == b for i, (a, b) in pairs)


class Verdict(NamedTuple):
    """`theorems` gives what each one accepted rests on; `line` (from 1) is the first bad one, if any."""

    accepted: bool
    theorems: Mapping[str, tuple[str, ...]]
    steps: int = 0
    line: int = 0
    reason: str = ""


class Kernel:
    """What is declared and proved so far, and the theorem that is being read."""

    def __init__(self) -> None:
        self.sorts, self.settled = set[str](), set[Any]()  # settled: may get no definition any more
        self.functions: dict[str, tuple[tuple[str, ...], str]] = {}
        self.relations, self.theorems = dict[str, tuple[str, ...]](), dict[str, tuple[str, ...]]()
        self.datatypes: dict[tuple[str, str], tuple[str, ...]] = {}  # (sort, relation): constructors
        self.definitions: dict[str, tuple[str, Formula]] = {}  # relation: name and body
        self.statements: dict[str, Formula] = {}
        self.theorem, self.goal, self.scope, self.rests = "", FALSE, dict[str, str](), set[str]()
        self.steps: dict[int, tuple[Formula, frozenset[int]]] = {}
        self.phase, self.last = -1, 0  # 0: the theory is named, 1: declarations, 2: theorems; the last id

    def read(self, r: Record) -> None:
        need(isinstance(r, dict), "a record is an object")
        need(all(isinstance(r[k], str) and (r[k] or k == "relation") for k in TEXTS if k in r), "no name")
        kind, parameter = str(r.get("record")), PARAMETER.get(r.get("rule", ""), "").split()
        need(kind in KEYS and r.keys() == {"record", *KEYS[kind], *parameter}, "missing or extra keys")
        phase = 0 if kind == "theory" else 2 if kind in ("theorem", "step", "qed") else 1
        need(phase >= self.phase and (phase == 0) == (self.phase < 0), "a record out of order")
        need((kind in ("step", "qed")) == bool(self.theorem), "steps and qed are inside of a theorem")
        self.phase = phase
        (self.prove if phase == 2 else self.declare)(kind, r)

    def declare(self, kind: str, r: Record) -> None:
        known = {"sort": self.sorts, "function": self.functions, "relation": self.relations}.get(kind, ())
        need(r.get("name") not in (self.statements if kind == "axiom" else known), f"a {kind} twice")
        if kind == "theory":
            need(r["format"] == 1 and type(r["format"]) is int, "an unknown format")
        elif kind == "sort":
            self.sorts.add(r["name"])
        elif kind == "function":
            need(r["output"] in self.sorts and r["name"] not in BINDERS, "a function of no sort or name")
            self.functions[r["name"]] = (names(r["inputs"], self.sorts), r["output"])
        elif kind == "relation":
            self.relations[r["name"]] = names(r["inputs"], self.sorts)
        elif kind == "axiom":
            self.statements[r["name"]] = self.formula(r["statement"], {}, 0)
        elif kind == "definition":
            sorts, scope = self.bind(r["variables"], {}, 0)
            body = self.formula(r["body"], scope, 1)
            need(r["relation"] not in self.settled | strings(body), "a definition twice, or in a circle")
            need(self.relations.get(r["relation"]) == sorts, "a definition of another relation")
            self.settled |= strings(body) | {r["relation"]}
            self.definitions[r["relation"]] = (r["name"], body)
        else:
            sort, relation, made = r["sort"], r["relation"], names(r["constructors"], self.functions)
            need(sort in self.sorts and all(self.functions[c][1] == sort for c in made), "another sort")
            need((sort, relation) not in self.datatypes and len({*made}) == len(made), "one of them twice")
            is_typing = self.relations.get(relation) == (sort,) and relation not in self.definitions
            need(is_typing or not relation, "a datatype's relation is unary, over its sort, not defined")
            need(relation or any(sort not in self.functions[c][0] for c in made), "it begins nowhere")
            self.datatypes[sort, relation] = made
            self.settled.add(relation)

    def prove(self, kind: str, r: Record) -> None:
        if kind == "theorem":
            self.goal, self.scope = self.formula(r["statement"], {}, 0), r["variables"]
            need(isinstance(self.scope, dict) and all(self.scope), "variables have names and sorts")
            names([*self.scope.values()], self.sorts)
            need(r["name"] not in self.statements, "a statement's name twice")
            self.theorem, self.steps, self.rests = r["name"], {}, set()
        elif kind == "qed":
            need(r["name"] == self.theorem and type(r["step"]) is int and r["step"] in self.steps, "no step")
            need(self.steps[r["step"]] == (self.goal, frozenset()), "another statement, or assumptions")
            self.statements[self.theorem] = self.goal
            self.theorems[self.theorem], self.theorem = tuple(sorted(self.rests)), ""
        else:
            step, rule, ids = r["id"], r["rule"], r["premises"]
            need(type(step) is int and step > self.last, "ids increase")
            need(isinstance(ids, list) and all(type(p) is int and p in self.steps for p in ids), "no premise")
            found, given = self.formula(r["conclusion"], self.scope, 0), [self.steps[p][0] for p in ids]
            self.steps[step], self.last = (found, self.assumptions(rule, r, ids, given, found)), step

    def assumptions(self, rule: str, r: Record, ids: list[int], given: list[Formula], found: Formula) -> Any:
        """What a step rests on, if its rule gives its conclusion from its premises."""
        holds = False
        match rule, found, given:
            case "assume", _, []:
                return frozenset((r["id"],))
            case "close", ("all", sorts, premises, conclusion), [c, *_]:
                xs = [x for x, _ in r["conclusion"][1]]
                need(all(self.scope.get(x, s) == s for x, s in zip(xs, sorts, strict=True)), "another sort")
                need(c == fill(conclusion, xs), "another conclusion")
                return self.discharge(ids[0], ids[1:], fill(premises, xs), xs, ())
            case "open", _, [("some", sorts, parts) as f, c, *_]:
                xs = self.terms(r["substitution"], sorts, self.scope, 0)
                variables = {x for x in xs if isinstance(x, str)}
                need(c == found and len(variables) == len(xs), "another conclusion, or no distinct variables")
                rests = self.discharge(ids[1], ids[2:], fill(parts, xs), xs, (f, found))
                return rests | self.steps[ids[0]][1]
            case "cases", _, [("or", *fs), *_]:
                need(len(ids) == 1 + 2 * len(fs) and all(c == found for c in given[1::2]), "a case missing")
                branches = zip(ids[1::2], ids[2::2], fs, strict=True)
                rests = [self.discharge(c, [h], (f,), (), ()) for c, h, f in branches]
                return self.steps[ids[0]][1].union(*rests)
            case "cite", _, []:
                self.rests.update(self.theorems.get(r["name"], (r["name"],)))  # axioms rest on themselves
                holds = found == self.statements.get(r["name"])
            case "apply", _, [("all", sorts, premises, conclusion), *rest]:
                values = self.terms(r["substitution"], sorts, self.scope, 0)
                holds = fill(premises, values) == tuple(rest) and found == fill(conclusion, values)
            case "witness", ("some", sorts, inside), _:
                holds = fill(inside, self.terms(r["substitution"], sorts, self.scope, 0)) == tuple(given)
            case "either", ("or", *alternatives), [f]:
                holds = f in alternatives
            case "middle", ("or", f, g), []:
                holds = bool(g == ("all", (), (f,), FALSE))
            case "absurd", _, [f]:
                holds = f == FALSE
            case "reflexivity", ("=", left, right), []:
                holds = bool(left == right)
            case "symmetry", ("=", left, right), [f]:
                holds = f == ("=", right, left)
            case "transitivity", ("=", left, right), [_, _, *_]:
                chained = all(p[0] == q[0] == "=" and p[2] == q[1] for p, q in pairwise(given))
                holds = bool(chained and given[0][1] == left and given[-1][2] == right)
            case "congruence", ("=", (f, *left), (g, *right)), _:
                holds = f == g and congruent(r["positions"], left, right, given)
            case "replace", ("is", f, *right), [("is", g, *left), *rest]:
                holds = f == g and congruent(r["positions"], left, right, rest)
            case ("unfold", body, [("is", relation, *terms)]) | ("fold", ("is", relation, *terms), [body]):
                name, definition = self.definitions.get(relation, ("", FALSE))
                self.rests.add(name)
                holds = bool(name and body == fill(definition, terms))
            case "injective" | "distinct", _, [("=", (c, *left), (d, *right))]:
                sort, i = self.functions[c][1], r.get("position", 0)
                need({c, d}.issubset(self.datatypes.get((sort, ""), ())), "no constructors")
                self.rests.add(f"datatype {sort}")
                same = c == d and type(i) is int and 0 <= i < len(left) and found == ("=", left[i], right[i])
                holds = same if rule == "injective" else bool(c != d and found == FALSE)
            case "induction", ("all", (sort,), guard, goal), _:
                holds = self.induction(sort, guard, goal, given)
        need(holds, f"not by {rule}")
        return frozenset[int]().union(*[self.steps[p][1] for p in ids])

    def discharge(self, step: int, ids: list[int], wanted: Any, fresh: Any, apart: Any) -> Any:
        """What the step rests on besides `ids`; fresh variables are neither in that nor in `apart`."""
        assumed = all(h in self.steps[h][1] for h in ids)  # only assumptions rest on themselves
        need(assumed and tuple([self.steps[h][0] for h in ids]) == wanted, "discharges another")
        rests = self.steps[step][1].difference(ids)
        elsewhere = strings((*apart, *[self.steps[h][0] for h in rests]))
        need(elsewhere.isdisjoint(fresh), "a variable is not fresh")
        return rests

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

    def terms(self, data: Any, sorts: tuple[str, ...], scope: Mapping[str, Any], level: int) -> list[Any]:
        need(isinstance(data, list), "terms are a list")
        found = [self.term(t, scope, level) for t in data]
        need(tuple([s for _, s in found]) == sorts, "terms of other sorts")
        return [t for t, _ in found]

    def formula(self, data: Any, scope: Mapping[str, Any], level: int) -> Formula:
        """The formula, if it is one of declared symbols and right sorts, inside `level` binders."""
        match data:
            case ["=", left, right]:
                a, sort = self.term(left, scope, level)
                return ("=", a, *self.terms([right], (sort,), scope, level))
            case ["is", str(relation), *rest] if relation in self.relations:
                return ("is", relation, *self.terms(rest, self.relations[relation], scope, level))
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
        return (data[0], *self.terms(data[1:], inputs, scope, level)), output


def unique(pairs: list[tuple[str, Any]]) -> Record:
    need(len(dict(pairs)) == len(pairs), "a key twice")
    return dict(pairs)


def check(lines: Iterable[str], declared: Iterable[str] | None = None) -> Verdict:
    """The verdict on a certificate. With `declared`, the first lines of a theory's certificate, it
    must begin with these and declare no more; without, it may rest on axioms of its own."""
    kernel, number, header = Kernel(), 0, list[Any]()
    try:
        header += [json.loads(line, object_pairs_hook=unique) for line in declared or ()]
        for number, line in enumerate(lines, 1):
            record = json.loads(line, object_pairs_hook=unique)
            kernel.read(record)
            is_declared = declared is None or record in header[number - 1 : number]
            need(is_declared or (kernel.phase == 2 and number > len(header)), "not the theory's")
        need(number >= len(header) and kernel.phase >= 0 and not kernel.theorem, "the end is missing")
    except (ValueError, RecursionError) as error:  # what is no JSON is a ValueError too
        return Verdict(False, kernel.theorems, kernel.last, number, str(error))
    return Verdict(True, kernel.theorems, kernel.last)


if __name__ == "__main__":
    print(check(sys.stdin))
