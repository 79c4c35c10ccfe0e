"""The page of quantization's goals is what its records say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from graphwright.tools.bench.goal_records import FOLDER, Record, read_records, recorded, write_records
from graphwright.tools.bench.quantization_goals import GOALS, PAGE, RECORDS, goals_page


def test_the_page_is_written_from_the_records() -> None:
    records = read_records(FOLDER / RECORDS)
    assert (FOLDER / PAGE).read_text(encoding="utf-8") == goals_page(records)
    assert set(records) <= {g.name for g in GOALS}
    for record in records.values():
        assert record.date
        assert record.commit
        assert record.instructions


def test_a_goal_measured_again_replaces_its_own_record(tmp_path: Path) -> None:
    path, order = tmp_path / "goals.json", [g.name for g in GOALS]
    first = Record("1.00x", False, 2.0, "2026-01-02 03:04", "abc", "avx2", "Python 3")
    write_records(path, {"G4": first, "G3": replace(first, figure="4.00x", met=True)}, order)
    write_records(path, {**read_records(path), "G4": replace(first, figure="5.00x", met=True)}, order)
    found = read_records(path)
    assert list(found) == ["G3", "G4"]
    assert found["G3"].figure == "4.00x"
    assert found["G4"].figure == "5.00x"
    text = goals_page(found)
    assert "| 5.00x | yes | 2026-01-02 03:04, abc, 2 CPU s |" in text
    assert "1.00x" not in text
    assert text.count("not measured yet") == len(GOALS) - 2


def test_a_record_is_of_now_and_here() -> None:
    made = recorded("x", True, 1.25, "avx2")
    assert made.seconds == 1.2
    assert made.date[:2] == "20"
    assert "onnxruntime" in made.versions
