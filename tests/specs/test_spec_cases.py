"""Every spec that ships: it checks without a word, and its own tests hold on every backend."""

from __future__ import annotations

from pathlib import Path

import pytest

import graphwright
from graphwright.graph.build.checking import check_unit
from graphwright.tools.documents import open_unit
from graphwright.tools.testing.case_runner import run_cases
from graphwright.tools.vocabulary import vocabulary

SPECS = Path(graphwright.__file__).parent / "specs"
NAMES = sorted(path.relative_to(SPECS).as_posix() for path in SPECS.glob("*/*.yaml"))
BACKENDS = ("reference", "torch", "onnx")
# Two specs of the language page show a loss without training, and a cache that is passed on unread.
WARNINGS = {
    "models/encoder.yaml": ["node 'nll' is never used", "node 'loss' is never used"],
    "papers/radd.yaml": ["input 'cache' is never used"],
}


def test_the_library_is_there():
    assert {"layers/basic.yaml", "models/digits_cnn.yaml", "papers/hl_gauss.yaml"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_checks_without_a_word(name):
    found = check_unit(open_unit(str(SPECS / name), vocabulary=vocabulary()))
    said = [d.message.split(":")[0] for d in found.items]
    assert said == WARNINGS.get(name, [])


@pytest.mark.parametrize("name", NAMES)
def test_own_tests_hold(name):
    outcomes = list(run_cases(open_unit(str(SPECS / name)), BACKENDS))
    broken = [
        f"{o.block}, {o.case.name}, on {o.backend}: "
        + "; ".join([*(f"{f.expectation.text}: {f.found}" for f in o.failures), *map(str, o.error)])
        for o in outcomes
        if o.failures or o.error
    ]
    assert broken == []
    ran = {(o.block, o.case.name) for o in outcomes if not o.skipped}
    assert ran == {(o.block, o.case.name) for o in outcomes}, "a test that no backend ran"


@pytest.mark.parametrize("path", sorted((SPECS / "papers").glob("*.yaml")), ids=lambda p: p.stem)
def test_papers_name_their_source(path):
    assert open_unit(str(path)).document.provenance.get("title")
