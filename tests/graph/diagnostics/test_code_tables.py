"""Every code that is raised is explained, once."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from graphwright.graph.diagnostics.codes import CODES, TABLES

PACKAGE = Path(__file__).parents[3]
LAYERS = ("graph", "backends", "passes", "tools")


def raised(folder: str) -> set[str]:
    """The codes named in the code of a folder, the tables of codes themselves aside."""
    paths = [path for path in (PACKAGE / folder).rglob("*.py") if path.parent.name != "codes"]
    return {code for path in paths for code in re.findall(r'"(G[0-9]{4})"', path.read_text(encoding="utf-8"))}


@pytest.mark.parametrize("layer", LAYERS)
def test_every_code_that_is_raised_is_explained(layer):
    assert raised(layer) - set(CODES) == set()


def test_identifiers_are_unique():
    identifiers = Counter(code.identifier for table in TABLES for code in table)
    assert [code for code, count in identifiers.items() if count > 1] == []


def test_texts_explain():
    for identifier in sorted(raised("graph/spec")):
        code = CODES[identifier]
        assert len(code.text) > len(code.title) + 40, identifier
        assert all(len(line) <= 100 for line in code.text.split("\n")), identifier
