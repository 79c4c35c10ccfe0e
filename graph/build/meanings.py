"""What an expression can mean while a document is built.

Plain Python objects stand for compile-time things: None, bool, int, float, str, DType, `Dim` (a
symbolic integer) and NumPy arrays (int64, float64, bool). They are *weak* (R7): they take the
dtype of the typed tensor they meet. The records below are the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from ..diagnostics.span import Span
from ..ir import Value
from ..spec.documents import Block, SlotDeclaration
from ..types import BOOL, FLOAT64, INT64, Dim, DType, SequenceType, TensorType

if TYPE_CHECKING:
    from .scope import FileScope, Frame

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Tensor:
    """A value of the graph. A weak one (dtype int64, float64 or bool) is computed when the
    program runs, from symbolic sizes or draws, and still takes the dtype it meets."""

    value: Value
    weak: bool = False

    @property
    def type(self) -> TensorType:
        return self.value.tensor

    @property
    def dtype(self) -> DType:
        return self.value.tensor.dtype


@dataclass(frozen=True, slots=True)
class Items:
    """A list (R12)."""

    items: tuple[Meaning, ...]


@dataclass(frozen=True, slots=True)
class OperatorValue:
    """An operator of the standard, by name."""

    name: str


@dataclass(frozen=True, slots=True)
class PreludeValue:
    """A function of the prelude (R25), by name."""

    name: str


@dataclass(frozen=True, slots=True)
class FunctionValue:
    """A function or graph written in YAML, with the file whose names its body sees."""

    block: Block
    file: FileScope

    @property
    def name(self) -> str:
        return self.block.name.text


@dataclass(frozen=True, slots=True)
class SlotValue:
    """A slot of a file: one instance, however often it is called (R23)."""

    declaration: SlotDeclaration
    file: FileScope

    @property
    def name(self) -> str:
        return self.declaration.name.text


@dataclass(frozen=True, slots=True)
class PartialValue:
    """`partial(function, key=value, …)` (R19)."""

    function: Callable
    arguments: tuple[Meaning, ...]
    keywords: Mapping[str, Meaning]
    span: Span


Callable = OperatorValue | PreludeValue | FunctionValue | SlotValue | PartialValue


@dataclass(frozen=True, slots=True)
class Results:
    """Several results of one call, by name (R16), and the frame of the callee where there is one."""

    names: tuple[str, ...]
    values: tuple[Meaning, ...]
    frame: Frame | None = None

    def get(self, name: str) -> Meaning:
        return self.values[self.names.index(name)]


@dataclass(frozen=True, slots=True)
class Repeated:
    """What `repeat` made: its results, and the frame of each round (`h[0].att`)."""

    result: Meaning
    rounds: tuple[Frame | None, ...]


Meaning = (
    None
    | bool
    | int
    | float
    | str
    | DType
    | Dim
    | Array
    | Tensor
    | Items
    | OperatorValue
    | PreludeValue
    | FunctionValue
    | SlotValue
    | PartialValue
    | Results
    | Repeated
    | SequenceType
)


@dataclass(slots=True)
class NodeResult:
    """What a node of a block came to: its meaning, and the frame that `node.name` looks into."""

    meaning: Meaning
    frame: Frame | None = None
    rounds: tuple[Frame | None, ...] = field(default_factory=tuple)


def is_number(meaning: Meaning) -> bool:
    """Whether it is a compile-time number, symbolic sizes included."""
    return isinstance(meaning, bool | int | float | Dim)


def is_static(meaning: Meaning) -> TypeGuard[bool | int | float | Array]:
    """Whether it is a number or an array that is known while compiling."""
    return isinstance(meaning, bool | int | float | np.ndarray)


def is_weak(meaning: Meaning) -> bool:
    """Whether it takes the dtype that it meets."""
    return (
        is_number(meaning)
        or isinstance(meaning, np.ndarray)
        or (isinstance(meaning, Tensor) and meaning.weak)
    )


def is_tensor_like(meaning: Meaning) -> bool:
    """Whether it can be an operand of arithmetic on tensors."""
    return is_number(meaning) or isinstance(meaning, np.ndarray | Tensor)


def weak_dtype(meaning: Meaning) -> DType:
    """The dtype that a weak meaning has with nothing typed to meet: int64, float64 or bool."""
    if isinstance(meaning, bool):
        return BOOL
    if isinstance(meaning, int | Dim):
        return INT64
    if isinstance(meaning, float):
        return FLOAT64
    if isinstance(meaning, np.ndarray):
        return {"b": BOOL, "i": INT64, "u": INT64}.get(meaning.dtype.kind, FLOAT64)
    assert isinstance(meaning, Tensor)
    return meaning.dtype


def kind_name(meaning: Meaning) -> str:
    """What a message calls it."""
    if meaning is None:
        return "None"
    if isinstance(meaning, Tensor):
        return f"a tensor {meaning.type}"
    if isinstance(meaning, np.ndarray):
        return f"a constant of shape [{', '.join(map(str, meaning.shape))}]"
    table: tuple[tuple[Any, str], ...] = (
        (bool, "a boolean"),
        ((int, float, Dim), f"the number {meaning}"),
        (str, f'the text "{meaning}"'),
        (DType, f"the dtype {meaning}"),
        (Items, "a list"),
        (Results, "a call with several results"),
        (Repeated, "a repeat"),
    )
    return next((text for kind, text in table if isinstance(meaning, kind)), "a function")
