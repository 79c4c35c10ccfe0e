"""Models of the opsets before 7 give what the standard's text of those opsets says.

ONNX Runtime has no kernels for them, so the oracle is the text, written in NumPy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from onnx import defs, helper

from graphwright.backends.onnx import emit, import_model
from graphwright.backends.onnx.importing.first_opsets import FIRST
from graphwright.graph.diagnostics import SpecError

RANDOM = np.random.default_rng(11)
Array = np.ndarray[Any, Any]


def floats(*shape: int) -> Array:
    return RANDOM.normal(size=shape).astype(np.float32)


def positive(*shape: int) -> Array:
    return (np.abs(RANDOM.normal(size=shape)) + 0.5).astype(np.float32)


def bools(*shape: int) -> Array:
    return RANDOM.normal(size=shape) > 0


@dataclass
class Early:
    """One node. `meaning`: what it computes; None where opset 7 only dropped a flag."""

    operator: str
    opset: int
    operands: tuple[Array, ...]
    attributes: dict[str, Any] = field(default_factory=dict)
    meaning: Callable[..., Array] | None = None
    fixed: tuple[int, ...] = ()

    def __str__(self) -> str:
        return f"{self.operator}-{self.opset}-{len(self.attributes)}"


def laid(function: Callable[[Array, Array], Array]) -> Callable[..., Array]:
    """The second operand against axes 1 and 2 of the first, of rank 4."""
    return lambda a, b: function(a, b[..., None])


FUNCTIONS: dict[str, Callable[[Array, Array], Array]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": np.divide,
    "Pow": np.power,
    "And": np.logical_and,
    "Or": np.logical_or,
    "Xor": np.logical_xor,
    "Equal": np.equal,
    "Less": np.less,
    "Greater": np.greater,
}
UNARY: dict[str, Callable[[Array], Array]] = {
    "Abs": np.abs,
    "Ceil": np.ceil,
    "Exp": np.exp,
    "Floor": np.floor,
    "Log": np.log,
    "Neg": np.negative,
    "Reciprocal": lambda x: 1 / x,
    "Relu": lambda x: np.maximum(x, 0),
    "Sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "Sqrt": np.sqrt,
    "Tanh": np.tanh,
    "Clip": lambda x: x,
    "Elu": lambda x: np.where(x > 0, x, np.exp(x) - 1),
    "LeakyRelu": lambda x: np.where(x > 0, x, 0.01 * x),
    "HardSigmoid": lambda x: np.clip(0.2 * x + 0.5, 0, 1),
    "Sum": lambda x: x,
    "Mean": lambda x: x,
    "Max": lambda x: x,
    "Min": lambda x: x,
}


def operands_of(name: str) -> tuple[Array, ...]:
    if name in ("And", "Or", "Xor"):
        return bools(2, 3, 4, 5), bools(3, 4)
    if name == "Equal":
        return RANDOM.integers(0, 2, (2, 3, 4, 5)).astype(np.int32), RANDOM.integers(0, 2, (3, 4)).astype(
            np.int32
        )
    return positive(2, 3, 4, 5), positive(3, 4)


def norm(x: Array, scale: Array, bias: Array, mean: Array, variance: Array) -> Array:
    shape = (1, -1, 1)
    centred = (x - mean.reshape(shape)) / np.sqrt(variance.reshape(shape) + 1e-5)
    return centred * scale.reshape(shape) + bias.reshape(shape)


HINT = {"consumed_inputs": [0]}
X = floats(2, 3, 4)
CASES = [
    *(
        Early(name, 6, operands_of(name), {"broadcast": 1, "axis": 1}, laid(FUNCTIONS[name]))
        for name in FUNCTIONS
    ),
    Early("Add", 6, (floats(2, 3), floats(3)), {"broadcast": 1}, np.add),
    Early("Mul", 6, (floats(2, 3), floats(1)), {"broadcast": 1, "axis": 0}, np.multiply),
    Early("Sub", 1, (floats(2, 3), floats(2, 3)), HINT, np.subtract),
    *(Early(name, 1, (positive(2, 3),), HINT, UNARY[name]) for name in UNARY),
    Early("PRelu", 6, (X, positive(3)), {}, lambda x, s: np.where(x > 0, x, x * s[:, None])),
    Early("PRelu", 6, (X, positive(1)), {}, lambda x, s: np.where(x > 0, x, x * s)),
    Early("Gemm", 6, (floats(2, 3), floats(3, 4), floats(4)), {"broadcast": 1}, lambda a, b, c: a @ b + c),
    Early(
        "BatchNormalization", 6, (X, floats(3), floats(3), floats(3), positive(3)), {"is_test": 1}, norm
    ),
    Early("Dropout", 6, (X,), {"is_test": 1, "ratio": 0.3}, lambda x: x),
    Early("Concat", 1, (floats(2, 3), floats(2, 1)), {}, lambda a, b: np.concatenate([a, b], 1)),
    Early("Selu", 1, (X,), {}, lambda x: 1.0507 * np.where(x > 0, x, 1.6732 * (np.exp(x) - 1))),
    Early("Cast", 1, (X,), {"to": "INT32"}, lambda x: x.astype(np.int32)),
    Early("LpPool", 1, (X,), {"kernel_shape": [2], "p": 1.0}, lambda x: np.abs(x[..., :-1]) + np.abs(x[..., 1:])),
    Early("GlobalLpPool", 1, (X,), {}, lambda x: np.sqrt((x**2).sum(-1, keepdims=True))),
    Early("Pad", 1, (floats(2, 3),), {"paddings": [0, 1, 0, 2]}, lambda x: np.pad(x, ((0, 0), (1, 2)))),
    Early("Reshape", 1, (X,), {"shape": [0, -1]}, lambda x: x.reshape(2, -1)),
    Early("Tile", 1, (floats(2, 3), np.float32([2]), np.float32([1])), {}, lambda x, t, a: np.tile(x, (1, 2)),
          fixed=(1, 2)),
    Early("Upsample", 1, (floats(1, 1, 2, 2),), {"height_scale": 2.0, "width_scale": 3.0},
          lambda x: x.repeat(2, 2).repeat(3, 3)),
    Early("InstanceNormalization", 1, (X, np.ones(3, np.float32), np.zeros(3, np.float32)), HINT,
          lambda x, s, b: (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)),
    Early("Split", 1, (floats(2, 4), np.float32([1, 3])), {"axis": 1}, lambda x, s: x[:, :1], fixed=(1,)),
    Early("RNN", 6, (floats(3, 2, 4), floats(1, 5, 4), floats(1, 5, 5)), {"hidden_size": 5, "output_sequence": 1}),
    Early("GRU", 6, (floats(3, 2, 4), floats(1, 15, 4), floats(1, 15, 5)),
          {"hidden_size": 5, "output_sequence": 1}),
    Early("LSTM", 6, (floats(3, 2, 4), floats(1, 20, 4), floats(1, 20, 5)),
          {"hidden_size": 5, "output_sequence": 1}),
]  # fmt: skip


def _model(case: Early, model: Any, opset: int, attributes: dict[str, Any]) -> Any:
    names = [f"i{k}" for k in range(len(case.operands))]
    kinds = {"float32": "FLOAT", "int32": "INT32", "bool": "BOOL"}
    outputs = ["o", "rest"] if case.operator == "Split" else ["o"]
    return model(
        [helper.make_node(case.operator, names, outputs, **attributes)],
        {
            n: (kinds[a.dtype.name], a.shape)
            for k, (n, a) in enumerate(zip(names, case.operands, strict=True))
            if k not in case.fixed
        },
        outputs[:1],
        {names[k]: case.operands[k] for k in case.fixed},
        opset,
    )


@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_early_node_keeps_its_meaning(case: Early, model: Any, ort: Any) -> None:
    early = _model(case, model, case.opset, case.attributes)
    feeds = {f"i{k}": a for k, a in enumerate(case.operands) if k not in case.fixed}
    (found,) = ort(emit(import_model(early)), feeds)
    if case.meaning is None:  # nothing but a flag was dropped: the oracle is a model of opset 7
        later = {k: v for k, v in case.attributes.items() if k != "output_sequence"}
        (expected,) = ort(_model(case, model, 7, later), feeds)
    else:
        expected = case.meaning(*case.operands)
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=2e-6, atol=2e-6)


def test_every_early_form_is_tested() -> None:
    assert {c.operator for c in CASES} == set(FIRST)


@pytest.mark.parametrize("name", ["BatchNormalization", "Dropout"])
def test_training_of_opset_6_is_refused(name: str, model: Any) -> None:
    case = next(c for c in CASES if c.operator == name)
    with pytest.raises(SpecError) as error:
        import_model(_model(case, model, 6, {}))
    assert error.value.diagnostics[0].code == "G1211"


@pytest.mark.parametrize(
    ("operands", "attributes"), [((floats(2, 3), floats(3, 4)), {"broadcast": 1, "axis": 1})]
)
def test_operands_that_do_not_fit_are_refused(operands: Any, attributes: Any, model: Any) -> None:
    with pytest.raises(SpecError) as error:
        import_model(_model(Early("Add", 6, operands, attributes), model, 6, attributes))
    assert error.value.diagnostics[0].code == "G1211"


def test_every_change_before_opset_7_has_an_upgrade() -> None:
    """All versions up to 7, pair by pair: an attribute that went, or that has another kind."""
    versions: dict[str, list[Any]] = {}
    for schema in defs.get_all_schemas_with_history():
        if schema.domain == "":
            versions.setdefault(schema.name, []).append(schema)
    missing = []
    for name, schemas in versions.items():
        for old, new in pairwise(sorted(schemas, key=lambda s: s.since_version)):
            kept = set(old.attributes) & set(new.attributes)
            changed = set(old.attributes) != kept or any(
                old.attributes[a].type != new.attributes[a].type for a in kept
            )
            if new.since_version <= 7 and changed:
                if not any(below >= new.since_version for below, _ in FIRST.get(name, ())):
                    missing.append((name, new.since_version))
    assert [m for m in missing if not _only_hint(versions[m[0]], m[1])] == []


def _only_hint(schemas: list[Any], since: int) -> bool:
    """Whether all that went is `consumed_inputs`, which is dropped from every node of its opsets."""
    new = next(s for s in schemas if s.since_version == since)
    old = max((s for s in schemas if s.since_version < since), key=lambda s: s.since_version)
    return set(old.attributes) - set(new.attributes) == {"consumed_inputs"}
