"""Formulas and terms as infix text that reads back as the same formula."""

from __future__ import annotations

from collections.abc import Iterable

from .formulas import All, Atom, Equation, Falsehood, Formula, Or, Some, free_variables, is_negation, negation
from .notation import AND, ARROW, ATOM, COMPARISON, INFIX, NOT, OR, PREFIX, PREFIX_SIGNS, QUANTIFIER, SUM
from .terms import Application, Term, Variable


def print_term(term: Term) -> str:
    """The term with as few brackets as it can have."""
    return _term(term)[0]


def print_formula(formula: Formula, *, sorts: bool = True) -> str:
    """The formula; bound variables with their sorts unless `sorts` is false."""
    return _formula(formula, sorts)[0]


def print_statement(formula: Formula) -> str:
    """A closed formula as people state it: the variables of an outermost `all` are left out, for
    they are bound again by reading. (One that nothing mentions would not be: then all are written.)"""
    if not isinstance(formula, All):
        return print_formula(formula, sorts=False)
    mentioned = free_variables(All((), formula.premises, formula.conclusion))
    if not set(formula.variables) <= set(mentioned):
        return print_formula(formula, sorts=False)
    premises, conclusion = formula.premises, formula.conclusion
    if isinstance(conclusion, Falsehood) and premises:
        premises, conclusion = premises[:-1], negation(premises[-1])
    return print_formula(All((), premises, conclusion) if premises else conclusion, sorts=False)


def _bracketed(part: tuple[str, int], least: int) -> str:
    text, precedence = part
    return text if precedence >= least else f"({text})"


# --- terms ---


def _term(term: Term) -> tuple[str, int]:
    """The text and its precedence."""
    if isinstance(term, Variable):
        return term.name, ATOM
    assert isinstance(term, Application)
    return _applied(term.symbol, term.arguments)


def _applied(symbol: str, arguments: tuple[Term, ...]) -> tuple[str, int]:
    if not arguments:
        return symbol, ATOM
    if len(arguments) == 2 and symbol in INFIX:
        operator = INFIX[symbol]
        left, right = arguments
        above = operator.precedence + 1
        left_least = operator.precedence if operator.side == "left" else above
        right_least = operator.precedence if operator.side == "right" else above
        text = f"{_bracketed(_term(left), left_least)} {symbol} {_bracketed(_term(right), right_least)}"
        return text, operator.precedence
    if len(arguments) == 1 and symbol in PREFIX_SIGNS:
        return f"{symbol}{_bracketed(_term(arguments[0]), PREFIX)}", PREFIX
    return f"{symbol}({', '.join(_term(a)[0] for a in arguments)})", ATOM


# --- formulas ---


def _formula(formula: Formula, sorts: bool) -> tuple[str, int]:
    if isinstance(formula, Falsehood):
        return "false", ATOM
    if isinstance(formula, Equation):
        return _equation(formula, "="), COMPARISON
    if isinstance(formula, Atom):
        return _applied(formula.relation, formula.arguments)
    if isinstance(formula, Or):
        return " or ".join(_operand(a, OR + 1, sorts) for a in formula.alternatives), OR
    if isinstance(formula, Some):
        return _some(formula, sorts)
    return _all(formula, sorts)


def _operand(formula: Formula, least: int, sorts: bool) -> str:
    return _bracketed(_formula(formula, sorts), least)


def _equation(equation: Equation, sign: str) -> str:
    left, right = (_bracketed(_term(t), SUM) for t in (equation.left, equation.right))
    return f"{left} {sign} {right}"


def _some(formula: Some, sorts: bool) -> tuple[str, int]:
    conjuncts = formula.conjuncts
    if not formula.variables:
        if len(conjuncts) == 1:  # no notation of its own; the same in meaning
            return _formula(conjuncts[0], sorts)
        if (both := _both_ways(conjuncts)) is not None:
            return f"{_operand(both[0], ARROW + 1, sorts)} <-> {_operand(both[1], ARROW + 1, sorts)}", ARROW
        return " and ".join(_operand(c, AND + 1, sorts) for c in conjuncts), AND
    head = _head("some", formula.variables, sorts)
    if len(conjuncts) == 1:
        loose = isinstance(conjuncts[0], Some) and not conjuncts[0].variables
        return head + _operand(conjuncts[0], ATOM if loose else QUANTIFIER, sorts), QUANTIFIER
    return head + " and ".join(_operand(c, AND + 1, sorts) for c in conjuncts), QUANTIFIER


def _both_ways(conjuncts: tuple[Formula, ...]) -> tuple[Formula, Formula] | None:
    """P and Q of `(P -> Q) and (Q -> P)`."""
    if len(conjuncts) != 2:
        return None
    first, second = conjuncts
    if not (isinstance(first, All) and isinstance(second, All)) or first.variables or second.variables:
        return None
    if len(first.premises) != 1 or second.premises != (first.conclusion,):
        return None
    return (first.premises[0], first.conclusion) if second.conclusion == first.premises[0] else None


def _all(formula: All, sorts: bool) -> tuple[str, int]:
    if is_negation(formula):
        inner = formula.premises[0]
        if isinstance(inner, Equation):
            return _equation(inner, "!="), COMPARISON
        return f"not {_operand(inner, NOT, sorts)}", NOT
    head = _head("all", formula.variables, sorts) if formula.variables else ""
    least = QUANTIFIER if formula.variables else ARROW
    if not formula.premises:
        inner = formula.conclusion
        loose = isinstance(inner, All) and not inner.variables and not is_negation(inner)
        return head + _operand(inner, ATOM if loose else QUANTIFIER, sorts), least
    given = " and ".join(_operand(p, AND + 1, sorts) for p in formula.premises)
    if len(formula.premises) == 1:
        given = _premise(formula.premises[0], sorts)
    inner = formula.conclusion
    nested = isinstance(inner, All) and not inner.variables and not is_negation(inner)
    then = _operand(inner, ATOM if nested else ARROW, sorts)
    return f"{head}{given} -> {then}", least


def _premise(formula: Formula, sorts: bool) -> str:
    """A single premise; a conjunction gets brackets, for without them it were several premises."""
    if isinstance(formula, Some) and not formula.variables and _both_ways(formula.conjuncts) is None:
        return f"({_formula(formula, sorts)[0]})"
    return _operand(formula, ARROW + 1, sorts)


def _head(word: str, variables: Iterable[Variable], sorts: bool) -> str:
    names = list(variables)
    if not sorts:
        return f"{word} {', '.join(v.name for v in names)}. "
    parts = []
    for place, variable in enumerate(names):
        last = place + 1 == len(names) or names[place + 1].sort != variable.sort
        parts.append(f"{variable.name} in {variable.sort}" if last else variable.name)
    return f"{word} {', '.join(parts)}. "
