"""Syntax trees to formulas and terms: names get their meaning, sorts are checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..diagnostics import Note, Span, SpecError, did_you_mean, fail
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
)
from .signature import Function, Relation, Signature
from .syntax import BoundName, Equal, False_, Joined, Named, Node, Not, Quantified
from .terms import Application, Term, Variable


@dataclass(frozen=True)
class Names:
    """What names mean in a text: the symbols of a signature, and variables with their sorts."""

    signature: Signature
    variables: Mapping[str, str] = field(default_factory=dict)

    def binding(self, variables: Mapping[str, str]) -> Names:
        return Names(self.signature, {**self.variables, **variables})


def elaborate_statement(node: Node, names: Names) -> Formula:
    """The closed formula: every free variable is bound by an outermost `all`."""
    return close(elaborate(node, names))


def close(formula: Formula) -> Formula:
    """The formula with its free variables bound in order of first occurrence, the outermost `all`s
    merged into one."""
    variables = free_variables(formula)
    if not variables and not isinstance(formula, All):
        return formula
    if isinstance(formula, All):
        return _merged(All((*variables, *formula.variables), formula.premises, formula.conclusion))
    return All(variables, (), formula)


def _merged(formula: All) -> All:
    """`all x. P -> all y. Q -> C` as `all x, y. P and Q -> C`, where the names allow it."""
    inner = formula.conclusion
    while isinstance(inner, All) and (inner.variables or inner.premises):
        taken = {v.name for v in formula.variables}
        taken |= {v.name for p in formula.premises for v in free_variables(p)}
        if any(v.name in taken for v in inner.variables):
            break
        formula = All(
            (*formula.variables, *inner.variables), (*formula.premises, *inner.premises), inner.conclusion
        )
        inner = formula.conclusion
    return formula


def elaborate(node: Node, names: Names) -> Formula:
    """The formula that a tree means, free variables left free.

    Raises SpecError: G1601 (unknown name), G1602 (number of arguments), G1603 (sorts differ),
    G1604 (a term where a formula should be), G1605 (unknown sort).
    """
    if isinstance(node, False_):
        return FALSEHOOD
    if isinstance(node, Equal):
        return _equation(node, names)
    if isinstance(node, Not):
        return negation(elaborate(node.operand, names))
    if isinstance(node, Joined):
        return _joined(node, names)
    if isinstance(node, Quantified):
        return _quantified(node, names)
    assert isinstance(node, Named)
    return _atom(node, names)


def _equation(node: Equal, names: Names) -> Formula:
    left, right = elaborate_term(node.left, names), elaborate_term(node.right, names)
    if left.sort != right.sort:
        sign = "!=" if node.negated else "="
        notes = (
            Note(f"of sort {left.sort}", node.left.span),
            Note(f"of sort {right.sort}", node.right.span),
        )
        message = f"'{sign}' compares a term of sort {left.sort} with one of sort {right.sort}"
        raise fail("G1603", message, node.sign, notes=notes)
    equation = Equation(left, right)
    return negation(equation) if node.negated else equation


def _joined(node: Joined, names: Names) -> Formula:
    if node.word == "->":
        premises = [_premises(part, names) for part in node.parts[:-1]]
        return All((), tuple(p for group in premises for p in group), elaborate(node.parts[-1], names))
    found = [elaborate(part, names) for part in node.parts]
    if node.word == "<->":
        return Some((), (All((), (found[0],), found[1]), All((), (found[1],), found[0])))
    return Or(tuple(found)) if node.word == "or" else conjunction(found)


def _premises(node: Node, names: Names) -> tuple[Formula, ...]:
    """The premises of an implication: `P and Q -> R` has two, `(P and Q) -> R` one."""
    if isinstance(node, Joined) and node.word == "and" and not node.bracketed:
        return tuple(elaborate(part, names) for part in node.parts)
    return (elaborate(node, names),)


def _quantified(node: Quantified, names: Names) -> Formula:
    sorts: dict[str, str] = {}
    places: dict[str, Span] = {}
    for variable in node.variables:
        if variable.name in places:
            note = Note("it is bound here first", places[variable.name])
            raise fail("G1607", f"'{variable.name}' is bound twice", variable.span, notes=(note,))
        places[variable.name] = variable.span
        sorts[variable.name] = _sort_of(variable, names)
    body = elaborate(node.body, names.binding(sorts))
    variables = tuple(Variable(name, sort) for name, sort in sorts.items())
    if node.word == "some":
        loose = isinstance(node.body, Joined) and node.body.word == "and" and not node.body.bracketed
        conjuncts = body.conjuncts if loose and isinstance(body, Some) else (body,)
        return Some(variables, conjuncts)
    if isinstance(node.body, Joined) and node.body.word == "->" and not node.body.bracketed:
        assert isinstance(body, All)
        return All(variables, body.premises, body.conclusion)
    return All(variables, (), body)


def _sort_of(variable: BoundName, names: Names) -> str:
    if variable.sort is not None:
        check_sort(variable.sort, variable.sort_span, names.signature)
        return variable.sort
    if variable.name in names.variables:
        return names.variables[variable.name]
    sorts = names.signature.sorts
    if len(sorts) == 1:
        return sorts[0].name
    message = f"the sort of '{variable.name}' is not known"
    example = sorts[0].name if sorts else "Nat"
    hint = f"write '{variable.name} in {example}', or declare it under 'variables:'"
    raise fail("G1601", message, variable.span, hint=hint)


def check_sort(name: str, span: Span | None, signature: Signature) -> None:
    """Raises SpecError G1605 where the theory has no such sort."""
    if name not in signature.sort_names:
        known = [s.name for s in signature.sorts]
        hint = did_you_mean(name, known) or f"its sorts are {' '.join(known) or 'none'}"
        raise fail("G1605", f"unknown sort '{name}'", span, hint=hint)


def _atom(node: Named, names: Names) -> Formula:
    signature = names.signature
    relation = signature.relation.get(node.name)
    if relation is None:
        if node.name in signature.function or node.name in names.variables:
            message = f"'{node.name}' makes a term, and a formula is wanted here"
            hint = "a formula is an equation, a relation, or made of such"
            raise fail("G1604", message, node.span, hint=hint)
        raise _unknown(node, names)
    arguments = _arguments(node, relation, names)
    return Atom(relation.name, arguments)


def elaborate_term(node: Node, names: Names) -> Term:
    """The term that a tree means. Raises SpecError as `elaborate` does."""
    if not isinstance(node, Named):
        raise fail("G1604", "a term is wanted here, and this is a formula", node.span)
    if node.name in names.variables and not node.called and len(node.arguments) == 0:
        return Variable(node.name, names.variables[node.name])
    function = names.signature.function.get(node.name)
    if function is None:
        if node.name in names.signature.relation:
            message = f"'{node.name}' is a relation, and a term is wanted here"
            raise fail("G1604", message, node.head, notes=_declared(names.signature.relation[node.name]))
        if node.name in names.variables:
            raise fail("G1604", f"'{node.name}' is a variable and takes no arguments", node.span)
        raise _unknown(node, names)
    return Application(function.name, _arguments(node, function, names), function.output)


def _arguments(node: Named, symbol: Function | Relation, names: Names) -> tuple[Term, ...]:
    count, wanted = len(node.arguments), len(symbol.inputs)
    if count != wanted:
        message = f"'{symbol.name}' takes {_counted(wanted)}, and here are {count}"
        hint = f"write '{symbol.name}'" if not wanted else None
        raise fail("G1602", message, node.span, hint=hint, notes=_declared(symbol))
    arguments = tuple(elaborate_term(a, names) for a in node.arguments)
    for place, (argument, sort) in enumerate(zip(arguments, symbol.inputs, strict=True)):
        if argument.sort != sort:
            which = (
                f"argument {place + 1} of '{symbol.name}'"
                if wanted > 1
                else f"the argument of '{symbol.name}'"
            )
            message = f"{which} is of sort {sort}, and this is of sort {argument.sort}"
            raise fail("G1603", message, node.arguments[place].span, notes=_declared(symbol))
    return arguments


def _counted(number: int) -> str:
    return "no arguments" if not number else "1 argument" if number == 1 else f"{number} arguments"


def _declared(symbol: Function | Relation) -> tuple[Note, ...]:
    return () if symbol.span is None else (Note(f"'{symbol.name}' is declared here", symbol.span),)


def _unknown(node: Named, names: Names) -> SpecError:
    signature = names.signature
    known = [*names.variables, *signature.function, *signature.relation]
    hint = did_you_mean(node.name, known)
    if hint is None and not node.arguments and not node.name[0].isdigit() and node.name.isidentifier():
        hint = "a variable is declared under 'variables:' ('x, y: Nat'), a constant under 'functions:'"
    elif hint is None:
        hint = "symbols are declared under 'sorts:', 'functions:' and 'relations:'"
    what = "unknown name" if node.name.isidentifier() else "unknown symbol"
    return fail("G1601", f"{what} '{node.name}'", node.head, hint=hint)
