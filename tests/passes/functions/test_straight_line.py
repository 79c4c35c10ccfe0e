"""Straight-line programs: canonical forms keep the meaning, batches agree with plain evaluation."""

from __future__ import annotations

import operator
from fractions import Fraction
from random import Random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from graphwright.passes.functions.batch import Batch, Tape
from graphwright.passes.functions.mutation import EMPTY, mutate
from graphwright.passes.functions.straight_line import (
    ADD,
    DIV,
    MUL,
    SUB,
    StraightLine,
    canonical,
    structure_key,
)

OPERATIONS = {ADD: operator.add, SUB: operator.sub, MUL: operator.mul, DIV: operator.truediv}


@st.composite
def programs(draw, longest=7):
    rows = []
    for i in range(draw(st.integers(1, longest))):
        operands = st.one_of(st.integers(0, i), st.integers(-6, -1))
        rows.append((draw(st.integers(0, 3)), draw(operands), draw(operands)))
    return rows


def value(rows, x, constants):
    """The program as it stands, in exact fractions; None where it divides by zero."""
    values = [x]
    for operation, a, b in rows:
        left, right = (constants[o] if o < 0 else values[o] for o in (a, b))
        if operation == DIV and right == 0:
            return None
        values.append(OPERATIONS[operation](left, right))
    return values[-1]


@given(programs())
def test_a_canonical_program_has_no_more_of_anything(rows):
    found = canonical(rows)
    if found is None:
        return
    program, constants = found
    assert program.operations <= len(rows)
    assert program.constants == len(constants)
    used = {o for _, a, b in program.instructions for o in (a, b) if o > 0}
    assert used == set(range(1, program.operations))
    assert all(a >= 0 or b >= 0 for _, a, b in program.instructions)
    again = canonical(program.instructions)
    assert again is not None
    assert structure_key(again[0]) == structure_key(program)


@given(programs(), st.integers(1, 9))
def test_a_canonical_program_can_say_the_same(rows, x):
    """Where no constants were joined, with constants chosen for the changed operations (v - c becomes
    v + c: the constant's sign turns, v / c its inverse)."""
    found = canonical(rows)
    if found is None or any(a < 0 and b < 0 for _, a, b in rows):
        return
    program, sources = found
    flipped = {}
    for operation, _, b in rows:
        if b < 0:
            flipped[b] = operation
    constants = {c: Fraction(c * c + 2, 3) for c in range(-6, 0)}
    uses = [o for _, a, b in rows for o in (a, b) if o < 0]
    if len(set(uses)) != len(uses) or len(sources) != len(uses):
        return  # a constant used twice, or joined with another
    given = []
    for source in sources:
        c = constants[source]
        given.append({SUB: -c, DIV: 1 / c}.get(flipped.get(source, ADD), c))
    expected = value(rows, Fraction(x), constants)
    if expected is not None:
        assert program.evaluate(Fraction(x), given) == expected


def test_what_does_not_depend_on_x_is_no_program():
    assert canonical([(ADD, -1, -2), (MUL, 1, 1)]) is None
    assert canonical([(SUB, 0, 0)]) is None
    assert canonical([(DIV, 0, 0), (ADD, 1, -1)]) is None


def test_keys_are_blind_to_the_order_of_what_commutes():
    a = StraightLine(((MUL, 0, 0), (ADD, 0, -1), (ADD, 1, 2)))
    b = StraightLine(((ADD, -1, 0), (MUL, 0, 0), (ADD, 1, 2)))
    assert structure_key(a) == structure_key(b)
    assert structure_key(a) != structure_key(StraightLine(((MUL, 0, 0), (ADD, 0, -1), (SUB, 1, 2))))


@given(st.lists(programs(), min_size=1, max_size=5), st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_batches_evaluate_and_differentiate(many, seed):
    """Values against each program alone; derivatives against complex steps."""
    chosen = [found[0] for rows in many if (found := canonical(rows)) is not None]
    if not chosen:
        return
    batch = Batch(tuple(chosen))
    rng = np.random.default_rng(seed)
    constants = rng.uniform(0.5, 2, (len(chosen), 3, batch.constants))
    x = np.array([0.3, 0.7, 1.1])
    weights = np.array([1.0, 2.0, 0.5])
    with np.errstate(all="ignore"):
        tape = Tape(batch, 3, x, weights)
        result = tape.evaluate(constants)
        jacobian = tape.jacobian()
        for p, program in enumerate(chosen):
            for s in range(3):
                own = [constants[p, s, k] for k in range(program.constants)]
                expected = program.evaluate(x, own) + 0 * x
                np.testing.assert_array_equal(result[p, s], expected)
                for k in range(program.constants):
                    moved = [c + (1e-30j if j == k else 0) for j, c in enumerate(own)]
                    slope = np.imag(program.evaluate(x.astype(complex), moved)) / 1e-30
                    if np.all(np.isfinite(slope)) and np.max(np.abs(slope)) < 1e6:
                        np.testing.assert_allclose(jacobian[k, p, s], weights * slope, rtol=1e-6, atol=1e-6)


@given(st.integers(0, 2**32))
def test_children_are_canonical_and_know_their_parents_constants(seed):
    random = Random(seed)
    program = EMPTY
    for _ in range(30):
        found = mutate(program, random, 9)
        if found is None:
            continue
        child, sources = found
        assert child.operations <= 9
        assert len(sources) == child.constants
        assert all(s is None or 0 <= s < program.constants for s in sources)
        program = child
