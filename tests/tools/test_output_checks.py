import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphwright.tools.output_checks import checked
from graphwright.tools.reports.text import _nonfinite

INF, NAN = float("inf"), float("nan")


def _of(actual, expected, dtype=np.float32, **more):
    return checked("y", {}, np.array(actual, dtype), np.array(expected, dtype), **more)


@pytest.mark.parametrize("lossy", [False, True])
@pytest.mark.parametrize(
    ("actual", "expected", "ok"),
    [
        ([1.0, INF], [1.0, INF], True),
        ([1.0, NAN], [1.0, INF], True),  # inf - inf in another order
        ([1.0, NAN], [1.0, NAN], True),
        ([1.0, 3e38], [1.0, INF], True),  # one of the two overflows a step earlier
        ([1.0, INF], [1.0, 3e38], True),
        ([1.0, 2.0], [1.0, NAN], False),
        ([1.0, 2.0], [1.0, INF], False),
        ([1.0, NAN], [1.0, 2.0], False),
        ([2.0, INF], [1.0, INF], False),  # an infinity beside it makes no difference small
    ],
)
def test_what_is_not_finite(actual, expected, ok, lossy):
    found = _of(actual, expected, lossy=lossy)
    assert found.ok is ok
    assert found.nonfinite == sum(not np.isfinite(v) for v in np.float32(expected))
    assert found.count == 2


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@given(st.lists(st.floats(-100, 100, width=16), min_size=1, max_size=6))
def test_equal_arrays_agree_and_moved_ones_do_not(dtype, numbers):
    values = np.array(numbers, dtype)
    assert checked("y", {}, values, values).ok
    moved = values + np.array(0.1 * max(1.0, np.abs(values).max()), dtype)
    assert not checked("y", {}, moved, values).ok


def test_whole_numbers_and_shapes_are_compared_exactly():
    assert checked("y", {}, np.array([1, 2]), np.array([1, 2])).ok
    assert not checked("y", {}, np.array([1, 3]), np.array([1, 2])).ok
    assert not _of([1.0], [[1.0]]).ok


def test_one_warning_an_output_of_its_worst_sizes():
    checks = [
        {"output": "a", "nonfinite": 3, "count": 4},
        {"output": "a", "nonfinite": 9, "count": 16},
        {"output": "b", "nonfinite": 0, "count": 16},
    ]
    (line,) = _nonfinite(checks)
    assert "9 of 16 numbers of 'a'" in line
