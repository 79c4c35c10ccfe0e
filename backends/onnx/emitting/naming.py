"""Names of the values and nodes of an emitted model: the program's, made unique."""

from __future__ import annotations

from ....graph.ir import Origin, Program, Value
from ....graph.ir.numbering import Numbered


class Names(Numbered):
    """Hands out each name once. Names of inputs and outputs are reserved before all others."""

    def __init__(self, program: Program) -> None:
        super().__init__()
        self.nodes: set[str] = set()
        self._preferred: dict[Value, str] = {}
        for name, value in program.names.items():
            self._preferred.setdefault(value, name)

    def prefer(self, value: Value, name: str) -> None:
        self._preferred[value] = name

    def of(self, value: Value) -> str:
        """A new name for a value: one of the program's where it has any, else its operator's."""
        return self.take(self._preferred.get(value) or value.node.operator.name.lower())

    def node(self, origin: Origin | None, output: str) -> str:
        """A node's name: the imported node's, else its first result's."""
        name = origin.path if origin is not None and not origin.spans and origin.path else output
        if name in self.nodes:
            name = output
        while name in self.nodes:
            name = f"{name}_"
        self.nodes.add(name)
        return name
