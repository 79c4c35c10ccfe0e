"""Codes G08xx: spec tests."""

from __future__ import annotations

from .code import Code

TESTING: tuple[Code, ...] = (
    Code(
        "G0801",
        "a test without a clear expectation",
        """A test has 'expect:' with conditions that hold everywhere, or 'expect_error:' with the code of
a diagnostic; one of the two.

right:  - name: rows sum to one
          inputs: {x: normal()}
          expect:
            - allclose(sum(p, axis=1), 1)""",
    ),
    Code(
        "G0802",
        "two tests of one name",
        """Tests are reported and selected by name, so names differ within one block.""",
    ),
    Code(
        "G0803",
        "a test sets what does not exist",
        """The input, attribute or slot is not declared by the graph or function under test: a misspelt
name would leave the real one at its default and test something else.

wrong:  inputs: {logit: zeros()}
right:  inputs: {logits: zeros()}""",
    ),
    Code(
        "G0804",
        "an expected code that does not exist",
        """'expect_error:' names the code of a diagnostic, such as G0301. 'graphwright list codes' shows
all.""",
    ),
    Code(
        "G0805",
        "a test on an unknown backend",
        """'backends:' restricts a test to the named backends; without it every backend runs that can.""",
    ),
)
