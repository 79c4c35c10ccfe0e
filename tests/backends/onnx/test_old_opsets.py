"""Models of older opsets give in ONNX Runtime what they gave there before they were read."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from onnx import defs, helper

from graphwright.backends.onnx import check, emit, import_model
from graphwright.backends.onnx.importing.upgrades import UPGRADES
from graphwright.graph.diagnostics import SpecError
from graphwright.graph.operators.schema import OPSET

RANDOM = np.random.default_rng(5)


def floats(*shape: int) -> np.ndarray[Any, Any]:
    return RANDOM.normal(size=shape).astype(np.float32)


@dataclass
class Old:
    operator: str
    opset: int
    operands: tuple[np.ndarray[Any, Any], ...]
    attributes: dict[str, Any] = field(default_factory=dict)
    outputs: int = 1
    fixed: tuple[int, ...] = ()  # operands that are initializers

    def __str__(self) -> str:
        return f"{self.operator}-{self.opset}-{'-'.join(map(str, self.attributes.values()))}"


CASES = [
    *(
        Old(f"Reduce{name}", 11, (np.abs(floats(2, 3, 4)),), {"axes": [1], "keepdims": 0})
        for name in "L1 L2 LogSum LogSumExp Max Mean Min Prod Sum SumSquare".split()
    ),
    Old("ReduceMean", 13, (floats(2, 3),), {"axes": [-1]}),
    Old("ReduceSum", 8, (floats(2, 3),)),
    Old("Squeeze", 11, (floats(1, 3, 1),), {"axes": [0]}),
    Old("Squeeze", 11, (floats(1, 3, 1),)),
    Old("Unsqueeze", 11, (floats(3),), {"axes": [0, 2]}),
    Old("Split", 11, (floats(6, 2),), {"split": [1, 5]}, 2),
    Old("Split", 11, (floats(6, 2),), {}, 3),
    Old("Split", 13, (floats(4, 2),), {"axis": 1}, 2),
    Old("Slice", 9, (floats(5, 6),), {"starts": [1, -3], "ends": [4, 9], "axes": [0, 1]}),
    Old("Slice", 9, (floats(5, 6),), {"starts": [1, 0], "ends": [4, 2]}),
    Old("TopK", 9, (floats(3, 6),), {"k": 2, "axis": 1}, 2),
    Old("Clip", 9, (floats(9),), {"min": -0.5, "max": 0.5}),
    Old("Clip", 7, (floats(9),), {"min": -0.5}),
    Old("Pad", 10, (floats(2, 3),), {"pads": [0, 1, 2, 0], "value": 4.0}),
    Old("Pad", 7, (floats(2, 3),), {"pads": [0, 1, 1, 0], "mode": "edge"}),
    Old("Dropout", 10, (floats(2, 3),), {"ratio": 0.7}),
    Old("Dropout", 7, (floats(2, 3),)),
    Old("BatchNormalization", 7, (floats(2, 3, 4), floats(3), floats(3), floats(3), np.abs(floats(3)))),
    Old("BatchNormalization", 9, (floats(2, 3, 4), floats(3), floats(3), floats(3), np.abs(floats(3)))),
    *(Old(name, 11, (floats(2, 3, 4),)) for name in ("Softmax", "LogSoftmax")),
    *(Old(name, 12, (floats(2, 3, 4),), {"axis": 2}) for name in ("Softmax", "LogSoftmax", "Hardmax")),
    Old("Hardmax", 11, (floats(2, 3, 4),)),
    Old("Softmax", 11, (floats(2, 3, 4),), {"axis": 0}),
    Old("Resize", 10, (floats(1, 1, 2, 3), np.array([1, 1, 2, 2], np.float32)), {"mode": "nearest"}, 1, (1,)),
    Old("Resize", 10, (floats(1, 1, 2, 3), np.array([1, 1, 2, 2], np.float32)), {"mode": "linear"}, 1, (1,)),
    Old("Upsample", 7, (floats(1, 1, 2, 3),), {"scales": [1.0, 1.0, 2.0, 3.0], "mode": "nearest"}),
    Old("Upsample", 9, (floats(1, 1, 2, 3), np.array([1, 1, 2, 2], np.float32)), {"mode": "linear"}, 1, (1,)),
    Old("Scatter", 9, (floats(3, 3), np.array([[0, 1, 2]]), floats(1, 3))),
    Old("GridSample", 16, (floats(1, 1, 3, 3), np.clip(floats(1, 2, 2, 2), -1, 1)), {"mode": "bilinear"}),
    Old("GridSample", 16, (floats(1, 1, 4, 4), np.clip(floats(1, 2, 2, 2), -1, 1)), {"mode": "bicubic"}),
    Old("DFT", 17, (floats(1, 8, 1),), {"axis": 1}),
    Old("RoiAlign", 10, (floats(1, 1, 6, 6), np.array([[0, 0, 3, 3]], np.float32), np.array([0])),
        {"output_height": 2, "output_width": 2}),
    Old("GroupNormalization", 18, (floats(2, 4, 3), floats(2), floats(2)), {"num_groups": 2}),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_old_node_keeps_its_meaning(case: Old, model: Any, ort: Any) -> None:
    names = [f"i{k}" for k in range(len(case.operands))]
    kinds = {np.float32: "FLOAT", np.int64: "INT64"}
    m = model(
        [helper.make_node(case.operator, names, [f"o{k}" for k in range(case.outputs)], **case.attributes)],
        {
            n: (kinds[a.dtype.type], a.shape)
            for k, (n, a) in enumerate(zip(names, case.operands, strict=True))
            if k not in case.fixed
        },
        [f"o{k}" for k in range(case.outputs)],
        {names[k]: case.operands[k] for k in case.fixed},
        case.opset,
    )
    feeds = {n: a for k, (n, a) in enumerate(zip(names, case.operands, strict=True)) if k not in case.fixed}
    program = import_model(m)
    new = emit(program)
    check(new)
    if case.operator == "GroupNormalization":  # no kernel of 18, whose function body is broken
        expected = [_group_normalization(*case.operands)]
    else:
        expected = ort(m, feeds)
    for old, found in zip(expected, ort(new, feeds), strict=True):
        assert old.dtype == found.dtype
        np.testing.assert_allclose(found, old, rtol=2e-6, atol=1e-6)


def _group_normalization(x: Any, scale: Any, bias: Any) -> Any:
    """Of opset 18: scale and bias of each group of channels."""
    groups = x.reshape(2, 2, 6)
    normal = (groups - groups.mean(-1, keepdims=True)) / np.sqrt(groups.var(-1, keepdims=True) + 1e-5)
    return (normal * scale[None, :, None] + bias[None, :, None]).reshape(x.shape)


def test_every_upgrade_is_tested() -> None:
    """Those of the opsets before 7 have tests of their own."""
    refused = {"Scan"}
    later = {name for name, rules in UPGRADES.items() if rules[-1][0] > 7}
    assert {c.operator for c in CASES} | refused == later


def _compatible(old: Any, new: Any) -> bool:
    """Whether a node of `old` is one of `new`: same operands, and new attributes with a default."""

    def signature(formals: Any) -> list[str]:
        return [str(f.option) for f in formals]

    def default(attribute: Any) -> Any:
        given = attribute.default_value
        return helper.get_attribute_value(given) if given.type else None

    before, after = signature(old.inputs), signature(new.inputs)
    grown = all("Optional" in option for option in after[len(before) :])
    same = {n for n in old.attributes if n in new.attributes}
    return (
        len(before) <= len(after)
        and grown
        and set(old.attributes) == same
        and all(default(old.attributes[n]) == default(new.attributes[n]) for n in same)
        and not any(a.required for n, a in new.attributes.items() if n not in same)
    )


def test_every_incompatible_schema_has_an_upgrade() -> None:
    """All versions since opset 7, compared pair by pair."""
    versions: dict[str, list[Any]] = {}
    for schema in defs.get_all_schemas_with_history():
        if schema.domain == "":
            versions.setdefault(schema.name, []).append(schema)
    missing = []
    for name, schemas in versions.items():
        ordered = sorted(schemas, key=lambda s: s.since_version)
        for old, new in pairwise(ordered):
            if not 7 < new.since_version <= OPSET:
                continue
            handled = any(below >= new.since_version for below, _ in UPGRADES.get(name, ()))
            if (new.deprecated or not _compatible(old, new)) and not handled:
                missing.append((name, new.since_version))
    assert missing == []


def test_batched_scan_is_refused_with_its_name(model: Any) -> None:
    body = helper.make_graph([], "b", [], [])
    m = model([helper.make_node("Scan", ["", "x"], ["y"], body=body, num_scan_inputs=1, name="s")],
              {"x": ("FLOAT", [1, 2, 3])}, ["y"], opset=8)  # fmt: skip
    with pytest.raises(SpecError) as error:
        import_model(m)
    assert error.value.diagnostics[0].code == "G1211"
    assert "'s' (Scan)" in error.value.diagnostics[0].notes[0].message


def test_opsets_out_of_range_are_refused(model: Any) -> None:
    for opset in (0, OPSET + 1):
        with pytest.raises(SpecError) as error:
            import_model(
                model([helper.make_node("Relu", ["x"], ["y"])], {"x": ("FLOAT", [1])}, ["y"], opset=opset)
            )
        assert error.value.diagnostics[0].code == "G1217"
