"""Generators (R28): constants of a shape, and draws. Without a shape they take the declared one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...diagnostics import fail
from ...ir import Value, leaf
from ...types import FLOAT64, INT64, Dim, Dimension, TensorType
from ...types.dimensions import product
from ..arithmetic import binary, normal_static
from ..construction import MAX_CONSTANT, Construction
from ..meanings import Items, Meaning, Tensor, is_number, is_tensor_like, kind_name, weak_dtype
from ..scope import Target
from .layout import dims_of

GENERATORS = frozenset(
    "zeros ones full arange linspace eye load normal uniform randint permutation kaiming_uniform kaiming_normal "
    "xavier_uniform xavier_normal truncated_normal".split()
)


def _shape(build: Construction, given: Sequence[Meaning], name: str) -> list[Dimension]:
    """The shape written in a call, else the declared one."""
    if len(given) == 1 and isinstance(given[0], Items):
        return dims_of(build, given[0])
    if given:
        return dims_of(build, Items(tuple(given)))
    if build.target is None or build.target.dims is None:
        raise fail("G0436", f"{name}() needs a shape here", build.span, hint=f"write {name}(2, 3)")
    return list(build.target.dims)


def _filled(build: Construction, dims: Sequence[Dimension], fill: int | float) -> Meaning:
    if all(isinstance(d, int) for d in dims):
        sizes = [int(d) for d in dims if isinstance(d, int)]
        check_size(build, sizes)
        if sizes == []:
            return fill
        return np.full(sizes, fill)
    value = build.constant(np.full((1,), fill))
    return Tensor(
        build.op("ConstantOfShape", build.shape_value(dims), value=np.asarray(value.constant)), True
    )


def check_size(build: Construction, dims: Sequence[int]) -> None:
    """Raises before memory is taken for an absurd or negative size."""
    if any(d < 0 for d in dims):
        raise fail("G0437", f"a shape with a negative length: {list(dims)}", build.span)
    if product(dims) > MAX_CONSTANT:  # type: ignore[operator]  # all are ints
        raise fail("G0438", f"a constant of shape {list(dims)} is too large", build.span)


def zeros(build: Construction, *shape: Meaning) -> Meaning:
    """Zeros: zeros(2, 3), or zeros() for the declared shape."""
    return _filled(build, _shape(build, shape, "zeros"), 0)


def ones(build: Construction, *shape: Meaning) -> Meaning:
    """Ones."""
    return _filled(build, _shape(build, shape, "ones"), 1)


def full(build: Construction, *shape: Meaning, fill: Meaning) -> Meaning:
    """A shape filled with one number: full(2, 3, fill=9)."""
    dims = _shape(build, shape, "full")
    if isinstance(fill, int | float):
        return _filled(build, dims, fill)
    value = build.weak(fill) if is_number(fill) else build.value(fill)
    weak = is_number(fill) or (isinstance(fill, Tensor) and fill.weak)
    return Tensor(build.op("Expand", value, build.shape_value(dims)), weak)


def arange(build: Construction, start: Meaning, stop: Meaning = None, step: Meaning = 1) -> Meaning:
    """start, start + step, … below stop; arange(n) counts from 0."""
    low, high = (0, start) if stop is None else (start, stop)
    for part in (low, high, step):
        if not is_number(part):
            raise fail("G0439", f"arange takes compile-time numbers, not {kind_name(part)}", build.span)
    if all(isinstance(p, int | float) for p in (low, high, step)):
        if step == 0:
            raise fail("G0439", "arange with step 0", build.span)
        check_size(build, [max(0, int(np.ceil((high - low) / step)))])  # type: ignore[operator]  # numbers
        return normal_static(build, np.atleast_1d(np.arange(low, high, step)))  # type: ignore[arg-type]  # as above
    values = [build.weak(p) for p in (low, high, step)]
    dtype = FLOAT64 if any(v.tensor.dtype is FLOAT64 for v in values) else INT64
    return Tensor(build.op("Range", *(build.cast(v, dtype) for v in values)), True)


def linspace(build: Construction, start: Meaning, stop: Meaning, count: Meaning) -> Meaning:
    """`count` numbers from start to stop, both included, in float64."""
    if isinstance(count, int) and all(isinstance(p, int | float) for p in (start, stop)):
        check_size(build, [count])
        return np.linspace(start, stop, count)  # type: ignore[arg-type]  # numbers
    if not (isinstance(count, int | Dim) and is_tensor_like(start) and is_tensor_like(stop)):
        raise fail("G0439", "linspace takes two numbers and a compile-time count", build.span)
    steps = binary(build, "/", binary(build, "-", stop, start), binary(build, "-", count, 1))
    return binary(build, "+", start, binary(build, "*", arange(build, count), steps))


def eye(build: Construction, n: Meaning = None, m: Meaning = None) -> Meaning:
    """The identity matrix n × n, or n × m."""
    rows = n if n is not None else _square_target(build)
    columns = rows if m is None else m
    for size in (rows, columns):
        if isinstance(size, bool) or not isinstance(size, int | Dim):
            raise fail("G0506", f"eye takes sizes, not {kind_name(size)}", build.span)
    if isinstance(rows, int) and isinstance(columns, int):
        check_size(build, [rows, columns])
        return np.eye(rows, columns, dtype=np.int64)
    i, j = arange(build, rows), arange(build, columns)
    from ..indexing import Range, subscript

    every = Range(None, None, None)
    equal = binary(build, "==", subscript(build, i, [every, None]), subscript(build, j, [None, every]))
    assert isinstance(equal, Tensor)
    return Tensor(build.cast(equal.value, INT64), True)


def _square_target(build: Construction) -> Meaning:
    dims = _shape(build, (), "eye")
    if len(dims) != 2:
        raise fail("G0436", "eye() fills matrices only", build.span)
    return dims[0]


# --- draws ------------------------------------------------------------------------------------

# The precision of the target: with more bits, rounding to it could give a uniform 1.
_UNIFORM_BITS = {"float64": 53, "float16": 11, "bfloat16": 8}


def _draw(build: Construction, kind: str, dims: Sequence[Dimension], **bounds: int) -> Tensor:
    """A Draw leaf: float64, or int64 for integers; uniform has the bits of the target's dtype."""
    if build.target is None:
        raise fail(
            "G0701",
            f"{kind}() draws random numbers; in a node they would not be reproducible",
            build.span,
            hint="declare them under noise: and use the name",
        )
    bits = _UNIFORM_BITS.get(build.target.dtype.name, 24)
    dtype = INT64 if kind in ("randint", "permutation") else FLOAT64
    stream = build.stream(build.target.stream)
    value: Value = leaf("Draw", stream, TensorType(dtype, tuple(dims)), kind=kind, bits=bits, **bounds)
    build.record((value,))
    return Tensor(value, True)


