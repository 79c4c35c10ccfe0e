"""What the compiler says to people: records, the error that carries them, and their collector."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import Enum

from .span import Span

MAX_NOTES = 8
"""The most notes that one diagnostic gathers from several callers."""


class Severity(Enum):
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Note:
    """A remark at another place: called from, declared here, the other operand."""

    message: str
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One message. `code` is a key of the code tables (`graphwright explain CODE`).

    `hint` says what would be right ("did you mean 'width'?"); `span` is None only where no
    text is at fault (a missing file, a model without a spec).
    """

    code: str
    message: str
    span: Span | None = None
    hint: str | None = None
    notes: tuple[Note, ...] = ()
    severity: Severity = Severity.ERROR

    def with_notes(self, *notes: Note) -> Diagnostic:
        return replace(self, notes=self.notes + notes)


class SpecError(Exception):
    """The user's input is at fault; carries every diagnostic found. Exit code 1."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__("\n".join(f"{d.span or ''} {d.code}: {d.message}" for d in self.diagnostics))


def fail(
    code: str,
    message: str,
    span: Span | None = None,
    *,
    hint: str | None = None,
    notes: tuple[Note, ...] = (),
) -> SpecError:
    """The `SpecError` of one diagnostic, to be raised: `raise fail("G0301", ...)`."""
    return SpecError([Diagnostic(code, message, span, hint, notes)])


@dataclass
class Diagnostics:
    """Collects diagnostics so that all errors of a file are reported at once."""

    items: list[Diagnostic] = field(default_factory=list)
    _seen: dict[tuple[str, str, Span | None, Severity], int] = field(default_factory=dict, repr=False)

    def add(self, diagnostic: Diagnostic) -> None:
        """Adds it; what is said again of the same place (a function with several callers) only adds
        its notes, as far as there are few."""
        key = (diagnostic.code, diagnostic.message, diagnostic.span, diagnostic.severity)
        index = self._seen.setdefault(key, len(self.items))
        if index == len(self.items):
            self.items.append(diagnostic)
            return
        known = self.items[index]
        new = [n for n in diagnostic.notes if n not in known.notes]
        self.items[index] = known.with_notes(*new[: max(0, MAX_NOTES - len(known.notes))])

    def extend(self, error: SpecError) -> None:
        for diagnostic in error.diagnostics:
            self.add(diagnostic)

    def error(
        self,
        code: str,
        message: str,
        span: Span | None = None,
        *,
        hint: str | None = None,
        notes: tuple[Note, ...] = (),
    ) -> None:
        self.add(Diagnostic(code, message, span, hint, notes))

    def warning(
        self,
        code: str,
        message: str,
        span: Span | None = None,
        *,
        hint: str | None = None,
        notes: tuple[Note, ...] = (),
    ) -> None:
        self.add(Diagnostic(code, message, span, hint, notes, Severity.WARNING))

    @property
    def errors(self) -> list[Diagnostic]:
        return [d for d in self.items if d.severity is Severity.ERROR]

    def raise_if_errors(self) -> None:
        if self.errors:
            raise SpecError(self.items)
