"""What an MPL formula says in a theory: relations of the paper to functions, tokens to symbols.

`(in2[x,y,f])` is `f(x) = y` and `(in3[x,y,z,f])` is `f(x, y) = z`, `(in[x,S])` says that x is of sort
S, any other name is a relation of the theory. An anchor (`mpl:` of a spec) is a premise that names
the theory's symbols: `AnchorPeano: Nat, 0, s, +, *, 1`.

A function symbol is total and has one value, so "for all y, if f(x) = y then P(y)" says the same as
P(f(x)): such premises are put in place of their output (the one-point rule).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ..diagnostics import Span, SpecError, did_you_mean, fail
from .elaboration import Names, close
from .formulas import (
    FALSEHOOD,
    All,
    Atom,
    Equation,
    Formula,
    Or,
    Some,
    conjunction,
    free_variables,
    negation,
    substitute_formula,
)
from .mpl import MplAnd, MplAtom, MplFormula, MplImplies, MplNot
from .terms import Application, Term, Variable

Anchors = Mapping[str, tuple[str, ...]]
_MPL = re.compile(r"\s*!*\s*\(\s*(?:!|>|&|=\s*\[|[A-Za-z][A-Za-z0-9]*\s*\[)")
_TRUTH = negation(FALSEHOOD)
_MEMBERSHIP = re.compile(r"in([0-9]*)\Z")


def is_mpl(text: str) -> bool:
    """Whether a text is meant as MPL rather than infix notation."""
    return _MPL.match(text) is not None


def mpl_statement(formula: MplFormula, names: Names, anchors: Anchors | None = None) -> Formula:
    """The closed formula that MPL means in a theory.

    Raises SpecError: G1602, G1603, G1605 as infix text does, G1609 (a token that is bound nowhere),
    G1615 (a name without a meaning, a misplaced anchor).
    """
    reading = _Reading(names, anchors or {})
    scope = _Scope()
    reading.infer(formula, scope)
    result = reading.formula(formula, scope)
    return close(result)


@dataclass
class _Scope:
    """What tokens mean here: symbols by anchors, bound variables by number (so that each binder has
    its own sort)."""

    symbols: dict[str, str] = field(default_factory=dict)
    bound: dict[str, int] = field(default_factory=dict)

    def inside(self, node: MplImplies, reading: _Reading) -> _Scope:
        """The scope of an implication's parts; its anchor, if any, gives its tokens their symbols."""
        symbols, bound = dict(self.symbols), dict(self.bound)
        anchored = reading.anchored(node)
        symbols.update(anchored)
        for name in node.variables:
            if name not in anchored:
                symbols.pop(name, None)
                bound[name] = reading.binder(node, name)
        for name in anchored:
            bound.pop(name, None)
        return _Scope(symbols, bound)


