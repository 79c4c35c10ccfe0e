"""Every code that is raised is explained, once, in the table of its hundred."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from graphwright.graph.diagnostics.codes import CODES, TABLES

ROOT = Path(__file__).parents[3]
FOLDERS = ("graph", "backends", "passes", "tools")
OWN = ("G00", "G01", "G02", "G08", "G09")


def raised() -> set[str]:
    return {
        code
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*.py")
        if "codes" not in path.parts
        for code in re.findall(r'"(G[0-9]{4})"', path.read_text(encoding="utf-8"))
    }


def test_raised_and_explained_codes_are_the_same():
    assert sorted(raised() - set(CODES)) == []
    assert sorted(set(CODES) - raised()) == []


def test_identifiers_are_unique_and_in_order():
    identifiers = [code.identifier for table in TABLES for code in table]
    assert [c for c, n in Counter(identifiers).items() if n > 1] == []
    for table in TABLES:
        assert [c.identifier for c in table] == sorted(c.identifier for c in table)
        if any(c.identifier.startswith(OWN) for c in table):
            assert len({c.identifier[:3] for c in table}) == 1


def test_texts_explain():
    for code in (c for name, c in CODES.items() if name.startswith(OWN)):
        assert code.title
        assert len(code.text) > len(code.title) + 40
        assert all(len(line) <= 104 for line in code.text.split("\n")), code.identifier
