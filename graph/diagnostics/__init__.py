"""What the compiler says to people: codes, spans, carets, notes, did-you-mean."""

from .diagnostic import Diagnostic, Diagnostics, Note, Severity, SpecError, fail
from .span import Source, Span
from .suggestion import did_you_mean, nearest

__all__ = [
    "Diagnostic",
    "Diagnostics",
    "Note",
    "Severity",
    "Source",
    "Span",
    "SpecError",
    "did_you_mean",
    "fail",
    "nearest",
]
