"""YAML's own error messages, turned into ours: what is wrong, where, and what to write."""

from __future__ import annotations

import yaml

from ..diagnostics import Note, Source, Span, SpecError, fail

_QUOTE = "a plain value may not start with @ ` or %: quote the whole value"

# (part of libyaml's or PyYAML's message, our message, hint)
_MESSAGES: tuple[tuple[str, str, str | None], ...] = (
    (
        "mapping values are not allowed",
        "a second ': ' in one value",
        "quote the whole value if ': ' belongs to it ('x[1: 3]'), or indent the key like its siblings",
    ),
    (
        "did not find expected ',' or '",
        "this flow collection is not closed, or a ',' is missing",
        "expressions and types with commas or brackets need block style (one 'key: value' a line) or quotes",
    ),
    (
        "expected ',' or '",
        "this flow collection is not closed, or a ',' is missing",
        "expressions and types with commas or brackets need block style (one 'key: value' a line) or quotes",
    ),
    (
        "end of stream",
        "the quoted text is not closed before the end of the file",
        "add the closing quote",
    ),
    (
        "expected '-' indicator",
        "a list is continued by something that is no '- ' entry",
        "indent it like its neighbours: either every entry starts with '- ' or none does",
    ),
    (
        "expected <block end>",
        "this does not fit the block around it",
        "check the indentation: the keys of one block start in the same column",
    ),
    (
        "did not find expected key",
        "this does not fit the mapping around it",
        "check the indentation: keys start in the same column; text after a closing quote is not allowed",
    ),
    (
        "could not find expected ':'",
        "a key without ': '",
        "write 'key: value'; continuation lines need more indent than their key and hold no comments",
    ),
    (
        "unknown escape character",
        "unknown escape in a double-quoted text",
        "use single quotes for a literal '\\'",
    ),
    (
        "expected comment or line break",
        "text after a block indicator",
        "the text of a '|' block starts on the next line",
    ),
    ("block scalar", "a malformed '|' or '>' block", None),
    ("undefined alias", "this alias names no anchor", "quote a value that starts with '*'"),
    ("anchor", "a malformed anchor or alias", "quote a value that starts with '&' or '*'"),
    ("alias", "a malformed anchor or alias", "quote a value that starts with '&' or '*'"),
    ("tag", "a malformed tag", "quote a value that starts with '!'"),
    ("directive", "a malformed directive", "quote a value that starts with '%'"),
    ("document start", "text outside the document", "a file holds one document"),
    (
        "expected node content",
        "a value is missing here",
        "write a value, or quote a value that starts with ',' ']' or '}'",
    ),
)


def yaml_error(source: Source, error: yaml.MarkedYAMLError) -> SpecError:
    """The diagnostic of a YAML syntax error: G0001, or G0011 for a tab used as indentation."""
    mark = error.problem_mark or error.context_mark
    span = _at(source, mark)
    tab = _tab_indent(source, span)
    if tab is not None:
        return fail(
            "G0011", "a tab in the indentation", tab, hint="indent with blanks; YAML allows no tabs there"
        )
    problem = f"{error.problem or ''}"
    message, hint = _explained(source, span, problem, error.context or "")
    notes: tuple[Note, ...] = ()
    context = error.context_mark
    if context is not None and (context.line + 1, context.column + 1) != (span.line, span.column):
        notes = (Note(f"{error.context or 'it starts here'}", _at(source, context)),)
    return fail("G0001", message, span, hint=hint, notes=notes)


def _explained(source: Source, span: Span, problem: str, context: str) -> tuple[str, str | None]:
    if "cannot start any token" in problem:
        character = source.line(span.line)[span.column - 1 : span.column]
        return f"a value may not start with '{character}'", _QUOTE
    for part, message, hint in _MESSAGES:
        if part in problem:
            return message, hint
    return " ".join(filter(None, (context, problem))) or "this is not YAML", None


def _tab_indent(source: Source, span: Span) -> Span | None:
    """The tab among the blanks before the error's place, if there is one."""
    for number in (span.line, span.line - 1):
        text = source.line(number)
        indent = text[: len(text) - len(text.lstrip(" \t"))]
        if "\t" in indent:
            column = indent.index("\t") + 1
            return Span(source, number, column, number, column + 1)
    return None


def _at(source: Source, mark: yaml.Mark | None) -> Span:
    """The mark as a span of one character inside the text (an end of file is past it)."""
    if mark is None:
        return Span(source, 1, 1, 1, 2)
    line, column = mark.line + 1, mark.column + 1
    if line > len(source.lines) or (line == len(source.lines) and not source.line(line) and line > 1):
        line = max(1, len(source.lines) - (0 if source.lines[-1] else 1))
        column = len(source.line(line)) + 1
    return Span(source, line, column, line, column + 1)
