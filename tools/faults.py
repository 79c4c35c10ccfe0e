"""What a library's exception says, in one line: for messages to people."""

from __future__ import annotations


def first_line(error: Exception, longest: int = 200) -> str:
    lines = (str(error) or type(error).__name__).strip().splitlines()
    return lines[0][:longest] if lines else type(error).__name__


def last_line(error: Exception) -> str:
    """For exceptions that put the cause last, after where it happened."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
