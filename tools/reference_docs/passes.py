"""The pass reference: contract, options, from the catalogue."""

from __future__ import annotations

from inspect import getdoc

from ...passes.catalogue import entries, pass_class


def pass_text(name: str) -> str:
    """What `graphwright explain PASS` prints."""
    entry, found = entries()[name], pass_class(name)
    lines = [name, "", getdoc(found) or entry.doc]
    if entry.options:
        lines.append("\noptions:")
        for option, spec in entry.options.items():
            default = "required" if spec.required else f"= {spec.default}"
            lines.append(f"  {option}: {spec.kind}, {default}" + (f"  {spec.doc}" if spec.doc else ""))
    return "\n".join(lines)
