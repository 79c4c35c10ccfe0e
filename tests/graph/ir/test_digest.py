"""Content hashes: the same in every process, different wherever the content is."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphwright.graph.ir import (
    Assumption,
    Digests,
    Domain,
    Graph,
    Origin,
    Program,
    Size,
    Value,
    Weights,
    apply,
    apply_all,
    argument,
    constant,
    graph_digest,
    leaf,
    parse_program,
    print_program,
    program_digest,
)
from graphwright.graph.ir.digest import array_digest
from graphwright.graph.types import BOOL, FLOAT32, TensorType, symbol
from graphwright.tools.testing.random_graphs import random_program

X = leaf("Input", "x", TensorType(FLOAT32, (symbol("n"), 4)))


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_parsed_program_has_the_same_digest(seed: int) -> None:
    program = random_program(np.random.default_rng(seed), nodes=12)
    again = parse_program(print_program(program), program.weights.arrays)
    assert program_digest(again) == program_digest(program)


def test_same_in_every_process(tmp_path: Path) -> None:
    script = (
        "import numpy as np\n"
        "from graphwright.graph.ir import program_digest\n"
        "from graphwright.tools.testing.random_graphs import random_program\n"
        "print([program_digest(random_program(np.random.default_rng(s), nodes=15)) for s in range(6)])\n"
    )
    here = [program_digest(random_program(np.random.default_rng(s), nodes=15)) for s in range(6)]
    for seed in ("0", "4711"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        run = subprocess.run(
            [sys.executable, "-c", script], env=environment, check=True, capture_output=True, text=True
        )
        assert run.stdout.strip() == str(here)


def _program(**changes: object) -> Program:
    kernel = leaf("Parameter", "k", TensorType(FLOAT32, (4, 3)))
    hidden = apply("Relu", apply("MatMul", X, kernel))
    program = Program(
        "p",
        Graph((X, kernel), (hidden,)),
        ("y",),
        weights=Weights({"k": np.zeros((4, 3), np.float32)}),
        initializers={"k": leaf("Draw", "k", kernel.type, kind="normal", bits=24)},
        sizes={"n": Size(1, 8)},
        assumptions=(Assumption(symbol("n"), "<", 8),),
        domains={"x": Domain("range", 0, 1)},
    )
    return replace(program, **changes)  # type: ignore[arg-type]  # fields of Program


KERNEL = leaf("Parameter", "k", TensorType(FLOAT32, (4, 3)))


@pytest.mark.parametrize(
    "changes",
    [
        {"graph": Graph((X, KERNEL), (apply("Tanh", apply("MatMul", X, KERNEL)),))},
        {"graph": Graph((KERNEL, X), (apply("Relu", apply("MatMul", X, KERNEL)),))},
        {"output_names": ("z",)},
        {"variant": "train"},
        {"weights": Weights({"k": np.full((4, 3), -0.0, np.float32)})},
        {"weights": Weights({"k": np.zeros((4, 3))})},
        {"weights": Weights({"j": np.zeros((4, 3), np.float32)})},
        {"initializers": {"k": leaf("Draw", "k", KERNEL.type, kind="uniform", bits=24)}},
        {"initializers": {}},
        {"sizes": {"n": Size(1, 9)}},
        {"sizes": {"n": Size(1)}},
        {"assumptions": ()},
        {"domains": {"x": Domain("range", 0, 1.0)}},
    ],
    ids=range(13),
)
def test_what_results_depend_on_changes_the_digest(changes: dict[str, object]) -> None:
    assert program_digest(_program(**changes)) != program_digest(_program())


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "q"},
        {"names": {"h": X}},
        {"origins": {X: Origin((), "a.b", ("fold",))}},
        {"metadata": {"producer": "someone"}},
    ],
    ids=["name", "names", "origins", "metadata"],
)
def test_labels_do_not(changes: dict[str, object]) -> None:
    assert program_digest(_program(**changes)) == program_digest(_program())


def _choice(factor: float) -> Value:
    inner = argument(0, X.type)
    left = Graph((inner,), (apply("Mul", inner, constant(np.float32(factor))),))
    right = Graph((inner,), (inner,))
    flag = leaf("Input", "flag", TensorType(BOOL, ()))
    return apply_all("If", flag, X, then_branch=left, else_branch=right, outputs=1)[0]


def test_bodies_and_ranges_count() -> None:
    assert graph_digest(Graph((), (_choice(2.0),))) != graph_digest(Graph((), (_choice(3.0),)))
    short = leaf("Input", "x", TensorType(FLOAT32, (symbol("n", 1, 8), 4)))
    assert graph_digest(Graph((), (short,))) != graph_digest(Graph((), (X,)))


def test_values_have_digests_of_their_own() -> None:
    values, indices = apply_all("TopK", X, constant(np.array([1], np.int64)))
    found = Digests().values([values, indices, X, values])
    assert len(set(found)) == 3
    assert found[0] == found[3]


def test_array_digest_sees_dtype_shape_and_bits_only() -> None:
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    assert array_digest(array) == array_digest(np.asfortranarray(array)) == array_digest(array.astype(">f4"))
    assert array_digest(array) == array_digest(np.repeat(array, 2, axis=1)[:, ::2])
    others = [array.reshape(4, 3), array.astype(np.float64), array.view(np.int32), -array]
    assert len({array_digest(a) for a in (array, *others)}) == 5
    assert array_digest(np.array(["ab", "c"], object)) != array_digest(np.array(["a", "bc"], object))
    assert array_digest(np.zeros((0, 2))) != array_digest(np.zeros((2, 0)))


class _Counting(np.ndarray):  # type: ignore[type-arg]  # float32
    """Counts how often its content is read."""

    reads = 0

    def reshape(self, *shape, **options):  # type: ignore[no-untyped-def]  # as numpy's
        _Counting.reads += 1
        return super().reshape(*shape, **options)


def test_weights_are_hashed_lazily_and_once() -> None:
    _Counting.reads = 0
    array = np.ones((4, 3), np.float32).view(_Counting)
    program = _program(weights=Weights({"k": array}))
    assert _Counting.reads == 0
    program_digest(program)
    program_digest(replace(program, name="q"))
    program_digest(program.with_weights({"other": np.zeros(3, np.float32)}))
    assert _Counting.reads == 1
    program_digest(program.with_weights({"k": np.ones((4, 3), np.float32).view(_Counting)}))
    assert _Counting.reads == 2


def test_mapped_weights_are_read_in_pieces(tmp_path: Path) -> None:
    path = tmp_path / "weights.bin"
    np.arange(3_000_000, dtype=np.float64).tofile(path)
    mapped = np.memmap(path, np.float64, "r", shape=(3_000_000,))
    assert array_digest(mapped) == array_digest(np.arange(3_000_000, dtype=np.float64))
