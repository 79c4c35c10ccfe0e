"""Contractions: MatMul, Gemm, Einsum, Det and the integer products."""

from __future__ import annotations

from collections.abc import Sequence

from ...types.dtypes import INT32
from ...types.types import Axes, Axis, TensorType, Type
from ..operator import Call, RuleError, TypeRule
from .broadcasting import broadcasts_to, merge, require_equal, unequal
from .operands import present, refuse, require_rank, tensor


def product_dims(call: Call, first: int = 0, second: int = 1) -> Axes | None:
    """The shape of a matrix product by `numpy.matmul`'s rules. Raises G0401, G0405."""
    left, right = require_rank(call, first, 1).axes, require_rank(call, second, 1).axes
    if left is None or right is None:
        return None
    operands = (first, second)
    inner, other = left[-1], right[0 if len(right) == 1 else -2]
    if inner != other and inner is not None and other is not None:
        raise unequal(call, inner, other, operands, _transpose_hint(left, right))
    batch = left[:-2] if left[:-2] == right[:-2] else merge(left[:-2], right[:-2])
    if not isinstance(batch, tuple):
        pair = left[batch - 2], right[batch - 2]
        require_equal(call, *pair, operands)
        raise AssertionError(pair)
    return (*batch, *(left[-2:-1]), *(right[-1:] if len(right) > 1 else ()))


def _transpose_hint(left: Axes, right: Axes) -> str | None:
    if len(right) >= 2 and left[-1] == right[-1]:
        return "transpose the second operand: x @ y.mT"
    if len(left) >= 2 and len(right) >= 2 and left[-2] == right[-2]:
        return "transpose the first operand: x.mT @ y"
    return None


def _matmul(call: Call) -> Sequence[Type]:
    return (TensorType.of(tensor(call, 0).dtype, product_dims(call)),)


def _matmul_integer(call: Call) -> Sequence[Type]:
    return (TensorType.of(INT32, product_dims(call)),)


def _qlinear_matmul(call: Call) -> Sequence[Type]:
    return (TensorType.of(tensor(call, 7).dtype, product_dims(call, 0, 3)),)


def _gemm(call: Call) -> Sequence[Type]:
    left, right = require_rank(call, 0, 2, 2), require_rank(call, 1, 2, 2)
    a, b = left.axes or (None, None), right.axes or (None, None)
    m, k = reversed(a) if call.attribute("transA") else a
    k2, n = reversed(b) if call.attribute("transB") else b
    require_equal(call, k, k2, (0, 1))
    if present(call, 2):
        broadcasts_to(call, 2, (m, n), (2, 0, 1))
    return (TensorType.of(left.dtype, (m, n)),)


def _det(call: Call) -> Sequence[Type]:
    found = require_rank(call, 0, 2)
    if found.axes is None:
        return (found,)
    rows, columns = found.axes[-2:]
    if rows != columns and rows is not None and columns is not None:
        raise RuleError("G0406", f"Det needs square matrices; this is {found}", (0,))
    return (TensorType.of(found.dtype, found.axes[:-2]),)


# --- Einsum -----------------------------------------------------------------------------------


def einsum_terms(call: Call) -> tuple[list[str], str]:
    """The operands' labels and the result's, with `...` kept. Raises RuleError G0464."""
    equation = "".join(str(call.attribute("equation")).split())
    left, arrow, right = equation.partition("->")
    terms = left.split(",")
    if len(terms) != len(call.inputs):
        raise refuse(call, f"'{equation}' has {len(terms)} terms for {len(call.inputs)} operands")
    for term in (*terms, right):
        letters = term.replace("...", "", 1)
        if not all(c.isalpha() for c in letters):
            raise refuse(call, f"'{term}' in '{equation}' is no list of letters")
    if arrow:
        return terms, right
    letters = "".join(terms).replace("...", "")
    once = "".join(sorted(c for c in set(letters) if letters.count(c) == 1))
    return terms, ("..." if "..." in left else "") + once


def _einsum(call: Call) -> Sequence[Type]:
    terms, result = einsum_terms(call)
    sizes: dict[str, Axis] = {}
    ellipsis: Axes = ()
    for index, term in enumerate(terms):
        found = tensor(call, index)
        if found.axes is None:
            return (TensorType.of(tensor(call, 0).dtype, _einsum_rank(result)),)
        merged = merge(ellipsis, _bind(call, index, term, found.axes, sizes))
        if not isinstance(merged, tuple):
            raise refuse(call, f"the axes '...' of operand {index + 1} don't broadcast", (0, index))
        ellipsis = merged
    dims: list[Axis] = []
    for label in result.replace("...", "."):
        if label == ".":
            dims.extend(ellipsis)
        elif label not in sizes:
            raise refuse(call, f"'{label}' of the result is in no operand")
        else:
            dims.append(sizes[label])
    return (TensorType.of(tensor(call, 0).dtype, tuple(dims)),)


def _einsum_rank(result: str) -> Axes | None:
    """As many unknown sizes as the result has letters; None where it has `...`."""
    return None if "." in result else (None,) * len(result)


def _bind(call: Call, index: int, term: str, dims: Axes, sizes: dict[str, Axis]) -> Axes:
    """Binds a term's letters to sizes and returns the dimensions of its `...`."""
    letters = len(term.replace("...", ""))
    spare = len(dims) - letters
    if spare < 0 or (spare and "..." not in term):
        raise refuse(call, f"term '{term}' has {letters} letters for {tensor(call, index)}", (index,))
    before, _, after = term.partition("...")
    places = [*zip(before, dims, strict=False)]
    if "..." in term:
        places += zip(after, dims[len(dims) - len(after) :], strict=True)
    for label, size in places:
        bound = sizes.setdefault(label, size)
        one = merge((bound,), (size,))
        if isinstance(one, tuple):
            (sizes[label],) = one
        else:
            require_equal(call, bound, size, (0, index) if index else (0,))
    return dims[len(before) : len(dims) - len(after)] if "..." in term else ()


TYPES: dict[str, TypeRule] = {
    "Det": _det,
    "Einsum": _einsum,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "MatMulInteger": _matmul_integer,
    "QLinearMatMul": _qlinear_matmul,
}
