"""The form of the source: short functions, files of one concept, documented names."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import graphwright

ROOT = Path(graphwright.__file__).parent
FOLDERS = ("graph", "backends", "passes", "tools")

LONGEST_FUNCTION = 80
USUAL_FUNCTION = 30
"""Nine functions of ten are at most this long."""
LONGEST_FILE = 620
SHORT = 12
"""A function of at most this many lines may do without a docstring."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def _modules() -> Iterator[tuple[Path, str, ast.Module]]:
    for folder in FOLDERS:
        for file in sorted((ROOT / folder).rglob("*.py")):
            text = file.read_text(encoding="utf-8")
            yield file.relative_to(ROOT), text, ast.parse(text)


def function_length(function: Function) -> int:
    """Lines from `def` (without decorators) to the end, without the docstring."""
    assert function.end_lineno is not None
    length = function.end_lineno - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function) is not None:
        assert first.end_lineno is not None
        length -= first.end_lineno - first.lineno + 1
    return length


def _functions() -> list[tuple[str, int]]:
    return [
        (f"{path}:{node.lineno} {node.name}", function_length(node))
        for path, _, module in _modules()
        for node in ast.walk(module)
        if isinstance(node, Function)
    ]


def test_functions_are_short() -> None:
    lengths = _functions()
    assert len(lengths) > 500
    assert [(name, n) for name, n in lengths if n > LONGEST_FUNCTION] == []
    ordered = sorted(n for _, n in lengths)
    assert ordered[int(0.9 * len(ordered))] <= USUAL_FUNCTION


def test_files_hold_one_concept() -> None:
    lengths = {str(path): text.count("\n") for path, text, _ in _modules()}
    assert {path: n for path, n in lengths.items() if n > LONGEST_FILE} == {}
    vague = {"utils", "util", "helpers", "helper", "misc", "common"}
    assert [p for p in lengths if Path(p).stem in vague or vague & set(Path(p).parent.parts)] == []


def test_modules_and_public_names_are_documented() -> None:
    missing: list[str] = []
    for path, _, module in _modules():
        if ast.get_docstring(module) is None:
            missing.append(str(path))
        for node in module.body:
            if not isinstance(node, Function | ast.ClassDef) or node.name.startswith("_"):
                continue
            assert node.end_lineno is not None
            if node.end_lineno - node.lineno >= SHORT and ast.get_docstring(node) is None:
                missing.append(f"{path}:{node.lineno} {node.name}")
    assert missing == []


def test_length_leaves_the_docstring_out() -> None:
    (function,) = ast.parse('@cache\ndef f(\n    x,\n):\n    """One\n\n    two."""\n    return x\n').body
    assert isinstance(function, ast.FunctionDef)
    assert function_length(function) == 4
