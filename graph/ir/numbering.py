"""Names handed out once: a name that is taken gets the first free number."""

from __future__ import annotations

from collections.abc import Iterable


class Numbered:
    """One flat namespace. The same calls give the same names."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)
        self._next: dict[str, int] = {}

    def take(self, name: str) -> str:
        """The name itself, or `name_2`, `name_3`, … where it is taken."""
        if name not in self._taken:
            self._taken.add(name)
            return name
        number = self._next.get(name, 2)
        while f"{name}_{number}" in self._taken:
            number += 1
        self._next[name] = number + 1
        self._taken.add(f"{name}_{number}")
        return f"{name}_{number}"

    def reserve(self, names: Iterable[str]) -> None:
        self._taken.update(names)

    def __contains__(self, name: str) -> bool:
        return name in self._taken
