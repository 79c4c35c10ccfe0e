"""The guide's chapter on logic: its examples run, and print what it says."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from graphwright.passes.catalogue import PASSES
from graphwright.tools.cli.check import command as check
from graphwright.tools.cli.prove import command as prove
from graphwright.tools.cli.show import command as show

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "guide.md").read_text(encoding="utf-8")
CHAPTER = GUIDE[GUIDE.index("\n## Logic\n") : GUIDE.index("\n## Quantization\n")]
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```$", CHAPTER, re.MULTILINE | re.DOTALL)
PEANO = str(ROOT / "specs" / "logic" / "peano.yaml")


@pytest.fixture
def theory(tmp_path: Path) -> Path:
    path = tmp_path / "addition.yaml"
    path.write_text(EXAMPLES[0], encoding="utf-8")
    return path


def run(command, *arguments: object) -> str:
    done = CliRunner().invoke(command, [str(a) for a in arguments])
    assert done.exit_code == 0, done.output
    return done.output


def test_there_are_a_theory_and_a_recipe() -> None:
    assert ["kind: logic" in text for text in EXAMPLES] == [True, False]
    assert "kind: recipe" in EXAMPLES[1]


def test_the_theory_is_checked_shown_and_proved(theory: Path, tmp_path: Path) -> None:
    run(check, theory)
    assert "commutativity: a + b = b + a" in run(show, theory)
    assert "1 of 1 goals proved" in run(prove, theory, "-o", tmp_path / "out")


def test_the_recipe_explores_the_theory(theory: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "explore.yaml"
    recipe.write_text(EXAMPLES[1], encoding="utf-8")
    printed = run(prove, theory, "-o", tmp_path / "out", "--recipe", recipe)
    assert re.search(r"1 of 1 goals proved, \d+ of \d+ conjectures", printed)
    assert list((tmp_path / "out" / "tptp").glob("*.p"))


def test_what_prove_prints(tmp_path: Path) -> None:
    printed = run(prove, PEANO, "-o", tmp_path / "out")
    for line in re.search(r"prove specs/logic/peano.yaml.*?\n(.*?)\$", CHAPTER, re.DOTALL)[1].splitlines():  # type: ignore[index]  # it is there
        installed = shutil.which("metamath") is not None or "metamath  " not in line
        found = re.search(
            re.sub(r"\\?\d+", r"\\d+", re.escape(line)), printed
        )  # a better search has other numbers
        assert found or not installed, line
    written = {p.name for p in (tmp_path / "out").iterdir()}
    assert written == set(
        re.findall(r"`(?:out/)?((?:\w+\.\w+)|proofs)/?`", CHAPTER[CHAPTER.index("**Output.**") :])
    ) - {"theorems.py"}


def test_the_grid_that_the_chapter_draws() -> None:
    lines = run(show, ROOT / "specs" / "logic" / "lattice.yaml").splitlines()
    drawn = re.search(r"```text\n(.*?)```", CHAPTER, re.DOTALL)[1].splitlines()  # type: ignore[index]  # it is there
    assert len(drawn) >= 5
    assert all(line in lines for line in drawn)


def test_a_drawing_names_blocks_routes_and_broadcast(tmp_path: Path) -> None:
    path = tmp_path / "grid.svg"
    run(show, ROOT / "specs" / "logic" / "lattice.yaml", "--draw", path)
    text = path.read_text(encoding="utf-8")
    for number in range(5):
        assert f"block {number}: " in text
    assert text.count('class="mail"') == 5  # the axioms' and four between blocks
    assert text.count('class="told"') == 1 + 4 + 1  # the rail, who may prove something, who hears
    assert "&lt;=" in text


def test_the_table_of_passes_is_the_catalogues() -> None:
    named = re.findall(r"^\| `(\w+)` \|", CHAPTER, re.MULTILINE)
    assert named == [n for n, place in PASSES.items() if place.startswith(".logic.")]
