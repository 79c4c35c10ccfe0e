"""Scopes: what names mean in a file, and in one call of a block."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..diagnostics.span import Span
from ..spec.documents import Block, Document, NodeDefinition, SlotDeclaration
from ..spec.expressions import Expression
from ..types import Dimension, DType
from .meanings import Callable, FunctionValue, Meaning, NodeResult


@dataclass(eq=False)
class FileScope:
    """The compile-time names of one file as instantiated: visible in all its functions (R5).

    `slots` holds what is bound to each slot (None: unbound); a call of a function that has slots of
    its own sees a scope with these added. `slot_dims` holds dimensions that the
    graph's inputs and slots introduced.
    """

    document: Document
    sizes: dict[str, Dimension] = field(default_factory=dict)
    attributes: dict[str, Meaning] = field(default_factory=dict)
    functions: dict[str, Callable] = field(default_factory=dict)
    prefixes: dict[str, FileScope] = field(default_factory=dict)
    slot_declarations: tuple[SlotDeclaration, ...] = ()
    slots: dict[str, Callable | None] = field(default_factory=dict)
    slot_dims: dict[str, Dimension] = field(default_factory=dict)
    is_prelude: bool = False
    slot_path: str = ""  # where this instance's slots keep their parameters


@dataclass(eq=False)
class Run:
    """One run of a graph or function: the document's own, or one that a test asks for (R36, R38).

    `overrides` gives parameters, states and noise, by full path, an expression with the frame to
    evaluate it in. `tolerance` holds a test's rtol and atol; `root` is the run's first frame.
    """

    overrides: dict[str, tuple[Expression, Frame]] = field(default_factory=dict)
    tolerance: Mapping[str, float] | None = None
    root: Frame | None = None
    frames: list[Frame] = field(default_factory=list)
    subject: FunctionValue | None = None


@dataclass(eq=False)
class Frame:
    """One call of a block: its names and what they came to.

    `path` names what the call owns (`stack.3.att`; "" for the graph itself). `values` holds
    inputs, attributes, parameters, states and noise; `nodes` the nodes evaluated so far, with
    None while one is being evaluated (a cycle). `dtypes` binds `float` and `int` (R3).
    """

    block: Block
    file: FileScope
    path: str
    training: bool
    values: dict[str, Meaning] = field(default_factory=dict)
    dims: dict[str, Dimension] = field(default_factory=dict)
    dtypes: dict[str, DType] = field(default_factory=dict)
    nodes: dict[str, NodeResult | None] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    definitions: Mapping[str, NodeDefinition] = field(default_factory=dict)
    supplied: Mapping[str, Meaning] = field(default_factory=dict)
    updates: dict[str, Meaning] = field(default_factory=dict)
    child_counts: dict[str, int] = field(default_factory=dict)
    call_span: Span | None = None
    is_graph: bool = False
    run: Run = field(default_factory=Run)
    closed: bool = False  # the body of a loop: its inner values can't be read from outside
    noise_path: str | None = None  # where its noise is named, if not at `path` (slots: one a call)

    def join(self, name: str) -> str:
        """The path of something called `name` in this call."""
        return f"{self.path}.{name}" if self.path else name


@dataclass(eq=False)
class NodeContext:
    """The node of `frame` whose expression is being evaluated: names the calls in it (R17)."""

    frame: Frame
    label: str
    owner: Span | None = None
    counts: dict[str, int] = field(default_factory=dict)
    called: list[tuple[Frame, bool]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a generator expression goes: it gives shape and dtype to generators without one (R28),
    and `stream` names their draws."""

    dims: tuple[Dimension, ...] | None
    dtype: DType
    stream: str
