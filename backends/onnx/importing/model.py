"""ModelProto -> Program."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # has no stubs

from ....graph.diagnostics import SpecError, did_you_mean, fail
from ....graph.ir import Graph, Program, Size, Value, Weights, collector_paused, leaf
from ....graph.operators.graphwright import GRAPHWRIGHT
from ....graph.operators.schema import OPSET
from ....graph.types.dimensions import symbols_of
from ....graph.types.types import TensorType
from .reader import read_graph
from .scope import FunctionKey, PassedOver, Reading, Scope
from .sizes import Sizes
from .types import read_type

OLDEST_OPSET = 1
MOST_READINGS = 16
"""How often a model is read again because two of its sizes turned out to be equal."""

ROLES_KEY = "graphwright.roles"
UPDATES_KEY = "graphwright.updates"
SIZES_KEY = "graphwright.sizes"


def import_model(
    model: onnx.ModelProto | str | os.PathLike[str],
    *,
    folder: str | os.PathLike[str] | None = None,
    sizes: Mapping[str, int] | None = None,
    opaque: bool = False,
    notes: list[str] | None = None,
) -> Program:
    """The program of an ONNX model of any opset up to the pinned one.

    Inputs keep their names and types; a dimension without number or name gets a size of its own.
    Initializers become constants (up to 64 elements) or weights, memory-mapped where they are
    external; one that is also an input counts as an initializer. Random operators become noise
    leaves, model-local functions are inlined, bodies closed. Two sizes of different name that an
    operator needs to be equal are taken to be equal: `assumptions` says so, and why.

    `folder` is where external data lies (the model's own folder by default); `sizes` fixes
    symbolic sizes by name. With `opaque`, operators of domains that nobody defines are carried along.
    `notes` gets a line for everything in the file that is no part of the program.

    Raises SpecError with every error found, of codes G12xx, and those of type rules (G04xx, G05xx).
    """
    proto, place = _open(model, folder)
    if notes is not None:
        notes.extend(_left_out(proto))
    with collector_paused():
        return _read(proto, place, dict(sizes or {}), opaque)


def _left_out(model: onnx.ModelProto) -> list[str]:
    """What a file may hold besides what it computes."""
    found = []
    if model.training_info:
        found.append("its training information is left out: the spec has inference only")
    unused = {f.name for f in model.functions} - {
        n.op_type for g in (model.graph, *model.functions) for n in g.node
    }
    found += [f"the function '{name}' is never called" for name in sorted(map(str, unused))[:5]]
    if model.graph.quantization_annotation:
        found.append("its quantization annotations are left out: they change no result")
    return found


def _open(
    model: onnx.ModelProto | str | os.PathLike[str], folder: str | os.PathLike[str] | None
) -> tuple[onnx.ModelProto, Path | None]:
    given = Path(folder) if folder is not None else None
    if isinstance(model, onnx.ModelProto):
        return model, given
    path = Path(model)
    proto = onnx.ModelProto()
    try:
        proto.ParseFromString(path.read_bytes())
    except OSError as error:
        raise fail("G1200", f"cannot read '{path}': {error.strerror}") from error
    except (DecodeError, ValueError) as error:
        raise fail("G1200", f"'{path}' is no ONNX model, or is cut short") from error
    return proto, given if given is not None else path.parent


def _read(model: onnx.ModelProto, folder: Path | None, sizes: Mapping[str, int], opaque: bool) -> Program:
    opsets = _opsets(model)
    functions = _functions(model)
    known = Sizes(dict(sizes), _ranges(model))
    assumptions: dict[str, Any] = {}
    for _ in range(MOST_READINGS):
        reading = Reading(folder, known, functions, opaque=opaque)
        if opaque:
            reading.declared.update((v.name, v.type) for v in (*model.graph.value_info, *model.graph.output))
        before = dict(known.replaced)
        scope = Scope(reading, opsets)
        result = _read_main(scope, model)
        assumptions.update({str(a): a for a in reading.assumptions})
        reading.diagnostics.raise_if_errors()
        _check_sizes(sizes, known)
        if known.replaced == before and result is not None:
            return replace(result, assumptions=tuple(assumptions.values()))
    raise fail("G1216", "the sizes of this model depend on one another in too many ways")


def _check_sizes(given: Mapping[str, int], known: Sizes) -> None:
    """Raises SpecError G1219 for a size that the model has not."""
    names = sorted(known.names.values())
    for name in given:
        if name not in names:
            hint = did_you_mean(name, names) or (f"its sizes are {', '.join(names)}" if names else None)
            raise fail("G1219", f"the model has no symbolic size '{name}'", hint=hint)


def _opsets(model: onnx.ModelProto) -> dict[str, int]:
    found = {e.domain if e.domain != "ai.onnx" else "": e.version for e in model.opset_import}
    if not model.HasField("graph"):
        raise fail("G1200", "the model holds no graph; the file may be cut short")
    if "" not in found:
        if any(n.domain in ("", "ai.onnx") for n in model.graph.node):
            raise fail("G1217", "the model does not say which opset it uses")
        found[""] = OPSET
    if not OLDEST_OPSET <= found[""] <= OPSET:
        raise fail(
            "G1217",
            f"the model uses opset {found['']}; opsets {OLDEST_OPSET} to {OPSET} can be read",
            hint="export the model at another opset",
        )
    return found


def _functions(model: onnx.ModelProto) -> dict[FunctionKey, onnx.FunctionProto]:
    ours = {("graphwright", name) for name in GRAPHWRIGHT}
    return {(f.domain, f.name, f.overload): f for f in model.functions if (f.domain, f.name) not in ours}


def _read_main(scope: Scope, model: onnx.ModelProto) -> Program | None:
    graph, reading = model.graph, scope.reading
    metadata = {e.key: e.value for e in model.metadata_props}
    roles = _json_mapping(metadata.pop(ROLES_KEY, ""))
    updates = _json_mapping(metadata.pop(UPDATES_KEY, ""))
    metadata.pop(SIZES_KEY, None)
    inputs = _read_inputs(scope, graph, roles)
    outputs: list[Value] = []
    try:
        outputs.extend(read_graph(scope, graph))
        if not outputs:
            raise fail("G1200", "the model has no outputs; the file may be cut short")
        _check_outputs(graph)
        return _program(scope, model, inputs, outputs, metadata, updates)
    except PassedOver:
        return None
    except SpecError as error:
        reading.diagnostics.extend(error)
        return None


def _check_outputs(graph: onnx.GraphProto) -> None:
    """Raises SpecError G1202 for an output that is listed twice."""
    names = [o.name for o in graph.output]
    twice = (
        next((n for i, n in enumerate(names) if n in names[:i]), None)
        if len(set(names)) < len(names)
        else None
    )
    if twice is not None:
        raise fail("G1202", f"the output '{twice}' is listed twice")


def _ranges(model: onnx.ModelProto) -> dict[str, tuple[int, int | None]]:
    """The ranges of sizes, `low..high` by name, that our emitter writes to the metadata."""
    texts = next((e.value for e in model.metadata_props if e.key == SIZES_KEY), "")
    found: dict[str, tuple[int, int | None]] = {}
    for name, text in _json_mapping(texts).items():
        low, separator, high = text.partition("..")
        if separator and low.isdigit() and (high.isdigit() or not high) and len(text) < 40:
            found[name] = (int(low), int(high) if high else None)
    return found


def _read_inputs(scope: Scope, graph: onnx.GraphProto, roles: Mapping[str, str]) -> list[Value]:
    initialized = {t.name for t in graph.initializer} | {s.values.name for s in graph.sparse_initializer}
    found: list[Value] = []
    for proto in graph.input:
        if proto.name in initialized:
            continue
        try:
            if proto.name in scope.values or not proto.name:
                raise fail("G1202", f"the input '{proto.name}' is defined twice, or has no name")
            _check_text(proto.name)
            role = roles.get(proto.name, "Input")
            type = read_type(proto.type, scope.reading.sizes, proto.name)
            scope.values[proto.name] = leaf(role if role in ("State", "Noise") else "Input", proto.name, type)
            found.append(scope.values[proto.name])  # type: ignore[arg-type]  # just made
        except SpecError as error:
            scope.reading.diagnostics.extend(error)
    return found


def _check_text(name: object) -> None:
    """Protobuf hands out text that is no UTF-8 as bytes. Raises SpecError G1218."""
    if not isinstance(name, str):
        raise fail("G1218", f"the name {name!r} is no UTF-8 text")


def _json_mapping(text: str) -> dict[str, str]:
    """A mapping of strings from untrusted metadata; empty where it is none."""
    try:
        found = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {str(k): v for k, v in found.items() if isinstance(v, str)}


def _program(
    scope: Scope,
    model: onnx.ModelProto,
    inputs: list[Value],
    outputs: list[Value],
    metadata: dict[str, str],
    updates: Mapping[str, str],
) -> Program:
    reading = scope.reading
    for name in (*scope.values, *reading.weights, model.graph.name, *metadata, *metadata.values()):
        _check_text(name)
    by_role: dict[str, list[Value]] = {"Input": [], "State": [], "Noise": []}
    for value in (*inputs, *reading.noise.values()):
        by_role[value.role].append(value)
    leaves = (*by_role["Input"], *by_role["State"], *by_role["Noise"])
    results = list(zip((o.name for o in model.graph.output), outputs, strict=True))
    states = {v.node.attribute("name") for v in by_role["State"]}
    declared = [(n, v) for n, v in results if updates.get(n) not in states]
    renewed = [(updates[n], v) for n, v in results if updates.get(n) in states]
    used = sorted({s for v in leaves for s in _symbols(v)})
    return Program(
        name=model.graph.name or "model",
        graph=Graph(leaves, tuple(v for _, v in (*declared, *renewed))),
        output_names=tuple(n for n, _ in declared),
        updates=tuple(n for n, _ in renewed),
        weights=Weights(reading.weights),
        initializers=reading.initializers,
        names={**reading.names, **scope.values} if reading.names else scope.values,  # type: ignore[dict-item,arg-type]  # no poison: nothing failed
        origins=reading.origins,
        sizes={name: Size(*reading.sizes.ranges.get(name, (1, None))) for name in used},
        metadata=metadata,
    )


def _symbols(value: Value) -> frozenset[str]:
    axes = (value.type.axes or ()) if isinstance(value.type, TensorType) else ()
    return frozenset(name for a in axes if a is not None for name in symbols_of(a))
