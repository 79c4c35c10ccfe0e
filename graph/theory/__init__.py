"""Theories: sorts, symbols, terms, formulas, axioms, finite models, goals. What `kind: logic` means."""

from .formulas import (
    FALSEHOOD,
    All,
    Atom,
    Equation,
    Falsehood,
    Formula,
    Or,
    Some,
    conjunction,
    free_variables,
    negation,
    substitute_formula,
)
from .models import ArithmeticModel, GeneratedModel, Model, TableModel
from .signature import Datatype, Function, Relation, Signature, Sort
from .terms import Application, Term, Variable, substitute
from .theory import Axiom, Bounds, Definition, Goal, Theory

__all__ = [
    "FALSEHOOD",
    "All",
    "Application",
    "ArithmeticModel",
    "Atom",
    "Axiom",
    "Bounds",
    "Datatype",
    "Definition",
    "Equation",
    "Falsehood",
    "Formula",
    "Function",
    "GeneratedModel",
    "Goal",
    "Model",
    "Or",
    "Relation",
    "Signature",
    "Some",
    "Sort",
    "TableModel",
    "Term",
    "Theory",
    "Variable",
    "conjunction",
    "free_variables",
    "negation",
    "substitute",
    "substitute_formula",
]
