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
        "G1511",
        "a domain that is no interval",
        """`domain:` has two bounds, the lower one first; both belong to it, and both may be infinite.

    domain: [-0.5, hex('0x1p-1')]
    domain: [-inf, inf]""",
    ),
    Code(
        "G1512",
        "a spec that is no function program",
        """A function program is a graph with one input 'x' of a floating-point dtype and any shape, one
output, no parameters, and a section that says what it stands for:

    inputs:
      x: float32[...]
    nodes:
      y: 1 + x * (1 + x * 0.5)
    outputs: [y]
    program:
      function: exp
      domain: [-0.01, 0.01]
      error: ulp""",
    ),
    Code(
        "G1513",
        "no operation of function programs",
        """Each node of a function program is arithmetic on x, on other nodes and on constants: + - * /,
comparisons, and/or/not, abs sqrt floor round minimum maximum where isnan, conversions such as float32(x),
and fma, ldexp, exponent, significand, lookup of functions/ieee.yaml. Constants are numbers, hex('…'), inf or
nan; a table is a list of numbers. Backends print these operations one by one; what is more than one
operation has no one meaning that a certificate could speak about.""",
    ),
    Code(
        "G1514",
        "a constant that its dtype does not hold",
        """A certificate speaks of the constants as written, so they are written as the program's dtype
holds them: hex('0x1.62e42ep-1'), not 0.6931471805599453, in a float32 program. In float64 a constant may have
more digits, where a certificate in real arithmetic needs them.""",
    ),
)
