"""Executors run every task once, wherever; the cache gives back what was put, or nothing."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from graphwright.backends.runtime.cache import ResultCache, content_key, write_atomically
from graphwright.backends.runtime.executor import ProcessExecutor, RayExecutor, SerialExecutor, task_seed
from graphwright.graph.diagnostics import SpecError

# Functions that spawned workers can import by name.
from graphwright.backends.runtime.philox import derived_seed  # isort: skip


def square(n: int) -> int:
    return n * n


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessExecutor]:
    with ProcessExecutor(workers=2, chunk=3) as executor:
        yield executor


def test_a_pool_gives_each_result_with_its_position(pool: ProcessExecutor) -> None:
    expected = {i: derived_seed(i) for i in range(10)}
    assert dict(pool.map_unordered(derived_seed, range(10))) == expected
    assert dict(SerialExecutor().map_unordered(derived_seed, range(10))) == expected
    assert pool.submit(derived_seed, 4).result() == expected[4]


def test_errors_of_tasks_reach_the_caller(pool: ProcessExecutor) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        list(pool.map_unordered(int, ["1", "x"]))
    assert dict(pool.map_unordered(int, ["1", "2"])) == {0: 1, 1: 2}


def test_a_pool_takes_tasks_as_it_goes(pool: ProcessExecutor) -> None:
    """An endless iterable: only what workers can start is drawn from it."""
    drawn = []

    def endless() -> Iterator[int]:
        n = 0
        while True:
            drawn.append(n)
            yield n
            n += 1

    results = pool.map_unordered(derived_seed, endless())
    assert next(results)[0] >= 0
    results.close()  # type: ignore[attr-defined]  # a generator
    assert len(drawn) < 50


def test_a_dead_worker_is_a_diagnostic() -> None:
    with ProcessExecutor(workers=1) as executor:
        with pytest.raises(SpecError) as caught:
            list(executor.map_unordered(os._exit, [3]))
        assert [d.code for d in caught.value.diagnostics] == ["G0969"]
        assert dict(executor.map_unordered(derived_seed, [1])) == {0: derived_seed(1)}


def test_shared_objects_are_read_by_handle_and_removed_at_the_end() -> None:
    executor = ProcessExecutor(workers=1)
    handle = executor.put({"x": np.arange(5)})
    assert np.array_equal(handle.get()["x"], np.arange(5))
    folder = Path(handle.path).parent
    assert folder.stat().st_mode & 0o077 == 0
    executor.close()
    assert not folder.exists()
    assert SerialExecutor().put(7).get() == 7


def test_task_seeds_depend_on_seed_and_position() -> None:
    seeds = {task_seed(s, p) for s in range(20) for p in range(20)}
    assert len(seeds) == 400
    assert all(0 <= s < 2**63 for s in seeds)


def test_ray_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(SpecError) as caught:
        list(RayExecutor("local").map_unordered(square, [1]))
    assert [d.code for d in caught.value.diagnostics] == ["G0970"]


# --- cache ----------------------------------------------------------------------------------------

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False)
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(PLAIN, PLAIN)
def test_keys_are_equal_exactly_where_contents_are(a: Any, b: Any) -> None:
    assert content_key(a) == content_key(a)
    if repr(a) != repr(b) and not (isinstance(a, dict) and a == b):
        assert content_key(a) != content_key(b) or _same(a, b)


def _same(a: Any, b: Any) -> bool:
    """Equal with types and signs of zero, dictionaries in any order."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(_same, a, b))
    return repr(a) == repr(b)


def test_keys_tell_types_and_shapes_apart() -> None:
    values: list[Any] = [1, 1.0, True, "1", None, [1], [[1]], {"1": 1}, b"1", 0.0, -0.0]
    values += [np.zeros(4), np.zeros((2, 2)), np.zeros(4, np.float32), np.zeros(5), np.float64(0)]
    assert len({content_key(v) for v in values}) == len(values)
    assert content_key({"a": 1, "b": 2}) == content_key({"b": 2, "a": 1})
    assert content_key(1, 2) != content_key([1, 2])
    with pytest.raises(TypeError):
        content_key(object())


@given(
    hnp.arrays(
        st.sampled_from([np.float32, np.int64, np.bool_, np.uint8]), hnp.array_shapes(min_dims=0, max_dims=3)
    ),
    PLAIN,
)
def test_what_is_put_comes_back(array: Any, plain: Any) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        cache = ResultCache(Path(folder))
        cache.put("00key", {"array": array, "more": [plain, array]})
        found = cache.get("00key")
    assert found["array"].dtype == array.dtype
    assert found["array"].shape == array.shape
    assert found["array"].tobytes() == array.tobytes() == found["more"][1].tobytes()
    assert found["more"][0] == plain


def test_low_precision_arrays(tmp_path: Path) -> None:
    cache = ResultCache(tmp_path)
    cache.put("abcd", np.array([1, 2], ml_dtypes.bfloat16))
    assert cache.get("abcd").tolist() == [1, 2]


def test_broken_entries_count_as_missing(tmp_path: Path) -> None:
    cache = ResultCache(tmp_path)
    assert cache.get("abcdef") is None
    cache.put("abcdef", {"n": 1})
    assert "abcdef" in cache
    (file,) = tmp_path.rglob("*.safetensors")
    file.write_bytes(file.read_bytes()[:-1] if file.stat().st_size > 100 else b"")
    file.write_bytes(b"not an entry")
    assert cache.get("abcdef") is None
    cache.put("abcdef", {"n": 2})
    assert cache.get("abcdef") == {"n": 2}


def test_a_failed_write_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old")
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
