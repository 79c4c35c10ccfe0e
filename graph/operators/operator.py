"""The record of an operator, and what its rules see and say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from ..types.dimensions import Dimension
from ..types.types import Type
from .attributes import Attribute

Known = tuple[Dimension | None, ...]
"""The symbolic content of a small integer tensor, row-major; None where one element is unknown."""


class Operand(Protocol):
    """What rules read of an input: its type, its known content (None where unknown), and the
    array of a small constant (None for anything else)."""

    @property
    def type(self) -> Type: ...

    @property
    def known(self) -> Known | None: ...

    @property
    def constant(self) -> np.ndarray[Any, Any] | None: ...


@dataclass(frozen=True, slots=True)
class Formal:
    """A formal input or output. `variable` is the schema's type variable (`T`), `dtypes` the names
    of the tensor dtypes allowed (None: not a tensor, or anything)."""

    name: str
    variable: str = ""
    dtypes: frozenset[str] | None = None
    optional: bool = False
    variadic: bool = False
    homogeneous: bool = True


@dataclass(frozen=True, slots=True)
class AttributeSpec:
    """`kind` as in `attributes.KINDS`; `default` is None where the schema has none."""

    name: str
    kind: str
    required: bool = False
    default: Attribute | None = None
    doc: str = ""


class RuleError(Exception):
    """A type rule refuses its operands. `code` is a diagnostic code, `operands` the positions of
    the inputs at fault (the builder shows their types), `hint` what would be right, `unequal` two
    dimensions that an imported model may assume to be equal."""

    def __init__(
        self,
        code: str,
        message: str,
        operands: Sequence[int] = (),
        hint: str | None = None,
        *,
        unequal: tuple[Dimension, Dimension] | None = None,
    ) -> None:
        self.code, self.message, self.operands, self.hint = code, message, tuple(operands), hint
        self.unequal = unequal
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Call:
    """One application, as rules see it. `outputs` is the number of results asked for; it matters
    only to operators with variadic outputs whose number is given by nothing else."""

    operator: Operator
    inputs: tuple[Operand | None, ...]
    attributes: Mapping[str, Attribute]
    outputs: int | None = None

    def attribute(self, name: str, default: Any = None) -> Any:
        """The attribute's value, else the schema's default, else `default`."""
        return self.operator.attribute(self.attributes, name, default)

    def input(self, index: int) -> Operand | None:
        return self.inputs[index] if index < len(self.inputs) else None


TypeRule = Callable[[Call], Sequence[Type]]
KnownRule = Callable[[Call, Sequence[Type]], Sequence[Known | None]]


@dataclass(frozen=True, eq=False)
class Operator:
    """One declaration: signature, type rule, known-value rule, algebraic properties.

    `domain` is "" for the standard, "graphwright" for ours, "graphwright.leaf" for leaves.
    `traits` are from TRAITS. `infer` is None for an opaque operator. Compared by identity:
    the operator tables hold one object each.
    """

    domain: str
    name: str
    since: int
    inputs: tuple[Formal, ...]
    outputs: tuple[Formal, ...]
    attributes: Mapping[str, AttributeSpec] = field(default_factory=dict)
    infer: TypeRule | None = None
    known: KnownRule | None = None
    traits: frozenset[str] = frozenset()
    doc: str = ""

    def attribute(self, given: Mapping[str, Attribute], name: str, default: Any = None) -> Any:
        """The value of attribute `name` among `given`, else its declared default, else `default`."""
        found = given.get(name)
        if found is not None:
            return found.value
        spec = self.attributes.get(name)
        return spec.default.value if spec is not None and spec.default is not None else default

    @property
    def qualified_name(self) -> str:
        return f"{self.domain}.{self.name}" if self.domain else self.name

    def __repr__(self) -> str:
        return f"<operator {self.qualified_name}>"

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        if "foreign" in self.traits:
            from .foreign import foreign_operator

            return foreign_operator, (self.name, self.domain, self.since)
        from .table import operator

        return operator, (self.name, self.domain)


TRAITS = frozenset(
    {
        "elementwise",  # one result of the broadcast shape, each element from its operands' elements
        "commutative",
        "associative",
        "idempotent",  # f(f(x)) = f(x)
        "involution",  # f(f(x)) = x
        "layout",  # moves elements without changing them
        "reduction",
        "random",  # draws when run: never folded, merged or moved
        "control",  # holds bodies
        "leaf",
        "host",
        "foreign",  # of a domain that only some runtime knows: carried along, never looked into
    }
)
