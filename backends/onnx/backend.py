"""Programs run by ONNX Runtime."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ...graph.diagnostics import Diagnostic, Span, SpecError, fail
from ...graph.ir import Origin, Program, Value
from ...graph.types.dtypes import from_numpy
from ...graph.types.types import TensorType
from ..runtime.feeds import solve_sizes
from ..runtime.protocols import Array, Feeds
from .capabilities import RuntimeKernels
from .emitting.emission import write_model
from .emitting.layout import ExternalLayout
from .emitting.lowering import unsupported
from .emitting.target import DEFAULT, Target
from .emitting.writer import Writer
from .session_values import as_typed, ort_value, run_session

SHARED_ABOVE = 2**20
"""Bytes of weights from which a session reads them in place instead of from a serialized model."""


@dataclass(frozen=True)
class OnnxBackend:
    """Programs as ONNX models in ONNX Runtime's CPU provider. A `Backend`.

    The first of `opsets` in which the program can be written is taken. `optimize` lets the runtime
    rewrite the graph; `threads` is its number for one operator.
    """

    opsets: tuple[int, ...] = (DEFAULT, 26)
    threads: int = 1
    optimize: bool = True

    @property
    def name(self) -> str:
        return "onnx"

    def unsupported(self, program: Program) -> Sequence[Diagnostic]:
        """G1110 or G1115 for every operator that neither opset and runtime have nor a rule replaces."""
        found = [unsupported(program, Target(opset, RuntimeKernels())) for opset in self.opsets]
        return min(found, key=len)

    def load(self, program: Program) -> OnnxExecutable:
        """The program, ready to run. Raises SpecError with `unsupported(program)`, and G1119 where
        the runtime refuses the model."""
        found = OnnxExecutable(program, self)
        _ = found.session
        return found

    def session(self, program: Program, fed_parameters: Iterable[str]) -> tuple[Any, Writer]:
        """An InferenceSession, and the writer that knows where its nodes come from."""
        import onnxruntime

        shared = program.weights.nbytes >= SHARED_ABOVE
        layout = ExternalLayout("weights", packed=False) if shared else None
        writer = self._written(program, layout, fed_parameters)
        options = self._options()
        kept = _share(options, layout) if layout is not None else []
        try:
            session = onnxruntime.InferenceSession(
                writer.model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime raises private C++ exception types
            raise _runtime_error("G1119", "refuses the model", error, writer.node_origins) from error
        del kept
        return session, writer

    def _written(self, program: Program, layout: ExternalLayout | None, fed: Iterable[str]) -> Writer:
        *first, last = self.opsets
        for opset in first:
            try:
                return write_model(program, Target(opset, RuntimeKernels()), layout, fed)
            except SpecError as error:
                if any(d.code not in ("G1110", "G1115") for d in error.diagnostics):
                    raise
        try:
            return write_model(program, Target(last, RuntimeKernels()), layout, fed)
        except SpecError:
            raise SpecError(self.unsupported(program)) from None

    def _options(self) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        if not self.optimize:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        return options


def _share(options: Any, layout: ExternalLayout) -> list[Any]:
    """Gives a session the arrays of a layout themselves, in place of its file."""
    values = [ort_value(array) for array, _ in layout.entries]
    options.add_external_initializers(layout.names, values)
    return values


@dataclass(frozen=True)
class OnnxExecutable:
    """A program in a session. An `Executable`."""

    program: Program
    backend: OnnxBackend
    _fed: dict[frozenset[str], tuple[Any, Writer]] = field(default_factory=dict, repr=False)

    @cached_property
    def session(self) -> Any:
        """The onnxruntime.InferenceSession; parameters without value are inputs of it."""
        return self._session(frozenset())[0]

    @cached_property
    def _missing(self) -> frozenset[str]:
        return frozenset(n for n in self.program.parameters if n not in self.program.weights)

    def _session(self, fed: frozenset[str]) -> tuple[Any, Writer]:
        """The session whose parameters `fed` are inputs, made when it is first needed."""
        fed = fed | self._missing
        found = self._fed.get(fed)
        if found is None:
            found = self._fed[fed] = self.backend.session(self.program, fed)
        return found

    def run(self, feeds: Feeds) -> dict[str, Array]:
        """Output name -> array, then state name -> its new value.

        Raises SpecError: G1103 for a missing feed, G1105 for one of another dtype, G1331, G1334 and
        G1341 for shapes that don't fit one another, G1120 where a node fails.
        """
        program = self.program
        parameters = frozenset(
            n for n in program.parameters if n in feeds and feeds[n] is not program.weights.arrays.get(n)
        )
        session, writer = self._session(parameters)
        arrays = {name: self._array(name, leaf, feeds) for name, leaf in self._leaves(parameters).items()}
        solve_sizes(program, {n: a for n, a in arrays.items() if isinstance(a, np.ndarray)})
        fed = {writer.leaves[leaf]: arrays[n] for n, leaf in self._leaves(parameters).items()}
        try:
            results = run_session(session, fed)
        except Exception as error:  # onnxruntime raises private C++ exception types
            raise _runtime_error("G1120", "failed", error, writer.node_origins) from error
        names = (*program.output_names, *program.updates)
        return {
            name: as_typed(array, value.type)
            for name, array, value in zip(names, results, program.graph.outputs, strict=True)
        }

    def _leaves(self, parameters: frozenset[str]) -> dict[str, Value]:
        """What the session takes: every leaf but the parameters that it holds."""
        found = {v.node.attribute("name"): v for v in self.program.graph.inputs}
        held = self.program.parameters.keys() - parameters - self._missing
        return {n: v for n, v in found.items() if n not in held}

    def _array(self, name: str, leaf: Value, feeds: Feeds) -> Any:
        array = feeds[name] if name in feeds else self.program.weights.arrays.get(name)
        if array is None:
            raise fail("G1103", f"{leaf.role.lower()} '{name}' ({leaf.type}) has no value", self._span(leaf))
        if not isinstance(leaf.type, TensorType) or not isinstance(array, np.ndarray | np.generic):
            return array
        array = np.asarray(array)
        if from_numpy(array.dtype) is not leaf.type.dtype:
            found = f"{array.dtype}{list(array.shape)}"
            raise fail(
                "G1105",
                f"{leaf.role.lower()} '{name}' is {leaf.type}; the array given is {found}",
                self._span(leaf),
            )
        return array

    def _span(self, value: Value) -> Span | None:
        spans = self.program.origin(value).spans
        return spans[0] if spans else None


_NODE = re.compile(r"(?:Name:\s*'([^']*)'|node[^(]*\(([^)]*)\))", re.IGNORECASE)


def _runtime_error(code: str, verb: str, error: Exception, origins: Mapping[str, Origin]) -> SpecError:
    """The diagnostic of an ONNX Runtime exception, at the spec line of the node that it names."""
    if isinstance(error, SpecError):
        return error
    text = " ".join(str(error).split())
    named = next((n for groups in _NODE.findall(text) for n in groups if n in origins), None)
    origin = origins[named] if named is not None else Origin()
    where = f" at node '{named}'" if named is not None else ""
    return fail(code, f"ONNX Runtime {verb}{where}: {text[:400]}", origin.spans[0] if origin.spans else None)
