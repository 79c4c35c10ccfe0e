"""`graphwright prove` writes the same bytes with any number of workers, any hash seed, and axioms,
definitions and goals in any order."""

from __future__ import annotations

import hashlib
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

LOGIC = Path(__file__).parents[3] / "specs" / "logic"
SECTIONS = ("axioms", "goals", "definitions")


def shuffled(spec: Path, seed: int, folder: Path) -> Path:
    """The spec with the entries of some sections in another order, in a file of the same name."""
    text = spec.read_text(encoding="utf-8")
    for section in SECTIONS:
        found = re.search(rf"^{section}:\n((?:  .*\n|\n(?=  ))+)", text, re.MULTILINE)
        if found is None:
            continue
        entries = re.findall(r"^  \S.*\n(?:    .*\n)*", found[1], re.MULTILINE)
        random.Random(seed).shuffle(entries)
        text = text[: found.start(1)] + "".join(entries) + text[found.end(1) :]
    path = folder / f"shuffled-{seed}" / spec.name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def written(spec: Path, out: Path, workers: int, seed: int, *options: str) -> dict[str, str]:
    """File -> hash of everything that a run writes but its report, which has times."""
    command = [sys.executable, "-m", "graphwright", "prove", str(spec), "-o", str(out), *options]
    environment = {"PYTHONPATH": ":".join(sys.path), "PYTHONHASHSEED": str(seed), "PATH": "/usr/bin:/bin"}
    subprocess.run(
        [*command, "--workers", str(workers)], check=True, env=environment, capture_output=True, timeout=300
    )
    files = {p.relative_to(out).as_posix(): p for p in out.rglob("*") if p.is_file()}
    return {n: hashlib.sha256(p.read_bytes()).hexdigest() for n, p in files.items() if n != "report.json"}


def test_workers_hash_seeds_and_order_change_nothing(tmp_path: Path) -> None:
    spec = LOGIC / "trees.yaml"
    plain = written(spec, tmp_path / "a", 1, 0)
    assert {"certificates.jsonl", "theorems.jsonl", "theory.mm", "index.html", "proofs/1.html"} <= set(plain)
    other = shuffled(spec, 5, tmp_path)
    assert other.read_bytes() != spec.read_bytes()
    assert written(other, tmp_path / "b", 2, 9) == plain


def test_conjectures_are_the_same_in_any_order(tmp_path: Path) -> None:
    spec = LOGIC / "lattice.yaml"
    plain = written(spec, tmp_path / "a", 1, 1, "--conjecture", "1")
    assert written(shuffled(spec, 3, tmp_path), tmp_path / "b", 1, 2, "--conjecture", "1") == plain


@pytest.mark.slow
@pytest.mark.parametrize("name", ["peano", "lattice", "gauss", "boolean_algebra", "relational_addition"])
def test_every_hash_seed_with_every_number_of_workers(name: str, tmp_path: Path) -> None:
    spec = LOGIC / f"{name}.yaml"
    plain = written(spec, tmp_path / "plain", 1, 0)
    for seed in range(10):
        other = shuffled(spec, seed, tmp_path)
        workers = (1, 2, 8)[seed % 3]
        assert written(other, tmp_path / f"out-{seed}", workers, seed) == plain, (seed, workers)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2, 8])
def test_workers_alone(workers: int, tmp_path: Path) -> None:
    plain = written(LOGIC / "peano.yaml", tmp_path / "plain", 1, 0)
    assert written(LOGIC / "peano.yaml", tmp_path / "other", workers, 0) == plain
