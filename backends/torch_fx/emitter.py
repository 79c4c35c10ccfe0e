"""Program -> torch.fx.GraphModule: one FX node for each IR node.

A node is a `call_function` of the operator's one lowering, named after its value, so that the
generated `code` reads like the spec. Parameters are `nn.Parameter`s, weights are buffers, both
under the program's dotted names; constants of up to 64 elements are buffers outside the state
dict. Values whose content is known (shapes) are Python integers where a lowering takes integers:
as tensors they would break export and fullgraph compilation. Bodies of If, Loop and Scan are
modules of their own.
"""

from __future__ import annotations

import keyword
import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import fx

from ...graph.ir import Graph, Node, Program, Value, bodies, topological
from ...graph.types.types import TensorType
from .arrays import to_torch
from .evaluator import constant_array, constant_numbers, find_lowering, is_single, result_types
from .lowerings import Lowering, keywords
from .lowerings.carriers import CARRIERS, Strings
from .lowerings.layout import sizes_tensor
from .module import EmittedModule, Signature, make_module
from .sizes import SizeWriter, Source, expressible, find_sources

_RESERVED = frozenset(dir(fx.GraphModule)) | frozenset(fx.GraphModule(torch.nn.Module(), fx.Graph()).__dict__)


def emit(program: Program) -> EmittedModule:
    """The module of a program: call it with inputs, states and noise in the program's order; it
    returns a dictionary of the outputs, then of the new states under the states' names.

    Parameters without weights hold NaN until they are loaded. Raises SpecError: G1101 for an
    operator without a lowering.
    """
    names = _value_names(program)
    arguments = {**program.inputs, **program.states, **program.noise}
    emitter = _Emitter(names, _Attributes(program))
    for name, value in arguments.items():
        emitter.placeholder(value, name)
    emitter.write(program.graph.outputs, tuple(arguments.values()))
    results = [emitter.tensor(v) for v in program.graph.outputs]
    keys = (*program.output_names, *program.updates)
    emitter.graph.output(dict(zip(keys, results, strict=True)))
    signature = Signature(
        tuple(arguments), keys, program.updates, dict(emitter.attributes.renamed), result_types(program.graph)
    )
    return make_module(emitter.graph, emitter.attributes.found, signature, "Emitted")


def emit_body(graph: Graph, weights: Mapping[str, Any]) -> EmittedModule:
    """The module of a closed body: arguments in order, results as a tuple."""
    emitter = _Emitter({}, _Attributes(None, weights))
    for position, value in enumerate(graph.inputs):
        emitter.placeholder(value, f"argument_{position}")
    emitter.write(graph.outputs, graph.inputs)
    emitter.graph.output(tuple(emitter.tensor(v) for v in graph.outputs))
    names = tuple(f"argument_{i}" for i in range(len(graph.inputs)))
    signature = Signature(names, results=result_types(graph))
    return make_module(emitter.graph, emitter.attributes.found, signature, "Body")


def _value_names(program: Program) -> dict[Value, str]:
    """One name a value: the first that the program has for it."""
    found: dict[Value, str] = {}
    for name, value in (*program.outputs.items(), *program.names.items()):
        found.setdefault(value, name)
    return found


@dataclass
class _Attributes:
    """What a module holds: dotted target -> (tensor or module, whether the state dict holds it)."""

    program: Program | None
    weights: Mapping[str, Any] = field(default_factory=dict)
    found: dict[str, tuple[Any, bool]] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)
    prefixes: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        if self.program is not None:
            self.weights = self.program.weights.arrays

    def add(self, name: str, value: Any, *, persistent: bool = True, rename: bool = True) -> str:
        """Puts `value` under `name`, or where a module can't hold that under a name near it."""
        target = self._free([_attribute_name(part) for part in name.split(".")])
        self.found[target] = (value, persistent)
        self.prefixes.update(_prefixes(target))
        if target != name and rename:
            self.renamed[target] = name
        return target

    def _free(self, parts: list[str]) -> str:
        """A dotted target that is no tensor's or module's yet, nor inside a tensor."""
        path = ""
        for place, part in enumerate(parts):
            last = place == len(parts) - 1
            while f"{path}{part}" in self.found or (last and f"{path}{part}" in self.prefixes):
                part += "_"
            path = f"{path}{part}" if last else f"{path}{part}."
        return path

    def leaf(self, value: Value, name: str) -> str:
        """The target of a parameter or weight."""
        array = self.weights.get(name)
        if value.role == "Parameter":
            return self.add(name, _parameter(value, array))
        if array is None:
            return self.add(name, _missing(value))
        return self.add(name, to_torch(array), persistent=self.program is not None)


