"""Paths in a spec: relative, with '/', inside the folder that they are relative to."""

from __future__ import annotations

import posixpath
import re

DATA_SUFFIXES = (".npz", ".npy", ".safetensors", ".csv")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


def is_file_name(text: str) -> bool:
    """Whether a data source is a file rather than a built-in name."""
    return "/" in text or "\\" in text or text.startswith(("~", ".")) or text.lower().endswith(DATA_SUFFIXES)


def relative_path_problem(path: str, *, may_climb: bool = False) -> tuple[str, str] | None:
    """(what is wrong, hint), or None for a path that may be opened. Where `may_climb`, leading
    `..` are for the caller to judge against the root."""
    if not path.strip():
        return "an empty path", "write the path of a file"
    if "\\" in path:
        return "a path with '\\'", f"write '{path.replace(chr(92), '/')}'"
    if path.startswith(("/", "~")):
        return "an absolute path", "paths are relative to the spec's own folder"
    if _SCHEME.match(path):
        return "a path with a scheme or a drive", "nothing is downloaded: put the file beside the spec"
    if "\0" in path or "$" in path:
        return "a path with a forbidden character", "names in paths are taken literally"
    climbs = posixpath.normpath(path).startswith("..")
    if climbs and not may_climb:
        return "a path that leaves the spec's folder", "put the file into the folder, or below it"
    return None
