"""Codes G12xx: reading ONNX models."""

from __future__ import annotations

from .code import Code

MODELS: tuple[Code, ...] = (
    Code(
        "G1200",
        "a file that is no ONNX model",
        """\
The file can't be read, is no ONNX protobuf message, or holds no graph or no outputs. A download
that stopped early looks like that, and so does a Git LFS pointer in place of the file.

    ls -l model.onnx        # a pointer has about 130 bytes
    git lfs pull            # fetches the file itself
""",
    ),
    Code(
        "G1201",
        "an operator that nobody defines",
        """\
The model uses an operator that is neither in the standard nor among its own functions: one of a
single runtime (com.microsoft.FusedMatMul), or of a library of custom operators. What it computes
is not written down in the model, so it can't be read.

Export the model without runtime-specific optimisations, or with the operator as a local function.
""",
    ),
    Code(
        "G1202",
        "a name defined twice",
        """\
In an ONNX graph every name is given once: by an input, an initializer or a node. Here two give
the same name, so what its readers mean is open.""",
    ),
    Code(
        "G1203",
        "a node that reads or gives what is not there",
        """\
A node reads a name that nothing defines, names more results than its operator has, or the graph
names an output that nothing computes. Tools that cut models apart leave such ends.""",
    ),
    Code(
        "G1204",
        "a tensor of an unknown dtype or an impossible shape",
        """\
A stored tensor has a dtype number that the standard does not know, or a negative dimension. The
file is damaged, or of a newer standard than this version reads.""",
    ),
    Code(
        "G1205",
        "a tensor whose content does not fit its shape",
        """\
A stored tensor says that it has a certain shape, and holds more or fewer elements than that, or
elements at places outside of it. The file is damaged or was edited.""",
    ),
    Code(
        "G1206",
        "external data that can't be used",
        """\
Large models keep their weights in files beside the model. Such a file is missing, too short, or
lies outside the model's folder: a model from elsewhere must not make us read other files.

    model.onnx, model.onnx.data          # right: side by side
    location: ../secrets.bin             # wrong
    location: /etc/passwd                # wrong
""",
    ),
    Code(
        "G1207",
        "an input without a usable type",
        """\
Every input of a model has a type: a tensor of a dtype, a sequence, an optional. This one has
none, one that is not supported (map, sparse tensor), or an unknown dtype.""",
    ),
    Code(
        "G1208",
        "an attribute of the wrong kind",
        """\
Attributes are ints, floats, strings, tensors, graphs, or lists of these, as the operator's schema
says. This one is something else, or text that is no UTF-8.""",
    ),
    Code(
        "G1209",
        "functions that expand without end",
        """\
Model-local functions are inlined. Here one calls itself, calls are nested very deep, or they
expand to millions of nodes.""",
    ),
    Code(
        "G1210",
        "nodes that need one another",
        """\
A graph has no cycles: what a node reads is computed before it. Here some nodes read one another's
results. A loop is written with Loop or Scan.""",
    ),
    Code(
        "G1211",
        "an old behaviour that has no counterpart",
        """\
The model is of an old opset, and uses an operator in a way that newer opsets can't express, such
as Scan of opset 8 over a batch of sequences with lengths, or BatchNormalization with statistics
for each element.

Export the model again at a newer opset.""",
    ),
    Code(
        "G1212",
        "a random draw of unknown shape",
        """\
Random operators become noise inputs, filled from outside, so that every backend draws the same
numbers. For that the shape of the draw must be known up to named sizes.""",
    ),
    Code(
        "G1213",
        "a body that does not fit its operator",
        """\
If, Loop, Scan and SequenceMap hold graphs. One of them is missing, takes another number of values
than it is given, or gives a carried value another type than it takes.""",
    ),
    Code(
        "G1214",
        "a call that does not fit its function",
        """\
A node calls a model-local function with more inputs or other attributes than the function has, or
the function does not compute one of its outputs.""",
    ),
    Code(
        "G1215",
        "a node that makes no sense",
        """\
The operands or attributes of a node are malformed in a way that its operator can't even refuse
properly: an empty vector where an axis should be, a number too large for any array.""",
    ),
    Code(
        "G1216",
        "sizes that depend on one another in too many ways",
        """\
Two differently named sizes that an operator needs to be equal are taken to be equal, and the
model is read again with that. This model leads to ever more such pairs.

Fix sizes when you read it:

    import_model("model.onnx", sizes={"batch": 1, "sequence": 128})
""",
    ),
    Code(
        "G1217",
        "an opset that can't be read",
        """\
A model says which version of the standard's operators it uses. This one does not say, or uses one
that is too old or too new to be read. Export the model at another opset, 21 for example.""",
    ),
    Code(
        "G1218",
        "a name that is no text",
        """\
A name in the model is not valid UTF-8. The file is damaged.""",
    ),
    Code(
        "G1219",
        "a size that the model has not",
        """\
`sizes=` fixes symbolic sizes of a model by name; the model has none of this name. Dimensions
without a name get one from their input and axis.

    import_model("model.onnx", sizes={"batc": 1})     # wrong
    import_model("model.onnx", sizes={"batch": 1})    # right
""",
    ),
    Code(
        "G1220",
        "a type that a spec can't declare",
        """\
A spec declares the inputs of a graph as tensors whose rank and dimensions are known. The model has
an input, or a weight, of another kind: a sequence, an optional, a tensor of unknown rank, or one
whose size depends on data. (What is computed may have sizes that only a run tells.)

Give the input a shape when you export the model, or fix the size: --set name=128.
""",
    ),
    Code(
        "G1221",
        "an operation that a spec has no form for",
        """\
The model can be read, run and compiled, but this node has no counterpart in the spec language: a
Loop or an If over sequences, an If whose branches give different types, a carried value that grows
with the steps, an attribute of an unusual kind.

Compile the model itself, without a spec:

    graphwright compile model.onnx -o out
""",
    ),
    Code(
        "G1222",
        "a weight without content",
        """\
The program names a weight whose numbers are nowhere: it was taken from its weights. A spec of it
could not be run.""",
    ),
    Code(
        "G1223",
        "an imported spec that differs from its model",
        """\
After an import the spec is read back, built, and compared with the model: the operations on the same
weights, or else the results on drawn inputs. Here they differ, so nothing was kept.

This is a fault of the importer. Please report it with the model; until it is mended, --raw writes
every node as it is, and `graphwright compile model.onnx` needs no spec.
""",
    ),
    Code(
        "G1224",
        "a saved program that can't be imported",
        """\
A .pt2 file is read by torch and exported by torch's own ONNX exporter, which needs the package
onnxscript. Here the file is no saved torch.export program, holds objects other than tensors (which
would run code when loaded, so they are refused), or torch can't export one of its operators.

    pip install 'graphwright[import]'         # onnxscript
""",
    ),
)