def _scaled(build: Construction, draw: Meaning, scale: Meaning, shift: Meaning) -> Meaning:
    result = draw if isinstance(scale, int | float) and scale == 1 else binary(build, "*", draw, scale)
    return result if isinstance(shift, int | float) and shift == 0 else binary(build, "+", result, shift)


def _drawn_shape(build: Construction, shape: Meaning, name: str) -> list[Dimension]:
    return _shape(build, () if shape is None else (shape,), name)


def normal(build: Construction, mean: Meaning = 0, std: Meaning = 1, shape: Meaning = None) -> Meaning:
    """Normal draws: normal(mean, std)."""
    return _scaled(build, _draw(build, "normal", _drawn_shape(build, shape, "normal")), std, mean)


def uniform(build: Construction, low: Meaning = 0, high: Meaning = 1, shape: Meaning = None) -> Meaning:
    """Uniform draws between low and high; uniform() is never 0 or 1."""
    draw = _draw(build, "uniform", _drawn_shape(build, shape, "uniform"))
    if low == 0 and high == 1 and isinstance(low, int | float):
        return draw
    return _scaled(build, draw, binary(build, "-", high, low), low)


def randint(build: Construction, low: Meaning, high: Meaning = None, shape: Meaning = None) -> Meaning:
    """Integers from low to high - 1; randint(n) draws below n."""
    low, high = (0, low) if high is None else (low, high)
    if not isinstance(low, int) or not isinstance(high, int):
        raise fail("G0439", "randint takes compile-time integers", build.span)
    if high <= low:
        raise fail("G0439", f"randint({low}, {high}) is empty", build.span)
    return _draw(build, "randint", _drawn_shape(build, shape, "randint"), low=low, high=high)


