"""Linear algebra of the standard: products of matrices, Einsum, Det."""

from __future__ import annotations

import torch

from .carriers import Tensor, in_int64
from .lowering import Lowering


def matmul(a: Tensor, b: Tensor) -> Tensor:
    return in_int64(torch.matmul, a, b)


def gemm(
    a: Tensor,
    b: Tensor,
    c: Tensor | None = None,
    alpha: float = 1.0,
    beta: float = 1.0,
    transA: int = 0,
    transB: int = 0,
) -> Tensor:
    """alpha A' B' + beta C, where ' transposes if asked to."""
    left = a.t() if transA else a
    right = b.t() if transB else b
    product = in_int64(torch.matmul, left, right)
    if alpha != 1.0:
        product = (product * alpha).to(a.dtype)
    if c is None:
        return product
    return in_int64(torch.add, product, c if beta == 1.0 else (c * beta).to(a.dtype))


def einsum(*operands: Tensor, equation: str) -> Tensor:
    terms, arrow, result = equation.replace(" ", "").partition("->")
    if not arrow:
        result = implicit_result(terms)
    return torch.einsum(f"{terms}->{result}", *operands)


def implicit_result(terms: str) -> str:
    """The letters that occur once, in ASCII order (torch's own order differs for upper case)."""
    letters = [c for c in terms if c.isalpha()]
    return ("..." if "..." in terms else "") + "".join(
        sorted(c for c in set(letters) if letters.count(c) == 1)
    )


def det(x: Tensor) -> Tensor:
    result: Tensor = torch.linalg.det(x)
    return result


LINEAR: dict[str, Lowering] = {
    "MatMul": Lowering(matmul),
    "Gemm": Lowering(gemm),
    "Einsum": Lowering(einsum),
    "Det": Lowering(det),
}
