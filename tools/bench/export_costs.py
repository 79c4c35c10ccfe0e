"""What one optimizer costs and gives on one export, in a process of its own."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import io
import math
import resource
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from time import process_time
from typing import Any

import onnx

from ..testing.exports.catalogue import ARCHITECTURES
from ..testing.exports.exporting import exported
from .memory import status_megabytes
from .peers import Tool, load_tool
from .sessions import Array, difference, open_session, optimized_operators, results

TOLERANCE = 1e-5
REPEATS, ENOUGH = 7, 3.0
"""Runs of a tool on a model, as long as they take no more seconds together."""
SIZES = ((1, 32), (3, 24))
"""Batch and length at which results are compared."""


@dataclass(frozen=True)
class Cost:
    """`seconds` of processor time from model to model (least of the repeats), `megabytes` by which the
    peak of memory grew, `nodes` left, `operators` of ONNX Runtime's graph, `error` as a share of the
    largest number. `problem` says what went wrong, where something did."""

    seconds: float = math.nan
    megabytes: float = math.nan
    nodes: int = 0
    operators: Mapping[str, int] = field(default_factory=dict)
    error: float = math.nan
    problem: str = ""


def feeds_of(name: str, way: str, sizes: Sequence[tuple[int, int]] = SIZES) -> list[dict[str, Array]]:
    """What an export is fed: each batch and length, but for the sizes that its exporter fixed."""
    architecture = ARCHITECTURES[name]
    fixed = architecture.fixed.get(way, {})
    return [
        architecture.inputs(False, fixed.get("batch", batch), fixed.get("length", length))
        for batch, length in sizes
    ]


def measure_cost(tool: Tool, name: str, way: str, place: Path) -> Cost:
    """Runs the tool on the export and writes its result to `place`."""
    model = exported(name, way)
    try:
        found, seconds = _timed(tool, model)
        megabytes = _peak_growth(tool, model)
    except Exception as error:  # tools raise anything
        return Cost(problem=f"fails: {type(error).__name__}")
    written = found.SerializeToString()
    place.write_bytes(written)
    cost = Cost(seconds, megabytes, len(found.graph.node))
    try:
        operators, off = dict(optimized_operators(written)), _error(model, written, name, way)
    except Exception as problem:  # the runtime raises private types
        return replace(cost, problem=f"its model fails: {type(problem).__name__}")
    wrong = f"wrong by {off:.1g}" if not off <= TOLERANCE else ""
    return replace(cost, operators=operators, error=off, problem=wrong)


def _error(model: onnx.ModelProto, written: bytes, name: str, way: str) -> float:
    feeds = feeds_of(name, way)
    wanted = results(open_session(model.SerializeToString(), optimize=False), feeds)
    found = results(open_session(written), feeds)
    return max(difference(a, b) for a, b in zip(wanted, found, strict=True))


def _copy(model: onnx.ModelProto) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy


def _timed(tool: Tool, model: onnx.ModelProto) -> tuple[onnx.ModelProto, float]:
    best, total = math.inf, 0.0
    for _ in range(REPEATS):
        copy = _copy(model)
        gc.collect()
        with _quiet():
            start = process_time()
            found = tool(copy)
            seconds = process_time() - start
        best, total = min(best, seconds), total + seconds
        if total > ENOUGH:
            break
    return found, best


def _peak_growth(tool: Tool, model: onnx.ModelProto) -> float:
    """Megabytes; NaN where the system keeps no peak that can be reset."""
    copy = _copy(model)
    gc.collect()
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
        before = status_megabytes("VmRSS")
        with _quiet():
            tool(copy)
        return status_megabytes("VmHWM") - before
    except OSError:
        return math.nan


@contextlib.contextmanager
def _quiet() -> Any:
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


# --- processes ------------------------------------------------------------------------------------


def costs(tool: str, exports: Sequence[tuple[str, str]], folder: Path) -> list[Cost]:
    """One cost an export (name, way), all in one process; a new one where a tool brings it down."""
    found: list[Cost] = []
    while len(found) < len(exports):
        found += _in_process(tool, exports[len(found) :], folder)
        if len(found) < len(exports):
            found.append(Cost(problem="crashes"))
    return found


def _in_process(tool: str, exports: Sequence[tuple[str, str]], folder: Path) -> list[Cost]:
    context = get_context("spawn")
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(sending, tool, list(exports), str(folder)))
    process.start()
    sending.close()
    found = []
    with contextlib.suppress(EOFError):
        for _ in exports:
            found.append(Cost(**receiving.recv()))
    process.join()
    return found


def _serve(sending: Connection, tool: str, exports: Sequence[tuple[str, str]], folder: str) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    function = load_tool(tool)
    for name, way in exports:
        place = Path(folder) / f"{name}-{way}-{tool}.onnx"
        sending.send(asdict(measure_cost(function, name, way, place)))
