"""Codes G13xx: files and the command line."""

from __future__ import annotations

from .code import Code

FILES: tuple[Code, ...] = (
    Code(
        "G1301",
        "an unknown setting",
        """--set names a size or attribute of the graph or a dimension of its inputs, --slot one of
its slots.""",
    ),
    Code(
        "G1302",
        "a document of another kind",
        """This command takes a graph; libraries hold functions and are used by graphs, recipes by
compile.""",
    ),
    Code(
        "G1303",
        "neither a function nor a file",
        """--slot NAME=… takes a function of the spec by name, or a YAML file with a graph.

right:  graphwright run radd.yaml --slot net=my_network.yaml""",
    ),
    Code(
        "G1304",
        "an unknown backend",
        """The backends are torch, onnx and reference; 'graphwright list backends' says what each does.""",
    ),
    Code(
        "G1305",
        "nothing of that name",
        """'graphwright explain' knows codes, operators, functions of the prelude, passes and keys of specs;
'graphwright list' shows their names.""",
    ),
    Code(
        "G1306",
        "weights that do not fit",
        """A weights file holds every parameter of the graph by its dotted path, with the graph's dtypes and
shapes. Sizes set with --set must be those that it was trained with.""",
    ),
    Code(
        "G1307",
        "nothing to emit",
        """'graphwright compile' writes an ONNX model or a torch.export program: --backend onnx or torch.""",
    ),
    Code(
        "G1310",
        "a file that can't be read",
        """The file is missing, is no such file, or can't be read.""",
    ),
    Code(
        "G1311",
        "a key that the file has not",
        """An npz file holds arrays by name.""",
    ),
    Code(
        "G1312",
        "a path that leaves its folder",
        """Files that a spec names lie in its own folder or below, by relative paths with '/'.""",
    ),
)
