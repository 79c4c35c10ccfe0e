"""Codes G11xx: backends and export."""

from __future__ import annotations

from .code import Code

BACKENDS: tuple[Code, ...] = (
    Code(
        "G1101",
        "the torch backend has no lowering of an operator",
        """\
The torch backend computes each operator with one function of a table. This operator is not in it,
so the program can't be emitted, run or checked with torch.

Replace the operator by others that mean the same, or use another backend:

    graphwright run model.yaml --backend onnx
""",
    ),
    Code(
        "G1102",
        "an operator runs in torch, but can't be exported or compiled",
        """\
Some operators look at the numbers to know what to do: how many elements NonZero finds, which
boxes NonMaxSuppression keeps, what a text says. They run eagerly; torch.export and torch.compile
need the shapes of all results before any number is there.

    nodes: {i: NonZero(x)}            # wrong, where the graph is exported
    nodes: {y: Where(x != 0, x, 0)}   # right: a mask of a fixed shape
""",
    ),
    Code(
        "G1103",
        "a program is run without one of its values",
        """\
Every input, state and noise leaf needs an array when a program is run, and every parameter an
array or a weight of its own.

    executable.run({"x": x})                       # wrong, where `label` is an input too
    executable.run({"x": x, "label": label})       # right
""",
    ),
    Code(
        "G1104",
        "a value is evaluated without a leaf that it needs",
        """\
The evaluator computes values from arrays given for the leaves that they need. One of them is
missing: an input, a parameter, a state, noise, or a weight of more than 64 elements.

    evaluator.evaluate([y], {x: array})                    # wrong, where y reads a weight w
    evaluator.evaluate([y], {x: array, w: weights["w"]})   # right
""",
    ),
    Code(
        "G1105",
        "an array given to a run does not fit its type",
        """\
The array's dtype or shape differs from what the spec declares. Nothing is converted silently.

    inputs: {x: "float32[n, 8]"}
    executable.run({"x": np.zeros((2, 8))})                # wrong: float64
    executable.run({"x": np.zeros((2, 8), np.float32)})    # right
""",
    ),
    Code(
        "G1110",
        "an operator that an ONNX opset has not",
        """\
The model is to be written at an opset whose standard lacks this operator, or does not take these
types, and neither a rule nor the operator's own body leads to operators that it has. The message
names the lowest opset that has it.

    save(program, "model.onnx")               # opset 21 by default
    save(program, "model.onnx", opset=26)     # has BitCast, CumProd of any axis, …
""",
    ),
    Code(
        "G1111",
        "a parameter without a value is written",
        """\
An ONNX model holds the values of its parameters. This program has none for one of them: it was
neither trained nor initialised, nor were weights loaded.""",
    ),
    Code(
        "G1112",
        "a type that ONNX has not",
        """\
Tensors, sequences and optionals can be inputs and outputs of an ONNX model; quantized types and
facts are lowered by their passes before a model is written.""",
    ),
    Code(
        "G1113",
        "weights of more than 2 GB in one message",
        """\
A protobuf message holds at most 2 GB. Larger weights go to a file beside the model:

    save(program, "model.onnx", external_data=True)     # model.onnx and model.onnx.data
""",
    ),
    Code(
        "G1115",
        "an operator that the runtime has no kernel for",
        """\
ONNX Runtime implements most operators for some dtypes only. This one it does not run for these,
and no rule computes it in others: it has no float64 kernels for convolution and pooling, for example,
and computing those in float32 would silently give other numbers than the program says.

Cast the operands to float32 around it, where that is exact enough:

    y: float64(Conv(float32(x), float32(w)))

or run the program on the torch backend. In Python, `graphwright.backends.onnx.emit(program)` writes
the model for other runtimes all the same: the standard does have the operator.""",
    ),
    Code(
        "G1116",
        "an opset that can't be written",
        """\
Models are written at the opsets named in the message. Older ones lack too many operators, newer
ones are not in the standard that this version knows.""",
    ),
    Code(
        "G1117",
        "a model that the ONNX checker refuses",
        """\
Before a model is saved, ONNX's own checker and shape inference go over it. They refuse this one;
the message is theirs. Nothing was written.""",
    ),
    Code(
        "G1118",
        "a model that can't be saved",
        """\
The file can't be written where you want it: the folder does not exist, is read-only, or the disk
is full. Whatever was there before is unchanged.""",
    ),
    Code(
        "G1119",
        "a model that ONNX Runtime refuses",
        """\
ONNX Runtime does not load the model; the message is its own, and names the node and the spec line
where it tells them.""",
    ),
    Code(
        "G1120",
        "a run that fails in ONNX Runtime",
        """\
A node failed while the model ran: an index out of range, a shape that does not fit the data. The
message is ONNX Runtime's, at the spec line that the node comes from.""",
    ),
    Code(
        "G1121",
        "a matrix without the factorization",
        """cholesky and solve_spd need a symmetric positive definite matrix, solve a regular one; the numbers
of this run make another. Sample inputs (of compile, test, bench) are drawn from the domains of the
inputs: normal numbers where an input has none.

    wrong:  time: float64[T]               # normal numbers: the steps between them are negative
    right:  time: float64[T] ~ sorted""",
    ),
    Code(
        "G1122",
        "a node that can't compute what it is given",
        """\
An index past the end of its axis, an integer divided by zero, a shape computed while the graph runs that
does not fit the data: what is wrong is known only from the numbers. The message is NumPy's or torch's, at
the spec line that the node comes from.

    wrong:  y: table[i]                    # table[4], i = 9
    right:  i: int64[N] in 0..3            # inputs then are drawn from there, and others refused""",
    ),
    Code(
        "G1130",
        "an elementwise program that has no C form",
        """C is printed for elementwise programs in float32 and float64, of the operations that function programs
have, with tables whose length is a power of two. The torch and the reference backend compute the others.""",
    ),
    Code(
        "G1131",
        "no C compiler",
        """Native kernels are compiled by the system's C compiler: the one that the variable CC names, else cc,
gcc or clang. None of them is on the path. Install one, or set CC:

    CC=/opt/llvm/bin/clang graphwright …

Without a compiler the torch backend computes the same programs in torch's operators.""",
    ),
    Code(
        "G1132",
        "the C compiler refuses a generated kernel",
        """The generated source is plain C99, with AVX-512 intrinsics where the processor has them; a compiler that
is too old for the processor, or a variable CC that names no C compiler, refuses it. The message quotes its first
line. If the compiler is a current one, this is a fault of ours: please report it.""",
    ),
    Code(
        "G1180",
        "an emitted model that computes something else",
        """After emission the model is run on its own runtime, on drawn inputs, and compared with the program
before any pass. The difference is larger than two runtimes explain, so the artefact is not to be
used. The report in the output folder has the sizes and the difference; please report it.""",
    ),
    Code(
        "G1190",
        "an operator that the reference backend does not know",
        """\
The reference backend computes the operators of the ONNX standard and of the graphwright domain,
with NumPy. An imported model may hold operators of other domains (com.microsoft, ai.onnx.ml):
these have no meaning here, so nothing is run.

Replace the operator by standard ones before importing, or run the model with --backend onnx.
""",
    ),
)
