"""Traits are claims: each is tried on numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphwright.backends.reference import ReferenceEvaluator, evaluate_node
from graphwright.graph.ir import Value, apply, apply_all, constant, leaf
from graphwright.graph.operators import operator
from graphwright.graph.operators.operator import TRAITS
from graphwright.graph.operators.rules import TRAIT_SETS
from graphwright.graph.types import TensorType, from_numpy

RANDOM = np.random.default_rng(0)
OPERAND = {
    "bool": np.array([[True, False, True], [False, True, True]]),
    "int64": RANDOM.integers(-5, 6, (2, 3)),
    "float64": RANDOM.normal(size=(2, 3)),
}
SECOND = {
    "bool": np.array([[True, True, False], [False, True, False]]),
    "int64": RANDOM.integers(1, 6, (2, 3)),
    "float64": RANDOM.uniform(0.5, 2, (2, 3)),
}
ATTRIBUTES: dict[str, dict[str, Any]] = {
    "BitShift": {"direction": "LEFT"},
    "BitCast": {"to": "int64"},
    "Cast": {"to": "float32"},
    "Concat": {"axis": 0},
    "DepthToSpace": {"blocksize": 1},
    "SpaceToDepth": {"blocksize": 1},
}


def having(trait: str) -> list[str]:
    return sorted(name for name, traits in TRAIT_SETS.items() if trait in traits)


def kinds(name: str, index: int) -> list[str]:
    """Dtypes to try for an operand."""
    formals = operator(name).inputs
    allowed = formals[min(index, len(formals) - 1)].dtypes or frozenset(OPERAND)
    found = [k for k in OPERAND if k in allowed]
    return found or [k for k in ("uint64", "float32") if k in allowed]


def array(kind: str, table: dict[str, Any]) -> np.ndarray[Any, Any]:
    return table[kind] if kind in table else table["int64"].clip(0).astype(kind)


def run(name: str, *arrays: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    leaves = [leaf("Input", f"x{i}", TensorType(from_numpy(a.dtype), a.shape)) for i, a in enumerate(arrays)]
    output = apply(name, *leaves, **ATTRIBUTES.get(name, {}))
    (found,) = ReferenceEvaluator().evaluate([output], dict(zip(leaves, arrays, strict=True)))
    return found


def test_traits_are_from_the_list() -> None:
    assert set().union(*TRAIT_SETS.values()) <= TRAITS


@pytest.mark.parametrize("name", having("commutative"))
def test_commutative(name: str) -> None:
    for kind in kinds(name, 0):
        a, b = array(kind, OPERAND), array(kind, SECOND)
        np.testing.assert_array_equal(run(name, a, b), run(name, b, a))


@pytest.mark.parametrize("name", having("associative"))
def test_associative(name: str) -> None:
    for kind in kinds(name, 0):
        a, b = array(kind, OPERAND), array(kind, SECOND)
        left, right = run(name, run(name, a, b), a), run(name, a, run(name, b, a))
        if kind == "float64":
            np.testing.assert_allclose(left, right, rtol=1e-14)
        else:
            np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("name", having("idempotent"))
def test_idempotent(name: str) -> None:
    for kind in kinds(name, 0):
        once = run(name, array(kind, OPERAND))
        np.testing.assert_array_equal(run(name, once), once)


@pytest.mark.parametrize("name", having("involution"))
def test_involution(name: str) -> None:
    for kind in kinds(name, 0):
        a = array(kind, OPERAND)
        np.testing.assert_array_equal(run(name, run(name, a)), a)


SHIFTED = {"Not", "And", "Or", "Xor"}


@pytest.mark.parametrize("name", having("elementwise"))
def test_elementwise(name: str) -> None:
    """Evaluating a part of the operands gives that part of the result."""
    formals = [f for f in operator(name).inputs if not f.optional]
    count = max(len(formals), 2 if formals[-1].variadic else 1)
    arrays = []
    for index in range(count):
        kind = kinds(name, index)[-1]
        if index and formals[min(index, len(formals) - 1)].variable == formals[0].variable:
            kind = str(arrays[0].dtype)
        arrays.append(array(kind, SECOND if index else OPERAND))
    if name == "Where":
        arrays[1] = arrays[2]
    whole = run(name, *arrays)
    assert whole.shape == arrays[0].shape
    for index in np.ndindex(whole.shape):
        part = run(name, *(a[index][None] for a in arrays))
        np.testing.assert_array_equal(part[0], whole[index])


LAYOUT_OPERANDS: dict[str, list[Any]] = {
    "Expand": [np.array([2, 2, 3])],
    "Gather": [np.array([1, 0])],
    "GatherElements": [np.array([[1, 0, 1]])],
    "GatherND": [np.array([[1], [0]])],
    "Reshape": [np.array([3, 2])],
    "ReverseSequence": [np.array([1, 2, 2])],
    "Slice": [np.array([0]), np.array([1])],
    "Split": [np.array([1, 1])],
    "Squeeze": [],
    "Tile": [np.array([2, 2])],
    "Unsqueeze": [np.array([0])],
    "Compress": [np.array([True, False, True])],
}


@pytest.mark.parametrize("name", having("layout"))
def test_layout_operators_only_move_elements(name: str) -> None:
    """Whatever the elements are called: a renaming before is a renaming after."""
    names = np.arange(6.0).reshape(2, 3)
    if name in ("DepthToSpace", "SpaceToDepth"):
        names = np.arange(8.0).reshape(1, 2, 2, 2)
    renamed = np.exp(names)
    rest = LAYOUT_OPERANDS.get(name, [])
    results = [results_of(name, x, rest) for x in (names, renamed)]
    for before, after in zip(*results, strict=True):
        np.testing.assert_array_equal(np.exp(before), after)


def results_of(name: str, first: Any, rest: list[Any]) -> list[Any]:
    value: Value = leaf("Input", "x", TensorType(from_numpy(first.dtype), first.shape))
    values = apply_all(
        name,
        value,
        *map(constant, rest),
        outputs=2 if name == "Split" else None,
        **ATTRIBUTES.get(name, {}),
    )
    return evaluate_node(values[0].node, [first, *rest])
