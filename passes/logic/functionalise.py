"""Functionalising: a relation with one output that axioms make total and single-valued becomes a
function, for the engine reasons about terms.

The licence: `R` is defined as `f(inputs) = output`, and the two axioms go, since they follow from
the definition; their proofs are put with the theorems, so every certificate holds them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from ...backends.logic.certificates import Theorem
from ...backends.logic.engine.proof import Proof
from ...backends.logic.reading import theorem_lines, theory_of
from ...graph.ir import Program
from ...graph.theory import (
    All,
    Application,
    ArithmeticModel,
    Atom,
    Axiom,
    Definition,
    Equation,
    Formula,
    Function,
    GeneratedModel,
    Model,
    Or,
    Relation,
    Some,
    TableModel,
    Term,
    Theory,
    Variable,
    substitute_formula,
)
from ..manager.contract import Certified
from ..manager.pass_ import Context, Result
from .lowering import lower
from .model_functions import function_of
from .theory_pass import BOTH, LICENCE, relowered, theorems_node


@dataclass(frozen=True)
class Functionalise:
    """Turns relations with one output into functions where axioms of the theory (`total:` and
    `single:` of the relation) license it. The licence is recorded: the relation's definition by the
    function, and proofs of the two axioms from it."""

    name: ClassVar[str] = "functionalise"
    variants: ClassVar[frozenset[str]] = BOTH

    @property
    def contract(self) -> Certified:
        return Certified(axioms="licensed", goals="licensed")

    def run(self, program: Program, context: Context) -> Result:
        theory = theory_of(program)
        if theory is None:
            return Result(program, visits=len(program.graph.nodes))
        notes, licences = [], list[Licence]()
        for relation in theory.signature.relations:
            found = licence(theory, relation)
            if isinstance(found, str):
                notes += [found] if found else []
            else:
                licences.append(found)
        if not licences:
            return Result(program, notes=tuple(notes), visits=len(theory.signature.relations))
        changed = functionalised(theory, licences)
        proofs = [t for one in licences for t in licence_proofs(one)]
        axioms = lower(changed).names["axioms"]
        known = theorems_node(axioms, theorem_lines(changed, proofs), [LICENCE] * len(proofs))
        notes += [one.text for one in licences]
        return Result(
            relowered(program, changed, known.outputs[0]),
            notes=tuple(notes),
            hits={"functions": len(licences)},
            visits=len(theory.signature.relations),
        )


@dataclass(frozen=True)
class Licence:
    """Why a relation is a function: the axioms that say so, and the function that it becomes."""

    relation: Relation
    function: Function
    total: Axiom
    single: Axiom

    @property
    def output(self) -> int:
        return self.relation.outputs[0]

    @property
    def text(self) -> str:
        return (
            f"'{self.relation.name}' is a function by '{self.total.name}' (total) "
            f"and '{self.single.name}' (single-valued)"
        )

    def term(self, arguments: tuple[Term, ...]) -> Application:
        """The function at the inputs among the relation's arguments."""
        inputs = tuple(a for i, a in enumerate(arguments) if i != self.output)
        return Application(self.function.name, inputs, self.function.output)

    def equation(self, atom: Atom) -> Equation:
        return Equation(self.term(atom.arguments), atom.arguments[self.output])

    def definition(self) -> Definition:
        variables = tuple(Variable(f"x{i}", s) for i, s in enumerate(self.relation.inputs))
        body = self.equation(Atom(self.relation.name, variables))
        name = f"{self.relation.name} as a function"
        return Definition(name, self.relation.name, variables, body, self.relation.span, self.text)


