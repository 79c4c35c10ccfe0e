"""Enumerations: complete with each prior, structures without freedom passed over, stops and damage survived."""

from __future__ import annotations

import json

import numpy as np
import pytest

from graphwright.backends.runtime.executor import SerialExecutor
from graphwright.graph.diagnostics import SpecError
from graphwright.passes.functions.freedom import free
from graphwright.passes.functions.straight_line import (
    ADD,
    DIV,
    MUL,
    SUB,
    StraightLine,
    canonical,
    structure_key,
)
from graphwright.passes.functions.structures import structures
from graphwright.passes.functions.target import Target
from graphwright.tools.search import enumeration
from graphwright.tools.search.enumeration import JOURNAL, enumerate_programs

EXP2 = Target("exp2", 0.0, 1.0)
RUNG = [(DIV, -1, 0), (ADD, 0, 1)]


def values(program: StraightLine) -> tuple[np.ndarray, np.ndarray]:
    """At some x and at -x, at random constants."""
    constants = np.random.default_rng(program.constants).uniform(0.5, 2, program.constants)
    x = np.array([0.3, 0.7, 1.1])
    with np.errstate(all="ignore"):
        there, back = (program.evaluate(sign * x, list(constants)) for sign in (1.0, -1.0))
    return there, back


def is_odd(program: StraightLine) -> bool:
    """And not 0."""
    there, back = values(program)
    return bool(np.allclose(there, -back, rtol=1e-9) and np.any(there))


def test_odd_structures_are_those_that_are_odd_for_any_constants():
    """But for such as are odd by a cancellation that no rule of parity sees."""
    for operations in (1, 2, 3):
        supply = {structure_key(p): p for p in structures(operations, odd=True)}
        for program in supply.values():
            there, back = values(program)
            np.testing.assert_allclose(
                there, -back, rtol=1e-9
            )  # where both are no numbers, it is a quotient by 0
        others = [p for p in structures(operations) if structure_key(p) not in supply]
        missed = [p for p in others if is_odd(p)]
        assert len(missed) <= 0.05 * len(others)
        assert not [p.text() for p in missed if not _cancels(p)]


def _cancels(program: StraightLine) -> bool:
    """Whether it mixes parities somewhere: a sum of an odd value with a constant or an even value."""
    odd = [True]
    for operation, a, b in program.instructions:
        kinds = [False if o < 0 else odd[o] for o in (a, b)]
        if operation in (ADD, SUB) and kinds[0] != kinds[1]:
            return True
        odd.append(kinds[0] if operation in (ADD, SUB) else kinds[0] != kinds[1])
    return False


def test_structures_after_a_beginning_use_all_of_it():
    found = list(structures(1, after=RUNG))
    assert found
    for program in found:
        assert program.operations == 3
        assert structure_key(StraightLine(program.instructions[:2])) == structure_key(
            StraightLine(tuple(RUNG))
        )
        assert {1, 2} <= {o for _, a, b in program.instructions for o in (a, b)}
    wanted = canonical([*RUNG, (MUL, 2, 2)])[0]
    assert structure_key(wanted) in {structure_key(p) for p in found}


def test_structures_with_so_many_constants_are_a_part_of_all():
    every = {p.instructions for p in structures(3)}
    some = {p.instructions for p in structures(3, constants=2)}
    assert some == {p for p in every if StraightLine(p).constants >= 2}


def test_freedom_is_that_of_the_functions():
    """(x c1) / (x + c2) has two; c1 / (c2 x) one; x + c1 + (x + c2) one."""
    both = canonical([(MUL, 0, -1), (ADD, 0, -2), (DIV, 1, 2)])[0]
    one = StraightLine(((MUL, 0, -1), (DIV, -2, 1)))
    sums = StraightLine(((ADD, 0, -1), (ADD, 0, -2), (ADD, 2, 1)))
    assert free([both, one, sums]) == [True, False, False]


def test_of_structures_without_freedom_the_best_is_no_better_than_of_others(tmp_path, monkeypatch):
    """Two operations, with and without passing over."""
    found = enumerate_programs(EXP2, 3, 0, tmp_path / "some", executor=SerialExecutor())
    assert found.fitted[2] < found.counts[2]
    monkeypatch.setattr(enumeration, "free", lambda programs: [True] * len(programs))
    every = enumerate_programs(EXP2, 3, 0, tmp_path / "every", executor=SerialExecutor())
    assert every.fitted == every.counts
    for few, many in zip(found.front, every.front, strict=True):
        assert few.digits == pytest.approx(many.digits, abs=1e-3)


def test_one_rung_is_found_among_all_wrapped_odd_cores(tmp_path):
    """Reference table: 5.36 digits in five operations, c / (x + c / x + c) + c."""
    found = enumerate_programs(EXP2, 2, 0, tmp_path, executor=SerialExecutor(), prior="mobius")
    assert found.counts == [2, 9]
    best = found.front[-1]
    assert (best.operations, round(best.digits, 2)) == (5, 5.36)


def test_an_enumeration_that_is_stopped_keeps_its_place(tmp_path, monkeypatch):
    monkeypatch.setattr(enumeration, "_CHUNK", 10)
    monkeypatch.setattr(enumeration, "_WINDOW", 1)

    def stop(state):
        if state.position >= 30:
            raise KeyboardInterrupt

    part = enumerate_programs(EXP2, 2, 0, tmp_path, executor=SerialExecutor(), progress=stop)
    assert (part.counts, part.position) == ([5], 30)
    assert "30 of 2" in part.summary()
    whole = enumerate_programs(EXP2, 2, 0, tmp_path, executor=SerialExecutor())
    assert whole.counts == [5, 47]
    assert whole.front[-1].digits == pytest.approx(1.53, abs=0.01)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data["kept"]["2"][0].__setitem__(0, [[9, 9, 9]]),
        lambda data: data["kept"]["2"][0].__setitem__(1, ["nan", "nan"]),
        lambda data: data.pop("prior"),
        lambda data: data.update(kept=[]),
        lambda data: data["target"].update(function="exp3"),
    ],
)
def test_a_damaged_journal_is_refused(tmp_path, damage):
    enumerate_programs(EXP2, 2, 0, tmp_path, executor=SerialExecutor())
    data = json.loads((tmp_path / JOURNAL).read_text(encoding="utf-8"))
    damage(data)
    (tmp_path / JOURNAL).write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(SpecError) as raised:
        enumerate_programs(EXP2, 2, 0, tmp_path, executor=SerialExecutor())
    assert [d.code for d in raised.value.diagnostics] == ["G1504"]


def test_another_prior_is_another_enumeration(tmp_path):
    enumerate_programs(EXP2, 1, 0, tmp_path, executor=SerialExecutor())
    with pytest.raises(SpecError):
        enumerate_programs(EXP2, 1, 0, tmp_path, executor=SerialExecutor(), prior="odd")


def test_values_that_float64_does_not_hold_are_refused():
    for low, high in ((0.0, 2000.0), (-2000.0, 0.0)):
        with pytest.raises(SpecError) as raised:
            Target("exp2", low, high).samples(16)
        assert [d.code for d in raised.value.diagnostics] == ["G1502"]
    assert Target("log2", 0.5, 2.0, "absolute").samples(15)[1].min() >= -1  # a true zero is none of them
