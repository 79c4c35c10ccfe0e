"""What a region takes on a target, as it is and by its programs: measured on this machine, and kept."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from time import perf_counter_ns, thread_time_ns
from typing import Any

import numpy as np

from ....graph.diagnostics import SpecError
from ....graph.ir import Graph, Program, Value, leaf, substitute
from ....graph.ir.digest import graph_digest
from ....graph.types import TensorType
from ....graph.types.dimensions import symbol

Array = np.ndarray[Any, Any]
Call = Callable[[], object]

VERSION = 1
"""Of how times are measured: those of another are not read."""
COUNTS = (64, 256, 1024, 2048, 4096, 8192, 16384, 32768, 262144)
"""Numbers of elements that are measured; between them times lie on lines."""
LONGEST, ROUNDS = 20e6, 40
"""Nanoseconds and calls after which a form has been measured enough."""
GAIN = 0.95
"""What the programs' time must be of the region's own."""


@dataclass(frozen=True)
class Comparison:
    """Nanoseconds at some numbers of elements, of the region as it is and by its programs."""

    counts: tuple[int, ...]
    before: tuple[float, ...]
    after: tuple[float, ...]

    def at(self, count: int) -> tuple[float, float]:
        """Both at so many elements."""
        return self._between(self.before, count), self._between(self.after, count)

    def pays(self, count: int) -> bool:
        before, after = self.at(count)
        return after <= GAIN * before

    @property
    def least(self) -> int | None:
        """The fewest elements, of those measured, from which on the programs are faster; None: not even with the
        most."""
        found = None
        for count, before, after in zip(self.counts[::-1], self.before[::-1], self.after[::-1], strict=True):
            if after > GAIN * before:
                break
            found = count
        return found

    def _between(self, times: Sequence[float], count: int) -> float:
        if count > self.counts[-1]:
            return times[-1] * count / self.counts[-1]
        return float(np.interp(count, self.counts, times))


@dataclass(frozen=True)
class Surroundings:
    """What stands around a region in the graph: `before` and `after` say whether elementwise operators do, with which
    a compiler would fuse it; `columns` are those of a softmax; `low` and `high` where its numbers lie."""

    before: bool = False
    after: bool = False
    columns: int = 64
    low: float = 0.1
    high: float = 2.0


def measured(target: str, body: Graph, programs: Graph, context: Surroundings) -> Comparison | str:
    """The comparison of both forms of a region, from the file of this machine where it was made before; or why the
    target can't compute the programs."""
    form = hashlib.sha256("\n".join((graph_digest(body), graph_digest(programs))).encode()).hexdigest()
    key = json.dumps(
        [VERSION, _machine(target), target, form, context.before, context.after, context.columns]
    )
    path = _folder() / f"times-{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"
    found = _read(path)
    if found is None:
        try:
            found = _compared(target, body, programs, context)
        except SpecError as error:
            return error.diagnostics[0].message
        _write(path, found)
    return found


def _read(path: Path) -> Comparison | None:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return Comparison(*(tuple(data[name]) for name in ("counts", "before", "after")))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write(path: Path, found: Comparison) -> None:
    """Whole or not at all; without a place for it the next compile measures anew."""
    try:
        with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
            part = Path(scratch) / "times"
            part.write_text(json.dumps(asdict(found)), encoding="utf-8")
            os.replace(part, path)
    except OSError:
        return


def _folder() -> Path:
    from ....backends.native.compiler import folder

    return folder()


@cache
def _machine(target: str) -> list[str]:
    """What times depend on besides the region."""
    import torch

    from ....backends.native.compiler import cpu, find_compiler

    name, features = cpu()
    parts = [name, " ".join(sorted(features)), str(torch.get_num_threads())]
    if target == "onnx":
        import onnxruntime

        return [*parts, onnxruntime.__version__]
    try:
        return [*parts, torch.__version__, find_compiler().version]
    except SpecError:
        return [*parts, torch.__version__]


# --- measuring ----------------------------------------------------------------------------------------


