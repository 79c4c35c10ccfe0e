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
