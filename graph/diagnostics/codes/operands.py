"""Codes G046x and G056x: what operators' rules refuse."""

from __future__ import annotations

from .code import Code

OPERANDS: tuple[Code, ...] = (
    Code(
        "G0460",
        "a dtype that the operator does not take",
        """Each operand of an operator takes some dtypes only; the message lists them. Convert first.

wrong:  y: Sqrt(n)                   # n is int64
right:  y: Sqrt(float32(n))""",
    ),
    Code(
        "G0461",
        "an axis that is not there",
        """Axes count from 0, or from the end with -1; each is named once. A tensor of rank 3 has the axes
-3..2.

wrong:  y: Softmax(x, axis=3)        # x is float32[B, n]
right:  y: Softmax(x, axis=-1)""",
    ),
    Code(
        "G0462",
        "an operand of another kind",
        """The operator takes a tensor here and is given a sequence or an optional, or the other way round.

wrong:  y: Relu(SequenceConstruct(a, b))
right:  y: Relu(SequenceAt(SequenceConstruct(a, b), 0))""",
    ),
    Code(
        "G0464",
        "operands and attributes that do not go together",
        """Each is fine alone, but not with the others: as many pads as axes are needed, a group must divide
the channels, an order of axes must name all of them. The message says which.

wrong:  y: Conv(x, kernel, strides=[2])      # two spatial axes
right:  y: Conv(x, kernel, strides=[2, 2])""",
    ),
    Code(
        "G0465",
        "nothing is left",
        """The result would have fewer than no elements along an axis: a window that is larger than what it
slides over, a crop by more than there is, a negative length.

wrong:  y: Conv(x, kernel)                   # x is float32[B, 3, 2, 2], kernel 3 by 3
right:  y: Conv(x, kernel, pads=[1, 1, 1, 1])""",
    ),
    Code(
        "G0466",
        "an index that is out of range",
        """An index known while compiling is outside the axis that it picks from, or more elements are asked
for than there are.

wrong:  y: Gather(x, 4)              # x is float32[4]
right:  y: Gather(x, 3)""",
    ),
    Code(
        "G0467",
        "a body that does not fit",
        """The bodies of If, Loop and Scan get their operands as arguments and give back values of fixed types:
both branches of If the same number of results with the same dtypes, a loop its carried values
with the types that they came in with.

wrong:  a loop that carries float32[n] and gives back float32[n + 1]
right:  stack what each step adds as a result of that step""",
    ),
    Code(
        "G0468",
        "levels that are no grid",
        """Quantize and Dequantize map numbers to the levels of a grid: 2 to 256 of them, in increasing
order, none twice. The codes' dtype must hold every index.

wrong:  Dequantize(codes, scale, levels=[1, -1])
right:  Dequantize(codes, scale, levels=[-1, 1])""",
    ),
    Code(
        "G0560",
        "an attribute that is missing",
        """The operator needs this attribute; it has no default.

wrong:  y: Concat(a, b)
right:  y: Concat(a, b, axis=0)""",
    ),
    Code(
        "G0561",
        "a value that the attribute does not take",
        """The attribute takes one of a few values; the message lists them.

wrong:  y: Pad(x, [1, 1], mode='mirror')
right:  y: Pad(x, [1, 1], mode='reflect')""",
    ),
)
