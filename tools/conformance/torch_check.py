"""A case in torch: the emitted module's results against the suite's expected ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...backends.torch_fx import TorchBackend, TorchExecutable
from ...graph.diagnostics import SpecError
from ...graph.ir import Program
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
    require_similar(run(noise), data.outputs, case.rtol, case.atol)
    return "for the suite's own draw" if noise else ""


def program_inputs(program: Program, data: DataSet) -> dict[str, Any]:
    """What the program takes of the data set: inputs that it folded away are left out."""
    taken = {*program.inputs, *program.parameters}
    return {name: value for name, value in data.inputs.items() if name in taken}


def tier(program: Program) -> str:
    """`full` where the whole program trains, compiles and exports, else `eager`."""
    return "eager" if TorchBackend().unexportable(program) else "full"
