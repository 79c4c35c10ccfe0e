"""A case's node at older opsets: read and exported again, against the old model in ONNX Runtime.

A node that is also valid under an older version of its operator (same operands and attributes) is
a model of that opset, maybe of another meaning. The oracle is ONNX Runtime on the old model itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise

import onnx
from onnx import defs

from ...backends.onnx import import_model
from ...graph.diagnostics import SpecError
from ...graph.ir import Program
from .cases import STANDARD, Case
from .onnx_check import Refused, exported, in_session, require_same_results
from .outcome import Outcome, absent, failed, passed
from .suite_comparison import Difference

OLDEST = 7
"""ONNX Runtime has no kernels of older opsets."""


def check_older(case: Case, program: Program) -> Outcome:
    """Every older opset at which an operator of the case was another version."""
    data = next(case.data_sets())
    compared = 0
    for model in older_models(case.model):
        try:
            expected = in_session(model, data.inputs)
        except Refused:
            continue
        opset = opset_of(model)
        try:
            old = import_model(model)
            if old.noise:
                continue
            found = exported(old, data)
            require_same_results(found, expected)
        except SpecError as error:
            return failed(f"at opset {opset}: {error.diagnostics[0].message}")
        except (Refused, Difference) as error:
            return failed(f"at opset {opset}: {error}")
        compared += 1
    return passed(compared=compared) if compared else absent("no older form that ONNX Runtime runs")


def opset_of(model: onnx.ModelProto) -> int:
    return int(next(o.version for o in model.opset_import if o.domain in STANDARD))


def older_models(model: onnx.ModelProto) -> Iterator[onnx.ModelProto]:
    """The model of one node at the last opset of each older version of its operator, newest first,
    where the checker takes it."""
    if len(model.graph.node) != 1 or model.graph.node[0].domain not in STANDARD or model.functions:
        return
    newest = opset_of(model)
    since = [v for v in versions()[model.graph.node[0].op_type] if v <= newest]
    for version, following in reversed(list(pairwise(since))):
        if following - 1 < OLDEST or version > newest:
            continue
        old = onnx.ModelProto()
        old.CopyFrom(model)
        for entry in old.opset_import:
            if entry.domain in STANDARD:
                entry.version = following - 1
        if _is_valid(old):
            yield old


@cache
def versions() -> Mapping[str, tuple[int, ...]]:
    """Operator -> the opsets at which it changed, in order."""
    found: dict[str, set[int]] = {}
    for schema in defs.get_all_schemas_with_history():
        if schema.domain == "":
            found.setdefault(schema.name, set()).add(schema.since_version)
    return {name: tuple(sorted(opsets)) for name, opsets in found.items()}


def _is_valid(model: onnx.ModelProto) -> bool:
    try:
        onnx.checker.check_model(model)
        onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError):
        return False
    return True
