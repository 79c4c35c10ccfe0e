"""The logic in which theories are stated in Metamath: natural deduction, many-sorted, with equality.

`( G -> ph )` reads "from the assumptions G follows ph". Terms have their sort as typecode. A rule of
the basis is an axiom with hypotheses, sound by itself; `<->` serves only to say that two formulas
agree where a variable has a certain value, which is how a term is put in a variable's place.
"""

from __future__ import annotations

from .metamath_database import INDIVIDUAL, Database, Node
from .records import CertificateRecords

PROPOSITIONAL: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("mp", ("ph", "( ph -> ps )"), "ps"),
    ("a1", ("ph",), "( G -> ph )"),
    ("id", (), "( ph -> ph )"),
    ("claim", ("( G -> ph )",), "( G -> ph )"),
    ("hyp", (), "( ( G /\\ ph ) -> ph )"),
    ("wk", ("( G -> ps )",), "( ( G /\\ ph ) -> ps )"),
    ("ex", ("( ( G /\\ ph ) -> ps )",), "( G -> ( ph -> ps ) )"),
    ("imp", ("( G -> ( ph -> ( ps -> ch ) ) )",), "( G -> ( ( ph /\\ ps ) -> ch ) )"),
    ("mpd", ("( G -> ph )", "( G -> ( ph -> ps ) )"), "( G -> ps )"),
    ("and", ("( G -> ph )", "( G -> ps )"), "( G -> ( ph /\\ ps ) )"),
    ("or1", ("( G -> ph )",), "( G -> ( ph \\/ ps ) )"),
    ("or2", ("( G -> ps )",), "( G -> ( ph \\/ ps ) )"),
    ("jao", ("( G -> ( ph -> ch ) )", "( G -> ( ps -> ch ) )"), "( G -> ( ( ph \\/ ps ) -> ch ) )"),
    ("em", (), "( G -> ( ph \\/ ( ph -> F. ) ) )"),
    ("efq", ("( G -> F. )",), "( G -> ph )"),
    ("biid", (), "( G -> ( ph <-> ph ) )"),
    ("bi1", ("( G -> ( ph <-> ps ) )", "( G -> ph )"), "( G -> ps )"),
    ("bi2", ("( G -> ( ph <-> ps ) )", "( G -> ps )"), "( G -> ph )"),
    ("bii", ("( G -> ( ph <-> ps ) )", "( G -> ( ch <-> th ) )"), "( G -> ( ( ph -> ch ) <-> ( ps -> th ) ) )"),
    ("bia", ("( G -> ( ph <-> ps ) )", "( G -> ( ch <-> th ) )"), "( G -> ( ( ph /\\ ch ) <-> ( ps /\\ th ) ) )"),
    ("bio", ("( G -> ( ph <-> ps ) )", "( G -> ( ch <-> th ) )"), "( G -> ( ( ph \\/ ch ) <-> ( ps \\/ th ) ) )"),
)  # fmt: skip