def licence(theory: Theory, relation: Relation) -> Licence | str:
    """The licence, or why there is none ("" for a relation that claims nothing)."""
    if not (relation.total and relation.single):
        return ""
    if len(relation.outputs) != 1:
        return f"'{relation.name}' has {len(relation.outputs)} outputs: only a relation with one becomes a function"
    axioms = {a.name: a for a in theory.axioms}
    total, single = axioms.get(relation.total), axioms.get(relation.single)
    if total is None or not says_total(relation, total.statement):
        return f"'{relation.total}' does not say that '{relation.name}' has a value everywhere"
    if single is None or not says_single(relation, single.statement):
        return f"'{relation.single}' does not say that '{relation.name}' has one value at most"
    if relation.name in {d.relation for d in theory.definitions}:
        return f"'{relation.name}' is defined already"
    signature = theory.signature
    taken = {*signature.function, *signature.relation, *signature.sort_names}
    base = f"the_{relation.name}" if relation.name.isidentifier() else "the_value"
    name = base
    while name in taken:
        name += "_"
    inputs = tuple(s for i, s in enumerate(relation.inputs) if i not in relation.outputs)
    output = relation.inputs[relation.outputs[0]]
    return Licence(relation, Function(name, inputs, output, origin=relation.name), total, single)


def says_total(relation: Relation, statement: Formula) -> bool:
    """Whether it is `all inputs. some output. R(inputs, output)`."""
    outer: tuple[Variable, ...] = ()
    inner = statement
    if isinstance(inner, All):
        if inner.premises:
            return False
        outer, inner = inner.variables, inner.conclusion
    if not isinstance(inner, Some) or len(inner.variables) != 1 or len(inner.conjuncts) != 1:
        return False
    (atom,) = inner.conjuncts
    return (
        isinstance(atom, Atom)
        and atom.relation == relation.name
        and _distinct(atom.arguments)
        and atom.arguments[relation.outputs[0]] is inner.variables[0]
        and set(atom.arguments) == {*outer, *inner.variables}
    )


def says_single(relation: Relation, statement: Formula) -> bool:
    """Whether it is `all … R(inputs, a) and R(inputs, b) -> a = b`."""
    if not isinstance(statement, All) or len(statement.premises) != 2:
        return False
    one, other = statement.premises
    if not isinstance(one, Atom) or not isinstance(other, Atom) or one.relation != relation.name:
        return False
    place = relation.outputs[0]
    rest = [(a, b) for i, (a, b) in enumerate(zip(one.arguments, other.arguments, strict=True)) if i != place]
    ends = (one.arguments[place], other.arguments[place])
    conclusion = statement.conclusion
    return (
        other.relation == relation.name
        and all(a is b for a, b in rest)
        and _distinct((*(a for a, _ in rest), *ends))
        and set(statement.variables) == {*(a for a, _ in rest), *ends}
        and isinstance(conclusion, Equation)
        and {conclusion.left, conclusion.right} == set(ends)
    )


def _distinct(terms: tuple[Term, ...]) -> bool:
    return all(isinstance(t, Variable) for t in terms) and len(set(terms)) == len(terms)


def functionalised(theory: Theory, licences: list[Licence]) -> Theory:
    """The theory with the relations defined by functions, and every statement put in terms."""
    by_name = {one.relation.name: one for one in licences}
    gone = {a.name for one in licences for a in (one.total, one.single)}
    signature = replace(
        theory.signature,
        functions=(*theory.signature.functions, *(one.function for one in licences)),
        relations=tuple(
            replace(r, total="", single="") if r.name in by_name else r for r in theory.signature.relations
        ),
    )
    return replace(
        theory,
        signature=signature,
        axioms=tuple(
            replace(a, statement=in_terms(a.statement, by_name)) for a in theory.axioms if a.name not in gone
        ),
        definitions=(
            *(one.definition() for one in licences),
            *(replace(d, body=_put(d.body, by_name)) for d in theory.definitions),
        ),
        goals=tuple(replace(g, statement=in_terms(g.statement, by_name)) for g in theory.goals),
        models=tuple(_models(theory.models, licences)),
    )


