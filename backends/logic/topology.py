"""The blocks of a grid, who hears from whom, and whose theorems go to everybody: read off the
Fixpoint node that runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ...graph.ir import Node, Value


@dataclass(frozen=True)
class BlockView:
    """A block: the premises that it assumes from the root on, its goals (name, statement), the blocks
    whose state is in its mail, and those whose state takes in what it proves."""

    scope: tuple[str, ...]
    goals: tuple[tuple[str, str], ...]
    hears: tuple[int, ...] = ()
    tells: tuple[int, ...] = ()

    @property
    def adds(self) -> str:
        """The premise that it adds to its parent's."""
        return self.scope[-1] if self.scope else ""


@dataclass(frozen=True)
class Topology:
    """`given` are the statements that the grid is given, by name; `cycles` the most a stage."""

    given: tuple[tuple[str, str], ...]
    blocks: tuple[BlockView, ...]
    cycles: int

    @property
    def parents(self) -> list[int]:
        """For each block the one above: the deepest that it hears from and whose scope begins its
        own (-1: none)."""
        found = []
        for place, block in enumerate(self.blocks):
            above = [
                h
                for h in block.hears
                if h != place and block.scope[: len(self.blocks[h].scope)] == self.blocks[h].scope
            ]
            found.append(max(above, key=lambda h: len(self.blocks[h].scope), default=-1))
        return found

    @property
    def broadcast(self) -> tuple[int, ...]:
        """The blocks that hear what is proved anywhere: their state takes it in."""
        return tuple(sorted({t for block in self.blocks for t in block.tells}))


def topology(fixpoint: Node) -> Topology:
    """The grid of a Fixpoint node."""
    body = fixpoint.attribute("body")
    nodes: list[Node] = []  # by the place of their state
    owner: dict[Value, int] = {}
    for place, (state, result) in enumerate(zip(body.inputs, body.outputs, strict=True)):
        nodes.append(next(v.node for v in _parts(result) if v.node.operator.name == "Block" and not v.index))
        owner[state] = place
    tells: dict[int, list[int]] = {i: [] for i in range(len(nodes))}
    for place, result in enumerate(body.outputs):
        for value in _parts(result):
            if value.node.operator.name == "Block" and value.index:
                tells[nodes.index(value.node)].append(place)
    blocks = []
    for place, node in enumerate(nodes):
        mail = node.inputs[1]
        assert mail is not None
        goals = zip(node.attribute("goals") or (), node.attribute("statements") or (), strict=True)
        hears = tuple(dict.fromkeys(owner[v] for v in _parts(mail) if v in owner))
        scope = tuple(node.attribute("scope") or ())
        blocks.append(BlockView(scope, tuple(goals), hears, tuple(tells[place])))
    return Topology(tuple(_given(fixpoint)), tuple(blocks), fixpoint.attribute("cycles"))


def _parts(value: Value) -> Iterator[Value]:
    """What a value is merged from."""
    if value.node.operator.name != "Merge":
        yield value
        return
    for operand in value.node.inputs:
        if operand is not None:
            yield from _parts(operand)


def _given(fixpoint: Node) -> Iterator[tuple[str, str]]:
    for operand in fixpoint.inputs:
        if operand is None:
            continue
        for part in _parts(operand):
            if part.node.operator.name == "Axiom":
                yield part.node.attribute("name"), part.node.attribute("statement")
