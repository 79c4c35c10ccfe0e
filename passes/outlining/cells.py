"""A level of cells made ready for comparison: who makes a value, what each step looks like."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from ...graph.ir import Program, Value
from ...graph.spec.writing.constants import is_inline, is_uniform
from ...graph.spec.writing.operands import is_static, takes_sizes
from ...graph.spec.writing.outline import Cell


def uniform_weights(program: Program) -> dict[Value, Hashable]:
    """The weights whose elements are all the same, with their type and element: a spec writes them
    out, as `zeros(128)`, and two of the same content are as good as one."""
    found: dict[Value, Hashable] = {}
    for value in (v for n in program.graph.nodes for v in n.outputs if v.role == "Weight"):
        array = program.weights.arrays.get(value.node.attribute("name"))
        if array is not None and is_uniform(array):
            found[value] = (value.type, array.reshape(-1)[0].tobytes())
    return found


def operands(cell: Cell, sizes: Mapping[str, str]) -> tuple[Value | None, ...]:
    """What a cell reads, by position; None for an absent operand and for one that a spec writes as
    sizes, so that shape arithmetic is no part of any block."""
    if cell.node is None:
        return cell.reads
    node = cell.node
    return tuple(
        None if v is None or takes_sizes(node, i, v, sizes) else v for i, v in enumerate(node.inputs)
    )


@dataclass(frozen=True, eq=False)
class Level:
    """Cells in topological order that the results need, with what they read and make."""

    cells: Sequence[Cell]
    reads: Sequence[tuple[Value | None, ...]]
    made: Mapping[Value, tuple[int, int]]  # value -> (cell, which of its values)
    labels: Sequence[int]
    written: Mapping[Value, Hashable]  # weights that are written out like small constants, by content
    modules: Sequence[str] = ()  # the exporter's module of each cell, "" where it is not known

    def is_hole(self, value: Value) -> bool:
        """Whether it is stored content that may differ from block to block: a weight, or a constant
        of floating-point numbers that is not written out."""
        return _is_hole(value, self.written)

    def is_written(self, value: Value) -> bool:
        """Whether it is written out where it is used: it must be the same in every block."""
        return is_static(value) or value in self.written

    def is_same(self, x: Value, y: Value) -> bool:
        """Whether two values that are written out are written alike."""
        return x is y or (x in self.written and self.written[x] == self.written.get(y))

    @cached_property
    def ancestors(self) -> Sequence[int]:
        """For each cell, itself and all that it needs, as a set of bits."""
        found: list[int] = []
        for i, reads in enumerate(self.reads):
            bits = 1 << i
            for value in reads:
                maker = self.made.get(value) if value is not None else None
                if maker is not None:
                    bits |= found[maker[0]]
            found.append(bits)
        return found


def _is_hole(value: Value, written: Mapping[Value, Hashable]) -> bool:
    if value.role == "Weight":
        return value not in written
    array = value.constant
    return array is not None and not is_inline(array)


def level_of(
    cells: Sequence[Cell],
    results: Iterable[Value],
    sizes: Mapping[str, str],
    written: Mapping[Value, Hashable],
) -> Level:
    """The level of the cells that `results` need; the others are left out."""
    wanted = set(results)
    kept: list[tuple[Cell, tuple[Value | None, ...]]] = []
    for cell in reversed(cells):
        if wanted.isdisjoint(cell.defines):
            continue
        reads = operands(cell, sizes)
        wanted.update(v for v in reads if v is not None)
        kept.append((cell, reads))
    kept.reverse()
    made: dict[Value, tuple[int, int]] = {}
    for i, (cell, _) in enumerate(kept):
        for k, value in enumerate(cell.defines):
            made[value] = (i, k)
    known: dict[Hashable, int] = {}
    labels = [known.setdefault(_label(cell, reads, written), len(known)) for cell, reads in kept]
    return Level([c for c, _ in kept], [r for _, r in kept], made, labels, written)


def _label(
    cell: Cell,
    reads: Sequence[Value | None],
    written: Mapping[Value, Hashable],
) -> Hashable:
    """What two cells must share to stand in each other's place, whatever they read."""
    kinds = tuple(_kind(v, written) for v in reads)
    if cell.call is not None:
        return ("call", id(cell.call.function), len(cell.call.bindings), kinds)
    node = cell.node
    assert node is not None
    attributes = tuple((name, node.attributes[name].key) for name in sorted(node.attributes))
    types = tuple((v.type, v.known) for v in node.outputs)
    sizes = tuple(
        v.known if v is not None and r is None else None for v, r in zip(node.inputs, reads, strict=True)
    )
    return (node.operator, attributes, types, kinds, sizes)


def _kind(value: Value | None, written: Mapping[Value, Hashable]) -> Hashable:
    if value is None:
        return None
    if is_static(value) or value in written:
        return ("constant", written.get(value, value))
    if _is_hole(value, written):
        return ("hole", value.type)
    return ("value", value.type)
