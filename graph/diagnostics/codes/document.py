"""Codes G01xx: the shape of a document."""

from __future__ import annotations

from .code import Code

DOCUMENT: tuple[Code, ...] = (
    Code(
        "G0101",
        "not a mapping",
        """A spec is a mapping of keys to values at its top.

right:  graphwright: 1
        kind: graph
        name: my-graph""",
    ),
    Code(
        "G0102",
        "unknown key",
        """Unknown keys are errors, so that a misspelt one is not ignored. The message lists the near or
the valid keys, or says where the key belongs ('training:' is a key of a graph, not of a
function).

wrong:  node:
          y: relu(x)
right:  nodes:
          y: relu(x)""",
    ),
    Code(
        "G0103",
        "a key is missing",
        """This part of a spec needs the named key: every document 'graphwright', 'kind' and 'name'; a
graph or function 'outputs'; a recipe 'passes'; a test 'name'.""",
    ),
    Code(
        "G0104",
        "unknown format version",
        """'graphwright:' is the version of the format, a whole number, so that old files keep their
meaning. This release reads version 1.

right:  graphwright: 1""",
    ),
    Code(
        "G0105",
        "unknown kind",
        """'kind:' is one of graph (a model or algorithm), library (functions), recipe (passes), logic
(rules for the prover), search (a search space).""",
    ),
    Code(
        "G0106",
        "a value of the wrong kind",
        """A text, a number, a boolean, a list or a mapping is wanted, and something else stands here.
YAML guesses kinds from the spelling: unquoted 2006.00010 is the number 2006.0001 and loses its
last digit, so a number where a text belongs is an error rather than converted.

wrong:  source: {arxiv: 2006.00010}
right:  source: {arxiv: "2006.00010"}""",
    ),
    Code(
        "G0107",
        "not a name",
        """Names are ASCII letters, digits and '_', do not begin with a digit and do not contain '__'
(kept for the compiler). Letters that look alike are kept apart by this: Python folds the micro
sign into the Greek letter mu. Paths join names by dots ('h.att.kernel'); a document's name may
hold single hyphens.

wrong:  nodes:
          μ: mean(x)
right:  nodes:
          mu: mean(x)""",
    ),
    Code(
        "G0108",
        "a reserved name",
        """Python's keywords, the dtypes and the words training true false none inf nan pi self after have
a meaning in expressions and cannot name anything.

wrong:  inputs:
          lambda: float32
right:  inputs:
          lam: float32""",
    ),
    Code(
        "G0109",
        "a name given twice",
        """Sizes, dimensions, inputs, attributes, parameters, state, noise and nodes of one graph or
function share one namespace, each name once: an expression says only the name. (Functions and
slots have another, so 'mean: mean(x)' is fine.) Both places are shown.

wrong:  inputs:
          x: float32[B]
        nodes:
          x: relu(x)
right:  nodes:
          h: relu(x)""",
    ),
    Code(
        "G0110",
        "a path that is not allowed",
        """Paths under 'use:' are relative, use '/', and name a .yaml file: relative to the spec's folder
or to the standard library. Absolute paths, '\\', '~', drives and URLs are refused; nothing is
downloaded.

wrong:  use: [/home/me/layers.yaml]
right:  use: [layers/basic.yaml]""",
    ),
    Code(
        "G0111",
        "a path that leaves its root",
        """A spec is untrusted: with '..' and links resolved, what it names must lie below the root folder
of the spec (the folder of the file named on the command line, or --root), or in the standard
library.

wrong:  use: [../../secrets.yaml]
right:  use: [common/layers.yaml]""",
    ),
    Code(
        "G0112",
        "an update of something that is no state",
        """'updates:' gives states their values after the run; a state is declared with its type and
start.

wrong:  updates:
          total: total + x
right:  state:
          total: float32 = zeros()
        updates:
          total: total + x""",
    ),
    Code(
        "G0113",
        "a value out of range",
        """A number below or above what makes sense here, or a word that is not among the allowed ones.""",
    ),
    Code(
        "G0114",
        "a list that holds more than numbers",
        """A node, input or attribute written as a YAML list is a constant: numbers and lists of numbers.
YAML cuts expressions at commas, so a list of expressions is written as text.

wrong:  pair: [a, b]
right:  pair: array([a, b])""",
    ),
    Code(
        "G0115",
        "rows of different lengths",
        """A nested list of numbers is a tensor: all rows have the same length.

wrong:  table: [[1, 2], [3]]
right:  table: [[1, 2], [3, 0]]""",
    ),
    Code(
        "G0116",
        "the names on the left do not fit",
        """A comma list on the left unpacks all results of a call ('_' skips one) and takes no type; at
least one result is named.

wrong:  a, b: float32[3] = Split(x)
right:  a, b: Split(x)""",
    ),
    Code(
        "G0117",
        "outputs that are no names",
        """'outputs:' lists names of nodes, inputs or states (a mapping name: type asserts types). An
expression gets a node of its own.

wrong:  outputs: ["2 * y"]
right:  nodes:
          doubled: 2 * y
        outputs: [doubled]""",
    ),
    Code(
        "G0118",
        "a library that is not found",
        """The path under 'use:' names no file beside the spec and none in the standard library. Near
names are shown.""",
    ),
    Code(
        "G0119",
        "libraries that use each other",
        """Following 'use:' leads back to a file that is still being read. The notes show the chain. Move
what both need into a third library.""",
    ),
    Code(
        "G0120",
        "a document that cannot be used",
        """'use:' names libraries and graphs. Recipes, logic and search documents hold nothing to call.""",
    ),
)
