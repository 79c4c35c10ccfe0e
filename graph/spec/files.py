"""Spec files on disk, opened with their limits."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..diagnostics import Source, SpecError, did_you_mean, fail
from .yaml_text import MAX_BYTES, decode


def read_source(path: str, root: Path | None = None) -> Source:
    """The text of a file. With `root`, `path` is relative to it and may not leave it.

    Raises SpecError: G0014 (no such file, no file, not readable), G0015 (outside the root),
    G0009 (too large), G0003 (not UTF-8).
    """
    actual = Path(path) if root is None else root / path
    if root is not None and not is_inside(actual, root):
        raise fail("G0015", f"'{path}' lies outside '{root}'", hint="paths may not leave their root")
    return decode(str(actual), _bytes(actual))


def is_inside(path: Path, root: Path) -> bool:
    """Whether `path`, with links and `..` resolved, lies in `root`."""
    try:
        return path.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError, ValueError):
        return False


def _bytes(path: Path) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (OSError, ValueError) as error:
        raise _cannot_open(path, error) from None
    with _closing(descriptor):
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            raise fail("G0014", f"'{path}' is a folder", hint="name a YAML file")
        if not stat.S_ISREG(status.st_mode):
            raise fail("G0014", f"'{path}' is no regular file", hint="name a YAML file")
        if status.st_size > MAX_BYTES:
            raise fail("G0009", f"'{path}' has {status.st_size} bytes; a spec has at most {MAX_BYTES}")
        try:
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                return file.read(MAX_BYTES + 1)
        except OSError as error:
            raise fail("G0014", f"'{path}' cannot be read: {error.strerror}") from None


@contextmanager
def _closing(descriptor: int) -> Iterator[None]:
    try:
        yield
    finally:
        os.close(descriptor)


def _cannot_open(path: Path, error: OSError | ValueError) -> SpecError:
    if isinstance(error, FileNotFoundError):
        return fail("G0014", f"there is no file '{path}'", hint=did_you_mean(path.name, _neighbours(path)))
    reason = error.strerror if isinstance(error, OSError) else "not a path"
    return fail("G0014", f"'{path}' cannot be opened: {reason}")


def _neighbours(path: Path) -> list[str]:
    try:
        return sorted(p.name for p in path.parent.iterdir())[:1000]
    except OSError:
        return []