def _prefixes(target: str) -> list[str]:
    parts = target.split(".")
    return [".".join(parts[:i]) for i in range(1, len(parts))]


def _attribute_name(part: str) -> str:
    """The part as a module's attribute can be called."""
    part = part.replace("/", "_").replace(":", "_") or "_"
    return f"{part}_" if part in _RESERVED or keyword.iskeyword(part) else part


def _parameter(value: Value, array: Any) -> torch.nn.Parameter:
    tensor = _missing(value) if array is None else to_torch(array).clone()
    trains = tensor.is_floating_point() and tensor.dtype.itemsize > 1
    return torch.nn.Parameter(tensor, requires_grad=trains)


def _missing(value: Value) -> torch.Tensor:
    """NaN (zero for integers) in the value's shape, with 1 for sizes that are symbolic."""
    shape = [d if isinstance(d, int) else 1 for d in value.tensor.shape]
    carrier = CARRIERS[value.tensor.dtype.name]
    if carrier.is_floating_point:
        return torch.full(shape, float("nan"), dtype=torch.float32).to(carrier)
    return torch.zeros(shape, dtype=carrier)


@dataclass
class _Emitter:
    names: Mapping[Value, str]
    attributes: _Attributes
    graph: fx.Graph = field(default_factory=fx.Graph)
    nodes: dict[Value, Any] = field(default_factory=dict)
    sources: dict[str, Source] = field(default_factory=dict)
    positions: dict[Node, int] = field(default_factory=dict)

    def placeholder(self, value: Value, name: str) -> None:
        self.nodes[value] = self.graph.create_node("placeholder", _identifier(name), (), {}, name)

    def write(self, outputs: Sequence[Value], inputs: Iterable[Value]) -> None:
        """Emits every node that the outputs need, operands first."""
        order = topological(outputs)
        self.positions = {node: i for i, node in enumerate(order)}
        self.sources = find_sources(inputs, order)
        self.sizes = SizeWriter(self.graph, self.sources, self.tensor)
        needed, results = self._needed(order, outputs)
        for node in order:
            if node in needed and not any(v in self.nodes for v in node.outputs):
                self._write_node(node, results[node])

    # what must exist as a tensor

    def _needed(self, order: Sequence[Node], outputs: Sequence[Value]) -> tuple[set[Node], dict[Node, int]]:
        """The nodes to emit, and of each the number of leading results that are read."""
        needed: set[Node] = set()
        results: dict[Node, int] = {}

        def require(value: Value) -> None:
            needed.add(value.node)
            results[value.node] = max(results.get(value.node, 1), value.index + 1)

        for value in outputs:
            require(value)
        for node in reversed(order):
            if node not in needed:
                continue
            if self._is_content(node):
                self._require_sizes(node.outputs[0], require)
                continue
            if node.outputs and (node.outputs[0].is_leaf or constant_array(node) is not None):
                continue
            lowering = find_lowering(node)
            for position, operand in enumerate(node.inputs):
                if operand is None or (
                    position in lowering.numbers and constant_numbers(operand) is not None
                ):
                    continue
                if position in lowering.numbers and self._is_known(operand, node):
                    self._require_sizes(operand, require)
                else:
                    require(operand)
        return needed, results

    def _is_known(self, value: Value, user: Node) -> bool:
        return expressible(value.known, self.sources, self.positions[user])

    def _is_content(self, node: Node) -> bool:
        """Whether a computed node is written as the integers that it holds."""
        return (
            len(node.outputs) == 1
            and not node.outputs[0].is_leaf
            and isinstance(node.outputs[0].type, TensorType)
            and self._is_known(node.outputs[0], node)
        )

    def _require_sizes(self, value: Value, require: Any) -> None:
        for element in value.known or ():
            if element is not None and not isinstance(element, int):
                for name in element.symbols:
                    require(self.sources[name].value)

    # writing

    def tensor(self, value: Value) -> fx.Node:
        """The node of a value."""
        if value not in self.nodes:
            self._write_node(value.node, value.index + 1)
        found: fx.Node = self.nodes[value]
        return found

    def _integers(self, value: Value) -> Any:
        """The known content, as a list, or bare for a scalar."""
        written = [self.sizes.write(d) for d in value.known or () if d is not None]
        return written[0] if value.tensor.dims == () else written

    def _write_node(self, node: Node, results: int) -> None:
        array = constant_array(node)
        if array is not None:
            self._write_constant(node.outputs[0], to_torch(array))
        elif node.outputs and node.outputs[0].is_leaf:
            self._write_leaf(node.outputs[0])
        elif self._is_content(node):
            self._write_content(node.outputs[0])
        else:
            self._write_call(node, results)

    def _write_constant(self, value: Value, tensor: Any) -> None:
        name = self.names.get(value) or _constant_name(tensor)
        target = self.attributes.add(name, tensor, persistent=False, rename=False)
        self.nodes[value] = self.graph.create_node("get_attr", target, (), {}, name)

    def _write_leaf(self, value: Value) -> None:
        name = value.node.attribute("name")
        target = self.attributes.leaf(value, name)
        self.nodes[value] = self.graph.create_node("get_attr", target, (), {}, name)

    def _write_content(self, value: Value) -> None:
        sizes = self._integers(value)
        listed = sizes if isinstance(sizes, list) else [sizes]
        named: dict[str, Any] = {}
        if value.tensor.dtype.name != "int64":
            named["dtype"] = value.tensor.dtype.name
        if value.tensor.rank != 1:
            named["dims"] = [d for d in value.tensor.shape if isinstance(d, int)]
        self.nodes[value] = self.graph.create_node(
            "call_function", sizes_tensor, (listed,), named, self.names.get(value)
        )

    def _write_call(self, node: Node, results: int) -> None:
        lowering = find_lowering(node)
        operands = tuple(self._operand(lowering, node, i, v) for i, v in enumerate(node.inputs))
        named = keywords(node, lowering)
        for name, graph in bodies(node):
            named[name] = self._body(node, name, graph)
        if lowering.counted and results > 1:
            named["results"] = results
        first = node.outputs[0]
        if is_single(node, lowering, results):
            self.nodes[first] = self._call(lowering, operands, named, self.names.get(first))
            return
        call = self._call(lowering, operands, named, None)
        for value in node.outputs[: results if lowering.counted else None]:
            name = self.names.get(value, f"{call.name}_{value.index}")
            self.nodes[value] = self.graph.create_node(
                "call_function", operator.getitem, (call, value.index), {}, name
            )

    def _call(self, lowering: Lowering, operands: Any, named: Any, name: str | None) -> fx.Node:
        return self.graph.create_node("call_function", lowering.function, operands, named, name)

    def _operand(self, lowering: Lowering, node: Node, position: int, value: Value | None) -> Any:
        if value is None:
            return None
        if position in lowering.numbers:
            numbers = constant_numbers(value)
            if numbers is not None:
                return numbers
            if self._is_known(value, node):
                return self._integers(value)
        return self.tensor(value)

    def _body(self, node: Node, name: str, graph: Graph) -> fx.Node:
        owner = next((self.names[v] for v in node.outputs if v in self.names), node.name.lower())
        module = emit_body(graph, self.attributes.weights)
        target = self.attributes.add(f"{owner.replace('.', '_')}_{name}", module, rename=False)
        return self.graph.create_node("get_attr", target, (), {}, target)


def _identifier(name: str) -> str:
    """A placeholder's target, which is an argument's name."""
    text = "".join(c if c.isalnum() or c == "_" else "_" for c in name)
    text = f"_{text}" if not text or text[0].isdigit() else text
    return f"{text}_" if keyword.iskeyword(text) or text in ("self", "None") else text


def _constant_name(tensor: Any) -> str:
    if isinstance(tensor, Strings) or tensor.numel() != 1 or tensor.dtype is torch.bool:
        return "constant"
    number = tensor.reshape(()).to(torch.float64).item()
    text = f"{number:.6g}".replace("-", "minus_").replace(".", "_").replace("+", "")
    return f"c_{text}"
