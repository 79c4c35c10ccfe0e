"""One case of the standard's suite an operator, through every check, and the types of every case. All
checks of all cases: `make conformance`.

In one file, so that one process makes the cases.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from fnmatch import fnmatchcase

from graphwright.backends.onnx import import_model
from graphwright.backends.reference import ReferenceBackend
from graphwright.graph.diagnostics import SpecError
from graphwright.graph.ir import Program, Value, leaf, make_node, topological
from graphwright.graph.operators import operator_names
from graphwright.graph.operators.operator import Known
from graphwright.graph.types import TensorType, Type
from graphwright.graph.types.refinement import covers
from graphwright.tools.conformance.cases import PREVIEW, Case, all_cases
from graphwright.tools.conformance.outcome import ABSENT, CHECKS, FAILED, PASSED, CaseRecord
from graphwright.tools.conformance.reasons import REASONS, unexplained
from graphwright.tools.conformance.run import group, run_case
from graphwright.tools.conformance.suite_comparison import Difference, require_similar
from graphwright.tools.conformance.torch_check import program_inputs

WITHOUT_REFERENCE = {"ImageDecoder"}
"""Needs codecs."""
REFUSED_BY_ONNX = ["node/test_mvn"]
"""By strict inference, so that there is nothing to compare with."""
ROUNDS_OTHERWISE = 2e-2
"""Of 16-bit floats: the reference computes them in float32."""


def sample(cases: Sequence[Case]) -> list[Case]:
    """For each operator the first case that is about it alone, else the first that holds it."""
    found = []
    for name in sorted(operator_names()):
        holding = [c for c in cases if name in c.operators and c.collection == "node"]
        alone = [c for c in holding if c.operators == {name}]
        found += (alone or holding)[:1]
    return sorted({c.key: c for c in found}.values(), key=lambda c: c.key)


def reference_disagrees(case: Case) -> str | None:
    """What is wrong with the reference backend's results, None where nothing is."""
    program = import_model(case.model)
    if program.noise or case.operators & WITHOUT_REFERENCE:
        return None
    data = next(case.data_sets())
    try:
        found = ReferenceBackend().load(program).run(program_inputs(program, data))
        rtol = ROUNDS_OTHERWISE if "16" in str(data.inputs) else max(case.rtol, 1e-5)
        require_similar(list(found.values())[: len(data.outputs)], data.outputs, rtol, max(case.atol, 1e-6))
    except (SpecError, Difference) as error:
        return f"{case.key}: {error}"
    return None


def test_a_case_of_every_operator() -> None:
    cases = all_cases()
    chosen = sample(cases)
    records = [run_case(c.key) for c in chosen]
    assert unexplained(records) == []
    assert len(records) > 180
    assert sum(r.status("torch") == PASSED for r in records) > 180
    assert sum(r.status("gradient") == PASSED for r in records) > 100
    read = [c for c, r in zip(chosen, records, strict=True) if r.status("import") == PASSED]
    assert [d for c in read if (d := reference_disagrees(c)) is not None] == []
    _reasons_name_cases(cases)
    _other_domains_are_named(cases)


def test_every_type_equals_or_refines_the_strict_inference() -> None:
    """Of every case that is read; where one does not, ONNX is wrong, and the page says how."""
    records = [run_case(c.key, ("types",)) for c in all_cases()]
    assert unexplained(records) == []
    failed = [r for r in records if r.status("types") == FAILED]
    assert [r.key for r in failed] == [c for r in REASONS if r.check == "types" for c in r.cases]
    assert all(r.text.startswith("ONNX is wrong: ") for r in REASONS if r.check == "types")
    read = [r for r in records if r.status("import") == PASSED]
    absent = [r.key for r in read if r.status("types") == ABSENT]
    assert len(read) - len(absent) > 2000
    assert absent == REFUSED_BY_ONNX


FORGETFUL_ROUNDS = 3


def test_forgetting_sizes_makes_no_type_wrong() -> None:
    """Whatever is forgotten of a case's leaves (sizes, ranks, what constants hold), no rule claims
    anything that the whole knowledge denies, and none refuses what it took before."""
    rebuilt = 0
    for round_ in range(FORGETFUL_ROUNDS):
        rng = random.Random(round_)
        for case in all_cases():
            if case.collection != "real" and group(case) == "":
                rebuilt += _rebuilt_forgetfully(import_model(case.model), rng, case.key)
    assert rebuilt > 1700 * FORGETFUL_ROUNDS


def _rebuilt_forgetfully(program: Program, rng: random.Random, key: str) -> bool:
    """Checks every node on forgetful leaves; False for bodies, whose arguments keep their types."""
    moved: dict[Value, Value] = {}
    for place, node in enumerate(topological(program.graph.outputs)):
        if "control" in node.operator.traits:
            return False
        if node.inputs or not node.outputs[0].is_leaf:
            inputs = [moved[v] if v is not None else None for v in node.inputs]
            found = make_node(node.operator, inputs, node.attributes, len(node.outputs)).outputs
        elif node.outputs[0].constant is not None and rng.random() < 0.5:
            found = node.outputs
        else:
            found = (leaf("Input", f"v{place}", _forgetful(node.outputs[0].type, rng)),)
        for old, new in zip(node.outputs, found, strict=True):
            assert covers(new.type, old.type), (key, node.name, old.type, new.type)
            assert _allows(new.known, old.known), (key, node.name, old.known, new.known)
            moved[old] = new
    return True


def _forgetful(type: Type, rng: random.Random) -> Type:
    if not isinstance(type, TensorType) or type.axes is None or rng.random() < 0.3:
        return type
    if rng.random() < 0.15:
        return TensorType(type.dtype, None)
    return TensorType.of(type.dtype, tuple(None if rng.random() < 0.5 else a for a in type.axes))


def _allows(less: Known | None, more: Known | None) -> bool:
    if less is None or more is None:
        return less is None
    return all(a is None or a == b for a, b in zip(less, more, strict=True))


def _reasons_name_cases(cases: Sequence[Case]) -> None:
    """Each pattern has a case; that it fails is what a full run checks."""
    for reason in REASONS:
        assert reason.check in CHECKS
        for pattern in reason.cases:
            assert any(fnmatchcase(c.key, pattern) for c in cases), pattern


def _other_domains_are_named(cases: Sequence[Case]) -> None:
    """15 node cases of ai.onnx.ml and 22 of the preview domains are outside ai.onnx."""
    groups = [group(c) for c in cases if c.collection == "node"]
    assert len(groups) == 1884
    other = [g for g in groups if g]
    assert {g for g in other if g not in PREVIEW} == {"ai.onnx.ml"}


def test_a_record_survives_json() -> None:
    record = CaseRecord("node/test_x", ("Add",), "", "full", {})
    assert CaseRecord.from_json(record.to_json()) == record
