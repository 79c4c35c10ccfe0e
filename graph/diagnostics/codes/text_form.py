"""Codes G14xx: the text form of graphs and programs."""

from __future__ import annotations

from .code import Code

TEXT_FORM: tuple[Code, ...] = (
    Code(
        "G1401",
        "The text of a graph is misspelt",
        """The text form of a graph (what `graphwright show` prints) is a block of statements, one node each:

    graph {
      x = Input("x"): float32[n, 4]
      %0 = Relu(x): float32[n, 4]
      return %0
    }

The reader found something else than the statement, bracket, comma or name that belongs at the
marked place.

    wrong:  %0 = Relu(x: float32[n, 4]
    right:  %0 = Relu(x): float32[n, 4]
""",
    ),
    Code(
        "G1402",
        "A name in the text of a graph is unknown, or taken",
        """In the text form of a graph every value is defined once, above its first use, and every operator
is one of the standard's or of the `graphwright` domain.

    wrong:  %1 = Relu(%0)         (nothing above defines %0)
    right:  %0 = Neg(x)
            %1 = Relu(%0)
""",
    ),
    Code(
        "G1403",
        "The text of a graph uses an unknown dtype, attribute or option",
        """Dtypes are the standard's by their NumPy-like names (float32, int64, bool, ...); attributes are
those of the operator's schema.

    wrong:  %0 = Softmax(x, axes=1): float[n, 4]
    right:  %0 = Softmax(x, axis=1): float32[n, 4]
""",
    ),
    Code(
        "G1404",
        "The types in the text of a graph don't fit",
        """The type after the colon must be the one that the operator's type rule gives, an operator must
accept its operands, and an array must have the type of its `weight` line. A leaf (Input,
Parameter, Constant, ...) can't do without its type.

    wrong:  %0 = MatMul(x, w): float32[n, 5]     with x: float32[n, 3] and w: float32[3, 4]
    right:  %0 = MatMul(x, w): float32[n, 4]
""",
    ),
    Code(
        "G1405",
        "The text of a graph is nested too deeply",
        """Brackets, types and bodies may be nested 60 deep. Texts that the compiler writes stay far below
this; a deeper one is refused so that reading it takes bounded memory.

    wrong:  sequence(sequence(sequence(... 100 times ...)))
    right:  sequence(float32[n])
""",
    ),
    Code(
        "G1406",
        "A literal in the text of a graph doesn't fit its type",
        """A constant lists exactly as many elements as its type has, row by row, each within the range of
its dtype; complex numbers take two each.

    wrong:  %0 = Constant([1, 2, 300]): uint8[2]
    right:  %0 = Constant([1, 2]): uint8[2]
""",
    ),
)
