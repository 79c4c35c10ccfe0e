"""What all levels of one document share: names of values, sizes, stored weights, functions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...diagnostics import SpecError, fail
from ...ir import Program, Value
from ...types.dtypes import from_numpy
from ..documents import Block
from .identifiers import Names, is_generated
from .outline import Function

Array = np.ndarray[Any, Any]
Path = tuple[str | int, ...]
"""Steps from a call to a value inside it: names, and rounds of a repeat."""


@dataclass(frozen=True)
class Text:
    """A function as it was written: its name, which template inputs it kept, where its template's
    values are found from a call, and what each call owns, by path."""

    name: str
    inputs: tuple[Value, ...]
    outputs: tuple[str, ...]
    paths: dict[Value, Path]
    owned: tuple[tuple[Path, Value], ...]
    input_names: tuple[str, ...] = ()


@dataclass
class Shared:
    """The state of one writing. `stored` holds the arrays of the weights' file by key."""

    program: Program
    file: str
    sizes: dict[str, str]
    functions: Names
    texts: dict[Function, Text] = field(default_factory=dict)
    blocks: list[Block] = field(default_factory=list)
    stored: dict[str, Array] = field(default_factory=dict)
    keys: Names = field(default_factory=Names)
    hints: dict[Value, str] = field(default_factory=dict)
    exposed: dict[Function, dict[Value, None]] = field(default_factory=dict)

    def hint(self, value: Value, scope: str = "") -> str:
        """What the model calls the value, without the scope; "" where it has no name."""
        found = self.hints.get(value, "")
        if scope and found:
            dotted = found.replace("/", ".").lstrip(".")
            if dotted.startswith(f"{scope}."):
                return (
                    dotted[len(scope) + 1 :].replace(".", "/") if "/" in found else dotted[len(scope) + 1 :]
                )
        return found

    def array(self, value: Value) -> Array:
        """The content of a weight or constant. Raises SpecError G1222 where it is not at hand."""
        if value.constant is not None:
            return value.constant
        name = value.node.attribute("name")
        if name not in self.program.weights:
            raise fail("G1222", f"the content of the weight '{name}' is not at hand")
        return self.program.weights[name]

    def store(self, wanted: str, array: Array) -> str:
        """Keeps the array under a free key. Raises SpecError G1221 for many strings."""
        if from_numpy(array.dtype).kind == "string":
            raise fail("G1221", f"a constant of {array.size} strings has no form in a spec")
        key = self.keys.take(wanted)
        self.stored[key] = array
        return key

    def at(self, error: SpecError, value: Value) -> SpecError:
        """The error with a note of which node it is about."""
        from ...diagnostics import Note

        where = self.program.origin(value).path or self.hints.get(value, "")
        note = Note(f"at node '{where or value.node.name}' ({value.node.name})")
        return SpecError(
            d if any(n.message == note.message for n in d.notes) else d.with_notes(note)
            for d in error.diagnostics
        )


def hints_of(program: Program) -> dict[Value, str]:
    """The best name of every value: one that says something before a made-up one, then the first.
    A weight with a made-up name is called after the module that reads it."""
    found: dict[Value, str] = {}
    for name, value in program.names.items():
        known = found.get(value)
        if known is None or (is_generated(known) and not is_generated(name)):
            found[value] = name
    for node in program.graph.nodes:
        module = module_of(program.origin(node.outputs[0]).path) if node.inputs else ""
        for operand in node.inputs:
            if operand is not None and operand.role == "Weight" and is_generated(found.get(operand, "")):
                found[operand] = f"{module}.weight" if module else found.get(operand, "weight")
    return found


def module_of(path: str) -> str:
    """The module that a node's path lies in: `enc.layers.0` of `/enc/layers.0/MatMul`."""
    return path.rpartition("/")[0].replace("/", ".").strip(".")
