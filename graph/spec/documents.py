"""The records of a parsed document: what a file says, with spans, before it is given meaning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..diagnostics.span import Source, Span
from .expressions import DomainExpression, Expression, SlotSignature, TypeExpression


@dataclass(frozen=True, slots=True)
class Label:
    """A name as written, with its place."""

    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class Declaration:
    """`name: type in domain = default` (R2) under inputs, parameters, state or noise.

    `type` is None only for the untyped inputs of a one-line function (R24).
    `optional` is true for `= None` (R11); then `default` is None.
    """

    name: Label
    type: TypeExpression | None
    default: Expression | None = None
    domain: DomainExpression | None = None
    optional: bool = False


@dataclass(frozen=True, slots=True)
class AttributeDeclaration:
    """`name: default`, `name: type = default` or `name: type` (required) under attributes.

    `kind` is one of int float bool str dtype list any; "any" where only a default was given
    whose kind says nothing (None).
    """

    name: Label
    kind: str
    default: Expression | None


@dataclass(frozen=True, slots=True)
class SlotDeclaration:
    name: Label
    signature: SlotSignature


@dataclass(frozen=True, slots=True)
class NodeDefinition:
    """`a, b: expression` or `a: type = expression`. A target `_` skips a result."""

    targets: tuple[Label, ...]
    type: TypeExpression | None
    expression: Expression

    @property
    def owner(self) -> Label:
        """The target that names the call's parameters (R17): the first that is not `_`."""
        return next((t for t in self.targets if t.text != "_"), self.targets[0])


@dataclass(frozen=True, slots=True)
class Update:
    state: Label  # a dotted path is allowed in `after_step`
    expression: Expression


@dataclass(frozen=True, slots=True)
class OutputDeclaration:
    """A name under outputs, with the asserted type of the mapping form."""

    name: Label
    type: TypeExpression | None = None


@dataclass(frozen=True, slots=True)
class Requirement:
    expression: Expression


@dataclass(frozen=True, slots=True)
class SizeDeclaration:
    """`name: expression` or `name: low..high` (a symbolic size; `high` may be absent: `1..`)."""

    name: Label
    value: Expression | None
    low: Expression | None = None
    high: Expression | None = None


@dataclass(frozen=True, slots=True)
class Binding:
    """`name: expression` in a mapping (test inputs, slots, `bind`, `let`, metrics)."""

    name: Label
    expression: Expression


@dataclass(frozen=True, slots=True)
class TestCase:
    """One entry of `tests:` (R36)."""

    span: Span
    name: str
    sizes: tuple[Binding, ...] = ()
    inputs: tuple[Binding, ...] = ()
    attributes: tuple[Binding, ...] = ()
    parameters: tuple[Binding, ...] = ()
    state: tuple[Binding, ...] = ()
    noise: tuple[Binding, ...] = ()
    slots: tuple[Binding, ...] = ()
    let: tuple[Binding, ...] = ()
    training: bool = False
    seed: int = 0
    tolerance: Mapping[str, float] = field(default_factory=dict)  # keys: rtol, atol
    backends: tuple[str, ...] = ()  # empty: every backend that can
    expect: tuple[Expression, ...] = ()
    expect_error: str | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """A graph or a function: the same keys (R1)."""

    name: Label
    doc: str = ""
    inputs: tuple[Declaration, ...] = ()
    attributes: tuple[AttributeDeclaration, ...] = ()
    slots: tuple[SlotDeclaration, ...] = ()
    parameters: tuple[Declaration, ...] = ()
    state: tuple[Declaration, ...] = ()
    noise: tuple[Declaration, ...] = ()
    require: tuple[Requirement, ...] = ()
    nodes: tuple[NodeDefinition, ...] = ()
    updates: tuple[Update, ...] = ()
    outputs: tuple[OutputDeclaration, ...] = ()
    tests: tuple[TestCase, ...] = ()
    one_line: bool = False  # `name(inputs, attribute=default): expression` (R24)


@dataclass(frozen=True, slots=True)
class Use:
    """An entry of `use:`; `prefix` is None in the list form."""

    path: Label
    prefix: Label | None = None


@dataclass(frozen=True, slots=True)
class OptimizerStep:
    """A loss and what it moves (R39). `groups` pairs parameter prefixes with an optimiser call."""

    loss: Label
    optimizer: Expression | None = None
    groups: tuple[tuple[tuple[Label, ...], Expression], ...] = ()
    parameters: tuple[Label, ...] = ()


@dataclass(frozen=True, slots=True)
class DataDeclaration:
    """`data:` (R40): a built-in name or a file with an optional slice, a hold-out share, columns."""

    span: Span
    source: Label
    validation: float = 0.0
    bind: tuple[Binding, ...] = ()


@dataclass(frozen=True, slots=True)
class Training:
    """`training:` (R39). `steps` of the alternation in order; one step where `loss:` was given."""

    span: Span
    alternate: tuple[OptimizerStep, ...]
    data: DataDeclaration | None = None
    epochs: int | None = None
    steps: int | None = None
    batch: int | None = None
    clip_norm: float | None = None
    seed: int = 0
    freeze: tuple[Label, ...] = ()
    after_step: tuple[Update, ...] = ()
    metrics: tuple[Binding, ...] = ()
    quantize: Mapping[str, object] | None = None
    quantize_span: Span | None = None


@dataclass(frozen=True, slots=True)
class CertificateSection:
    """One entry of `certificates:`: the error of the program over its domain is at most `bound`, in real
    arithmetic or as executed. `worst` is an input with the largest error found."""

    span: Span
    kind: str
    arithmetic: str
    bound: float
    method: str
    worst: float | None
    inputs: int | None
    tools: tuple[tuple[str, str], ...]
    digest: Label


@dataclass(frozen=True, slots=True)
class ApproximationSection:
    """`program:` of a graph that stands for a function of one variable."""

    span: Span
    function: Label
    domain: tuple[float, float]
    domain_span: Span
    error: str
    reduction: str = ""
    special: tuple[tuple[str, str], ...] = ()
    certificates: tuple[CertificateSection, ...] = ()
    cost: tuple[tuple[str, int], ...] = ()
    provenance: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class PassStep:
    """One entry of a recipe's `passes:` (R42). Option values are plain data with their spans."""

    name: Label
    options: Mapping[str, object] = field(default_factory=dict)
    option_spans: Mapping[str, Span] = field(default_factory=dict)
    data: Label | None = None
    budget: tuple[Expression, ...] = ()


@dataclass(frozen=True, slots=True)
class Recipe:
    passes: tuple[PassStep, ...]
    data: tuple[Binding, ...] = ()  # name: source expression such as digits.train[:256]
    metrics: tuple[Binding, ...] = ()
    budget: tuple[Expression, ...] = ()
    verify: str = "each"


@dataclass(frozen=True, slots=True)
class Document:
    """One file. `kind` is graph, library, recipe, logic or search.

    `body` is the graph's block (kind graph), `functions` the local or library functions.
    `root` is the parsed YAML node tree, for the kinds whose parsers live elsewhere.
    """

    source: Source
    kind: str
    name: Label
    doc: str = ""
    provenance: Mapping[str, str] = field(default_factory=dict)  # `source:` title, arxiv, …
    use: tuple[Use, ...] = ()
    sizes: tuple[SizeDeclaration, ...] = ()
    body: Block | None = None
    functions: tuple[Block, ...] = ()
    training: Training | None = None
    recipe: Recipe | None = None
    program: ApproximationSection | None = None
    root: object = None
