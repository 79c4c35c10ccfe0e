"""The order of types by how much they say: `float32[...]` covers `float32[_, 4]`, which covers
`float32[3, 4]`. Two unknown sizes are never taken for equal: each may be another number."""

from __future__ import annotations

from .types import Axes, Axis, OptionalType, SequenceType, TensorType, Type


def covers(general: Type, given: Type) -> bool:
    """Whether every value of type `given` is one of type `general`."""
    if isinstance(general, TensorType) and isinstance(given, TensorType):
        return general.dtype is given.dtype and _covers(general.axes, given.axes)
    for container in (SequenceType, OptionalType):
        if isinstance(general, container) and isinstance(given, container):
            return covers(general.element, given.element)
    return general == given


def _covers(general: Axes | None, given: Axes | None) -> bool:
    if general is None or general == given:
        return True
    if given is None or len(general) != len(given):
        return False
    return all(a is None or a == b for a, b in zip(general, given, strict=True))


def join(left: Type, right: Type) -> Type | None:
    """The type that covers both and says the most: sizes that differ become unknown, and so does a
    rank that differs. None where no type covers both."""
    if left == right:
        return left
    if isinstance(left, TensorType) and isinstance(right, TensorType):
        if left.dtype is not right.dtype:
            return None
        return TensorType.of(left.dtype, join_axes(left.axes, right.axes))
    for container in (SequenceType, OptionalType):
        if isinstance(left, container) and isinstance(right, container):
            element = join(left.element, right.element)
            return container(element) if element is not None else None
    return None


def join_axes(left: Axes | None, right: Axes | None) -> Axes | None:
    """The sizes that both have; None where their ranks differ or one is unknown."""
    if left is None or right is None or len(left) != len(right):
        return None
    return tuple(a if a == b else None for a, b in zip(left, right, strict=True))


def may_be_equal(left: Axes, right: Axes) -> bool:
    """Whether nothing says that the two shapes differ: of one rank, and equal wherever both are known."""
    return len(left) == len(right) and all(
        a is None or b is None or a == b for a, b in zip(left, right, strict=True)
    )


def consistent(left: Type, right: Type) -> bool:
    """Whether a value may be of both types, for all that they say."""
    if isinstance(left, TensorType) and isinstance(right, TensorType):
        if left.dtype is not right.dtype:
            return False
        return left.axes is None or right.axes is None or may_be_equal(left.axes, right.axes)
    for container in (SequenceType, OptionalType):
        if isinstance(left, container) and isinstance(right, container):
            return consistent(left.element, right.element)
    return left == right


def meet_axes(left: Axes, right: Axes) -> Axes:
    """Two descriptions of one shape of one rank, put together. Where both know a size, the left one
    is taken: that they are equal is the caller's to check."""
    return tuple(met(a, b) for a, b in zip(left, right, strict=True))


def met(left: Axis, right: Axis) -> Axis:
    """The size of one axis by two descriptions of it."""
    return right if left is None else left
