"""Data sources: built-in sets, files, slices, what is refused; batches and splits."""

from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn.datasets
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from graphwright.backends.runtime import builtin_data, data_files
from graphwright.backends.runtime.data import data_table, load, load_for_training
from graphwright.backends.runtime.dataset import Dataset, batch_count, batches, shuffled, typed
from graphwright.graph.diagnostics import Source, Span, SpecError
from graphwright.graph.spec.documents import DataDeclaration, Label
from graphwright.graph.types import TensorType, dtype, symbol

HERE = Path()
PLACE = Span(Source("spec.yaml", ""), 1, 1, 1, 1)
N = symbol("N")


def code(caught: Any) -> list[str]:
    return [d.code for d in caught.value.diagnostics]


def declaration(source: str, validation: float = 0.0) -> DataDeclaration:
    return DataDeclaration(PLACE, Label(source, PLACE), validation)


def test_digits_are_scikit_learns_in_their_order() -> None:
    bunch = sklearn.datasets.load_digits()
    train, test = load("digits.train", HERE), load("digits.test", HERE)
    assert (train.rows, test.rows) == (1000, 797)
    assert train["image"].dtype == np.float32
    assert train["label"].dtype == np.int64
    assert np.array_equal(np.concatenate([train["image"], test["image"]])[:, 0], bunch.images)
    assert np.array_equal(np.concatenate([train["label"], test["label"]]), bunch.target)
    assert np.array_equal(load("digits", HERE)["label"], bunch.target)


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "diabetes"])
def test_sorted_sets_are_mixed_but_complete(name: str) -> None:
    bunch = getattr(sklearn.datasets, f"load_{name}")()
    target = "target" if name == "diabetes" else "label"
    whole, test = load(name, HERE), load(f"{name}.test", HERE)
    rows = np.column_stack([whole["features"], whole[target]]).astype(np.float64)
    expected = np.column_stack([np.float32(bunch.data), np.float32(bunch.target)]).astype(np.float64)
    assert np.array_equal(rows[np.lexsort(rows.T)], expected[np.lexsort(expected.T)])
    assert test.rows == round(0.2 * whole.rows)
    if target == "label":
        assert set(test["label"]) == set(whole["label"])


def test_slices() -> None:
    train = load("digits.train", HERE)
    for text, rows in [("[:256]", slice(256)), ("[-5:]", slice(-5, None)), ("[10:20]", slice(10, 20))]:
        assert np.array_equal(load(f"digits.train{text}", HERE)["label"], train["label"][rows])


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("digit", "G0950"),
        ("digits.valid", "G0950"),
        ("digits.train[5:5]", "G0956"),
        ("digits.train[::2]", "G0956"),
        ("digits.train[a:]", "G0956"),
        ("missing.npz", "G0953"),
        ("/etc/passwd.csv", "G0952"),
        ("../outside.npz", "G0952"),
        ("a\\b.npz", "G0952"),
        ("data.txt/x", "G0950"),
    ],
)
def test_sources_that_are_refused(source: str, expected: str, tmp_path: Path) -> None:
    (tmp_path.parent / "outside.npz").write_bytes(b"")
    with pytest.raises(SpecError) as caught:
        load(source, tmp_path, PLACE)
    assert code(caught) == [expected]
    assert caught.value.diagnostics[0].span is PLACE


def test_links_must_stay_inside(tmp_path: Path) -> None:
    folder = tmp_path / "spec"
    folder.mkdir()
    np.savez(tmp_path / "outside.npz", x=np.zeros(3))
    (folder / "link.npz").symlink_to(tmp_path / "outside.npz")
    with pytest.raises(SpecError) as caught:
        load("link.npz", folder)
    assert code(caught) == ["G0952"]


def test_without_scikit_learn_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    builtin_data.open_built_in.cache_clear()
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(SpecError) as caught:
        load("iris", HERE)
    assert code(caught) == ["G0951"]
    assert "graphwright[learn]" in (caught.value.diagnostics[0].hint or "")


def test_training_data_has_its_parts() -> None:
    data = load_for_training(declaration("digits", 0.1), HERE)
    assert data.validation is not None
    assert data.test is not None
    assert (data.train.rows, data.validation.rows, data.test.rows) == (900, 100, 797)
    joined = np.concatenate([data.train["image"], data.validation["image"]]).reshape(1000, -1)
    whole = load("digits.train", HERE)["image"].reshape(1000, -1)
    assert np.array_equal(np.unique(joined, axis=0), np.unique(whole, axis=0))
    assert load_for_training(declaration("digits.train"), HERE).test is None


def test_a_hold_out_must_leave_rows() -> None:
    with pytest.raises(SpecError) as caught:
        load_for_training(declaration("digits[:4]", 0.1), HERE)
    assert code(caught) == ["G0959"]


def test_the_table_of_names_is_complete() -> None:
    assert set(data_table()) == {"digits", "iris", "wine", "breast_cancer", "diabetes", "model"}


# --- files ----------------------------------------------------------------------------------------


def test_the_same_columns_from_every_format(tmp_path: Path) -> None:
    x, k = np.arange(6, dtype=np.float32).reshape(3, 2), np.array([3, 1, 2])
    np.savez_compressed(tmp_path / "d.npz", x=x, k=k)
    save_file({"x": x, "k": k}, tmp_path / "d.safetensors")
    np.save(tmp_path / "x.npy", x)
    for name in ("d.npz", "d.safetensors", "x.npy"):
        found = load(name, tmp_path)
        assert np.array_equal(found["x"], x)
        assert found["x"].dtype == np.float32
    assert np.array_equal(load("d.npz[1:]", tmp_path)["k"], k[1:])


