"""Program -> ModelProto, of nodes that the target takes as they are."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import numpy as np
import onnx
from onnx import helper

from ....graph.diagnostics import Span, fail
from ....graph.ir import Graph, Node, Origin, Program, Value, topological
from ....graph.operators.foreign import RESULT, is_foreign
from ....graph.operators.schema import schema
from ..importing.model import ROLES_KEY, SIZES_KEY, UPDATES_KEY
from ..importing.provenance import SPEC_KEY
from .layout import ExternalLayout
from .naming import Names
from .protos import stored_bytes, write_attribute, write_tensor, write_value_info
from .target import OWN_ATTRIBUTES, Target

Scope = dict[Value, str]
LARGEST_PROTO = 2**31 - 2**24
"""Bytes of weights that fit into one protobuf message, with room for the nodes."""
_WRITTEN_DEFAULTS = {"MeanVarianceNormalization": ("axes",)}
"""Defaults that the standard's own function bodies miss when they are left out."""
_OPTIONAL = onnx.defs.OpSchema.FormalParameterOption.Optional


class Writer:
    """Builds one model. Leaves and constants belong to the main graph and are visible in bodies."""

    def __init__(self, program: Program, target: Target, layout: ExternalLayout | None) -> None:
        self.program, self.target, self.layout = program, target, layout
        self.names = Names(program)
        self.model = onnx.ModelProto()
        self.leaves: Scope = {}
        self.node_origins: dict[str, Origin] = {}
        self.optional_outputs: dict[str, tuple[bool, ...]] = {}
        self.stored = 0

    def write(self, fed_parameters: Iterable[str] = ()) -> onnx.ModelProto:
        """The model. `fed_parameters` become inputs instead of initializers. Raises SpecError
        G1111 for a parameter without value, G1113 for more than a message can hold."""
        self._head()
        main = self.model.graph
        main.name = self.program.name or "graph"
        fed = set(fed_parameters)
        for leaf in self.program.graph.inputs:
            name = leaf.node.attribute("name")
            if leaf.role != "Parameter" or name in fed:
                self.leaves[leaf] = self.names.take(name)
                write_value_info(self.leaves[leaf], leaf.type, main.input.add())
        outputs = self._output_names()
        for leaf in self.program.graph.inputs:
            if leaf not in self.leaves:
                self._initializer(leaf)
        self._graph(main, self.program.graph, dict(self.leaves), outputs)
        return self.model

    def _head(self) -> None:
        model, opset = self.model, self.target.opset
        imports = [helper.make_opsetid("", opset)]
        foreign = {
            n.operator.domain: n.operator.since for n in self.program.graph.nodes if is_foreign(n.operator)
        }
        imports += [helper.make_opsetid(domain, foreign[domain]) for domain in sorted(foreign)]
        model.ir_version = max(helper.find_min_ir_version_for(imports[:1]), 10)
        model.opset_import.extend(imports)
        model.producer_name = "graphwright"
        for key, value in self.program.metadata.items():
            model.metadata_props.add(key=key, value=value)
        roles = {
            v.node.attribute("name"): v.role
            for v in self.program.graph.inputs
            if v.role in ("State", "Noise")
        }
        ranges = {
            n: f"{s.low}..{'' if s.high is None else s.high}"
            for n, s in self.program.sizes.items()
            if (s.low, s.high) != (1, None)
        }
        if ranges:
            model.metadata_props.add(key=SIZES_KEY, value=json.dumps(ranges))
        if roles:
            model.metadata_props.add(key=ROLES_KEY, value=json.dumps(roles))

    def _output_names(self) -> list[str]:
        """Reserves the outputs' names; a new state is named after its state."""
        names = [self.names.take(n) for n in self.program.output_names]
        new_states = [self.names.take(f"{n}.next") for n in self.program.updates]
        if new_states:
            renewed = dict(zip(new_states, self.program.updates, strict=True))
            self.model.metadata_props.add(key=UPDATES_KEY, value=json.dumps(renewed))
        return names + new_states

    # --- leaves ---

    def _initializer(self, leaf: Value) -> str:
        """The name of a constant, weight or parameter, written to the main graph on first use."""
        array = leaf.constant
        if array is None:
            name = leaf.node.attribute("name")
            if name not in self.program.weights:
                raise fail(
                    "G1111",
                    f"{leaf.role.lower()} '{name}' has no value to write",
                    self._span(leaf),
                    hint="initialize or train the program first",
                )
            array = self.program.weights[name]
            self.names.prefer(leaf, name)
        name = self.leaves[leaf] = self.names.of(leaf)
        self._tensor(array, name)
        return name

    def _tensor(self, array: np.ndarray[Any, Any], name: str) -> None:
        proto = self.model.graph.initializer.add()
        if self.layout is not None and self.layout.takes(array):
            self.layout.add(array, name, proto)
            return
        self.stored += stored_bytes(array)
        if self.stored > LARGEST_PROTO:
            raise fail(
                "G1113",
                f"the weights are {self.program.weights.nbytes:,} bytes; one message holds 2 GB",
                hint="save the model with external data",
            )
        write_tensor(array, name, proto)

    def _span(self, value: Value) -> Span | None:
        spans = self.program.origin(value).spans
        return spans[0] if spans else None

    # --- graphs ---

    def _graph(self, proto: onnx.GraphProto, graph: Graph, scope: Scope, outputs: list[str]) -> None:
        """Fills a graph; `scope` holds its inputs, `outputs` the names of its results."""
        direct = self._direct_outputs(graph, scope, outputs)
        nodes = [n for n in topological(graph.outputs) if n.inputs or not n.outputs[0].is_leaf]
        used = {v for n in nodes for v in n.inputs}
        used.update(graph.outputs)
        for node in nodes:
            self._node(proto, node, scope, used, direct)
        for value, name in zip(graph.outputs, outputs, strict=True):
            if direct.get(value) != name:
                copy = proto.node.add(op_type="Identity", name=self.names.node(None, name))
                copy.input.append(self._name(value, scope))
                copy.output.append(name)
            write_value_info(name, value.type, proto.output.add())

    def _direct_outputs(self, graph: Graph, scope: Scope, outputs: list[str]) -> Scope:
        """Computed results that can bear an output's name themselves; all others are copied."""
        direct: Scope = {}
        for value, name in zip(graph.outputs, outputs, strict=True):
            if value not in scope and not value.is_leaf and value not in direct:
                direct[value] = name
        return direct

    def _name(self, value: Value, scope: Scope) -> str:
        name = scope.get(value)
        if name is None:
            name = self.leaves.get(value)
        return name if name is not None else self._initializer(value)

    def _node(
        self, graph: onnx.GraphProto, node: Node, scope: Scope, used: set[Value | None], direct: Scope
    ) -> None:
        proto = graph.node.add()
        proto.op_type = node.operator.name
        if is_foreign(node.operator):
            proto.domain = node.operator.domain
        operands = [self._name(v, scope) if v is not None else "" for v in node.inputs]
        captures = self._captures(node)
        proto.input.extend(operands[: len(operands) - captures] if captures else operands)
        kept = self._kept_outputs(node, used)
        for value, keep in zip(node.outputs, kept, strict=False):
            name = direct.get(value) or self.names.of(value) if keep else ""
            if keep:
                scope[value] = name
            proto.output.append(name)
        origin = self.program.origins.get(node.outputs[0])
        proto.name = self.names.node(origin, scope.get(node.outputs[0]) or next(filter(None, proto.output)))
        if origin is not None:
            self.node_origins[proto.name] = origin
            if origin.spans:
                text = ", ".join(f"{s.source.path}:{s.line}" for s in origin.spans)
                proto.metadata_props.add(key=SPEC_KEY, value=text)
        for name in _WRITTEN_DEFAULTS.get(node.operator.name, ()):
            default = node.operator.attributes[name].default
            if default is not None and name not in node.attributes:
                write_attribute(name, default, proto.attribute.add())
        for name, attribute in node.attributes.items():
            if attribute.kind == "graph":
                body = proto.attribute.add(name=name, type=onnx.AttributeProto.GRAPH)
                self._body(body.g, node, name, attribute.value, operands)
            elif name not in OWN_ATTRIBUTES and not name.startswith(RESULT):
                write_attribute(name, attribute, proto.attribute.add())

    def _captures(self, node: Node) -> int:
        if node.operator.name == "If":
            return len(node.inputs) - 1
        return int(node.attribute("captures", 0)) if node.operator.name in ("Loop", "Scan") else 0

    def _kept_outputs(self, node: Node, used: set[Value | None]) -> list[bool]:
        """Which results to name: those that are used, and those that are not optional; absent
        ones at the end are left out."""
        outputs = node.outputs
        if len(outputs) == 1:
            return [True]
        optional = () if is_foreign(node.operator) else self._optional(node)
        kept = [v in used or not (i < len(optional) and optional[i]) for i, v in enumerate(outputs)]
        if node.operator.name == "BatchNormalization" or not any(kept):
            kept = [True] * len(outputs)
        while not kept[-1]:
            kept.pop()
        return kept

    def _optional(self, node: Node) -> tuple[bool, ...]:
        name = node.operator.name
        found = self.optional_outputs.get(name)
        if found is None:
            formals = schema(name, self.target.opset).outputs
            found = self.optional_outputs[name] = tuple(f.option == _OPTIONAL for f in formals)
        return found

    def _body(
        self, proto: onnx.GraphProto, node: Node, attribute: str, body: Graph, operands: list[str]
    ) -> None:
        """A body: its own arguments as inputs, captured ones by their outer names."""
        proto.name = f"{node.operator.name.lower()}_{attribute}"
        captures = self._captures(node)
        formal = len(body.inputs) - captures
        scope: Scope = dict(zip(body.inputs[formal:], operands[len(operands) - captures :], strict=True))
        for value in body.inputs[:formal]:
            scope[value] = self.names.of(value)
            write_value_info(scope[value], value.type, proto.input.add())
        outputs = [self.names.take(f"{proto.name}_result") for _ in body.outputs]
        self._graph(proto, body, scope, outputs)
