"""One case through every check."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

from ...backends.onnx import import_model
from ...graph.diagnostics import SpecError
from ...graph.ir import Program
from .cases import PREVIEW, STANDARD, Case, find_case
from .gradient_check import check_gradient
from .older_check import check_older
from .onnx_check import check_onnx
from .outcome import CaseRecord, Outcome, absent, failed, passed
from .torch_check import check_torch, tier
from .type_check import check_types

_CHECKS: dict[str, Callable[[Case, Program], Outcome]] = {
    "types": check_types,
    "torch": check_torch,
    "gradient": check_gradient,
    "onnx": check_onnx,
    "older": check_older,
}


def run_case(key: str, checks: Sequence[str] = tuple(_CHECKS)) -> CaseRecord:
    """The record of the case `collection/name`. A check that raises has failed. Raises KeyError
    for an unknown case."""
    import torch

    torch.set_num_threads(1)
    case = find_case(key)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _run(case, checks)


def group(case: Case) -> str:
    """ "" for a case of the standard's operators, else the other domain that it is of."""
    others = sorted(case.domains - STANDARD)
    preview = [d for d in others if d in PREVIEW]
    return (preview or others or [""])[0]


def _run(case: Case, checks: Sequence[str]) -> CaseRecord:
    operators = tuple(sorted(case.operators))
    try:
        program = import_model(case.model)
    except SpecError as error:
        outcomes = {"import": failed(error.diagnostics[0].message)}
        outcomes |= {check: absent("the case is not read") for check in checks}
        return CaseRecord(case.key, operators, group(case), "", outcomes)
    outcomes = {"import": passed()}
    for check in checks:
        outcomes[check] = _checked(check, case, program)
    return CaseRecord(case.key, operators, group(case), tier(program), outcomes)


def _checked(check: str, case: Case, program: Program) -> Outcome:
    try:
        return _CHECKS[check](case, program)
    except Exception as error:
        message = error.diagnostics[0].message if isinstance(error, SpecError) else str(error)
        return failed(f"{type(error).__name__}: {message}")
