"""Codes G00xx: reading YAML."""

from __future__ import annotations

from .code import Code

READING: tuple[Code, ...] = (
    Code(
        "G0001",
        "not YAML",
        """The text breaks a rule of YAML itself, so nothing of it could be read.

Most often: a value with ': ' or ' #' inside, or one that starts with [ { " ' * & ! % @ or a
backtick, is not quoted; a continuation line has no more indent than its key, or a comment on
it; a type or expression stands in '{…}' without quotes.

wrong:  rows: x[1: 3]
right:  rows: 'x[1: 3]'        or        rows: x[1:3]""",
    ),
    Code(
        "G0002",
        "empty file",
        """The file holds no YAML document: it is empty or has only comments.

right:  graphwright: 1
        kind: graph
        name: my-graph""",
    ),
    Code(
        "G0003",
        "characters that are not allowed",
        """A spec is UTF-8 text without control characters, byte-order marks inside the text, invisible
line separators (U+0085, U+2028, U+2029) and characters that reverse the displayed order of a
line: what you see must be what is read. Save the file as UTF-8 and remove the character;
inside a double-quoted text it can be written as an escape ("\\u0007").""",
    ),
    Code(
        "G0004",
        "a key given twice",
        """YAML parsers commonly keep the last of two equal keys and drop the first without a word. Here
both places are named. Give each name once.

wrong:  nodes:
          h: relu(x)
          h: tanh(x)
right:  nodes:
          h: relu(x)
          h2: tanh(x)""",
    ),
    Code(
        "G0005",
        "a key that is no name",
        """A key must be a plain name. A list or mapping as a key usually means that a value which starts
with '[' or '{' was not quoted.

wrong:  ? [a, b]
        : split(x)
right:  a, b: split(x)""",
    ),
    Code(
        "G0006",
        "merge key",
        """'<<' (YAML 1.1's merge key) is not part of YAML 1.2 and hides where a value comes from. Anchors
and aliases work; shared parts of graphs are functions.

wrong:  <<: *defaults
right:  repeat the entries, or write a function in 'functions:' or a library""",
    ),
    Code(
        "G0007",
        "a tag that is not allowed",
        """Tags such as '!!python/object' make YAML construct objects. Only the core tags are read: !!str
!!int !!float !!bool !!null on scalars, !!seq, !!map. A value that should start with '!' is
quoted.

wrong:  y: !!python/name:os.system
right:  arxiv: !!str 2006.00010""",
    ),
    Code(
        "G0008",
        "several documents in one file",
        """'---' starts a second YAML document. A spec file holds exactly one.

right:  put each document into its own file; name libraries under 'use:'""",
    ),
    Code(
        "G0009",
        "larger than a spec may be",
        """Specs are untrusted text, so size (16 MiB), number of nodes (500,000), depth (64) and what
aliases expand to (200,000 characters) are bounded before memory is taken. Large constants
belong into a file: load("table.npz", "key").""",
    ),
    Code(
        "G0010",
        "an alias without its anchor",
        """'*name' repeats what '&name' marked earlier in the file. The anchor is missing, comes later, or
the alias stands inside it. An expression cannot start with '*'; a quoted text can.

wrong:  freeze: [*.bias]
right:  freeze: [encoder]           (path prefixes need no '*')""",
    ),
    Code(
        "G0011",
        "a tab in the indentation",
        """YAML allows only blanks for indentation: a tab has no fixed width. Replace it by blanks (two a
level are usual).""",
    ),
    Code(
        "G0012",
        "a value cut by a comma or bracket",
        """In a flow collection ('{…}' or '[…]') a comma or bracket ends an unquoted value. {y: Max(a, b)}
loads as the two entries 'y: Max(a' and 'b)': silently wrong in other tools, an error here.

wrong:  nodes: {y: Max(a, b)}
right:  nodes:
          y: Max(a, b)""",
    ),
    Code(
        "G0013",
        "a key without a value",
        """'key:' with nothing behind it is null in YAML. Nothing in a spec is null by omission, so this
is a forgotten value, or a value that an indentation or a comma has cut off. Write 'null' where
None is meant.

wrong:  nodes:
          y:
right:  nodes:
          y: relu(x)""",
    ),
    Code(
        "G0014",
        "a file that cannot be read",
        """There is no such file, it is a folder or a device, or the system refuses to open it. Paths are
relative to the current folder on the command line, and to the spec's own folder inside a spec.""",
    ),
    Code(
        "G0015",
        "a file outside its root",
        """Specs may only name files below their own root folder (or the standard library): with links and
'..' resolved, the path leaves it. Put the file into the folder.""",
    ),
)
