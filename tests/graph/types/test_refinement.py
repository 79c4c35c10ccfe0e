"""The order of types against what they mean: the set of concrete shapes that each allows."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphwright.graph.types import FLOAT32, INT64, OptionalType, SequenceType, TensorType, symbol
from graphwright.graph.types.refinement import consistent, covers, join, meet_axes
from graphwright.graph.types.types import Axes, UnknownShape

LENGTHS = (0, 1, 2)
SHAPES = frozenset(shape for rank in range(4) for shape in product(LENGTHS, repeat=rank))
ALL_AXES: list[Axes | None] = [None]
ALL_AXES += [axes for rank in range(4) for axes in product((None, *LENGTHS), repeat=rank)]
AXES = st.sampled_from(ALL_AXES)


def meaning(axes: Axes | None) -> frozenset[tuple[int, ...]]:
    """The concrete shapes that a tensor of these axes may have."""
    if axes is None:
        return SHAPES
    choices = [LENGTHS if a is None else (a,) for a in axes]
    return frozenset(product(*choices))  # type: ignore[arg-type]  # all sizes here are ints


def tensor(axes: Axes | None) -> TensorType:
    return TensorType.of(FLOAT32, axes)


@given(AXES, AXES)
def test_a_type_covers_what_its_shapes_hold(left: Axes | None, right: Axes | None) -> None:
    assert covers(tensor(left), tensor(right)) == (meaning(left) >= meaning(right))


@given(AXES, AXES)
def test_types_are_consistent_where_a_shape_is_of_both(left: Axes | None, right: Axes | None) -> None:
    assert consistent(tensor(left), tensor(right)) == bool(meaning(left) & meaning(right))


@given(AXES, AXES)
def test_a_join_is_the_least_type_that_covers_both(left: Axes | None, right: Axes | None) -> None:
    joined = join(tensor(left), tensor(right))
    assert isinstance(joined, TensorType)
    both = meaning(left) | meaning(right)
    assert meaning(joined.axes) >= both
    assert all(meaning(axes) >= meaning(joined.axes) for axes in ALL_AXES if meaning(axes) >= both)


@given(AXES, AXES)
def test_a_meet_says_what_both_say(left: Axes | None, right: Axes | None) -> None:
    if left is not None and right is not None and meaning(left) & meaning(right):
        assert meaning(meet_axes(left, right)) == meaning(left) & meaning(right)


@given(AXES, AXES, AXES)
def test_joining_is_a_semilattice(a: Axes | None, b: Axes | None, c: Axes | None) -> None:
    x, y, z = tensor(a), tensor(b), tensor(c)
    left, right = join(x, y), join(y, z)
    assert left is not None
    assert right is not None
    assert join(left, z) == join(x, right)
    assert join(x, y) == join(y, x)
    assert join(x, x) == x


def test_named_sizes_are_equal_only_to_themselves() -> None:
    n, m = symbol("n"), symbol("m")
    assert covers(tensor((None, n)), tensor((n, n)))
    assert not covers(tensor((n,)), tensor((m,)))
    assert not covers(tensor((n,)), tensor((None,)))
    assert join(tensor((n, 2)), tensor((m, 2))) == tensor((None, 2))


def test_containers_go_by_their_elements() -> None:
    narrow, wide = tensor((2, 3)), tensor((2, None))
    for container in (SequenceType, OptionalType):
        assert covers(container(wide), container(narrow))
        assert not covers(container(narrow), container(wide))
        assert consistent(container(narrow), container(wide))
        assert join(container(narrow), container(tensor((2, 4)))) == container(wide)
    assert join(SequenceType(wide), OptionalType(wide)) is None
    assert join(narrow, TensorType(INT64, (2, 3))) is None
    assert not consistent(narrow, TensorType(INT64, (2, 3)))


@given(AXES)
def test_who_asks_for_all_dimensions_never_meets_an_unknown_one(axes: Axes | None) -> None:
    found = tensor(axes)
    assert found.axes == axes
    if axes is not None and None not in axes:
        assert found.dims == found.shape == axes
        assert found == TensorType(FLOAT32, found.dims)
        return
    assert found.dims is None
    assert not found.is_static
    for ask in ("shape", "size"):
        with pytest.raises(UnknownShape):
            getattr(found, ask)


@given(AXES, st.integers(-3, 2))
def test_the_rank_and_each_size_are_told_as_far_as_they_are_known(axes: Axes | None, axis: int) -> None:
    found = tensor(axes)
    if axes is None:
        assert found.size_of(axis) is None
        with pytest.raises(UnknownShape):
            _ = found.rank
        return
    assert found.rank == len(axes)
    if -len(axes) <= axis < len(axes):
        assert found.size_of(axis) == axes[axis]
