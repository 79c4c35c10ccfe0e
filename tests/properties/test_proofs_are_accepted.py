"""Whatever the search finds in random small theories, every checker accepts, and small models agree."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from graphwright.backends.logic.checkers import ACCEPTED
from graphwright.graph.theory import (
    Application,
    Axiom,
    Bounds,
    Datatype,
    Equation,
    Function,
    Goal,
    Signature,
    Sort,
    TableModel,
    Term,
    Theory,
    Variable,
)
from graphwright.graph.theory.elaboration import close
from graphwright.graph.theory.evaluation import counterexample
from graphwright.tools.proofs.pipeline import prove

SORT = "S"
FREE = Signature(
    (Sort(SORT),), (Function("c", (), SORT), Function("f", (SORT,), SORT), Function("*", (SORT, SORT), SORT))
)
MADE = Signature(FREE.sorts, FREE.functions, (), (Datatype(SORT, ("c", "f")),))
VARIABLES = [Variable(n, SORT) for n in ("x", "y")]


@st.composite
def terms(draw: st.DrawFn, depth: int = 2) -> Term:
    chosen = draw(st.sampled_from([*VARIABLES, "c", *(["f", "*"] if depth else [])]))
    if isinstance(chosen, Variable):
        return chosen
    inputs = FREE.function[chosen].inputs
    return Application(chosen, tuple(draw(terms(depth - 1)) for _ in inputs), SORT)


equations = st.builds(Equation, terms(), terms())


@st.composite
def theories(draw: st.DrawFn) -> Theory:
    axioms = draw(st.lists(equations, min_size=1, max_size=3))
    goals = draw(st.lists(equations, min_size=2, max_size=4))
    goals += [Equation(a.right, a.left) for a in axioms]
    return Theory(
        "random",
        draw(st.sampled_from([FREE, MADE])),
        tuple(Axiom(f"axiom {n}", close(a)) for n, a in enumerate(axioms)),
        bounds=Bounds(nodes=(40, 80), rounds=3, cycles=6, depth=1, seconds=2.0),
        goals=tuple(Goal(f"goal {n}", close(g)) for n, g in enumerate(goals)),
    )


def _models() -> list[TableModel]:
    """Every structure of two individuals."""
    import numpy as np

    return [
        TableModel(
            "two",
            {SORT: 2},
            {
                "c": np.array(c),
                "f": np.array(f, dtype=np.int64),
                "*": np.array(table, dtype=np.int64).reshape(2, 2),
            },
        )
        for c in (0, 1)
        for f in itertools.product((0, 1), repeat=2)
        for table in itertools.product((0, 1), repeat=4)
    ]


MODELS = _models()


@settings(max_examples=60)
@given(theories())
def test_theorems_are_accepted_and_true(theory: Theory) -> None:
    proved = prove(theory)
    assert [v for v in proved.verdicts if v.is_bad] == []
    assert proved.verdicts[0].verdict == ACCEPTED
    if theory.signature is MADE:  # such models are no structures of a datatype
        return
    for model in MODELS:
        if all(counterexample(a.statement, model) is None for a in theory.axioms):
            for theorem in proved.theorems:
                assert counterexample(theorem.statement, model) is None, str(theorem.statement)
