"""Targets from files of FPCore."""

from __future__ import annotations

from pathlib import Path

from ...graph.diagnostics import Span, did_you_mean, fail
from ...graph.diagnostics.span import Source
from ...passes.functions.fpcore import Core, read_cores
from ...passes.functions.target import Target

_MOST_BYTES = 1_000_000


def fpcore_target(path: Path, name: str | None, domain: tuple[float, float] | None, error: str) -> Target:
    """The target of the core called `name` (or of the only one) on a domain, or on that of its :pre. Raises
    SpecError: G1505, G1506 for the text, G1507 where core or domain are not settled, G0002 for a missing file."""
    source = _read(path)
    core = _chosen(read_cores(source), name, source)
    bounds = domain or core.domain
    if bounds is None:
        message = f"'{core.name}' has no precondition that bounds its argument by two numbers"
        hint = f"--domain LOW HIGH, or :pre (<= 0 {core.argument} 1)"
        raise fail("G1507", message, core.body.span, hint=hint)
    return Target(core.name, bounds[0], bounds[1], error, core.text)


def _read(path: Path) -> Source:
    try:
        data = path.read_bytes()[: _MOST_BYTES + 1]
        if len(data) > _MOST_BYTES:
            raise fail("G1505", f"'{path}' is larger than {_MOST_BYTES:,} bytes")
        return Source(str(path), data.decode("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise fail("G1505", f"'{path}' can't be read: {error}") from None


def _chosen(cores: list[Core], name: str | None, source: Source) -> Core:
    names = [core.name for core in cores]
    if name is None and len(cores) == 1:
        return cores[0]
    found = [core for core in cores if core.name == name]
    if found:
        return found[0]
    span = Span(source, 1, 1, 1, 1)
    if name is None:
        raise fail(
            "G1507", f"the file holds {len(cores)} cores", span, hint=f"--core NAME: {', '.join(names)}"
        )
    raise fail(
        "G1507", f"no core is called '{name}'", span, hint=did_you_mean(name, names) or ", ".join(names)
    )
