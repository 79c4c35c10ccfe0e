"""A bounded fuzz run, and the runner's own honesty."""

from __future__ import annotations

from random import Random

from graphwright.graph.diagnostics import Diagnostic, Source
from graphwright.graph.spec.resolution import STANDARD_LIBRARY
from graphwright.graph.spec.yaml_reader import read_yaml
from graphwright.tools.testing import spec_mutation
from graphwright.tools.testing.spec_fuzz import case_text, fuzz, main, read_check
from graphwright.tools.testing.spec_mutation import corpus, dump, make_case, random_document


def test_a_few_hundred_cases():
    report = fuzz(400, 7)
    assert report.failures == []
    assert report.cases == 400
    assert 2 * report.readable >= report.cases
    assert len(report.codes) >= 25
    assert 0 < report.clean < 400


def test_the_same_seed_gives_the_same_cases():
    seeds = corpus(STANDARD_LIBRARY)
    assert [case_text(i, 3, seeds) for i in range(20)] == [case_text(i, 3, seeds) for i in range(20)]
    assert case_text(1, 3, seeds) != case_text(1, 4, seeds)


def test_tracebacks_and_slow_cases_are_failures():
    def breaks(text: str) -> list[Diagnostic]:
        if len(text) % 2:
            raise KeyError(text[:3])
        return []

    report = fuzz(40, 1, check=breaks, seeds=("a: 1\n", "ab: 1\n"))
    assert 0 < len(report.failures) < 40
    assert "KeyError" in report.failures[0].reason
    assert not report.passed

    def hangs(text: str) -> list[Diagnostic]:
        while True:
            pass

    report = fuzz(1, 1, check=hangs, seeds=("a: 1\n",))
    assert "CPU s" in report.failures[0].reason


def test_generated_documents_are_yaml():
    for i in range(50):
        assert read_yaml(Source("t", dump(random_document(Random(i)))))[0] is not None


def test_bombs_are_diagnosed_not_suffered():
    for bomb in spec_mutation._BOMBS:
        for i in range(12):
            list(read_check(bomb(Random(i))))


def test_the_command_line(capsys):
    assert main(["--cases", "60", "--seed", "5", "--processes", "2"]) == 0
    assert "60 cases" in capsys.readouterr().out
    assert main(["--case", "3", "--seed", "5"]) == 0
    assert "CPU s" in capsys.readouterr().out


def test_cases_without_a_corpus():
    assert isinstance(make_case(Random(1), ()), str)