def permutation(build: Construction, n: Meaning = None) -> Meaning:
    """The numbers 0 to n - 1 in random order, along the last axis."""
    dims = _shape(build, () if n is None else (n,), "permutation")
    return _draw(build, "permutation", dims)


def _fans(dims: Sequence[Dimension]) -> tuple[int, int]:
    """(inputs, outputs) of one unit of a kernel [out, in, *window]."""
    sizes = [int(d) if isinstance(d, int) else 1 for d in dims]
    if len(sizes) < 2:
        return (max(1, sizes[0] if sizes else 1),) * 2
    window = int(np.prod(sizes[2:], dtype=np.int64)) if len(sizes) > 2 else 1
    return max(1, sizes[1] * window), max(1, sizes[0] * window)


def kaiming_uniform(build: Construction, gain: Meaning = 1.0) -> Meaning:
    """Uniform in ±gain * sqrt(3 / inputs): He et al. 2015, with gain 1 (PyTorch's linear: 1 / sqrt(3))."""
    dims = _shape(build, (), "kaiming_uniform")
    bound = binary(build, "*", gain, float(np.sqrt(3.0 / _fans(dims)[0])))
    return _scaled(
        build, _draw(build, "uniform", dims), binary(build, "*", bound, 2), binary(build, "*", bound, -1)
    )


def kaiming_normal(build: Construction, gain: Meaning = 2.0**0.5) -> Meaning:
    """Normal with std gain / sqrt(inputs): He et al. 2015, gain sqrt(2) for rectifiers."""
    dims = _shape(build, (), "kaiming_normal")
    return _scaled(
        build, _draw(build, "normal", dims), binary(build, "/", gain, float(np.sqrt(_fans(dims)[0]))), 0
    )


def xavier_uniform(build: Construction, gain: Meaning = 1.0) -> Meaning:
    """Uniform in ±gain * sqrt(6 / (inputs + outputs)): Glorot and Bengio 2010."""
    dims = _shape(build, (), "xavier_uniform")
    bound = binary(build, "*", gain, float(np.sqrt(6.0 / sum(_fans(dims)))))
    return _scaled(
        build, _draw(build, "uniform", dims), binary(build, "*", bound, 2), binary(build, "*", bound, -1)
    )


def xavier_normal(build: Construction, gain: Meaning = 1.0) -> Meaning:
    """Normal with std gain * sqrt(2 / (inputs + outputs)): Glorot and Bengio 2010."""
    dims = _shape(build, (), "xavier_normal")
    return _scaled(
        build,
        _draw(build, "normal", dims),
        binary(build, "*", gain, float(np.sqrt(2.0 / sum(_fans(dims))))),
        0,
    )


def truncated_normal(build: Construction, std: Meaning = 1.0) -> Meaning:
    """Normal draws limited to two standard deviations."""
    from .elementwise import clip

    dims = _shape(build, (), "truncated_normal")
    return _scaled(build, clip(build, _draw(build, "normal", dims), -2.0, 2.0), std, 0)


def target_for(dims: Sequence[Dimension] | None, type_: TensorType, stream: str) -> Target:
    """The target of a declaration of that type."""
    return Target(tuple(dims) if dims is not None else None, type_.dtype, stream)


def weak_kind(meaning: Meaning) -> str:
    """The weak dtype's name, for messages."""
    return weak_dtype(meaning).name
