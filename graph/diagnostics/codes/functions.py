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
    Code(
        "G1520",
        "a function program without a certificate",
        """Nothing is known of the error of a program without certificates, so no pass puts it in the
place of a function.

    graphwright certify --renew exp.yaml""",
    ),
    Code(
        "G1521",
        "a certificate of something else",
        """A certificate carries a SHA-256 digest of the program (function, domain, metric, every operation
and constant, special values) and of what it says itself. Another digest means that either was changed after
the certificate was made; the bound is computed anew all the same.

    graphwright certify --renew exp.yaml      # if the change was meant""",
    ),
    Code(
        "G1522",
        "a certificate of the wrong kind",
        """Programs of float32, float16 and bfloat16 are certified by trying every input. float64 has too
many inputs: its programs are bounded by ball arithmetic with running error analysis, all in float64.""",
    ),
    Code(
        "G1523",
        "a journal of another certification",
        """`--journal FOLDER` holds one file a program, to go on from after a stop. It fits only the same
program and the same --stride.""",
    ),
    Code(
        "G1524",
        "no meaning in real arithmetic",
        """Only programs of + - * / (and fma) with an absolute or relative error have an error in real
arithmetic: rounding to integers, choices and units in the last place belong to executed programs.""",
    ),
    Code(
        "G1525",
        "a domain that a program does not cover",
        """On some part of the domain no finite bound of the error was found, however finely it was cut: the
program divides by zero there, overflows, decides differently from float to float, or has a relative error
without bound (near a zero of the function). Give a domain that the program covers, or another metric.""",
    ),
    Code(
        "G1526",
        "a certificate of a part",
        """An exhaustive certificate speaks of every input. `--stride` is for checking quickly, not for
`--renew`.""",
    ),
    Code(
        "G1527",
        "an error above its certificate",
        """The error that was computed anew is larger than the certified bound: constants are wrong, the
domain is wider than what was certified, or the bound was changed. The message names an input.""",
    ),
    Code(
        "G1528",
        "a special value that is not as stated",
        """`special:` states the result for nan, inf, -inf, zero, -zero and the least subnormal number
('subnormal'), as a number or 'x'; each is computed and compared, the sign of zero too. A domain up to an
infinity needs its value stated.

    special:
      nan: nan
      -inf: 0
      inf: inf""",
    ),
    Code(
        "G1530",
        "no certificate by Gappa",
        """Gappa proves bounds of rounding errors of straight-line programs. Its script is printed by
`graphwright certify --gappa`, and run where Gappa is installed; programs that round to integers or choose
have none.""",
    ),
)