class _Reading:
    """One formula being read: sorts of binders are inferred first, then the formula is made."""

    def __init__(self, names: Names, anchors: Anchors) -> None:
        self.names = names
        self.signature = names.signature
        self.anchors = anchors
        self.binders: dict[tuple[int, str], int] = {}
        self.labels: list[str] = []
        self.parents: list[int] = []
        self.sorts: dict[int, tuple[str, Span | None]] = {}
        self.nodes: list[MplImplies] = []  # kept, so that their identities stay apart

    def binder(self, node: MplImplies, name: str) -> int:
        key = (id(node), name)
        if key not in self.binders:
            self.nodes.append(node)
            self.binders[key] = len(self.labels)
            self.parents.append(len(self.labels))
            self.labels.append(name)
        return self.binders[key]

    def anchored(self, node: MplImplies) -> dict[str, str]:
        """The symbols that a premise which is an anchor gives to its tokens."""
        premise = node.premise
        if not isinstance(premise, MplAtom) or premise.name not in self.anchors:
            return {}
        symbols = self.anchors[premise.name]
        if len(premise.arguments) != len(symbols):
            message = f"'{premise.name}' has {len(symbols)} symbols, and here are {len(premise.arguments)}"
            raise fail("G1602", message, premise.span)
        return dict(zip(premise.arguments, symbols, strict=True))

    # --- sorts ---

    def infer(self, formula: MplFormula, scope: _Scope) -> None:
        """Unifies the sorts of bound variables with the places that they stand in."""
        if isinstance(formula, MplNot):
            self.infer(formula.operand, scope)
        elif isinstance(formula, MplAnd):
            self.infer(formula.left, scope)
            self.infer(formula.right, scope)
        elif isinstance(formula, MplImplies):
            inner = scope.inside(formula, self)
            if not self.anchored(formula):
                self.infer(formula.premise, inner)
            self.infer(formula.conclusion, inner)
        else:
            self._infer_atom(formula, scope)

    def _infer_atom(self, atom: MplAtom, scope: _Scope) -> None:
        if atom.name == "=":
            self._check_count(atom, 2)
            self._unify(atom, scope)
            return
        for place, sort in self._places(atom, scope):
            number = scope.bound.get(atom.arguments[place])
            if number is not None:
                self._set(number, sort, atom.argument_spans[place])

    def _places(self, atom: MplAtom, scope: _Scope) -> Iterator[tuple[int, str]]:
        """The arguments that are individuals, with their sorts."""
        found = _MEMBERSHIP.match(atom.name)
        if found is None:
            relation = self.signature.relation.get(atom.name)
            if relation is None:
                raise self._no_meaning(atom)
            self._check_count(atom, len(relation.inputs))
            yield from enumerate(relation.inputs)
            return
        inputs = int(found.group(1) or 1) - 1
        self._check_count(atom, inputs + 2)
        last = self._symbol(atom, len(atom.arguments) - 1, scope)
        if inputs == 0:
            yield 0, self._sort(atom, last)
            return
        function = self.signature.function.get(last)
        if function is None or len(function.inputs) != inputs:
            message = f"'{last}' is no function of {inputs} argument{'s' if inputs > 1 else ''}"
            hint = did_you_mean(last, [f.name for f in self.signature.functions if len(f.inputs) == inputs])
            raise fail("G1615", message, atom.argument_spans[-1], hint=hint)
        yield from enumerate((*function.inputs, function.output))

    def _sort(self, atom: MplAtom, name: str) -> str:
        if name not in self.signature.sort_names:
            raise fail("G1605", f"unknown sort '{name}'", atom.argument_spans[-1])
        return name

    def _symbol(self, atom: MplAtom, place: int, scope: _Scope) -> str:
        token = atom.arguments[place]
        if token in scope.symbols:
            return scope.symbols[token]
        if token in scope.bound:
            message = f"'{token}' is a bound variable, and a symbol is wanted here"
            hint = "an anchor gives tokens their symbols: see 'mpl:' in 'graphwright explain G1615'"
            raise fail("G1615", message, atom.argument_spans[place], hint=hint)
        return token

    def _no_meaning(self, atom: MplAtom) -> SpecError:
        if atom.name in self.anchors:
            hint: str | None = "it stands as the premise of an implication: (>[…](Anchor[…])…)"
            return fail("G1615", f"the anchor '{atom.name}' cannot stand here", atom.span, hint=hint)
        known = [*self.anchors, *self.signature.relation, "in", "in2", "in3"]
        hint = did_you_mean(atom.name, known) or "name an anchor under 'mpl:', or declare a relation"
        return fail("G1615", f"'{atom.name}' has no meaning in this theory", atom.span, hint=hint)

    def _check_count(self, atom: MplAtom, wanted: int) -> None:
        if len(atom.arguments) != wanted:
            message = f"'{atom.name}' takes {wanted} arguments, and here are {len(atom.arguments)}"
            raise fail("G1602", message, atom.span)

    def _root(self, number: int) -> int:
        while self.parents[number] != number:
            number = self.parents[number]
        return number

    def _set(self, number: int, sort: str, span: Span | None) -> None:
        root = self._root(number)
        known = self.sorts.setdefault(root, (sort, span))
        if known[0] != sort:
            message = f"'{self.labels[number]}' is of sort {sort} here, and of sort {known[0]} elsewhere"
            raise fail("G1603", message, span)

    def _unify(self, atom: MplAtom, scope: _Scope) -> None:
        numbers = [scope.bound.get(token) for token in atom.arguments]
        first, second = numbers
        if first is not None and second is not None:
            kept, gone = self._root(first), self._root(second)
            if kept != gone:
                self.parents[gone] = kept
                if gone in self.sorts:
                    self._set(kept, *self.sorts.pop(gone))
            return
        for number, token, span in zip(numbers, reversed(atom.arguments), atom.argument_spans, strict=True):
            function = self.signature.function.get(scope.symbols.get(token, token))
            if number is not None and function is not None:
                self._set(number, function.output, span)

    # --- formulas ---

    def formula(self, formula: MplFormula, scope: _Scope) -> Formula:
        if isinstance(formula, MplAtom):
            return self._atom(formula, scope)
        if isinstance(formula, MplAnd):
            return conjunction([self.formula(formula.left, scope), self.formula(formula.right, scope)])
        if isinstance(formula, MplNot):
            return self._negated(formula.operand, scope)
        inner = scope.inside(formula, self)
        variables = self._variables(formula, inner)
        conclusion = self.formula(formula.conclusion, inner)
        premises = () if self._is_given(formula.premise, inner) else (self.formula(formula.premise, inner),)
        return _pointed(_implication(variables, premises, conclusion))

    def _negated(self, operand: MplFormula, scope: _Scope) -> Formula:
        """`!(>[x]A !B)` is "some x: A and B", `!(&A B)` is "not A or not B"."""
        if isinstance(operand, MplAnd):
            return Or(tuple(self.formula(MplNot(part), scope) for part in (operand.left, operand.right)))
        if isinstance(operand, MplNot):
            return self.formula(operand.operand, scope)
        if isinstance(operand, MplImplies) and isinstance(operand.conclusion, MplNot):
            inner = scope.inside(operand, self)
            parts = [p for p in (operand.premise, operand.conclusion.operand) if not self._is_given(p, inner)]
            conjuncts = tuple(self.formula(p, inner) for p in parts)
            variables = self._variables(operand, inner)
            return _pointed_some(variables, conjuncts) if conjuncts else Some(variables, (_TRUTH,))
        return negation(self.formula(operand, scope))

    def _is_given(self, formula: MplFormula, scope: _Scope) -> bool:
        """A premise that the sorts say already: an anchor, or the membership of a sort."""
        return isinstance(formula, MplAtom) and (formula.name in self.anchors or formula.name == "in")

    def _variables(self, node: MplImplies, inner: _Scope) -> tuple[Variable, ...]:
        return tuple(self._variable(inner.bound[n]) for n in node.variables if n in inner.bound)

    def _variable(self, number: int) -> Variable:
        root = self._root(number)
        if root in self.sorts:
            sort = self.sorts[root][0]
        elif len(self.signature.sorts) == 1:
            sort = self.signature.sorts[0].name
        else:
            raise fail("G1603", f"the sort of '{self.labels[number]}' does not follow from its use")
        return Variable(_variable_name(self.labels[number]), sort)

    def _atom(self, atom: MplAtom, scope: _Scope) -> Formula:
        if atom.name == "=":
            left, right = (self._term(atom, place, scope) for place in (0, 1))
            if left.sort != right.sort:
                raise fail("G1603", f"'=' compares sort {left.sort} with sort {right.sort}", atom.span)
            return Equation(left, right)
        sorts = dict(self._places(atom, scope))
        terms = [self._term(atom, place, scope) for place in sorts]
        for place, term in zip(sorts, terms, strict=True):
            if term.sort != sorts[place]:
                message = f"this place of '{atom.name}' is of sort {sorts[place]}, not {term.sort}"
                raise fail("G1603", message, atom.argument_spans[place])
        if _MEMBERSHIP.match(atom.name) is None:
            return Atom(atom.name, tuple(terms))
        if len(terms) == 1:
            return Equation(terms[0], terms[0])
        symbol = self._symbol(atom, len(atom.arguments) - 1, scope)
        return Equation(self.signature.apply(symbol, *terms[:-1]), terms[-1])

    def _term(self, atom: MplAtom, place: int, scope: _Scope) -> Term:
        token = atom.arguments[place]
        if token in scope.bound:
            return self._variable(scope.bound[token])
        function = self.signature.function.get(scope.symbols.get(token, token))
        if function is not None and not function.inputs:
            return Application(function.name, (), function.output)
        hint = did_you_mean(token, [*scope.bound, *self.signature.function])
        hint = hint or "bind it in the '[…]' of a '>', or declare a constant of this name"
        raise fail("G1609", f"'{token}' is bound nowhere", atom.argument_spans[place], hint=hint)


