"""The emitted module: a GraphModule whose code reads like the spec, and that pickles whole."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx
from torch.fx.graph import CodeGen, PythonCode

_SIGNATURE = "graphwright"


@dataclass(frozen=True)
class Signature:
    """What an emitted module takes and gives. `inputs`: the names of its positional arguments
    (inputs, states, noise). `outputs`: the keys of the dictionary it returns (outputs, then new
    states under the states' names); empty for a body, which returns a tuple. `tensors`: state-dict
    name -> the program's name, where they differ. `results`: each result's dtype and sizes."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...] = ()
    updates: tuple[str, ...] = ()
    tensors: Mapping[str, str] | None = None
    results: tuple[tuple[str, tuple[int | None, ...]], ...] = ()


class SpecCode(CodeGen):
    """Writes a call of a module-level function by its bare name: `relu(x)`."""

    def _gen_python_code(self, nodes: Any, root_module: str, namespace: Any, **options: Any) -> PythonCode:
        for node in nodes:
            if node.op == "placeholder":
                namespace.create_name(node.name, node)
        for node in nodes:
            if node.op == "call_function" and _is_ours(node.target):
                namespace.create_name(node.target.__name__, node.target)
        return super()._gen_python_code(nodes, root_module, namespace, **options)


def _is_ours(target: Callable[..., Any]) -> bool:
    return ".torch_fx." in getattr(target, "__module__", "")


class EmittedModule(fx.GraphModule):
    """A GraphModule made from a program. Its `signature` names arguments and results."""

    @property
    def signature(self) -> Signature:
        found: Signature = self.meta[_SIGNATURE]
        return found

    @property
    def results(self) -> tuple[tuple[str, tuple[int | None, ...]], ...]:
        """What control flow reads of a body."""
        return self.signature.results

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles the graph itself: torch's own way traces the code again, through our functions."""
        return _unpickle, (_record(self.graph), dict(self._targets()), self.signature, self.training)

    def __deepcopy__(self, memo: dict[int, Any]) -> EmittedModule:
        """torch's own copy would put constants into the state dict."""
        attributes = copy.deepcopy(dict(self._targets()), memo)
        return _unpickle(_record(self.graph), attributes, self.signature, self.training)

    def _targets(self) -> list[tuple[str, tuple[Any, bool]]]:
        """Every attribute that the graph reads, and whether the state dict holds it."""
        held = set(self.state_dict(keep_vars=True))
        names = dict.fromkeys(str(n.target) for n in self.graph.nodes if n.op == "get_attr")
        return [(name, (fetch(self, name), name in held)) for name in names]


def fetch(module: torch.nn.Module, target: str) -> Any:
    """The attribute at a dotted path."""
    found: Any = module
    for part in target.split("."):
        found = getattr(found, part)
    return found


def make_module(
    graph: fx.Graph,
    attributes: Mapping[str, tuple[Any, bool]],
    signature: Signature,
    class_name: str = "Emitted",
) -> EmittedModule:
    """The module of a graph. `attributes`: dotted target -> (tensor, module or object, whether
    the state dict holds it)."""
    graph.set_codegen(SpecCode())
    root = torch.nn.Module()
    for target, (value, persistent) in attributes.items():
        _place(root, target, value, persistent)
    module = EmittedModule(root, graph, class_name)
    for target, (value, persistent) in attributes.items():
        if isinstance(value, torch.Tensor) and not isinstance(value, torch.nn.Parameter):
            _place(module, target, value, persistent)
    module.meta[_SIGNATURE] = signature
    return module


def _place(root: torch.nn.Module, target: str, value: Any, persistent: bool) -> None:
    *path, last = target.split(".")
    for part in path:
        if part not in root._modules:
            root.add_module(part, torch.nn.Module())
        child = root._modules[part]
        assert child is not None
        root = child
    if isinstance(value, torch.nn.Parameter):
        root.register_parameter(last, value)
    elif isinstance(value, torch.nn.Module):
        root.add_module(last, value)
    elif isinstance(value, torch.Tensor):
        if last in root._buffers or hasattr(root, last):
            delattr(root, last)
        root.register_buffer(last, value, persistent=persistent)
    else:
        setattr(root, last, value)


# --- pickling -----------------------------------------------------------------------------------

_Row = tuple[str, str, Any, Any, Any]


@dataclass(frozen=True)
class _Reference:
    """A node, by name."""

    name: str


def _record(graph: fx.Graph) -> list[_Row]:
    """The graph as rows of (operation, name, target, arguments, keywords)."""
    rows = []
    for node in graph.nodes:
        rows.append((node.op, node.name, node.target, _plain(node.args), _plain(node.kwargs)))
    return rows


def _plain(value: Any) -> Any:
    """Arguments with nodes by name, and FX's immutable containers as Python's own."""
    if isinstance(value, fx.Node):
        return _Reference(value.name)
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    return tuple(_plain(v) for v in value) if isinstance(value, tuple) else value


def _restore(rows: list[_Row]) -> fx.Graph:
    graph = fx.Graph()
    nodes: dict[str, fx.Node] = {}

    def found(value: Any) -> Any:
        if isinstance(value, _Reference):
            return nodes[value.name]
        if isinstance(value, dict):
            return {k: found(v) for k, v in value.items()}
        if isinstance(value, list):
            return [found(v) for v in value]
        return tuple(found(v) for v in value) if isinstance(value, tuple) else value

    for operation, name, target, arguments, named in rows:
        nodes[name] = graph.create_node(operation, target, found(arguments), found(named), name)
    return graph


def _unpickle(
    rows: list[_Row], attributes: Mapping[str, tuple[Any, bool]], signature: Signature, training: bool
) -> EmittedModule:
    return make_module(_restore(rows), attributes, signature).train(training)
