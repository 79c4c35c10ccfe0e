"""The command line: one file a verb, each imported only when it is used."""

from __future__ import annotations

from .main import main

__all__ = ["main"]
