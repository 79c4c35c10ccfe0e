"""What is known while a model is read: one `Reading` a model, one `Scope` a graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from ....graph.diagnostics import Diagnostics, fail
from ....graph.ir import Assumption, Origin, Value, argument, constant, leaf
from ....graph.ir.node import SMALL
from ....graph.operators import Attribute
from ....graph.types.dtypes import from_numpy
from ....graph.types.types import TensorType
from .sizes import Sizes

FunctionKey = tuple[str, str, str]  # domain, name, overload
Opsets = Mapping[str, int]

LARGEST_INLINING = 2_000_000
"""The most nodes that calls of model-local functions may expand to."""


class Poison:
    """Stands for a value whose node was refused: what reads it is passed over in silence."""


POISON = Poison()


class PassedOver(Exception):
    """A node reads a value that was refused before."""


class Unknown(Exception):
    """A node reads a name that nothing before it defines."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(name)


@dataclass
class Reading:
    """The state of one import. `weights` and `names` become the program's."""

    folder: Path | None
    sizes: Sizes
    functions: Mapping[FunctionKey, onnx.FunctionProto]
    diagnostics: Diagnostics = field(default_factory=Diagnostics)
    weights: dict[str, np.ndarray[Any, Any]] = field(default_factory=dict)
    names: dict[str, Value] = field(default_factory=dict)  # of bodies and functions
    origins: dict[Value, Origin] = field(default_factory=dict)
    assumptions: list[Assumption] = field(default_factory=list)
    noise: dict[str, Value] = field(default_factory=dict)
    initializers: dict[str, Value] = field(default_factory=dict)
    opaque: bool = False  # operators of unknown domains are carried along
    declared: dict[str, onnx.TypeProto] = field(default_factory=dict)  # types that the model states
    stand_ins: int = 0
    inlined: int = 0
    draws: int = 0

    def content(self, array: np.ndarray[Any, Any], name: str) -> Value:
        """The constant of a small array, the weight called `name` of a larger one. A body that is
        read twice gives the same name the same content."""
        if array.size <= SMALL:
            return constant(array)
        found = leaf("Weight", name, TensorType(from_numpy(array.dtype), array.shape))
        self.weights[name] = array
        return found

    def count_nodes(self, count: int) -> None:
        """Counts nodes that bodies and functions add. Raises SpecError G1209 past the limit."""
        self.inlined += count
        if self.inlined > LARGEST_INLINING:
            raise fail("G1209", f"functions and bodies expand to more than {LARGEST_INLINING:,} nodes")


@dataclass
class Captures:
    """The outer values that a body reads, in order, each with the argument that receives it."""

    first: int  # the index of the first capturing argument
    arguments: dict[Value, Value] = field(default_factory=dict)

    def take(self, outer: Value) -> Value:
        found = self.arguments.get(outer)
        if found is None:
            found = argument(self.first + len(self.arguments), outer.type, outer.known)
            self.arguments[outer] = found
        return found


@dataclass
class Scope:
    """The names of one graph. A body has a parent, whose values it captures; a function has the
    attributes of its call."""

    reading: Reading
    opsets: Opsets
    values: dict[str, Value | Poison] = field(default_factory=dict)
    parent: Scope | None = None
    captures: Captures | None = None
    path: str = ""
    attributes: Mapping[str, Attribute] | None = None
    calls: tuple[FunctionKey, ...] = ()

    repeated: bool = False  # inside a body: random draws can't become inputs here
    node: onnx.NodeProto | None = None  # the one being read
    absent: set[str] = field(default_factory=set)  # formal inputs that a call leaves out

    def lookup(self, name: str) -> Value | None:
        """The value called `name`, captured where it is an outer graph's; None for an input that a
        call leaves out. Raises Unknown, PassedOver."""
        found = self.values.get(name)
        if isinstance(found, Poison):
            raise PassedOver
        return found if found is not None else self._outer(name)

    def _outer(self, name: str) -> Value | None:
        if name in self.absent:
            return None
        if self.parent is None or self.captures is None:
            raise Unknown(name)
        outer = self.parent.lookup(name)
        if outer is None:
            return None
        inner = outer if outer.role == "Constant" else self.captures.take(outer)
        self.values[name] = inner
        return inner
