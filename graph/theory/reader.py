"""`kind: logic` documents to theories, with every mistake at its place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields

from ..diagnostics import Diagnostics, Note, Span, SpecError, did_you_mean, fail
from ..spec.documents import Document, Label
from ..spec.keys import BOUNDS_KEYS, LOGIC_KEYS, RELATION_KEYS
from ..spec.reading import Reading
from ..spec.tokens import Located
from ..spec.vocabulary import Vocabulary
from ..spec.yaml_nodes import YamlMapping, YamlNode, YamlScalar, YamlSequence
from .declaration_parser import (
    Constructor,
    check_symbol,
    check_variable,
    parse_constructors,
    parse_function_type,
    parse_names,
    parse_relation_type,
)
from .elaboration import Names, check_sort, elaborate, elaborate_statement, elaborate_term
from .formulas import Atom, Equation, Formula, free_variables, parts
from .infix_parser import parse_infix
from .model_reader import read_models
from .models import Model
from .mpl import parse_mpl
from .mpl_meaning import Anchors, is_mpl, mpl_statement
from .notation import INFIX
from .signature import Datatype, Function, Relation, Signature, Sort
from .syntax import Named
from .terms import Variable
from .theory import Axiom, Bounds, Definition, Goal, Theory


@dataclass(frozen=True)
class TheoryDocument:
    """A theory with what its texts need to be read: names of variables, anchors of MPL."""

    theory: Theory
    names: Names
    anchors: Anchors

    def statement(self, located: Located) -> Formula:
        """A closed formula in either notation. Raises SpecError (G16xx)."""
        return read_statement(located, self.names, self.anchors)


def read_statement(located: Located, names: Names, anchors: Anchors) -> Formula:
    """A closed formula, infix or MPL. Raises SpecError (G16xx)."""
    if is_mpl(located.text):
        return mpl_statement(parse_mpl(located), names, anchors)
    return elaborate_statement(parse_infix(located), names)


def read_theory(document: Document) -> TheoryDocument:
    """The theory in a document of kind logic. Raises SpecError with every diagnostic."""
    theory, diagnostics = parse_theory(document)
    diagnostics.raise_if_errors()
    assert theory is not None
    return theory


def parse_theory(document: Document) -> tuple[TheoryDocument | None, Diagnostics]:
    """The theory, and what is wrong with it; raises nothing. With errors the theory holds what
    could be read, or is None."""
    diagnostics = Diagnostics()
    root = document.root
    assert isinstance(root, YamlMapping)
    reading = Reading(document.source, diagnostics, Vocabulary())
    first = root.entries[0][0].span if root.entries else root.span
    found = reading.fields(root, LOGIC_KEYS, "a theory", first)
    if found is None:
        return None, diagnostics
    return _Reader(reading, found).read(document), diagnostics


@dataclass
class _Symbols:
    """Everything declared so far, in the order met; `places` for notes."""

    sorts: list[Sort] = field(default_factory=list)
    functions: list[Function] = field(default_factory=list)
    relations: list[Relation] = field(default_factory=list)
    datatypes: list[Datatype] = field(default_factory=list)
    places: dict[str, Span] = field(default_factory=dict)

    def signature(self) -> Signature:
        return Signature(
            tuple(self.sorts), tuple(self.functions), tuple(self.relations), tuple(self.datatypes)
        )


class _Reader:
    """One document being read, section by section."""

    def __init__(self, reading: Reading, sections: dict[str, YamlNode]) -> None:
        self.reading = reading
        self.sections = sections
        self.symbols = _Symbols()
        self.constructors: list[tuple[str, tuple[Constructor, ...]]] = []
        self.defined: list[tuple[Label, str, Located]] = []  # constants given by a term

    def read(self, document: Document) -> TheoryDocument:
        self._sorts()
        self._functions()
        self._relations()
        self._datatypes()
        names = Names(self.symbols.signature(), self._variables())
        anchors = self._anchors()
        definitions = self._definitions(names)
        axioms = (*self._constants(names), *self._axioms(names, anchors))
        goals = tuple(
            Goal(name.text, statement, text.text, name.span)
            for name, statement, text in self._statements("goals", names, anchors)
        )
        self._check_names(
            [(a.name, a.span) for a in axioms] + [(d.name, d.span) for d in definitions], "statement"
        )
        theory = Theory(
            document.name.text,
            names.signature,
            axioms,
            definitions,
            self._models(names.signature),
            self._bounds(),
            goals,
            document.doc,
            document.name.span,
        )
        self._check_licences(theory)
        return TheoryDocument(theory, names, anchors)

    # --- symbols ---

    def _entries(self, section: str) -> Iterator[tuple[YamlScalar, YamlNode]]:
        if section in self.sections:
            yield from self.reading.entries(self.sections[section], f"'{section}:'")

    def _declare(self, label: Label) -> bool:
        """Whether a name of a symbol is new; reported where it is not."""
        first = self.symbols.places.setdefault(label.text, label.span)
        if first is not label.span:
            note = Note("it is declared here first", first)
            self.reading.error("G1607", f"'{label.text}' is declared twice", label.span, notes=(note,))
        return first is label.span

    def _sorts(self) -> None:
        node = self.sections.get("sorts")
        if isinstance(node, YamlSequence):
            for item in self.reading.items(node, "'sorts:'"):
                label = self.reading.text(item, "a sort")
                if label is not None:
                    self._sort(label)
            return
        for key, value in self._entries("sorts"):
            label = _label(key)
            if not self._sort(label):
                continue
            scalar = self.reading.scalar(value, f"the sort '{label.text}'", "'any' or its constructors")
            if scalar is None or scalar.text.strip() == "any":
                continue
            made = self.reading.attempt(parse_constructors, scalar)
            if made is not None:
                self.constructors.append((label.text, made))

    def _sort(self, label: Label) -> bool:
        before = len(self.reading.diagnostics.errors)
        self.reading.attempt(check_variable, label)
        if len(self.reading.diagnostics.errors) > before or not self._declare(label):
            return False
        self.symbols.sorts.append(Sort(label.text, span=label.span))
        return True

    def _functions(self) -> None:
        """Constructors first, then `functions:`."""
        for sort, made in self.constructors:
            for constructor in made:
                self._function(constructor.name, constructor.inputs, sort)
        for key, value in self._entries("functions"):
            label = _label(key)
            scalar = self.reading.scalar(value, f"the function '{label.text}'", "a type")
            type_ = None if scalar is None else self.reading.attempt(parse_function_type, scalar)
            if type_ is None:
                continue
            output = self._known_sort(type_.output)
            if output is None or not self._function(label, type_.inputs, output):
                continue
            if type_.definition is not None and type_.inputs:
                message = f"'{label.text}' has arguments: define it by axioms"
                self.reading.error("G1608", message, label.span)
            elif type_.definition is not None:
                self.defined.append((label, output, type_.definition))

    def _function(self, label: Label, inputs: tuple[Label, ...], output: str) -> bool:
        before = len(self.reading.diagnostics.errors)
        self.reading.attempt(check_symbol, label, "a function")
        sorts = [self._known_sort(i) for i in inputs]
        if len(self.reading.diagnostics.errors) > before or not self._declare(label):
            return False
        infix, precedence = _infix(label.text, len(inputs))
        names = tuple(s for s in sorts if s is not None)
        self.symbols.functions.append(Function(label.text, names, output, infix, precedence, span=label.span))
        return True

    def _known_sort(self, label: Label) -> str | None:
        signature = Signature(tuple(self.symbols.sorts))
        before = len(self.reading.diagnostics.errors)
        self.reading.attempt(check_sort, label.text, label.span, signature)
        return label.text if len(self.reading.diagnostics.errors) == before else None

    def _relations(self) -> None:
        for key, value in self._entries("relations"):
            label = _label(key)
            what = f"the relation '{label.text}'"
            options: dict[str, YamlNode] = {"type": value}
            if isinstance(value, YamlMapping):
                options = self.reading.fields(value, RELATION_KEYS, what, key.span) or {}
            scalar = self.reading.scalar(options["type"], what, "a type") if "type" in options else None
            type_ = None if scalar is None else self.reading.attempt(parse_relation_type, scalar)
            if type_ is None:
                continue
            before = len(self.reading.diagnostics.errors)
            self.reading.attempt(check_symbol, label, "a relation")
            sorts = [s for s in map(self._known_sort, type_.places) if s is not None]
            if len(self.reading.diagnostics.errors) > before or not self._declare(label):
                continue
            texts = {k: self.reading.text(options[k], f"'{k}:'") for k in ("total", "single") if k in options}
            total, single = (found.text if (found := texts.get(k)) else "" for k in ("total", "single"))
            infix, precedence = _infix(label.text, len(sorts))
            relation = Relation(
                label.text, tuple(sorts), type_.outputs, total, single, infix, precedence, label.span
            )
            self.symbols.relations.append(relation)
            if "constructors" in options:
                self._generated(relation, options["constructors"])

    def _generated(self, relation: Relation, node: YamlNode) -> None:
        """A relation of one place, generated by functions (`0 | s(_)`)."""
        scalar = self.reading.scalar(node, "'constructors:'", "functions, such as '0 | s(_)'")
        made = None if scalar is None else self.reading.attempt(parse_constructors, scalar)
        if made is None:
            return
        if len(relation.inputs) != 1:
            message = f"'{relation.name}' has {len(relation.inputs)} places; a generated relation has one"
            self.reading.error("G1614", message, relation.span)
            return
        known = {f.name: f for f in self.symbols.functions}
        for constructor in made:
            function = known.get(constructor.name.text)
            fits = function is not None and function.output == relation.inputs[0]
            if not fits or function is None or len(function.inputs) != len(constructor.inputs):
                message = f"'{constructor.name.text}' is no function that gives a {relation.inputs[0]} here"
                hint = did_you_mean(constructor.name.text, known)
                self.reading.error("G1614", message, constructor.name.span, hint=hint)
                return
        names = tuple(c.name.text for c in made)
        self.symbols.datatypes.append(Datatype(relation.inputs[0], names, relation.name))

    def _datatypes(self) -> None:
        """Constructors make datatypes; each sort has an individual."""
        declared = {f.name: f for f in self.symbols.functions}
        empty = {sort for sort, _ in self.constructors}
        for _ in range(len(empty)):
            for sort, made in self.constructors:
                inputs = [declared[c.name.text].inputs for c in made if c.name.text in declared]
                if any(not set(i) & empty for i in inputs):
                    empty.discard(sort)
        for sort, made in self.constructors:
            if sort in empty and all(c.name.text in declared for c in made):
                message = f"'{sort}' has no individuals: every constructor needs one"
                hint = "a constructor without arguments of the sort comes first, such as '0' or 'nil'"
                self.reading.error("G1614", message, made[0].name.span, hint=hint)
            names = tuple(c.name.text for c in made if c.name.text in declared)
            self.symbols.datatypes.append(Datatype(sort, names))

    def _variables(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for key, value in self._entries("variables"):
            labels = self.reading.attempt(parse_names, key) or ()
            sort = self.reading.text(value, f"the sort of '{key.text}'")
            known = None if sort is None else self._known_sort(sort)
            for label in labels:
                if known is not None and self._declare(label):
                    found[label.text] = known
        return found

    def _anchors(self) -> Anchors:
        found: dict[str, tuple[str, ...]] = {}
        known = {*self.symbols.places}
        for key, value in self._entries("mpl"):
            text = self.reading.text(value, f"the symbols of '{key.text}'")
            if text is None:
                continue
            symbols = tuple(part.strip() for part in text.text.split(","))
            for symbol in symbols:
                if symbol not in known:
                    message = f"the anchor '{key.text}' names '{symbol}', which is not declared"
                    hint = did_you_mean(symbol, known)
                    self.reading.error("G1615", message, text.span, hint=hint)
            found[key.text] = symbols
        return found

    # --- statements ---

    def _statements(
        self, section: str, names: Names, anchors: Anchors
    ) -> Iterator[tuple[Label, Formula, Located]]:
        """The entries of `axioms:` or `goals:`, a mapping of names or a list."""
        node = self.sections.get(section)
        items: Iterable[tuple[Label, YamlNode]]
        if isinstance(node, YamlSequence):
            listed = self.reading.items(node, f"'{section}:'")
            items = ((Label(f"{section[:-1]} {n}", i.span), i) for n, i in enumerate(listed, 1))
        else:
            items = ((_label(key), value) for key, value in self._entries(section))
        for label, value in items:
            scalar = self.reading.scalar(value, f"'{label.text}'", "a formula")
            if scalar is None or not self._is_title(label):
                continue
            statement = self.reading.attempt(read_statement, scalar, names, anchors)
            if statement is not None:
                yield label, statement, scalar

    def _is_title(self, label: Label) -> bool:
        """Whether a text may name a statement; reported where not."""
        fine = label.text.isprintable() and label.text.strip() == label.text and 0 < len(label.text) <= 80
        if not fine:
            message = "a name of a statement is a printable text of at most 80 characters"
            self.reading.error("G1608", message, label.span)
        return fine

    def _axioms(self, names: Names, anchors: Anchors) -> Iterator[Axiom]:
        for label, statement, _ in self._statements("axioms", names, anchors):
            yield Axiom(label.text, statement, span=label.span)

    def _constants(self, names: Names) -> Iterator[Axiom]:
        """`1: Nat = s(0)` is an axiom: 1 = s(0)."""
        for label, sort, text in self.defined:
            term = self.reading.attempt(lambda t=text: elaborate_term(parse_infix(t), names))
            if term is None:
                continue
            if term.sort != sort or term.variables:
                message = f"'{label.text}' is of sort {sort}, and this is of sort {term.sort}"
                if term.variables:
                    message = f"the definition of '{label.text}' has the variable '{term.variables[0]}'"
                self.reading.error("G1603", message, text.at(0, len(text.text)))
                continue
            statement = Equation(names.signature.apply(label.text), term)
            yield Axiom(f"definition of {label.text}", statement, span=label.span)

    def _definitions(self, names: Names) -> tuple[Definition, ...]:
        found: list[Definition] = []
        for key, value in self._entries("definitions"):
            scalar = self.reading.scalar(value, f"the definition of '{key.text}'", "a formula")
            head = self.reading.attempt(_defined, key, names)
            if scalar is None or head is None:
                continue
            body = self.reading.attempt(lambda s=scalar: elaborate(parse_infix(s), names))
            if body is None:
                continue
            relation, variables = head
            strange = [v.name for v in free_variables(body) if v not in variables]
            if strange:
                message = f"'{strange[0]}' is free in the definition of '{relation}'"
                self.reading.error("G1616", message, scalar.span, hint=f"bind it: 'some {strange[0]}. …'")
                continue
            later = [
                r for r in _relations_of(body) if r == relation or r not in self._usable(found, relation)
            ]
            if later:
                message = f"'{relation}' is defined by '{later[0]}', which is not defined before it"
                self.reading.error("G1616", message, scalar.span)
                continue
            found.append(Definition(relation, relation, variables, body, _label(key).span))
        return tuple(found)

    def _usable(self, before: list[Definition], relation: str) -> set[str]:
        """The relations that a definition may speak of: defined before it, or never."""
        keys = [key for key, _ in self._entries("definitions")]
        heads = {h.name for key in keys if isinstance(h := _quiet(key), Named)}
        return {r.name for r in self.symbols.relations if r.name not in heads} | {d.relation for d in before}

    def _check_names(self, found: list[tuple[str, Span | None]], what: str) -> None:
        first: dict[str, Span | None] = {}
        for name, span in found:
            if name in first and span is not None:
                note = Note("it stands here first", first[name])
                self.reading.error("G1607", f"two {what}s are called '{name}'", span, notes=(note,))
            first.setdefault(name, span)

    def _check_licences(self, theory: Theory) -> None:
        """`total:` and `single:` of a relation name axioms."""
        known = [a.name for a in theory.axioms]
        for relation in theory.signature.relations:
            for name in (relation.total, relation.single):
                if name and name not in known:
                    hint = did_you_mean(name, known)
                    message = f"'{relation.name}' names the axiom '{name}', which is not there"
                    self.reading.error("G1615", message, relation.span, hint=hint)

    # --- models, bounds ---

    def _models(self, signature: Signature) -> tuple[Model, ...]:
        if "models" not in self.sections:
            return ()
        return read_models(self.reading, self.sections["models"], signature)

    def _bounds(self) -> Bounds:
        if "bounds" not in self.sections:
            return Bounds()
        node = self.sections["bounds"]
        found = self.reading.fields(node, BOUNDS_KEYS, "'bounds:'", node.span) or {}
        values: dict[str, object] = {}
        for name, value in found.items():
            shape = next(key.shape for key in BOUNDS_KEYS if key.name == name)
            what = f"'{name}:'"
            if shape == "counts":
                items = list(self.reading.items(value, what))
                numbers = [self.reading.integer(i, f"an entry of {what}", low=1) for i in items]
                values[name] = tuple(n for n in numbers if n is not None)
            elif shape == "positive_number":
                values[name] = self.reading.number(value, what, low=0, open_low=True)
            else:
                values[name] = self.reading.integer(value, what, low=int(shape == "positive"))
        known = {f.name for f in fields(Bounds)}
        return Bounds(**{k: v for k, v in values.items() if v is not None and k in known})  # type: ignore[arg-type]  # each value was read by its key's shape


def _label(key: YamlScalar) -> Label:
    return Label(key.text, key.at(0, len(key.text)))


def _infix(name: str, inputs: int) -> tuple[str, int]:
    return (name, INFIX[name].precedence) if name in INFIX and inputs == 2 else ("", 0)


def _quiet(key: YamlScalar) -> object:
    """The tree of a definition's head, or None where it is malformed (reported elsewhere)."""
    try:
        return parse_infix(key)
    except SpecError:
        return None


