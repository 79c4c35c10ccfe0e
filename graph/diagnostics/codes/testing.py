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
    Code(
        "G0806",
        "a test without an input",
        """Every input that is not optional is given by the test, as a literal or by a generator.

right:  inputs: {x: normal()}""",
    ),
    Code(
        "G0807",
        "an expectation that is no condition",
        """Each line under 'expect:' is true or false: a comparison, allclose, any or all of them.""",
    ),
    Code(
        "G0808",
        "'!=' as an expectation",
        """For tensors it is open whether some or all elements are meant to differ.

wrong:  - a != b
right:  - any(a != b)""",
    ),
    Code(
        "G0809",
        "self or after outside of a test",
        """self(…) is another run of the tested graph, after(state) a state after it: both are for 'tests:'.""",
    ),
    Code(
        "G0810",
        "after of something that is no state",
        """after(path) reads a state after the run: a name under 'state:', by its dotted path.

right:  - allclose(after(norm.running_mean), 0.1 * norm.batch_mean)""",
    ),
    Code(
        "G0811",
        "an expected error that does not come",
        """The test names the code of a diagnostic that must arise; the spec builds without it.""",
    ),
)