def in_terms(statement: Formula, licences: Mapping[str, Licence]) -> Formula:
    """The statement about functions: atoms are equations, and a premise `f(…) = z` is put in place
    of its output z (the one-point rule)."""
    return _one_point(_put(statement, licences))


def _put(formula: Formula, licences: Mapping[str, Licence]) -> Formula:
    """The formula with equations for atoms."""
    if isinstance(formula, Atom) and formula.relation in licences:
        return licences[formula.relation].equation(formula)
    if isinstance(formula, Or):
        return Or(tuple(_put(a, licences) for a in formula.alternatives))
    if isinstance(formula, Some):
        return Some(formula.variables, tuple(_put(c, licences) for c in formula.conjuncts))
    if isinstance(formula, All):
        premises = tuple(_put(p, licences) for p in formula.premises)
        return All(formula.variables, premises, _put(formula.conclusion, licences))
    return formula


def _one_point(formula: Formula) -> Formula:
    if not isinstance(formula, All):
        return formula
    for place, premise in enumerate(formula.premises):
        pair = _determined(premise, formula.variables)
        if pair is None:
            continue
        variable, term = pair
        kept = (*formula.premises[:place], *formula.premises[place + 1 :])
        variables = tuple(v for v in formula.variables if v is not variable)
        binding: dict[Variable, Term] = {variable: term}
        premises = tuple(substitute_formula(p, binding) for p in kept)
        conclusion = substitute_formula(formula.conclusion, binding)
        if not variables and not premises:
            return conclusion
        return _one_point(All(variables, premises, conclusion))
    return formula


def _determined(premise: Formula, bound: tuple[Variable, ...]) -> tuple[Variable, Term] | None:
    """A bound variable that the premise equates with a term without it."""
    if not isinstance(premise, Equation):
        return None
    for one, other in ((premise.right, premise.left), (premise.left, premise.right)):
        if isinstance(one, Variable) and one in bound and one not in other.variables:
            return one, other
    return None


def _models(models: tuple[Model, ...], licences: list[Licence]) -> Iterator[Model]:
    """The models with the functions read off their relations; one that does not tell is left out."""
    for model in models:
        if isinstance(model, GeneratedModel):
            yield model
            continue
        functions = dict(model.functions)
        for one in licences:
            found = function_of(model, one.relation.name, one.output)
            if found is None:
                break
            functions[one.function.name] = found
        else:
            assert isinstance(model, TableModel | ArithmeticModel)
            yield replace(model, functions=functions)  # type: ignore[arg-type]  # of the model's own kind


def licence_proofs(one: Licence) -> Iterator[Theorem]:
    """Proofs of both axioms from the definition."""
    total, single = one.total.statement, one.single.statement
    proof = Proof()
    inner = total.conclusion if isinstance(total, All) else total
    assert isinstance(inner, Some)
    (atom,) = inner.conjuncts
    assert isinstance(atom, Atom)
    value = one.term(atom.arguments)
    arguments = tuple(value if i == one.output else a for i, a in enumerate(atom.arguments))
    held = proof.add("fold", (proof.reflexivity(value),), Atom(atom.relation, arguments))
    step = proof.witness(inner, [value], [held])
    step = proof.close(step, total.variables if isinstance(total, All) else ())
    yield replace(proof.theorem(one.total.name, step), statement=total)

    proof = Proof()
    assert isinstance(single, All) and isinstance(single.conclusion, Equation)
    given = [proof.assume(p) for p in single.premises]
    equal = {
        p.arguments[one.output]: proof.add("unfold", (h,), one.equation(p))
        for p, h in zip(single.premises, given, strict=True)
        if isinstance(p, Atom)
    }
    left, right = equal[single.conclusion.left], equal[single.conclusion.right]
    step = proof.close(proof.transitivity([proof.symmetry(left), right]), single.variables, given)
    yield replace(proof.theorem(one.single.name, step), statement=single)