def test_csv_columns_take_the_dtype_of_their_input(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("size, weight,name\n1,0.1,a\n2,,b\n\n30,1e3,c d\n")
    found = load("d.csv", tmp_path)
    assert found["size"].tolist() == [1, 2, 30]
    assert found["name"].tolist() == ["a", "b", "c d"]
    types = {"weight": TensorType(dtype("float32"), (N,)), "size": TensorType(dtype("float32"), (N,))}
    ready = typed(found, types)
    assert ready["weight"].dtype == ready["size"].dtype == np.float32
    assert ready["weight"][0] == np.float32(0.1)
    assert np.isnan(ready["weight"][1])
    (warning,) = found.warnings()
    assert warning.code == "G0958"
    assert "'weight'" in warning.message
    assert "row 1" in warning.message


@pytest.mark.parametrize(
    "text",
    ["", "a,,c\n1,2,3\n", "a,a\n1,2\n", "a,b\n1\n", "a,b\n1,2,3\n", "a,b\n"],
)
def test_csv_that_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text(text)
    with pytest.raises(SpecError) as caught:
        load("d.csv", tmp_path)
    assert code(caught) == ["G0955"]


def test_files_without_usable_columns(tmp_path: Path) -> None:
    cases: list[tuple[str, dict[str, Any], str]] = [
        ("rows", {"x": np.zeros(3), "y": np.zeros(4)}, "x 3, y 4"),
        ("objects", {"x": np.array([{}, []], object)}, "Python objects"),
        ("empty", {"x": np.zeros((0, 3))}, "no rows"),
        ("scalar", {"x": np.float32(1)}, "without rows"),
        ("date", {"x": np.zeros(2, "datetime64[D]")}, "datetime64"),
        ("nothing", {}, "no columns"),
    ]
    for name, columns, expected in cases:
        np.savez(tmp_path / f"{name}.npz", allow_pickle=True, **columns)
        with pytest.raises(SpecError) as caught:
            load(f"{name}.npz", tmp_path)
        assert code(caught) == ["G0955"]
        assert expected in str(caught.value)


@pytest.mark.parametrize("name", ["d.npz", "d.npy", "d.safetensors"])
@pytest.mark.parametrize("content", [b"", b"garbage" * 100, b"\x80\x04cos\nsystem\n", b"PK\x03\x04"])
def test_garbage_is_a_diagnostic(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SpecError) as caught:
        load(name, tmp_path)
    assert code(caught) in (["G0953"], ["G0955"])


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = io.BytesIO()
    np.save(content, np.zeros(10_000_000, np.uint8))
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", content.getvalue())
    assert (tmp_path / "bomb.npz").stat().st_size < 100_000
    monkeypatch.setattr(data_files, "memory_limit", lambda: 1_000_000)
    with pytest.raises(SpecError) as caught:
        load("bomb.npz", tmp_path)
    assert code(caught) == ["G0954"]


# --- rows -----------------------------------------------------------------------------------------


@given(st.integers(1, 40), st.integers(1, 12), st.integers(0, 50), st.integers(1, 5))
def test_batches_hold_every_row_once(rows: int, size: int, seed: int, least: int) -> None:
    dataset = Dataset("d", {"x": np.arange(rows), "y": 2 * np.arange(rows)})
    order = shuffled(rows, seed, "epoch")
    found = list(batches(dataset, size, order=order, least=least))
    assert len(found) == batch_count(rows, size, least)
    whole = np.concatenate([b["x"] for b in found]) if found else np.zeros(0, int)
    kept = rows - rows % size if rows % size < least else rows
    assert np.array_equal(whole, order[:kept])
    assert all(np.array_equal(2 * b["x"], b["y"]) for b in found)
    for start in range(len(found)):
        later = list(batches(dataset, size, order=order, start=start, least=least))
        assert [b["x"].tolist() for b in later] == [b["x"].tolist() for b in found[start:]]


def test_a_split_is_repeatable_and_disjoint() -> None:
    dataset = Dataset("d", {"x": np.arange(100)})
    train, held = dataset.split(0.2, seed=3)
    assert held.rows == 20
    assert sorted([*train["x"], *held["x"]]) == list(range(100))
    assert np.array_equal(held["x"], dataset.split(0.2, seed=3)[1]["x"])
    assert not np.array_equal(held["x"], dataset.split(0.2, seed=4)[1]["x"])


def test_columns_must_fit_their_inputs() -> None:
    dataset = Dataset("d", {"x": np.zeros((3, 2)), "k": np.zeros(3, np.int32)})
    assert typed(dataset, {"k": TensorType(dtype("int64"), (N,))})["k"].dtype == np.int64
    for types, expected in [
        ({"x": TensorType(dtype("float32"), (N, 2))}, "G1330"),
        ({"x": TensorType(dtype("float64"), (N,))}, "G1341"),
        ({"y": TensorType(dtype("float64"), (N,))}, "G0957"),
    ]:
        with pytest.raises(SpecError) as caught:
            typed(dataset, types)
        assert code(caught) == [expected]


def test_digests_see_names_dtypes_and_contents() -> None:
    base = {"x": np.arange(4.0), "y": np.arange(4)}
    others = [
        {"x": np.arange(4.0), "z": np.arange(4)},
        {"x": np.arange(4.0), "y": np.arange(4, dtype=np.int32)},
        {"x": np.arange(4.0) + 1e-9, "y": np.arange(4)},
        {"x": np.arange(4.0)[::-1], "y": np.arange(4)},
    ]
    digests = {Dataset("d", c).digest for c in (base, *others)}
    assert len(digests) == 5
    assert Dataset("other", dict(reversed(base.items()))).digest == Dataset("d", base).digest
