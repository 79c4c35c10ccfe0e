"""Codes found when a program runs: G075x draws, G095x-G099x data and training, G133x-G135x feeds."""

from __future__ import annotations

from .code import Code

DRAWS: tuple[Code, ...] = (
    Code(
        "G0750",
        "a draw that its dtype can't hold",
        """Uniform and normal draws are floating-point numbers, randint and permutation integers.

wrong: u: int64[n] = uniform()
right: u: float32[n] = uniform()
right: k: int64[n] = randint(0, 10)""",
    ),
    Code(
        "G0751",
        "a range of integers that is empty or does not fit",
        """randint(low, high) draws from low up to, not including, high. The range must hold an integer,
and all of it must fit the declared dtype.

wrong: k: uint8[n] = randint(0, 1000)
right: k: int64[n] = randint(0, 1000)
wrong: k: int64[n] = randint(5, 5)
right: k: int64[n] = randint(0, 5)""",
    ),
)

FEEDS: tuple[Code, ...] = (
    Code(
        "G1330",
        "a value of another dtype",
        """Arrays are not converted when a program runs: float64 data fed to a float32 input would be
rounded without a word. An array may have a narrower dtype of the same kind (int32 for int64).
Numbers and lists written down are literals: they take the input's dtype where they fit it.

wrong: run(program, {"x": np.zeros(3)})                     # x: float32[n]; the array is float64
right: run(program, {"x": np.zeros(3, np.float32)})
right: run(program, {"x": [0.0, 0.0, 0.0]})""",
    ),
    Code(
        "G1331",
        "shapes that disagree",
        """Every array's shape must be the declared one. A symbolic size is fixed by the first shape
that it can be solved from, and every other place must then agree; the message shows both.

Declared: x: float32[B, 4] and y: float32[B]
wrong:    x of shape [3, 4] with y of shape [2]
right:    x of shape [3, 4] with y of shape [3]""",
    ),
    Code(
        "G1332",
        "a size outside its range",
        """`sizes: {batch: 1..64}` declares what a symbolic size may be. Without a range a size is at
least 1.

wrong: an input of 100 rows
right: 64 rows at a time, or a wider range""",
    ),
    Code(
        "G1333",
        "a size that nothing fixes",
        """A symbolic size is known when an input's shape shows it. A size that occurs only in noise,
in states, or inside `n // 2` must be given.

Declared: noise: {eps: "float32[S] = normal()"} and no input with S
right:    graphwright run model.yaml --set S=64""",
    ),
    Code(
        "G1334",
        "sizes that break an assumption",
        """A graph may hold only for some sizes: `require: [W % heads == 0]`, a dimension `n/2`, or two
sizes of an imported model that meet in one operator. These conditions are checked when the sizes
are known.

Required: W % heads == 0
wrong:    W = 10 with heads = 4
right:    W = 12 with heads = 4""",
    ),
    Code(
        "G1335",
        "an input outside its domain",
        """An input may say what its values are: `int64[batch] in 0..classes-1`, `float64[n, n] ~ spd`.
Values outside would give NaN, an index past the end, or a wrong answer.

Declared: label: int64[batch] in 0..9
wrong:    [3, 10]
right:    [3, 9]""",
    ),
    Code(
        "G1336",
        "an unknown size",
        "A size was given that the program does not have; the note lists those it has.",
    ),
    Code(
        "G1337",
        "a leaf without a usable value",
        """A parameter or state needs a weight of its declared dtype and shape, or an initializer that
gives that shape; noise needs a distribution or a value.

wrong: parameters: {w: "float32[4]"} in a program without weights
right: parameters: {w: "float32[4] = normal()"}, or give the weights""",
    ),
    Code(
        "G1338",
        "a size that memory can't hold",
        """The memory of a value is computed before it is taken. This one is negative, or larger than
the whole machine: most often a size was given in the wrong place.""",
    ),
    Code(
        "G1339",
        "an input is missing",
        "Every input of the program needs a value; the message names its type.",
    ),
    Code(
        "G1340",
        "an unknown name",
        """A value was given for a name that the program does not have in that role. What an output
does not need is not part of a program: an exported classifier has no input `label`.""",
    ),
    Code(
        "G1341",
        "a value of another rank",
        """The array has more or fewer axes than declared.

Declared: x: float32[B, 4]
wrong:    np.zeros(4, np.float32)
right:    np.zeros((1, 4), np.float32)""",
    ),
    Code(
        "G1342",
        "no sizes satisfy the assumptions",
        """To test a program, its symbolic sizes are drawn within their ranges so that all assumptions
hold. None was found: the assumptions may contradict one another. Give the sizes.""",
    ),
    Code(
        "G1343",
        "no sample of this type",
        "Samples are drawn of tensors, and of sequences and optionals of them.",
    ),
)

DATA: tuple[Code, ...] = ()
