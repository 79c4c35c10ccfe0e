"""Imports run one way: tools -> passes -> backends -> graph, and inside graph
diagnostics < types < operators < ir < spec < theory < build. Also imports inside functions count."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import graphwright

ROOT = Path(graphwright.__file__).parent
LAYERS = ("graph", "backends", "passes", "tools")
INSIDE_GRAPH = ("diagnostics", "types", "operators", "ir", "spec", "theory", "build")
RUNTIMES = {"torch", "onnxruntime"}


def _files(layer: str) -> list[Path]:
    return sorted((ROOT / layer).rglob("*.py"))


def imported_modules(file: Path, root: Path = ROOT) -> Iterator[tuple[int, tuple[str, ...]]]:
    """(line, dotted parts) of every import, relative ones resolved against the package."""
    package = ("graphwright", *file.relative_to(root).parent.parts)
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, tuple(alias.name.split("."))) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = (*base, *(node.module.split(".") if node.module else ()))
            yield node.lineno, module
            yield from ((node.lineno, (*module, alias.name)) for alias in node.names)


def _order(parts: tuple[str, ...], layers: tuple[str, ...], depth: int) -> int | None:
    if len(parts) > depth and parts[0] == "graphwright" and parts[depth] in layers:
        return layers.index(parts[depth])
    return None


def wrong_imports(file: Path, root: Path = ROOT) -> list[str]:
    """The imports of a file that go up."""
    own = ("graphwright", *file.relative_to(root).with_suffix("").parts)
    found: list[str] = []
    for line, parts in imported_modules(file, root):
        for layers, depth in ((LAYERS, 1), (INSIDE_GRAPH, 2)):
            if depth == 2 and not (own[1] == "graph" and len(parts) > 1 and parts[1] == "graph"):
                continue
            mine, theirs = _order(own, layers, depth), _order(parts, layers, depth)
            if mine is not None and theirs is not None and theirs > mine:
                found.append(f"{file.relative_to(root)}:{line} imports {'.'.join(parts)}")
    return found


def test_imports_run_one_way() -> None:
    files = [f for layer in LAYERS for f in _files(layer)]
    assert len(files) > 50
    assert [w for f in files for w in wrong_imports(f)] == []


@pytest.mark.parametrize(
    ("place", "text", "wrong"),
    [
        ("graph/ir/x.py", "from ...passes.manager import Pass", True),
        ("graph/ir/x.py", "from ... import tools", True),
        ("graph/ir/x.py", "def f():\n    import graphwright.backends.onnx", True),
        ("graph/types/x.py", "from ..ir import Graph", True),
        ("graph/types/x.py", "from .. import operators", True),
        ("graph/ir/x.py", "from ..types import Dim\nfrom .node import Node\nimport numpy", False),
        ("backends/onnx/x.py", "from ...passes import catalogue", True),
        ("passes/x.py", "from ..graph.ir import Graph\nfrom ..backends.runtime import protocols", False),
    ],
)
def test_wrong_imports_are_found(place: str, text: str, wrong: bool, tmp_path: Path) -> None:
    file = tmp_path / place
    file.parent.mkdir(parents=True)
    file.write_text(text)
    assert bool(wrong_imports(file, tmp_path)) is wrong


def test_graph_names_no_runtime() -> None:
    found = [
        f"{f.relative_to(ROOT)}:{line}"
        for f in _files("graph")
        for line, parts in imported_modules(f)
        if parts[0] in RUNTIMES
    ]
    assert found == []


def test_graph_loads_no_runtime() -> None:
    modules = [
        "graphwright",
        *(".".join(("graphwright", *f.relative_to(ROOT).with_suffix("").parts)) for f in _files("graph")),
    ]
    script = (
        "import sys, importlib\n"
        f"for name in {[m.removesuffix('.__init__') for m in modules]!r}: importlib.import_module(name)\n"
        f"print(sorted({RUNTIMES!r} & set(sys.modules)))\n"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (run.stdout.strip(), run.stderr) == ("[]", "")


def test_passes_are_found_without_importing_them() -> None:
    """The public names are lazy: importing the package loads nothing of it."""
    script = (
        "import sys, graphwright\n"
        "print([m for m in sys.modules if m.startswith('graphwright.')], 'numpy' in sys.modules)\n"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (run.stdout.strip(), run.stderr) == ("[] False", "")
