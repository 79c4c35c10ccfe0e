"""A broken contract, as an error for people that carries what the compile had so far."""

from __future__ import annotations

from pathlib import Path

from ...graph.diagnostics import Diagnostic, Note, Span, SpecError
from ...graph.ir import Origin, Program
from .pass_ import Pass
from .record import CompileRecord
from .verification import BrokenSite, Verification


class ContractBroken(SpecError):
    """A pass broke its contract; the compile stopped. `record` ends with that pass, its program is
    the last good one; `reproducer` is the folder that shows the error."""

    def __init__(self, diagnostic: Diagnostic, record: CompileRecord, reproducer: Path | None = None) -> None:
        super().__init__([diagnostic])
        self.record, self.reproducer = record, reproducer

    @property
    def program(self) -> Program:
        """The last good program."""
        return self.record.program


def site_diagnostic(
    pass_: Pass, before: Program, after: Program, verification: Verification, folder: Path | None
) -> Diagnostic:
    """G1001: what broke, where, by which rule, at which spec lines."""
    site = verification.broken[0]
    operators = ", ".join(dict.fromkeys(n.name for n in reversed(site.region.old_nodes))) or "a leaf"
    count = len(verification.broken)
    more = f" (and at {count - 1} more sites)" if count > 1 else ""
    message = (
        f"pass {pass_.name} broke its contract ({pass_.contract}): rule {site.rule} at {operators}{more}: "
        f"{site.run.finding.reason}"
    )
    origin = site_origin(site, before, after)
    notes = [Note("it also comes from here", span) for span in origin.spans[1:4]]
    if origin.path:
        notes.append(Note(f"node {origin.path}"))
    names = names_at(site, before)
    if names:
        notes.append(Note(f"the site computes {', '.join(names)}"))
    if folder is not None:
        notes.append(Note(f"a minimal reproducer is in {folder}"))
    return Diagnostic("G1001", message, first_span(origin), notes=tuple(notes))


def site_origin(site: BrokenSite, before: Program, after: Program) -> Origin:
    """The spec lines of every value of the site."""
    merged = Origin()
    replacement = site.region.replacement
    inner = [n.outputs[0] for n in (*reversed(site.region.old_nodes), *site.region.new_nodes)]
    for value in (*replacement.old, *replacement.new, *inner):
        for program in (before, after):
            origin = program.origins.get(value)
            if origin is not None:
                merged = merged.merge(origin)
    return merged


def names_at(site: BrokenSite, before: Program) -> list[str]:
    wanted = {v for n in site.region.old_nodes for v in n.outputs}
    return sorted(name for name, value in before.names.items() if value in wanted)[:4]


def first_span(origin: Origin) -> Span | None:
    return origin.spans[0] if origin.spans else None


def outputs_diagnostic(
    pass_: Pass, reason: str, rule: str | None, number: int | None, origin: Origin, folder: Path | None
) -> Diagnostic:
    """G1002: the outputs broke although no single site does."""
    culprit = ""
    if rule is not None:
        culprit = f" The first rule firing that changes them is number {number}, of rule {rule}."
    message = f"pass {pass_.name} broke its contract ({pass_.contract}) at the outputs: {reason}.{culprit}"
    notes = [Note(f"a minimal reproducer is in {folder}")] if folder is not None else []
    return Diagnostic("G1002", message, first_span(origin), notes=tuple(notes))
