"""The key reference: every key of a spec, from the reader's tables."""

from __future__ import annotations

from ...graph.spec.keys import CONTEXTS


def key_text(name: str) -> str | None:
    """What `graphwright explain KEY` prints; None where no key is called so."""
    lines = [
        f"{name} in {context}: {key.doc}" + (" Required." if key.required else "")
        for context, keys in CONTEXTS
        for key in keys
        if key.name == name
    ]
    return "\n".join(lines) or None