def _relations_of(formula: Formula) -> Iterator[str]:
    if isinstance(formula, Atom):
        yield formula.relation
    for part in parts(formula):
        yield from _relations_of(part)


def _defined(key: YamlScalar, names: Names) -> tuple[str, tuple[Variable, ...]]:
    """The relation and its variables in a head such as `x <= y`."""
    head = parse_infix(key)
    if not isinstance(head, Named) or head.name not in names.signature.relation:
        what = head.name if isinstance(head, Named) else key.text
        hint = did_you_mean(what, names.signature.relation) or "declare it under 'relations:'"
        raise fail("G1601", f"'{what}' is no relation of the theory", head.span, hint=hint)
    relation = names.signature.relation[head.name]
    if len(head.arguments) != len(relation.inputs):
        message = f"'{head.name}' has {len(relation.inputs)} places, and here are {len(head.arguments)}"
        raise fail("G1602", message, head.span)
    variables: list[Variable] = []
    for argument, sort in zip(head.arguments, relation.inputs, strict=True):
        if not isinstance(argument, Named) or argument.arguments:
            raise fail("G1616", "the arguments of a definition are variables", argument.span)
        if names.variables.get(argument.name, sort) != sort or argument.name in names.signature.function:
            raise fail("G1603", f"'{argument.name}' is no variable of sort {sort}", argument.span)
        variable = Variable(argument.name, sort)
        if variable in variables:
            raise fail("G1607", f"'{argument.name}' comes twice", argument.span)
        variables.append(variable)
    return relation.name, tuple(variables)
