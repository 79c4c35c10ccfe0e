"""What every lowering keeps to: torch only, plain functions, the standard's attributes and defaults."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

from graphwright.backends.onnx.importing.draws import DRAWS
from graphwright.backends.torch_fx import LOWERINGS, lowerings
from graphwright.backends.torch_fx.lowerings.lowering import DTYPE_ATTRIBUTES
from graphwright.graph.operators import operator, operator_names
from graphwright.graph.operators.operator import Operator
from graphwright.graph.types.dtypes import BY_CODE

FOLDER = Path(inspect.getfile(lowerings)).parent
FORBIDDEN = {"numpy", "onnx", "onnxruntime", "scipy"}


def _operator(name: str) -> Operator:
    domain, _, bare = name.rpartition(".")
    return operator(bare, domain)


TEXT = {"text.py", "carriers.py", "casting.py"}
"""The files that compute on strings, which torch has not: Python's own text functions, no tensors."""


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda p: p.stem)
def test_lowerings_compute_with_torch_only(path: Path) -> None:
    imported = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            imported |= {a.name.partition(".")[0] for a in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            imported.add((node.module or "").partition(".")[0])
        elif isinstance(node, ast.ImportFrom):
            imported |= {f"own {part}" for part in (node.module or "").split(".")}
    assert not imported & FORBIDDEN
    assert not imported & {"own reference", "own onnx", "own arrays", "own evaluator"}
    assert "re" not in imported or path.name in TEXT


def test_strings_are_computed_in_the_files_for_text() -> None:
    """Counted apart: the operators of strings alone, all eager, and nothing else in their file."""
    users = {p.name for p in FOLDER.glob("*.py") if "Strings" in p.read_text(encoding="utf-8")}
    assert users >= TEXT
    alone = {name for name, lowering in LOWERINGS.items() if lowering.function.__module__.endswith(".text")}
    assert alone == {
        "StringConcat",
        "StringSplit",
        "StringNormalizer",
        "RegexFullMatch",
        "TfIdfVectorizer",
    }
    assert {LOWERINGS[name].tier for name in alone} == {"eager"}


def test_every_operator_of_the_standard_has_a_lowering() -> None:
    """Draws come from outside, constants are data; image files need codecs."""
    assert operator_names() - set(LOWERINGS) <= {*DRAWS, "Constant", "ImageDecoder"}


def test_the_table_names_operators_that_exist() -> None:
    assert [name for name in LOWERINGS if not _operator(name)] == []


def test_every_operator_has_a_function_of_its_own_at_module_level() -> None:
    functions = [lowering.function for lowering in LOWERINGS.values()]
    assert len(set(functions)) == len(functions)
    assert all(f.__qualname__ == f.__name__ for f in functions)
    assert len({f.__name__ for f in functions}) == len(functions)


def _number(name: str, value: object) -> object:
    """A default as the function sees it: dtypes by name, 0 for none."""
    if name in DTYPE_ATTRIBUTES and isinstance(value, int):
        return BY_CODE[value].name if value else None
    return value


@pytest.mark.parametrize("name", sorted(LOWERINGS))
def test_attributes_and_defaults_are_the_schemas(name: str) -> None:
    """A missing or other default would be silently wrong: nodes leave out what equals the default."""
    parameters = inspect.signature(LOWERINGS[name].function).parameters
    for attribute in _operator(name).attributes.values():
        if attribute.kind in ("graph", "tensor", "type"):
            continue
        if name == "Constant" or (attribute.name in ("value", "dtype") and name == "ConstantOfShape"):
            continue
        assert attribute.name in parameters, attribute.name
        if attribute.default is not None and attribute.name not in ("output_dtype",):
            found = parameters[attribute.name].default
            wanted = _number(attribute.name, attribute.default.value)
            assert (list(found) if isinstance(found, tuple) else found) == (
                list(wanted) if isinstance(wanted, tuple) else wanted
            )
