"""Codes G04xx: types, dtypes and shapes."""

from __future__ import annotations

from .code import Code

TYPES: tuple[Code, ...] = (
    Code(
        "G0401",
        "shapes that do not broadcast",
        """Broadcasting is NumPy's: lengths are equal, or one is 1. Two differently named sizes are not
assumed equal: write the one name in both places if they are.

wrong:  inputs:
          x: float32[B, 4]
          y: float32[n, 4]
        nodes:
          z: x + y
right:    y: float32[B, 4]""",
    ),
    Code(
        "G0402",
        "shapes that do not fit",
        """An operand's shape does not fit what the function declares, or two operands do not fit each other
(the inner lengths of a matrix product, the elements of a reshape). The message shows both types.

wrong:  y: reshape(x, [3, 5])        # x has 16 elements
right:  y: reshape(x, [4, 4])""",
    ),
    Code(
        "G0403",
        "two dtypes",
        """Nothing converts silently, except that a bool beside a number is 0 or 1, and numbers written in the
spec take the dtype they meet. Convert with the dtype's name.

wrong:  y: x + n                     # float32 and int64
right:  y: x + float32(n)""",
    ),
    Code(
        "G0404",
        "a fraction in the place of an integer",
        """A number with a fraction never becomes an integer silently.

wrong:  y: n * 0.5                   # n is int64
right:  y: float32(n) * 0.5,  or  n // 2""",
    ),
    Code(
        "G0405",
        "a rank that does not fit",
        """The operator needs another number of axes; the message says which.

wrong:  y: cholesky(v)               # v is float32[n]
right:  y: cholesky(A)               # A is float32[n, n]""",
    ),
    Code(
        "G0406",
        "a matrix that is not square",
        """Cholesky, solve and the log-determinant are defined for square matrices, on the last two axes.""",
    ),
    Code(
        "G0407",
        "operands that the standard refuses",
        """The ONNX standard's own shape inference refuses the operands of an operator; its reason
follows.""",
    ),
    Code(
        "G0408",
        "not a size",
        """A dimension or size is arithmetic on whole numbers and sizes: + - * // % and, in types, exact '/'.

wrong:  x: float32[B, rate]          # rate is 0.1
right:  x: float32[B, 4]""",
    ),
    Code(
        "G0409",
        "a division that leaves a remainder",
        """In a type '/' divides exactly; '//' is the floor. With a symbolic size '/' adds the assumption that
it divides, checked when a run starts.

wrong:  y: float32[7/2]
right:  y: float32[7//2]""",
    ),
    Code(
        "G0410",
        "a size that nothing tells",
        """When the program runs, a symbolic size is read from the shape of an input. This one stands in no
input that is given.

right:  give it a number with --set, or declare an input with that dimension""",
    ),
    Code(
        "G0411",
        "a number that does not fit",
        """Integers known while compiling stay within 64 bits, and within the dtype they are given.

wrong:  y: uint8(300)
right:  y: uint16(300)""",
    ),
    Code(
        "G0412",
        "a ragged list",
        """The rows of a list that stands for a tensor have one length.

wrong:  y: [[1, 2], [3]]
right:  y: [[1, 2], [3, 4]]""",
    ),
    Code(
        "G0413",
        "a value in a constant list",
        """A list in the place of a tensor is a constant and holds numbers. array and stack build tensors from
values.

wrong:  y: x + [a, b]                # a, b are tensors
right:  y: x + array([a, b])""",
    ),
    Code(
        "G0414",
        "something else than a tensor",
        """Arithmetic is on numbers and tensors. A text, a dtype, a function or None has no arithmetic; an
optional input is tested with 'is None' before it is used.

wrong:  y: x + valid                 # valid: bool[B] = None
right:  y: x if valid is None else x * valid""",
    ),
    Code(
        "G0415",
        "arithmetic on a list",
        """Lists are for attributes, shapes and axes, and + would be ambiguous (join or add).

wrong:  y: x + [1, 2] * 3
right:  y: x + array([1, 2]) * 3""",
    ),
    Code(
        "G0416",
        "division by zero",
        """The divisor is zero while compiling. Floating-point tensors divided by zero when running give inf
or nan, as IEEE 754 says.""",
    ),
    Code(
        "G0417",
        "arithmetic without a result",
        """These compile-time numbers have no real, finite result under this operation.""",
    ),
    Code(
        "G0418",
        "an integer operator on something else",
        """& | ^ ~ << >> are for integers. They bind tighter than comparisons, so 'x == 1 & m' would be read
as 'x == (1 & m)'; booleans use and, or, not, which bind looser.

wrong:  y: x == 1 & m
right:  y: x == 1 and m""",
    ),
    Code(
        "G0419",
        "'/' on integers",
        """'/' is true division and needs floating point; '//' rounds down as Python does (ONNX's Div rounds
towards zero: -7 // 2 is -4 here).

wrong:  y: n / 2                     # n is int64
right:  y: n // 2,  or  float32(n) / 2""",
    ),
    Code(
        "G0420",
        "a condition that is no boolean",
        """and, or, not and where take booleans; a number is not one.

wrong:  y: where(x, 1, 0)
right:  y: where(x != 0, 1, 0)""",
    ),
    Code(
        "G0421",
        "something that can't be indexed",
        """Subscripts are for tensors, lists and the rounds of a repeat.""",
    ),
    Code(
        "G0422",
        "an index out of range",
        """The index is outside of the axis, counted from 0 or from the end with a negative one.""",
    ),
    Code(
        "G0423",
        "something that can't be an index",
        """Subscripts take integers, slices with compile-time bounds, None, ... and one integer tensor.""",
    ),
    Code(
        "G0424",
        "a boolean mask as an index",
        """A mask would select a number of elements that depends on the data, so the result would have no
shape.

wrong:  y: x[x > 0]
right:  y: where(x > 0, x, 0)""",
    ),
    Code(
        "G0425",
        "too many indices",
        """A subscript has at most one index for each axis; None adds axes.""",
    ),
    Code(
        "G0426",
        "two tensors in one subscript",
        """NumPy's rule for several index tensors moves axes in ways that surprise. Pick along one axis with
take_along, or several coordinates with GatherND.

wrong:  y: x[i, j]
right:  y: take_along(x, j, axis=1)""",
    ),
    Code(
        "G0427",
        "floating point is needed",
        """The function is defined on floating point; integers and booleans are converted explicitly, so that
the dtype of the result is written down.

wrong:  y: sqrt(n)                   # n is int64
right:  y: sqrt(float32(n))""",
    ),
    Code(
        "G0428",
        "an axis that does not exist",
        """Axes are compile-time integers from -rank to rank - 1, each named once.""",
    ),
    Code(
        "G0429",
        "a reduction of booleans that means nothing",
        """max and min of booleans are any and all.

wrong:  y: max(x > 0)
right:  y: any(x > 0)""",
    ),
    Code(
        "G0430",
        "max of two operands",
        """max and min reduce one tensor; maximum and minimum compare two.

wrong:  y: max(a, b)
right:  y: maximum(a, b)""",
    ),
    Code(
        "G0431",
        "a shape with something else in it",
        """A shape is a list of compile-time integers and sizes.""",
    ),
    Code(
        "G0432",
        "a transpose of the wrong rank",
        """'.T' is for matrices, '.mT' swaps the last two axes of two or more; transpose(x, [axes])
is general.""",
    ),
    Code(
        "G0433",
        "tensors that can't be joined",
        """concat joins tensors along an axis they have, stack along a new one; both take a list.""",
    ),
    Code(
        "G0434",
        "take_along with another rank",
        """take_along picks with an index of the same rank as the tensor.

wrong:  y: take_along(logits, label, axis=-1)            # [B, C] and [B]
right:  y: take_along(logits, label[:, None], axis=-1)[:, 0]""",
    ),
    Code(
        "G0435",
        "pad widths that do not fit",
        """pad takes one pair [before, after] for each axis.""",
    ),
    Code(
        "G0436",
        "a generator without a shape",
        """In a declaration zeros(), normal() … take the declared shape; elsewhere it must be given.

wrong:  y: x + zeros()
right:  y: x + zeros(4)""",
    ),
    Code(
        "G0437",
        "a negative length",
        """A shape has lengths of 0 or more.""",
    ),
    Code(
        "G0438",
        "a constant that is too large",
        """Constants made while compiling are limited in size, before memory is taken for them.""",
    ),
    Code(
        "G0439",
        "bad arguments of a generator",
        """arange, linspace and randint take compile-time numbers, in a range that is not empty.""",
    ),
    Code(
        "G0440",
        "a dimension that meets itself",
        """Operands of different rank are aligned at their last axes, as in NumPy. With x: float32[B] and
y: float32[B, 1] the sum x + y is float32[B, B]: every row meets every other, which is seldom meant and
never noticed. Write the axis out, so that the ranks agree: x[:, None] + y pairs equal rows and has
[B, 1]; x[None, :] + y has every pair, and says so.

    wrong:  error: prediction - target          # [B, 1] and [B]
    right:  error: prediction - target[:, None]""",
    ),
    Code(
        "G0441",
        "an operator that means something else in ONNX",
        """Capital letters mean ONNX exactly. ReduceSum and its kin keep the reduced axes, ArgMax takes
axis 0, Div rounds integers towards zero, and the momentum of BatchNormalization is 1 minus PyTorch's.
Write the attribute out where you mean it, or use the lower-case function, which follows NumPy.

    surprising:  n: ReduceSum(x)          # shape [1, 1]
    plain:       n: sum(x)                # a scalar
    plain:       n: ReduceSum(x, keepdims=true)""",
    ),
)
