"""What is installed: every package and every spec, and nothing else, from a folder of any name."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

import graphwright

ROOT = Path(graphwright.__file__).parent.resolve()
FOLDERS = ("graph", "backends", "passes", "tools")
LEFT_OUT = {".git", ".venv", ".build", "build", "dist", "out"}


def _project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def _on_disk() -> list[str]:
    inits = [f for folder in FOLDERS for f in ROOT.glob(f"{folder}/**/__init__.py")]
    return sorted(
        ["graphwright", *(".".join(("graphwright", *f.parent.relative_to(ROOT).parts)) for f in inits)]
    )


def test_listed_packages_are_those_on_disk() -> None:
    assert sorted(_project()["tool"]["setuptools"]["packages"]) == _on_disk()


def test_every_folder_with_source_is_a_package() -> None:
    folders = {f.parent for folder in FOLDERS for f in ROOT.glob(f"{folder}/**/*.py")}
    assert [str(f.relative_to(ROOT)) for f in sorted(folders) if not (f / "__init__.py").exists()] == []


def test_tests_are_no_package_and_their_names_differ() -> None:
    assert [*(ROOT / "tests").rglob("__init__.py")] == []
    names = [f.name for f in (ROOT / "tests").rglob("test_*.py")]
    assert sorted({n for n in names if names.count(n) > 1}) == []


def test_intermediate_language_is_loaded_once() -> None:
    """Interning rests on one node table: a second copy under another name would break it. (pytest
    makes empty modules for the folders of tests; those have no file.)"""
    importlib.import_module("graphwright.graph.ir")
    loaded = [m for m, module in sys.modules.items() if getattr(module, "__file__", None)]
    assert [m for m in loaded if m.endswith(".graph.ir")] == ["graphwright.graph.ir"]


def _requirements() -> dict[str, str]:
    project = _project()["project"]
    extras = project["optional-dependencies"]
    texts = [*project["dependencies"], *extras["test"], *extras["learn"]]
    found = [re.fullmatch(r"([A-Za-z0-9_.-]+)(.*)", t) for t in texts]
    return {m.group(1).lower().replace("_", "-"): m.group(2) for m in found if m is not None}


def _pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {name.lower().replace("_", "-"): version for name, version in pins}


def test_every_requirement_is_pinned() -> None:
    pins = _pins()
    assert set(_requirements()) <= set(pins)
    assert pins["torch"] == "2.13.0"
    exact = {name: text.removeprefix("==") for name, text in _requirements().items() if text.startswith("==")}
    assert exact == {name: pins[name] for name in exact}


def test_extras() -> None:
    extras = set(_project()["project"]["optional-dependencies"])
    known = "learn distributed highprec logic docs bench gpu import plots test"
    assert extras == set(known.split())


def _not_exported(folder: str, names: list[str]) -> set[str]:
    """Names that a clean export has not: made folders at the root, caches anywhere."""
    caches = {n for n in names if n == "__pycache__" or n.endswith(("_cache", ".egg-info", ".hypothesis"))}
    return caches | (LEFT_OUT & set(names) if Path(folder).resolve() == ROOT else set())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of a clean export in a folder whose name is no identifier."""
    pytest.importorskip("setuptools")
    folder = tmp_path_factory.mktemp("export")
    export = folder / "my-clone"
    shutil.copytree(ROOT, export, ignore=_not_exported)
    command = [sys.executable, "-c", "import setuptools.build_meta as b; print(b.build_wheel('..'))"]
    run = subprocess.run(command, cwd=export, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    (found,) = folder.glob("*.whl")
    return found


def test_wheel_holds_every_package_and_spec(wheel: Path) -> None:
    names = {n for n in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in n}
    source = {f.relative_to(ROOT) for folder in FOLDERS for f in (ROOT / folder).rglob("*.py")}
    specs = {f.relative_to(ROOT) for f in (ROOT / "specs").rglob("*") if f.is_file() and f.name[0] != "."}
    top = {Path("__init__.py"), Path("__main__.py"), Path("py.typed")}
    assert names == {f"graphwright/{p.as_posix()}" for p in source | specs | top}


def test_wheel_runs_where_it_is_installed(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    script = (
        "import graphwright, sys\n"
        "from graphwright.graph.ir import Graph, apply, constant, parse_graph, print_graph\n"
        "graph = Graph((), (apply('Neg', constant(2.0)),))\n"
        "assert parse_graph(print_graph(graph)) == graph\n"
        "print(graphwright.__file__, [m for m in sys.modules if m.endswith('.graph.ir')])\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert run.stderr == ""
    assert run.stdout.split() == [str(tmp_path / "graphwright" / "__init__.py"), "['graphwright.graph.ir']"]