def _variable_name(token: str) -> str:
    """A token as a variable's name: digits get a letter in front, signs are spelt."""
    spelt = token.replace("+", "plus").replace("*", "times")
    return spelt if spelt[0].isalpha() or spelt[0] == "_" else f"v{spelt}"


def _implication(
    variables: tuple[Variable, ...], premises: tuple[Formula, ...], conclusion: Formula
) -> Formula:
    """`all`, merged with the implications that follow where no name stands in the way."""
    if isinstance(conclusion, All) and (variables or premises):
        taken = {v.name for v in variables} | {v.name for p in premises for v in free_variables(p)}
        if not any(v.name in taken for v in conclusion.variables):
            variables = (*variables, *conclusion.variables)
            premises, conclusion = (*premises, *conclusion.premises), conclusion.conclusion
    return All(variables, premises, conclusion) if variables or premises else conclusion


def _pointed(formula: Formula) -> Formula:
    """The one-point rule for `all`, from the first premise on."""
    while isinstance(formula, All):
        found = next(((i, p) for i, p in enumerate(formula.premises) if _defines(p, formula.variables)), None)
        if found is None:
            return formula
        place, equation = found
        assert isinstance(equation, Equation)
        assert isinstance(equation.right, Variable)
        rest = formula.premises[:place] + formula.premises[place + 1 :]
        variables = tuple(v for v in formula.variables if v is not equation.right)
        binding = {equation.right: equation.left}
        premises = tuple(substitute_formula(p, binding) for p in rest)
        conclusion = substitute_formula(formula.conclusion, binding)
        formula = All(variables, premises, conclusion) if variables or premises else conclusion
    return formula


def _pointed_some(variables: tuple[Variable, ...], conjuncts: tuple[Formula, ...]) -> Formula:
    """The one-point rule for `some`: a value that exists anyway is put in its place."""
    found = next((c for c in conjuncts if _defines(c, variables)), None)
    if found is None or len(conjuncts) == 1:
        return Some(variables, conjuncts)
    assert isinstance(found, Equation)
    assert isinstance(found.right, Variable)
    binding: dict[Variable, Term] = {found.right: found.left}
    rest = tuple(substitute_formula(c, binding) for c in conjuncts if c is not found)
    left = tuple(v for v in variables if v is not found.right)
    return _pointed_some(left, rest) if left else conjunction(rest)


def _defines(formula: Formula, variables: tuple[Variable, ...]) -> bool:
    """`f(…) = y` for one of the variables, y not inside f(…)."""
    if not isinstance(formula, Equation) or not isinstance(formula.right, Variable):
        return False
    left, right = formula.left, formula.right
    return isinstance(left, Application) and right in variables and right not in left.variables
