"""A case in torch: the emitted module's results against the suite's expected ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...backends.torch_fx import TorchBackend, TorchEvaluator, TorchExecutable
from ...graph.diagnostics import SpecError
from ...graph.ir import Program, topological
from .cases import Case, DataSet
from .draws import solved_noise
from .outcome import Outcome, failed, passed
from .suite_comparison import Difference, require_similar


def check_torch(case: Case, program: Program) -> Outcome:
    """Every data set of the case, within the suite's tolerances."""
    missing = TorchBackend().unsupported(program)
    if missing:
        return failed(missing[0].message)
    executable = TorchBackend().load(program)
    drawn = ""
    for data in case.data_sets():
        try:
            drawn = _run(case, program, executable, data)
        except Difference as error:
            return failed(str(error))
        except SpecError as error:
            return failed(error.diagnostics[0].message)
        except Exception as error:
            return failed(f"{type(error).__name__}: {error}")
    return passed(drawn)


def _run(case: Case, program: Program, executable: TorchExecutable, data: DataSet) -> str:
    """Runs and compares; what to say about draws. Raises Difference."""
    inputs = program_inputs(program, data)
    count = len(data.outputs)

    def run(noise: Mapping[str, Any]) -> list[Any]:
        return list(executable.run({**inputs, **noise}).values())[:count]

    noise: dict[str, Any] = {}
    if program.noise:
        solved = solved_noise(program, run, data.outputs)
        if solved is None:
            raise Difference("draws that no result shows place by place")
        noise = solved
    found = run(noise)
    require_similar(found, data.outputs, case.rtol, case.atol)
    require_same_bits(found, evaluated(program, {**inputs, **noise})[:count])
    return "for the suite's own draw" if noise else ""


def evaluated(program: Program, feeds: Mapping[str, Any]) -> list[Any]:
    """The results op by op, without a module: what passes are verified with."""
    roles = ("Input", "Noise", "Weight", "Parameter", "State")
    leaves = [n.outputs[0] for n in topological(program.graph.outputs) if n.outputs]
    named = {v: v.node.attribute("name") for v in leaves if v.role in roles}
    given = {v: feeds[n] if n in feeds else program.weights[n] for v, n in named.items()}
    return TorchEvaluator().evaluate(program.graph.outputs, given)


def require_same_bits(found: Any, expected: Any) -> None:
    """Raises Difference where emission changed what is computed; every NaN is alike."""
    if isinstance(expected, list):
        if not isinstance(found, list) or len(found) != len(expected):
            raise Difference("the emitted module gives other results than the evaluator")
        for mine, theirs in zip(found, expected, strict=True):
            require_same_bits(mine, theirs)
        return
    if found is None or expected is None:
        same = found is expected
    elif expected.dtype == object:
        same = found.shape == expected.shape and bool((found == expected).all())
    else:
        same = (
            found.dtype == expected.dtype
            and found.shape == expected.shape
            and _bits(found) == _bits(expected)
        )
    if not same:
        raise Difference("the emitted module gives other results than the evaluator")


def _bits(array: Any) -> bytes:
    if array.dtype.kind in "fc":
        array = np.where(np.isnan(array), np.array(np.nan, array.dtype), array)
    return bytes(array.tobytes())


def program_inputs(program: Program, data: DataSet) -> dict[str, Any]:
    """What the program takes of the data set: inputs that it folded away are left out."""
    taken = {*program.inputs, *program.parameters}
    return {name: value for name, value in data.inputs.items() if name in taken}


def tier(program: Program) -> str:
    """`full` where the whole program trains, compiles and exports, else `eager`."""
    return "eager" if TorchBackend().unexportable(program) else "full"
