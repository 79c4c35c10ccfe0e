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
    Code(
        "G1504",
        "a journal of another enumeration",
        """An enumeration that goes on needs the function, domain, error, sizes and seed that it began with. Give
the same ones, another folder, or --fresh.""",
    ),
    Code(
        "G1505",
        "an FPCore that is malformed",
        """FPCore (fpbench.org) is written in lists: properties, then one body over the argument.

    wrong   (FPCore (x) (+ x z))        z is not bound
    right   (FPCore (x) :pre (<= 0 x 1) (let ([z 2]) (+ x z)))""",
    ),
    Code(
        "G1506",
        "an FPCore that is not supported",
        """Programs are searched for functions of one variable that mpmath computes to any precision: arithmetic,
elementary functions, let, let*, if and comparisons. Loops, tensors, casts and further arguments are not.""",
    ),
    Code(
        "G1507",
        "an FPCore that leaves core or domain open",
        """A file of several cores needs --core NAME. The domain is --domain LOW HIGH, or what a precondition of
comparisons with numbers states:

    (FPCore (x) :name "logistic" :pre (<= -8 x 8) (/ 1 (+ 1 (exp (- x)))))""",
    ),
)
