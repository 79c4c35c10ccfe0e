"""Codes G05xx: calls of operators and functions."""

from __future__ import annotations

from .code import Code

CALLS: tuple[Code, ...] = (
    Code(
        "G0501",
        "too few or too many arguments",
        """Inputs are positional or by name, attributes by keyword; the hint shows the form.

wrong:  y: Conv(x)
right:  y: Conv(x, kernel)""",
    ),
    Code(
        "G0503",
        "an unknown argument",
        """The keyword is neither an input nor an attribute of what is called.

wrong:  y: Conv(x, kernel, padding=1)
right:  y: Conv(x, kernel, pads=[1, 1, 1, 1])""",
    ),
    Code(
        "G0504",
        "an attribute of the wrong kind",
        """An attribute takes a whole number, a float, a text, a list of one of these, true or
false, or a dtype.

wrong:  y: Softmax(x, axis=1.5)
right:  y: Softmax(x, axis=1)""",
    ),
    Code(
        "G0505",
        "an argument given twice",
        """Each input or attribute is given once: by position, or by name.""",
    ),
    Code(
        "G0506",
        "an argument of the wrong kind",
        """The argument must be known while compiling and be of the kind that the function wants.""",
    ),
    Code(
        "G0507",
        "a function is wanted here",
        """repeat, scan, cond, while_loop and slots take a function: its name, or partial(name, key=value).

wrong:  h: repeat(block(x), x, times=3)
right:  h: repeat(block, x, times=3)""",
    ),
    Code(
        "G0508",
        "several results in the place of one",
        """A call with several results is unpacked by names, or one of them is selected.

wrong:  y: TopK(x, 3) + 1
right:  y: TopK(x, 3).Values + 1""",
    ),
    Code(
        "G0509",
        "a wrong number of names",
        """A comma list on the left unpacks all results of the call; '_' skips one.

wrong:  values, indices, rest: TopK(x, 3)
right:  values, indices: TopK(x, 3)""",
    ),
    Code(
        "G0510",
        "two calls with weights in one node",
        """The node's name names the parameters of the one call in it that has some, so that no edit elsewhere
renames a weight.

wrong:  y: linear(Gelu(linear(x, width=8)), width=4)
right:  up: linear(x, width=8)
        y: linear(Gelu(up), width=4)""",
    ),
    Code(
        "G0511",
        "nothing to share",
        """share= names a node whose call owns parameters; this call then uses those.

right:  left: encoder(a)
        right: encoder(b, share=left)""",
    ),
    Code(
        "G0512",
        "calls nested without end",
        """A function that calls itself never ends, since functions are written out while compiling. Loops are
repeat, scan and while_loop.""",
    ),
    Code(
        "G0513",
        "a missing attribute",
        """An attribute declared by a type alone has no default and must be given.

wrong:  y: linear(x)
right:  y: linear(x, width=4)""",
    ),
    Code(
        "G0514",
        "an attribute that is not known while compiling",
        """Attributes shape the program; a tensor is known only when it runs. Make it an input of
the function,
or use an operator that takes it as an input.""",
    ),
    Code(
        "G0515",
        "control flow by the operator's name",
        """If, Loop and Scan take bodies; a spec writes them as cond, while_loop, scan and repeat.""",
    ),
    Code(
        "G0516",
        "a requirement that is not met",
        """'require:' of a function or graph states what its sizes and attributes must satisfy; this call does
not. The note shows the condition.""",
    ),
    Code(
        "G0517",
        "a requirement that can't be decided",
        """'require:' holds conditions on sizes, dimensions and attributes; a tensor's values are
not known.""",
    ),
)
