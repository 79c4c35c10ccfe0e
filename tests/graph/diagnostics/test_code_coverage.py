"""Every code of the language is reached by a test on its exact place, or says here why it is not."""

from __future__ import annotations

import ast
from pathlib import Path

from graphwright.graph.diagnostics.codes import TABLES
from graphwright.graph.diagnostics.codes.calls import CALLS
from graphwright.graph.diagnostics.codes.control import CONTROL
from graphwright.graph.diagnostics.codes.document import DOCUMENT
from graphwright.graph.diagnostics.codes.expressions import EXPRESSIONS
from graphwright.graph.diagnostics.codes.names import NAMES
from graphwright.graph.diagnostics.codes.operands import OPERANDS
from graphwright.graph.diagnostics.codes.reading import READING
from graphwright.graph.diagnostics.codes.state import STATE
from graphwright.graph.diagnostics.codes.testing import TESTING
from graphwright.graph.diagnostics.codes.training import TRAINING
from graphwright.graph.diagnostics.codes.types import TYPES

TESTS = Path(__file__).parents[2]
LANGUAGE = (
    *(READING, DOCUMENT, EXPRESSIONS, NAMES, TYPES, CALLS, OPERANDS),
    *(CONTROL, STATE, TESTING, TRAINING),
)

# the tables whose cases name code, place and hint, each checked by the test beside its table
CASES = (
    "graph/spec/test_spec_diagnostics.py",
    "graph/build/test_builder_diagnostics.py",
    "graph/build/test_nested_diagnostics.py",
    "graph/build/test_language_traps.py",
)

# tests of their own: several files, a file's size, or another verb than check
OWN_TESTS = {
    "G0009": ("graph/spec/test_yaml_reader.py", "the caret is where the limit is passed"),
    "G0014": ("graph/spec/test_yaml_reader.py", "no text can be shown of a file that can't be read"),
    "G0015": ("graph/spec/test_yaml_reader.py", "no text can be shown of a file outside its root"),
    "G0111": ("graph/spec/test_use_resolution.py", "needs folders"),
    "G0118": ("graph/spec/test_use_resolution.py", "needs folders"),
    "G0119": ("graph/spec/test_use_resolution.py", "needs several files"),
    "G0120": ("graph/spec/test_use_resolution.py", "needs several files"),
    "G0310": ("graph/spec/test_use_resolution.py", "needs several files"),
    "G0516": ("graph/build/test_builder_diagnostics.py", "needs a function"),
    "G0601": ("graph/build/test_builder_diagnostics.py", "raised by building only"),
    "G0711": ("passes/test_autodiff.py", "raised where gradients are resolved"),
    "G0712": ("passes/test_autodiff.py", "raised where gradients are resolved"),
    "G0811": ("tools/testing/test_expected_errors.py", "raised by the verb test"),
    "G0973": ("passes/test_quantization_training.py", "raised by the verb train"),
    "G0974": ("passes/test_quantization_simulated.py", "raised by the verb study"),
    "G0920": ("graph/build/test_builder_diagnostics.py", "raised by the verb train"),
}

UNREACHABLE = {
    "G0407": "every operator that a spec can name has a type rule of its own; imported models only",
    "G0467": "bodies are written by the builder (G0515, G0607, G0610 come first); imported models only",
    "G0468": "Quantize and Dequantize are made by passes; a spec has no name for them",
}


def cased() -> set[str]:
    """The codes that stand first, or after their rule, in a tuple of the case tables."""
    found: set[str] = set()
    for name in CASES:
        tree = ast.parse((TESTS / name).read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Tuple):
                found |= {str(e.value) for e in node.elts[:2] if isinstance(e, ast.Constant)}
    return found


def test_every_code_of_the_language_is_reached() -> None:
    codes = {c.identifier for table in LANGUAGE for c in table}
    assert codes - cased() - set(OWN_TESTS) == set(UNREACHABLE)
    assert len(codes & cased()) >= 60


def test_codes_with_tests_of_their_own_are_named_there() -> None:
    for code, (name, reason) in OWN_TESTS.items():
        assert f'"{code}"' in (TESTS / name).read_text(encoding="utf-8"), (code, name, reason)


def test_the_tables_of_the_language_are_all_among_the_tables() -> None:
    assert {id(table) for table in LANGUAGE} <= {id(table) for table in TABLES}
