"""The examples of the pages for people: they compile, pass their tests, or are refused as said."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from graphwright.passes.manager.pipeline import pipeline
from graphwright.tools.cli.check import check_file
from graphwright.tools.documents import open_unit
from graphwright.tools.testing.case_runner import run_cases
from graphwright.tools.vocabulary import vocabulary

PAGE = (Path(__file__).parents[2] / "docs" / "language.md").read_text(encoding="utf-8")
HEADER = "graphwright: 1\nkind: graph\nname: example\n"
BLOCKS = [
    pytest.param(found[1], found[2], id=f"line-{PAGE[: found.start()].count(chr(10)) + 1}")
    for found in re.finditer(r"^```yaml ?(G\d{4})?\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
]


def test_every_fence_is_an_example():
    assert len(BLOCKS) >= 25
    assert PAGE.count("```yaml") == len(BLOCKS)


@pytest.mark.parametrize(("code", "text"), BLOCKS)
def test_example(tmp_path, code, text):
    path = tmp_path / "example.yaml"
    path.write_text(text if text.startswith("graphwright:") else HEADER + text, encoding="utf-8")
    found = [d for d in check_file(str(path)) if d.severity.value == "error"]
    assert sorted({d.code for d in found}) == ([code] if code else [])
    if code:
        return
    unit = open_unit(str(path), vocabulary=vocabulary())
    if unit.document.recipe is not None:
        assert pipeline(unit.document.recipe).steps
        return
    outcomes = list(run_cases(unit, ("torch", "onnx"), None))
    assert len(outcomes) >= 2 * ("tests:" in text)
    assert all(o.passed for o in outcomes)
