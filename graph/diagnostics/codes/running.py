"""Codes found when a program runs: G075x draws, G095x-G099x data and training, G133x-G135x
feeds."""

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
    Code(
        "G1344",
        "an unknown domain",
        """'~ kind' says what an input's values are: normal, positive, nonzero, sorted, unit (length 1 along
the last axis), simplex (probabilities), onehot, prefix (ones, then zeros), permutation, spd (symmetric
positive definite), triangular (lower, no zero on the diagonal). A range is written 'in low..high'.

wrong:  inputs:
          A: float64[n, n] ~ positive_definite
right:  inputs:
          A: float64[n, n] ~ spd""",
    ),
)

DATA: tuple[Code, ...] = (
    Code(
        "G0950",
        "an unknown data set",
        """A source is a built-in name, with a part and a slice (digits.train[:256]), or a file that ends in
.npz, .npy, .safetensors or .csv.

wrong:  data: digit.training
right:  data: digits.train""",
    ),
    Code(
        "G0951",
        "a data set whose package is missing",
        """The built-in data sets come with scikit-learn, which is optional:
pip install 'graphwright[learn]'.""",
    ),
    Code(
        "G0952",
        "a data file outside the folder",
        """Data files lie in the spec's folder or below it, also after symbolic links are followed: a spec
from a stranger reads nothing else.

wrong:  data: ../../secrets.csv
right:  data: data/cub.npz""",
    ),
    Code(
        "G0953",
        "a data file that can't be read",
        """The file is missing, can't be read, or is not of the format that its suffix says (.npz, .npy,
.safetensors, .csv). Pickled arrays are refused: loading them could run code.""",
    ),
    Code(
        "G0954",
        "a data file that is too large",
        """The sizes in the file's own directory are added up before anything is read: a small archive can
unpack to more than the machine's memory.""",
    ),
    Code(
        "G0955",
        "columns that do not fit together",
        """A data file holds columns of numbers or strings with the same number of rows, at least one. Arrays
of Python objects are not read: unpickling one would run code.

wrong:  numpy.savez("d.npz", image=images[:100], label=labels)
right:  numpy.savez("d.npz", image=images, label=labels)""",
    ),
    Code(
        "G0956",
        "a slice that picks nothing",
        """A slice picks rows: [:256], [100:200], [-50:]. It has no step, and picks at least one row.""",
    ),
    Code(
        "G0957",
        "no column for an input",
        """Columns go to the inputs of the same name. Where they are called otherwise, or need a conversion,
'bind:' gives expressions over them.

right:  data:
          source: cifar10.npz
          bind:
            image: transpose(float32(image) / 255, [0, 3, 1, 2])""",
    ),
    Code(
        "G0958",
        "NaN or infinite numbers in the data",
        """One NaN in a batch makes the loss NaN and with it every parameter. Fill or drop such
rows first.""",
    ),
    Code(
        "G0959",
        "a hold-out that leaves a part empty",
        """'validation: 0.1' holds out a tenth of the rows, rounded; both parts need at least one row.""",
    ),
    Code(
        "G0960",
        "a metric that is not a number",
        """A metric is a value per example (its first axis is the batch), averaged over all examples, or a
scalar, averaged over batches by their rows; dataset(…) sees all rows at once and gives a scalar.

wrong:  accuracy: argmax(logits, axis=0) == label
right:  accuracy: argmax(logits, axis=-1) == label""",
    ),
    Code(
        "G0961",
        "the loss is no longer a number",
        """Training stopped at the step where the loss became NaN or infinite; the parameters before that
step are in the last checkpoint. Most often the learning rate is too high, or an exp, a log or a
division leaves its domain.""",
    ),
    Code(
        "G0962",
        "a loss that can't be minimised",
        """A loss is a single floating-point number.

wrong:  loss: (x - y) ** 2
right:  loss: mean((x - y) ** 2)""",
    ),
    Code(
        "G0963",
        "an optimizer or schedule that does not exist",
        """The message names the ones there are. lr= is a number or a schedule: cosine(0.1, warmup=100).""",
    ),
    Code(
        "G0964",
        "an option that the optimizer can't take",
        """The option is unknown, or its value is out of range.

wrong:  optimizer: adam(lr=-1e-3)
right:  optimizer: adam(lr=1e-3)""",
    ),
    Code(
        "G0965",
        "a training without an end",
        """A training needs 'epochs:' (passes over its data) or 'steps:'. Without data there are
no epochs.""",
    ),
    Code(
        "G0966",
        "a checkpoint that does not fit",
        """A training resumes from its own checkpoint only: same parameters, plan, data and seed. To
start from its weights with another plan, load the weights instead.""",
    ),
    Code(
        "G0967",
        "a prefix that names no parameter",
        """'freeze:' and 'parameters:' take the beginnings of dotted paths: 'head' means head and all
below it.

wrong:  freeze: [encoder.layer]
right:  freeze: [encoder.layers]""",
    ),
    Code(
        "G0968",
        "nothing to train",
        """No parameter that may move is reached by the loss: all are frozen, belong to another group, or
stand behind stop_gradient.""",
    ),
    Code(
        "G0969",
        "a worker died",
        """A worker process ended without an answer, most often for want of memory.""",
    ),
    Code(
        "G0970",
        "Ray is missing",
        """Work on a cluster goes through Ray, which is optional: pip install 'graphwright[distributed]'.""",
    ),
    Code(
        "G0971",
        "a batch size that the program can't take",
        """The batch size is outside the range that the program declares, the program has another fixed
one, or there are fewer rows than one batch.""",
    ),
    Code(
        "G0972",
        "two groups with one parameter",
        """Each parameter of a step belongs to one group. A group's prefixes name what it moves; what no group
names stays as it is.""",
    ),
)
