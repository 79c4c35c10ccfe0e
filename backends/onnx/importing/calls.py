"""A node of a model about to be made, and what changes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ....graph.diagnostics import fail
from ....graph.ir import Value
from ....graph.operators import Attribute, make_attribute


@dataclass
class Call:
    """A node about to be made; upgrade rules change it. `finish` makes a result from the node's."""

    name: str
    inputs: list[Value | None]
    attributes: dict[str, Attribute]
    outputs: int  # results that the model names
    content: Callable[[np.ndarray[Any, Any]], Value]  # the constant or weight of an array
    finish: Callable[[Value], Value] | None = None
    opened: list[int] = field(default_factory=list)  # results that are optionals to be opened

    def pop(self, name: str, default: Any = None) -> Any:
        found = self.attributes.pop(name, None)
        return default if found is None else found.value

    def put(self, position: int, value: Value | None) -> None:
        """Makes `value` the input at `position`."""
        while len(self.inputs) <= position:
            self.inputs.append(None)
        self.inputs[position] = value

    def default(self, name: str, kind: str, value: Any) -> None:
        """Sets an attribute that the model leaves out."""
        self.attributes.setdefault(name, make_attribute(kind, value))

    def first(self) -> Value:
        """The first input. Raises SpecError where it is absent."""
        if not self.inputs or self.inputs[0] is None:
            raise fail("G1203", f"{self.name} has no input")
        return self.inputs[0]


Upgrade = Callable[[Call], None]


def to_input(name: str, position: int) -> Upgrade:
    """Integers in an attribute that became an int64 vector input."""

    def rule(call: Call) -> None:
        found = call.pop(name)
        if found is not None:
            call.put(position, call.content(np.asarray(found, np.int64).reshape(-1)))

    return rule