def _compared(target: str, body: Graph, programs: Graph, context: Surroundings) -> Comparison:
    """Raises SpecError where the target can't compute one of them."""
    runners = [_RUNNERS[target](form, context) for form in (body, programs)]
    times: list[list[float]] = [[], []]
    for count in COUNTS:
        arrays = _operands(body, count, context)
        for kept, time in zip(times, _interleaved([run(arrays) for run in runners]), strict=True):
            kept.append(time)
    return Comparison(COUNTS, tuple(times[0]), tuple(times[1]))


def _interleaved(calls: Sequence[Call]) -> list[float]:
    """The least nanoseconds of each, in turn: of the thread where one computes, so that what else the machine does
    counts for little."""
    import torch

    clock = thread_time_ns if torch.get_num_threads() == 1 else perf_counter_ns
    best = [float("inf")] * len(calls)
    spent = 0.0
    for call in (*calls, *calls, *calls):
        call()
    for _ in range(ROUNDS):
        for i, call in enumerate(calls):
            start = clock()
            call()
            time = clock() - start
            best[i] = min(best[i], time)
            spent += time
        if spent > LONGEST * len(calls):
            break
    return best


def _operands(body: Graph, count: int, context: Surroundings) -> list[Array]:
    """Numbers for the inputs, of their ranks: along the last axis, for a softmax in rows."""
    type = body.inputs[0].tensor
    assert type.dims is not None
    is_rows = any(n.name in ("Softmax", "ReduceSum") for n in body.nodes)
    columns = min(context.columns, count) if is_rows else count
    shape = [1] * (len(type.dims) - 2) + [count // columns, columns] if len(type.dims) > 1 else [count]
    generator = np.random.default_rng(0)
    drawn = [generator.uniform(context.low, context.high, shape) for _ in body.inputs]
    return [array.astype(type.dtype.numpy) for array in drawn]


def _program(form: Graph) -> Program:
    """The form over inputs of any sizes."""
    type = form.inputs[0].tensor
    assert type.dims is not None
    free = TensorType(type.dtype, tuple(symbol(f"n{i}") for i in range(len(type.dims))))
    leaves = [leaf("Input", f"x{i}", free) for i in range(len(form.inputs))]
    moved: dict[Value, Value] = dict(zip(form.inputs, leaves, strict=True))
    return Program("region", Graph(tuple(leaves), substitute(form.outputs, moved)), ("y",))


Runner = Callable[[Sequence[Array]], Call]


def _bound(function: Callable[..., object]) -> Runner:
    """A function of tensors, run without gradients."""
    import torch

    def bind(arrays: Sequence[Array]) -> Call:
        tensors = [torch.from_numpy(a) for a in arrays]

        def call() -> object:
            with torch.inference_mode():
                return function(*tensors)

        return call

    return bind


def _eager(form: Graph, context: Surroundings) -> Runner:
    from ....backends.torch_fx.emitter import emit

    module: Any = emit(_program(form))

    return _bound(module)


def _inductor(form: Graph, context: Surroundings) -> Runner:
    """Between the operators that torch.compile would fuse the region with."""
    import torch

    from ....backends.torch_fx.emitter import emit

    module: Any = emit(_program(form))

    def surrounded(*tensors: Any) -> Any:
        given = [t * 1.0009765625 + 0.0009765625 for t in tensors] if context.before else tensors
        (found,) = module(*given).values()
        return found * 1.0009765625 + tensors[0] if context.after else found

    torch._dynamo.reset()
    compiled: Any = torch.compile(surrounded, dynamic=True)

    return _bound(compiled)


def _onnx(form: Graph, context: Surroundings) -> Runner:
    import onnxruntime
    import torch

    from ....backends.onnx import emit

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    program = _program(form)
    model = emit(program).SerializeToString()
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def bind(arrays: Sequence[Array]) -> Call:
        binding = session.io_binding()
        held = [onnxruntime.OrtValue.ortvalue_from_numpy(a) for a in arrays]
        for name, value in zip(program.inputs, held, strict=True):
            binding.bind_ortvalue_input(name, value)
        out = onnxruntime.OrtValue.ortvalue_from_numpy(np.empty_like(arrays[0]))
        binding.bind_ortvalue_output("y", out)
        held.append(out)
        return lambda: session.run_with_iobinding(binding)

    return bind


_RUNNERS: dict[str, Callable[[Graph, Surroundings], Runner]] = {
    "native": _eager,
    "inductor": _inductor,
    "onnx": _onnx,
}