class Basis:
    """The symbols of a theory and the rules that its signature gives, in a database."""

    def __init__(self, records: CertificateRecords) -> None:
        self.records = records
        self.db = Database()
        self.suffixes = {s: "" if len(records.sorts) == 1 else f".{i}" for i, s in enumerate(records.sorts)}
        self.sorts = {end: sort for sort, end in self.suffixes.items()}
        self.names: dict[str, str] = {}  # syntax label -> name of the function or relation
        self.codes: dict[str, str] = {}  # sort -> typecode of its terms
        self.symbols: dict[tuple[str, str], str] = {}  # ("function" or "relation", name) -> syntax label
        self.quantifiers: dict[str, tuple[str, str]] = {}  # syntax label -> (sort, binder)
        self._syntax()
        for label, hypotheses, conclusion in PROPOSITIONAL:
            self.db.axiom(label, hypotheses, conclusion)
        for sort in records.sorts:
            self._equality(sort)
            self._quantifiers(sort)
        for name in records.functions:
            self._congruence(name)
        for name in records.relations:
            self._relation(name)
        for sort, relation, constructors in records.datatypes:
            if not relation:
                self._constructors(constructors)
            self._induction(sort, relation, constructors)

    # --- variables ---

    def term(self, number: int, sort: str) -> str:
        """A variable for terms, in rules."""
        return f"A{number}{self.suffixes[sort]}"

    def bound(self, number: int, sort: str) -> str:
        """A variable that formulas bind at height `number`."""
        return self._individual(f"x{number}{self.suffixes[sort]}", sort)

    def fixed(self, number: int, sort: str) -> str:
        """A variable for an arbitrary but fixed individual."""
        return self._individual(f"e{number}{self.suffixes[sort]}", sort)

    def _individual(self, token: str, sort: str) -> str:
        self.db.variables.declare(token, f"{self.codes[sort]}-var", INDIVIDUAL)
        return token

    def individual(self, token: str, sort: str) -> Node:
        """The term that is this variable."""
        return self.db.node(f"t{self.suffixes[sort]}", (self.db.variable(token),))

    # --- syntax ---

    def _syntax(self) -> None:
        db, records = self.db, self.records
        most = max([2, *(2 * len(i) for i, _ in records.functions.values())])
        most = max([most, *(2 * len(i) for i in records.relations.values())])
        for sort in records.sorts:
            self.codes[sort] = db.constant(sort)
            db.constants[f"{self.codes[sort]}-var"] = None
        functions = {name: db.constant(db.free_token(name)) for name in records.functions}
        relations = {name: db.constant(db.free_token(name)) for name in records.relations}
        for number in range(1, most + 1):
            for sort in records.sorts:
                db.variables.declare(self.term(number, sort), self.codes[sort], 1)
        for label, sign in (("wi", "->"), ("wa", "/\\"), ("wo", "\\/"), ("wb", "<->")):
            db.syntax(label, "wff", f"( #0 {sign} #1 )", ("ph", "ps"))
        db.syntax("wf", "wff", "F.", ())
        for sort in records.sorts:
            end, a, b = self.suffixes[sort], self.term(1, sort), self.term(2, sort)
            x = self.bound(1, sort)
            db.syntax(f"t{end}", self.codes[sort], "#0", (x,))
            db.syntax(f"weq{end}", "wff", "#0 = #1", (a, b))
            for label, sign in ((f"wal{end}", "A."), (f"wex{end}", "E.")):
                db.syntax(label, "wff", f"{sign} #1 #0", ("ph", x))
                self.quantifiers[label] = (sort, sign)
        for name, (inputs, output) in records.functions.items():
            self._symbol("function", name, functions[name], inputs, self.codes[output])
        for name, inputs in records.relations.items():
            self._symbol("relation", name, relations[name], inputs, "wff")

    def _symbol(self, kind: str, name: str, token: str, inputs: tuple[str, ...], typecode: str) -> None:
        label = self.db.label(name, "f." if kind == "function" else "r.")
        places = tuple(self.term(n, s) for n, s in enumerate(inputs, 1))
        if not inputs:
            template = token
        elif len(inputs) == 2 and not token[0].isalnum():
            template = f"( #0 {token} #1 )"
        else:
            template = " ".join(["(", token, *(f"#{n}" for n in range(len(inputs))), ")"])
        self.db.syntax(label, typecode, template, places)
        self.symbols[kind, name] = label
        self.names[label] = name

    def apply(self, kind: str, name: str, arguments: tuple[Node, ...]) -> Node:
        return self.db.node(self.symbols[kind, name], arguments)

    # --- rules of the signature ---

    def _equality(self, sort: str) -> None:
        db, end = self.db, self.suffixes[sort]
        a, b = self.term(1, sort), self.term(2, sort)
        c = self.term(3, sort)
        db.variables.declare(c, self.codes[sort], 1)
        d = self.term(4, sort)
        db.variables.declare(d, self.codes[sort], 1)
        db.axiom(f"refl{end}", (), f"( G -> {a} = {a} )")
        db.axiom(f"sym{end}", (f"( G -> {a} = {b} )",), f"( G -> {b} = {a} )")
        db.axiom(f"tr{end}", (f"( G -> {a} = {b} )", f"( G -> {b} = {c} )"), f"( G -> {a} = {c} )")
        both = (f"( G -> {a} = {b} )", f"( G -> {c} = {d} )")
        db.axiom(f"bie{end}", both, f"( G -> ( {a} = {c} <-> {b} = {d} ) )")

    def _quantifiers(self, sort: str) -> None:
        db, end = self.db, self.suffixes[sort]
        a, x, e = self.term(1, sort), self.bound(1, sort), self.fixed(1, sort)
        same = f"( {x} = {a} -> ( ph <-> ps ) )"
        fixed = f"( {x} = {e} -> ( ph <-> ps ) )"
        arbitrary = f"( {e} = {x} -> ( ph <-> ps ) )"
        db.axiom(f"inst{end}", (same, f"( G -> A. {x} ph )"), "( G -> ps )", (f"{x} {a}", f"{x} ps"))
        db.axiom(
            f"gen{end}",
            (arbitrary, "( G -> ph )"),
            f"( G -> A. {x} ps )",
            (f"{e} {x}", f"{e} G", f"{e} ps", f"{x} ph"),
        )
        db.axiom(f"exi{end}", (same, "( G -> ps )"), f"( G -> E. {x} ph )", (f"{x} {a}", f"{x} ps"))
        db.axiom(
            f"exe{end}",
            (fixed, "( G -> ( ps -> ch ) )"),
            f"( G -> ( E. {x} ph -> ch ) )",
            (f"{e} {x}", f"{e} G", f"{e} ph", f"{e} ch", f"{x} ps"),
        )
        for sign, label in (("A.", f"bial{end}"), ("E.", f"biex{end}")):
            db.axiom(
                label,
                ("( G -> ( ph <-> ps ) )",),
                f"( G -> ( {sign} {x} ph <-> {sign} {x} ps ) )",
                (f"{x} G",),
            )

    def pairs(self, inputs: tuple[str, ...]) -> tuple[list[str], list[str]]:
        """Variables for the arguments of both sides of a congruence."""
        count = len(inputs)
        left = [self.term(n + 1, s) for n, s in enumerate(inputs)]
        return left, [self.term(count + n + 1, s) for n, s in enumerate(inputs)]

    def written(self, kind: str, name: str, tokens: list[str]) -> str:
        parts = self.db.templates[self.symbols[kind, name]]
        return " ".join(tokens[int(p[1:])] if p[0] == "#" and p[1:].isdigit() else p for p in parts)

    def congruence_of(self, name: str) -> str:
        return f"cong.{self.symbols['function', name]}"

    def _congruence(self, name: str) -> None:
        inputs = self.records.functions[name][0]
        if not inputs:
            return
        left, right = self.pairs(inputs)
        given = [f"( G -> {a} = {b} )" for a, b in zip(left, right, strict=True)]
        sides = " = ".join(self.written("function", name, side) for side in (left, right))
        self.db.axiom(self.congruence_of(name), given, f"( G -> {sides} )")

    def agreement_of(self, name: str) -> str:
        return f"bi.{self.symbols['relation', name]}"

    def _relation(self, name: str) -> None:
        inputs = self.records.relations[name]
        left, right = self.pairs(inputs)
        given = [f"( G -> {a} = {b} )" for a, b in zip(left, right, strict=True)]
        sides = " <-> ".join(self.written("relation", name, side) for side in (left, right))
        self.db.axiom(self.agreement_of(name), given, f"( G -> ( {sides} ) )")

    def injective_of(self, name: str, position: int) -> str:
        return f"inj{position}.{self.symbols['function', name]}"

    def distinct_of(self, first: str, second: str) -> str:
        return f"dis.{self.symbols['function', first]}.{self.symbols['function', second]}"

    def _constructors(self, constructors: tuple[str, ...]) -> None:
        for c in constructors:
            inputs = self.records.functions[c][0]
            left, right = self.pairs(inputs)
            sides = " = ".join(self.written("function", c, side) for side in (left, right))
            for place, (a, b) in enumerate(zip(left, right, strict=True)):
                self.db.axiom(self.injective_of(c, place), (f"( G -> {sides} )",), f"( G -> {a} = {b} )")
            for d in constructors:
                if d != c:
                    self._distinct(c, d)

    def _distinct(self, c: str, d: str) -> None:
        first, second = self.records.functions[c][0], self.records.functions[d][0]
        left = [self.term(n + 1, s) for n, s in enumerate(first)]
        right = [self.term(len(first) + n + 1, s) for n, s in enumerate(second)]
        for n, s in enumerate(second):
            self.db.variables.declare(self.term(len(first) + n + 1, s), self.codes[s], 1)
        sides = f"{self.written('function', c, left)} = {self.written('function', d, right)}"
        self.db.axiom(self.distinct_of(c, d), (f"( G -> {sides} )",), "( G -> F. )")

    def induction_of(self, sort: str, relation: str) -> str:
        return f"ind{self.suffixes[sort]}" + (f".{self.symbols['relation', relation]}" if relation else "")

    def places_of(self, sort: str, constructors: tuple[str, ...]) -> list[tuple[str, list[str], list[int]]]:
        """For each constructor its inputs, and which of them are of the sort."""
        found = []
        for c in constructors:
            inputs = list(self.records.functions[c][0])
            found.append((c, inputs, [n for n, s in enumerate(inputs) if s == sort]))
        return found

    def case_variable(self, case: int, place: int) -> str:
        """A variable for the statement at the case's conclusion (-1) or at one of its inputs."""
        token = f"ph{case}" if place < 0 else f"ph{case}.{place}"
        self.db.variables.declare(token, "wff", 0)
        return token

    def _induction(self, sort: str, relation: str, constructors: tuple[str, ...]) -> None:
        """`e` stands for the variable of the induction, `ph` is the statement at it, `ps` at `x`."""
        e, x = self.fixed(1, sort), self.bound(1, sort)
        given, apart = [f"( {e} = {x} -> ( ph <-> ps ) )"], [f"{e} {x}", f"{e} ps", f"{x} ph"]
        for case, (c, inputs, own) in enumerate(self.places_of(sort, constructors)):
            ys = [self.bound(n + 2, s) for n, s in enumerate(inputs)]
            built = self.written("function", c, ys)
            end = self.case_variable(case, -1)
            step = end
            for place in reversed(own):
                here = self.case_variable(case, place)
                given.append(f"( {e} = {ys[place]} -> ( ph <-> {here} ) )")
                step = f"( {here} -> {step} )"
                apart.append(f"{e} {here}")
            if relation:
                for place in reversed(own):
                    step = f"( {self.written('relation', relation, [ys[place]])} -> {step} )"
            given.append(f"( {e} = {built} -> ( ph <-> {end} ) )")
            apart.append(f"{e} {end}")
            given.append(f"( G -> {' '.join(f'A. {y}' for y in ys)} {step} )".replace("  ", " "))
            apart += [f"{e} {y}" for y in ys] + [f"{y} ph" for y in ys]
            apart += [f"{a} {b}" for i, a in enumerate(ys) for b in ys[:i]]
        typing = f"( {self.written('relation', relation, [x])} -> ps )" if relation else "ps"
        self.db.axiom(self.induction_of(sort, relation), given, f"( G -> A. {x} {typing} )", _once(apart))


def _once(pairs: list[str]) -> list[str]:
    return list(dict.fromkeys(" ".join(sorted(p.split())) for p in pairs))
