"""Codes G11xx: backends and export."""

from __future__ import annotations

from .code import Code

BACKENDS: tuple[Code, ...] = (
    Code(
        "G1101",
        "the torch backend has no lowering of an operator",
        """\
The torch backend computes each operator with one function of a table. This operator is not in
it, so the program can't be emitted, run or checked with torch.

Replace the operator by others that mean the same, or use another backend:

    graphwright run model.yaml --backend onnx
""",
    ),
    Code(
        "G1102",
        "an operator runs in torch, but can't be exported or compiled",
        """\
Some operators look at the numbers to know what to do: how many elements NonZero finds, which
boxes NonMaxSuppression keeps, what a text says. They run eagerly; torch.export and
torch.compile need the shapes of all results before any number is there.

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
