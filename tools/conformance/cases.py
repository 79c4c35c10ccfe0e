"""The standard's test cases as the `onnx` package ships them: models, inputs, expected results.

Five collections: `node` (one operator each, made in memory), `simple`, `pytorch-converted` and
`pytorch-operator` (files), and `real` (the light models, whose weights are made by the model, so
that nothing is downloaded). Tolerances are the suite's own.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

COLLECTIONS = ("node", "simple", "pytorch-converted", "pytorch-operator", "real")
STANDARD = frozenset({"", "ai.onnx"})
PREVIEW = frozenset({"ai.onnx.preview", "ai.onnx.preview.training"})


@dataclass(frozen=True)
class DataSet:
    """Inputs by name, and the expected results in order; arrays, lists of them, or None."""

    inputs: Mapping[str, Any]
    outputs: Sequence[Any]


@dataclass(frozen=True)
class Case:
    """One case of the suite. `source` is the suite's own record of it."""

    collection: str
    source: Any

    @property
    def name(self) -> str:
        return str(self.source.name)

    @property
    def key(self) -> str:
        """`collection/name`."""
        return f"{self.collection}/{self.name}"

    @property
    def rtol(self) -> float:
        return float(self.source.rtol)

    @property
    def atol(self) -> float:
        return float(self.source.atol)

    @cached_property
    def model(self) -> onnx.ModelProto:
        if self.source.model is not None:
            found: onnx.ModelProto = self.source.model
            return found
        return onnx.load(str(self._light or Path(self.source.model_dir) / "model.onnx"))

    @property
    def domains(self) -> frozenset[str]:
        """The domains of the model's nodes, those in bodies and local functions included."""
        local = {f.domain for f in self.model.functions}
        graphs = [self.model.graph.node, *(f.node for f in self.model.functions)]
        return frozenset(n.domain for nodes in graphs for n in walk(nodes)) - local

    @property
    def operators(self) -> frozenset[str]:
        """The standard's operators in the model, bodies and local functions included."""
        graphs = [self.model.graph.node, *(f.node for f in self.model.functions)]
        return frozenset(n.op_type for nodes in graphs for n in walk(nodes) if n.domain in STANDARD)

    @property
    def _light(self) -> Path | None:
        url = self.source.url or ""
        return Path(onnx.__file__).parents[1] / url if url.startswith("onnx/") else None

    def data_sets(self) -> Iterator[DataSet]:
        """The case's inputs and expected results."""
        if self._light is not None:
            yield _light_data(self.model, self._light)
        elif self.source.data_sets is not None:
            for inputs, outputs in self.source.data_sets:
                yield self._named([as_data(x) for x in inputs], [as_data(x) for x in outputs])
        else:
            for folder in sorted(Path(self.source.model_dir).glob("test_data_set*")):
                inputs = _read_all(folder, "input", self.model.graph.input)
                yield self._named(inputs, _read_all(folder, "output", self.model.graph.output))

    def _named(self, inputs: Sequence[Any], outputs: Sequence[Any]) -> DataSet:
        names = [i.name for i in self.model.graph.input]
        return DataSet(dict(zip(names, inputs, strict=False)), outputs)


def walk(nodes: Any) -> Iterator[onnx.NodeProto]:
    """Nodes and those of their bodies."""
    for node in nodes:
        yield node
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                yield from walk(graph.node)


def as_data(value: Any) -> Any:
    """The suite's data, which mixes arrays and protos, as arrays, lists and None."""
    if isinstance(value, onnx.TensorProto):
        return numpy_helper.to_array(value)
    if isinstance(value, onnx.SequenceProto):
        return numpy_helper.to_list(value)
    if isinstance(value, onnx.OptionalProto):
        return numpy_helper.to_optional(value)
    if isinstance(value, list | tuple):
        return [as_data(v) for v in value]
    return None if value is None else np.asarray(value)


def _read_all(folder: Path, kind: str, infos: Any) -> list[Any]:
    count = len(list(folder.glob(f"{kind}_*.pb")))
    return [_read(folder / f"{kind}_{i}.pb", infos[i].type) for i in range(count)]


def _read(path: Path, type: onnx.TypeProto) -> Any:
    protos: dict[str, Any] = {
        "tensor_type": onnx.TensorProto,
        "sequence_type": onnx.SequenceProto,
        "optional_type": onnx.OptionalProto,
    }
    return as_data(protos[str(type.WhichOneof("value"))].FromString(path.read_bytes()))


def _light_data(model: onnx.ModelProto, path: Path) -> DataSet:
    """What the suite's runner feeds to a light model: k/n at place k of n."""
    initialized = {i.name for i in model.graph.initializer}
    inputs = {}
    for info in model.graph.input:
        if info.name not in initialized:
            shape = [d.dim_value if d.HasField("dim_value") else 1 for d in info.type.tensor_type.shape.dim]
            count = int(np.prod(shape))
            inputs[info.name] = (np.arange(count).reshape(shape) / count).astype(np.float32)
    outputs = [path.with_name(f"{path.stem}_output_{i}.pb") for i in range(len(model.graph.output))]
    return DataSet(inputs, [as_data(onnx.TensorProto.FromString(o.read_bytes())) for o in outputs])


@cache
def load_cases(collection: str) -> dict[str, Case]:
    """Name -> case, sorted by name. The node cases take some seconds of CPU time to be made."""
    from onnx.backend.test.loader import load_model_tests

    with warnings.catch_warnings(), np.errstate(all="ignore"), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        found = load_model_tests(kind=collection)
    return {c.name: Case(collection, c) for c in sorted(found, key=lambda c: str(c.name))}


def all_cases() -> list[Case]:
    """Every case, collection by collection."""
    return [case for collection in COLLECTIONS for case in load_cases(collection).values()]


def find_case(key: str) -> Case:
    """The case `collection/name`. Raises KeyError."""
    collection, _, name = key.partition("/")
    if collection not in COLLECTIONS:
        raise KeyError(key)
    return load_cases(collection)[name]
