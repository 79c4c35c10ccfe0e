"""G1501 to G1599: function programs and their search."""

from __future__ import annotations

from .code import Code

FUNCTIONS = (
    Code(
        "G1501",
        "a function that is not known to the search",
        """Programs are searched for functions with a reference of any precision: exp, log, sin, erf, …

    graphwright search function exp2 --domain 0 1""",
    ),
    Code(
        "G1502",
        "a target that makes no sense",
        """The domain is an interval of finite numbers, the lower one first, on which the function is
defined and, for a relative error, not zero throughout; the error is 'relative' or 'absolute'.""",
    ),
    Code(
        "G1503",
        "a journal of another search",
        """A search that goes on needs the function, domain, error, sizes and seed that it began with: its
course depends on all of them. Give the same ones, another folder, or --fresh.""",
    ),
)
