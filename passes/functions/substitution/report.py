"""What the report says of each place."""

from __future__ import annotations

from ....graph.ir import Program
from .library import Entry
from .places import Place, consequence


def note(program: Program, place: Place, text: str) -> str:
    """One line: where, what; the program, its certificate and domain, the range, the error and its share, the cost
    before and after; or why it is kept. `text` holds costs or that reason."""
    head = f"{_label(program, place)}: {place.match.written}{_size(place)}"
    if place.entry is None:
        return f"{head}: kept, {text}"
    entry = place.entry
    low, high = entry.program.domain
    domain = f"on [{low:g}, {high:g}]"
    return "; ".join((f"{head}: {entry.name()} {domain}", _range(place, entry), _error(place, entry), text))


def _size(place: Place) -> str:
    dims = place.match.result.tensor.dims
    return f" of {place.dtype}[{', '.join(map(str, dims))}]" if dims is not None else f" of {place.dtype}"


def _label(program: Program, place: Place) -> str:
    """The value's name in the spec, else its path of calls, and its line."""
    result = place.match.result
    named = [n for n, v in program.names.items() if v is result]
    origin = program.origin(result)
    line = f" (line {origin.spans[0].line})" if origin.spans else ""
    body = " in a body" if place.in_body else ""
    return f"{min(named, key=len, default=origin.path or 'a value')}{line}{body}"


def _range(place: Place, entry: Entry) -> str:
    """Where the numbers lie and who says so; and what becomes of others."""
    seen = f"numbers seen {place.range.seen[0]:.4g} to {place.range.seen[1]:.4g}"
    if entry.is_total:
        return f"{seen}, the domain is every number"
    if entry.covers(*place.range.proven):
        low, high = place.range.proven
        how = "as declared" if place.range.source == "declared" else "by intervals"
        return f"{seen}, proven {low:.4g} to {high:.4g} {how}"
    return f"{seen} (calibrated), guarded: others get the function itself"


def _error(place: Place, entry: Entry) -> str:
    error = consequence(place, entry)
    if place.amplification is None:
        return f"error {error:.2g} of {place.allowed:.2g} allowed in its result"
    share = (error / place.allowed) ** 2
    return f"moves an output by {error:.2g}, {share:.1%} of the tolerance (in squares)"
