"""The pages of goals are what their records say, and nothing that was not recorded."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import pytest

from graphwright.tools.bench import function_goals, quantization_goals, state_space_goals
from graphwright.tools.bench.goal_records import (
    FOLDER,
    Line,
    Record,
    begin,
    measure,
    measured_cells,
    read_records,
    wanted,
    where,
    write_records,
)
from graphwright.tools.bench.goals import Goal

FIRST = Record("1.00x", False, 2.0, "2026-01-02 03:04", "abc", "avx2", "Python 3")
LINE = Line(
    "4 times", True, 1.0, "2026-01-02 03:04", "abc", "avx2", "", "6 exp", "3 times", "bench functions", ""
)


def test_quantization_page_is_written_from_its_records() -> None:
    records = read_records(FOLDER / quantization_goals.RECORDS, Record)
    page = (FOLDER / quantization_goals.PAGE).read_text(encoding="utf-8")
    assert page == quantization_goals.goals_page(records)
    assert set(records) <= {g.name for g in quantization_goals.GOALS}
    for record in records.values():
        assert record.date
        assert record.commit
        assert record.instructions


@pytest.mark.parametrize("goals", [function_goals, state_space_goals], ids=["functions", "state space"])
def test_page_is_written_from_its_records(goals: ModuleType) -> None:
    records = read_records(FOLDER / goals.RECORDS, Line)
    assert (FOLDER / goals.PAGE).read_text(encoding="utf-8") == goals.goals_page(records)
    text = goals.goals_page(records)
    for record in records.values():
        assert record.figure in text
        assert record.date
        assert record.instructions


def test_a_goal_measured_again_replaces_its_own_record(tmp_path: Path) -> None:
    path, order = tmp_path / "goals.json", [g.name for g in quantization_goals.GOALS]
    write_records(path, {"G4": FIRST, "G3": replace(FIRST, figure="4.00x", met=True)}, order)
    write_records(path, {**read_records(path, Record), "G4": replace(FIRST, figure="5.00x", met=True)}, order)
    found = read_records(path, Record)
    assert list(found) == ["G3", "G4"]
    assert found["G3"].figure == "4.00x"
    assert found["G4"].figure == "5.00x"
    text = quantization_goals.goals_page(found)
    assert "| 5.00x | yes | 2026-01-02 03:04, abc, 2 CPU s |" in text
    assert "1.00x" not in text
    assert text.count("not measured yet") == len(order) - 2


def test_what_was_not_recorded_is_not_shown() -> None:
    old = replace(FIRST, seconds=None, commit="", versions="")
    assert measured_cells(old) == ("1.00x", "**no**", "2026-01-02 03:04")
    assert where(old) == "avx2"
    lines = {f"delay {n}": replace(LINE, command="python -m graphwright.tools.bench delay") for n in (1, 2)}
    assert "| delay | 2026-01-02 03:04, abc, 2 CPU s | avx2 |" in state_space_goals.goals_page(lines)
    lines["delay 2"] = replace(lines["delay 2"], seconds=None)
    assert "| delay | 2026-01-02 03:04, abc | avx2 |" in state_space_goals.goals_page(lines)


def test_a_record_is_of_now_and_here() -> None:
    before = datetime.now(UTC).strftime("%Y-%m-%d %H:%M")
    made = begin().record("x", True, "avx2")
    assert before <= made.date <= datetime.now(UTC).strftime("%Y-%m-%d %H:%M")
    assert made.seconds is not None
    assert 0 <= made.seconds < 5
    assert re.fullmatch(r"[0-9a-f]{9}\+?|unknown", made.commit)
    assert "onnxruntime" in made.versions


def test_lines_share_the_seconds_of_their_command() -> None:
    """The first takes its own time, and the second is not charged for it."""

    def goals() -> Iterator[Goal]:
        start = begin()
        while (start.record("", None, "").seconds or 0) < 0.5:
            pass
        yield Goal("1", "slow", "done", True)
        yield Goal("2", "quick", "done")

    slow, quick = measure(goals(), "bench x")
    assert (slow.name, slow.target, slow.figure, slow.met, slow.command) == (
        "1",
        "slow",
        "done",
        True,
        "bench x",
    )
    assert quick.met is None
    assert slow.seconds is not None
    assert slow.seconds >= 0.4
    assert quick.seconds is not None
    assert quick.seconds < slow.seconds


def test_goals_are_measured_where_the_variable_names_them(monkeypatch: pytest.MonkeyPatch) -> None:
    for value, expected in (("", []), ("G3, G1", ["G1", "G3"]), ("all", ["G1", "G2", "G3"]), ("G", [])):
        monkeypatch.setenv("GRAPHWRIGHT_GOALS", value)
        assert wanted(("G1", "G2", "G3")) == expected


def test_function_goals_take_in_what_is_newer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(function_goals, "folder", lambda: tmp_path)
    monkeypatch.setattr(function_goals, "KEPT", tmp_path / "kept" / "records.json")
    path = tmp_path / function_goals.RECORDS
    later = replace(LINE, figure="9 times", name="8", date="2099-01-01 00:00")
    write_records(path, {"6 exp": LINE, "8": later}, ["6 exp", "8"])
    function_goals.keep(
        [Goal("6 exp", "3 times", "5 times", True), Goal("8", "x", "y", False)], "bench functions"
    )
    function_goals.report()
    found = read_records(path, Line)
    assert found["6 exp"].figure == "5 times"
    assert found["8"] == later
    text = (tmp_path / function_goals.PAGE).read_text(encoding="utf-8")
    assert text == function_goals.goals_page(found)
    assert "| 6 exp | 3 times | 5 times | yes | " in text
