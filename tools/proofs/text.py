"""A theory as text for a terminal: symbols, what is taken for true, models, goals."""

from __future__ import annotations

from collections.abc import Iterator

from ...backends.logic.reading import node_of, theory_of
from ...backends.logic.topology import topology
from ...graph.ir import Program
from ...graph.theory import Theory
from ...graph.theory.infix_printer import print_formula, print_statement
from ...passes.logic.lowering import lower
from ..reports.grid import grid_text


def theory_text(program: Program) -> str:
    """What a theory says, and the grid that its program is."""
    theory, fixpoint = theory_of(program), node_of(program, "Fixpoint")
    assert theory is not None
    lines = [*describe(theory)]
    if fixpoint is not None:
        lines += ["", *grid_text(topology(fixpoint))]
    return "".join(f"{line}\n" for line in lines)


def theory_program(path: str) -> Program | None:
    """The grid of a theory file; None for a file of another kind. Raises SpecError."""
    if not path.endswith((".yaml", ".yml")):
        return None
    from ...graph.spec.reader import read_document
    from ...graph.theory.reader import read_theory

    document = read_document(path)
    if document.kind != "logic":
        return None
    return lower(read_theory(document).theory)


def describe(theory: Theory) -> Iterator[str]:
    """The lines of a theory's description."""
    signature = theory.signature
    yield f"theory {theory.name}"
    for sort in signature.sorts:
        datatype = signature.datatype.get(sort.name)
        made = ""
        if datatype is not None:
            inputs = [(c, ", ".join(signature.function[c].inputs)) for c in datatype.constructors]
            made = " = " + " | ".join(f"{c}({i})" if i else c for c, i in inputs)
        yield f"  sort {sort.name}{made}"
    for function in signature.functions:
        arguments = f"({', '.join(function.inputs)}) -> " if function.inputs else ""
        yield f"  function {function.name}: {arguments}{function.output}"
    for relation in signature.relations:
        yield f"  relation {relation.name}: ({', '.join(relation.inputs)})"
    for definition in theory.definitions:
        yield f"  {print_formula(definition.head)} means {print_formula(definition.body)}"
    for axiom in theory.axioms:
        yield f"  axiom {axiom.name}: {print_statement(axiom.statement)}"
    for model in theory.models:
        yield f"  model {model.name}"
    for goal in theory.goals:
        yield f"  goal {goal.name}: {print_statement(goal.statement)}"
