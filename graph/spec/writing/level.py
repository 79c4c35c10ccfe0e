"""One level, the graph or a function, as nodes: which values get a name, which are written inside
the one expression that reads them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ...diagnostics import SpecError
from ...ir import Node, Value
from ...operators import operator_names
from ...types.types import TensorType
from .. import expressions as ex
from ..documents import Declaration, NodeDefinition
from ..printing import print_expression
from .constants import is_inline, is_uniform, typed
from .dimensions import type_expression
from .identifiers import Names, is_generated, is_number, snake
from .operands import Operands, is_static, takes_sizes
from .operators import expression_of
from .outline import Call, Cell
from .shared import Path, Shared
from .syntax import call, integers, label, listed, member, name, number, subscript, text

WIDEST = 92
"""The most characters of an expression that holds others."""

WIDEST_INNER = 56
LARGEST_CONSTANT = 64

_GLUE = frozenset(
    "Reshape Transpose Unsqueeze Squeeze Slice Gather Cast Identity Neg Not Expand Flatten Concat Shape".split()
)
_SUBGRAPHS = frozenset(("If", "Loop", "Scan", "SequenceMap"))
_EXPORTED = frozenset(
    "view transpose permute add mul sub div unsqueeze squeeze select slice clone expand cat mm matmul bmm linear "
    "addmm gelu relu silu softmax embedding mean sym_size_int conv2d convolution batch_norm layer_norm pow rsub "
    "contiguous to alias getitem unflatten flatten where masked_fill split chunk sigmoid tanh hardtanh eq lt gt "
    "getitem le ge ne full zeros ones arange scalar_tensor neg cos sin t".split()
)


def says_little(found: str) -> bool:
    """Whether a name says no more than the operator that computes the value."""
    if not found or is_generated(found):
        return True
    stem = found.rstrip("0123456789").rstrip("_").lower()
    return stem in _EXPORTED or stem in _lower_operators()


def _lower_operators() -> frozenset[str]:
    return frozenset(n.lower() for n in operator_names())


@dataclass
class Level:
    """`refs` says how the level refers to values that it has not computed; `results` are values
    that must have a name of their own."""

    shared: Shared
    names: Names
    scope: str = ""
    is_graph: bool = True
    refs: dict[Value, ex.Expression] = field(default_factory=dict)
    used: set[Value] = field(default_factory=set)
    nodes: list[NodeDefinition] = field(default_factory=list)
    parameters: list[Declaration] = field(default_factory=list)
    paths: dict[Value, Path] = field(default_factory=dict)
    owned: list[tuple[Path, Value]] = field(default_factory=list)
    pending: dict[Value, ex.Expression] = field(default_factory=dict)
    uses: Counter[Value] = field(default_factory=Counter)
    wanted: dict[Value, str] = field(default_factory=dict)
    consumed: list[Value] = field(default_factory=list)

    # --- the walk -----------------------------------------------------------------------------

    def write(self, cells: Sequence[Cell], results: Iterable[tuple[str, Value]]) -> None:
        """Adds a node for every step that the results need. Each result is called as it says; its
        name must be reserved."""
        pairs = list(results)
        self.names.reserve(t.name for t in self.shared.texts.values())
        for wanted, value in pairs:
            self.wanted.setdefault(value, wanted)
        live = self._live(cells)
        for cell in cells:
            if cell in live:
                self._cell(cell)
        for wanted, value in pairs:
            if self.paths.get(value) != (wanted,):
                self._alias(wanted, value)

    def _live(self, cells: Sequence[Cell]) -> set[Cell]:
        live: set[Cell] = set()
        for cell in reversed(cells):
            if not any(v in self.wanted or self.uses[v] for v in cell.defines):
                continue
            live.add(cell)
            self.uses.update(self._reads(cell))
        return live

    def _reads(self, cell: Cell) -> list[Value]:
        """What the cell's expression will name."""
        node = cell.node
        if node is None:
            assert cell.call is not None
            first = cell.call.bindings[0]
            return [first.get(v, v) for v in self.shared.texts[cell.call.function].inputs]
        sizes = self.shared.sizes
        found = enumerate(node.inputs)
        return [
            v for i, v in found if v is not None and not takes_sizes(node, i, v, sizes) and not is_static(v)
        ]

    def _alias(self, wanted: str, value: Value) -> None:
        """A result that is another's value, an input or a constant."""
        self.put([wanted], self.refer(value))
        self.paths.setdefault(value, (wanted,))
        self._settle()

    def _settle(self) -> None:
        """Operands that were written inside the last expression are gone."""
        for value in self.consumed:
            self.pending.pop(value, None)
        self.consumed.clear()

    def _cell(self, cell: Cell) -> None:
        if cell.call is not None:
            self._call(cell.call)
            return
        node = cell.node
        assert node is not None
        try:
            if node.name in _SUBGRAPHS:
                from .loops import write_subgraph

                write_subgraph(self, node)
            else:
                self._node(node)
        except SpecError as error:
            raise self.shared.at(error, node.outputs[0]) from None

    # --- nodes --------------------------------------------------------------------------------

    def _node(self, node: Node) -> None:
        expression = self.fitted(lambda: expression_of(Operands(node, self.shared.sizes, self.refer)))
        value = node.outputs[0]
        single = not any(self._is_read(v) for v in node.outputs[1:])
        if single and self._stays_inside(value, node, expression):
            self.pending[value] = expression
            return
        self.define(node.outputs, expression)

    def fitted(self, make: object) -> ex.Expression:
        """The expression, the longest of the operands inside it given names until it is short enough."""
        assert callable(make)
        while True:
            self.consumed.clear()
            expression: ex.Expression = make()
            inside = [v for v in self.consumed if v in self.pending]
            if not inside or len(print_expression(expression)) <= WIDEST:
                self._settle()
                return expression
            longest = max(inside, key=lambda v: len(print_expression(self.pending[v])))
            self.consumed.clear()
            self.define((longest,), self.pending.pop(longest))

    def _is_read(self, value: Value) -> bool:
        return value in self.wanted or self.uses[value] > 0

    def _stays_inside(self, value: Value, node: Node, expression: ex.Expression) -> bool:
        if value in self.wanted or self.uses[value] != 1:
            return False
        formals = node.operator.outputs
        if not isinstance(value.type, TensorType) or formals[0].variadic:
            return False
        if len(formals) > 1 and sum(not f.optional for f in formals) != 1:
            return False
        if node.name not in _GLUE and not says_little(self.shared.hint(value)):
            return False
        return len(print_expression(expression)) <= WIDEST_INNER

    def define(self, values: Sequence[Value], expression: ex.Expression) -> str:
        """A node of these results; those that nothing reads are `_` or left out."""
        last = max((i for i, v in enumerate(values) if self._is_read(v)), default=0)
        least = sum(1 for f in values[0].node.operator.outputs if not f.optional and not f.variadic)
        variadic = any(f.variadic for f in values[0].node.operator.outputs)
        count = len(values) if variadic else max(last + 1, least if len(values) > 1 else 1)
        targets: list[str] = []
        for value in values[: min(count, len(values))]:
            if not self._is_read(value) and count > 1:
                targets.append("_")
                continue
            targets.append(self.name_of(value))
        if all(t == "_" for t in targets):
            targets[0] = self.name_of(values[0])
        self.put(targets, expression)
        formals = values[0].node.operator.outputs
        if len(targets) == 1 and len(formals) > 1 and all(f.optional for f in formals):
            self.paths[values[0]] = (targets[0], formals[0].name)
            self.refs[values[0]] = member(name(targets[0]), formals[0].name)
        return targets[0]

    def name_of(self, value: Value) -> str:
        """Gives a computed value its name in this level."""
        wanted = self.wanted.get(value)
        if wanted is None:
            hint = self.shared.hint(value, self.scope)
            wanted = self.names.take(snake(value.node.name) if is_number(hint) else hint)
        self.paths[value] = (wanted,)
        self.refs[value] = name(wanted)
        return wanted

    def put(self, targets: Sequence[str], expression: ex.Expression) -> None:
        self.nodes.append(NodeDefinition(tuple(map(label, targets)), None, expression))

    # --- references -----------------------------------------------------------------------------

    def refer(self, value: Value) -> ex.Expression:
        """How the level refers to a value: its name, or the expression that it is written as."""
        inside = self.pending.get(value)
        if inside is not None:
            self.consumed.append(value)
            return inside
        found = self.refs.get(value)
        if found is None:
            found = self._leaf(value)
        self.used.add(value)
        return found

    def _leaf(self, value: Value) -> ex.Expression:
        if value.constant is None and value.role != "Weight":
            raise AssertionError(f"{value!r} is read before it is written")
        array = self.shared.array(value)
        if is_inline(array) if value.constant is not None else is_uniform(array):
            return typed(array)
        reference = name(self._stored(value))
        self.refs[value] = reference
        return reference

    def _stored(self, value: Value) -> str:
        """A weight of this level: a parameter of the graph where it is floating point, else a
        constant; its content goes to the file."""
        array = self.shared.array(value)
        found = self.names.take(self.shared.hint(value, self.scope) or "constant")
        if self.is_graph and value.tensor.dtype.is_float:
            self.shared.stored[found] = array
            self.shared.keys.reserve((found,))
            self.parameters.append(self.declaration(found, value))
            return found
        key = self.shared.store(found, array)
        self.put([found], call("load", [text(self.shared.file), text(key)]))
        return found

    def declaration(self, found: str, value: Value) -> Declaration:
        """`found: type = load(file)`: the tensor of its own path in the file."""
        type_ = type_expression(value.type, self.shared.sizes, found)
        return Declaration(label(found), type_, call("load", [text(self.shared.file)]))

    # --- calls ------------------------------------------------------------------------------------

    def _call(self, found: Call) -> None:
        written = self.shared.texts[found.function]
        node_name = self._call_name(found, found.name or written.name)
        rounds = len(found.bindings)

        def make() -> ex.Expression:
            first = found.bindings[0]
            arguments = [
                (n, v, self.argument(first.get(v, v)))
                for n, v in zip(written.input_names, written.inputs, strict=True)
            ]
            if rounds == 1:
                return call(written.name, [a for _, _, a in arguments])
            carried = set(found.function.inputs[: found.carried])
            fixed = {n: a for n, v, a in arguments if v not in carried}
            function: ex.Expression = name(written.name)
            if fixed:
                function = call("partial", [function], fixed)
            starts = [a for _, v, a in arguments if v in carried]
            start = starts[0] if len(starts) == 1 else listed(starts)
            return call("repeat", [function, start], {"times": number(rounds)})

        self.put([node_name], self.fitted(make))
        self._note_call(found, node_name)

    def _call_name(self, found: Call, wish: str) -> str:
        """The node's name: the result's, where it is the only one and must be called so."""
        results = found.results
        if len(results) == 1 and results[0] in self.wanted and results[0] not in self.paths:
            return self.wanted[results[0]]
        return self.names.take(wish)

    def argument(self, value: Value) -> ex.Expression:
        """A value given to a call."""
        from .dimensions import dimension
        from .operands import known_sizes

        known = None if value.is_leaf else known_sizes(value, self.shared.sizes)
        if known is not None and value not in self.refs and value not in self.pending:
            parts = [dimension(k, self.shared.sizes) for k in known if k is not None]
            return call("array", [listed(parts)]) if value.tensor.rank else parts[0]
        return self.refer(value)

    def _note_call(self, found: Call, node_name: str) -> None:
        """Where the values of a call are found, and what it owns."""
        written = self.shared.texts[found.function]
        rounds = len(found.bindings)
        for i, binding in enumerate(found.bindings):
            base: Path = (node_name,) if rounds == 1 else (node_name, i)
            for template, path in written.paths.items():
                self._place(binding.get(template, template), (*base, *path))
            for path, template in written.owned:
                self.owned.append(((*base, *path), binding.get(template, template)))
        outputs = found.function.outputs
        for output, template in zip(written.outputs, outputs, strict=True):
            value = found.bindings[-1].get(template, template)
            self._place(value, (node_name,) if len(outputs) == 1 else (node_name, output), final=True)

    def _place(self, value: Value, path: Path, *, final: bool = False) -> None:
        if final or value not in self.paths:
            self.paths[value] = path
            self.refs[value] = path_expression(path)


def path_expression(path: Path) -> ex.Expression:
    first, *rest = path
    assert isinstance(first, str)
    found: ex.Expression = name(first)
    for step in rest:
        found = member(found, step) if isinstance(step, str) else subscript(found, [number(step)])
    return found


__all__ = ["Level", "integers", "path_expression", "says_little"]
