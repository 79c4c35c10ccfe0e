"""LtiSsm, computed in float64 one step after the other, as its definition says."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ...graph.ir import Node
from .kernel import Array, Datum, Kernel, like


def _complex(array: Array) -> Array:
    return np.asarray(array[..., 0] + 1j * array[..., 1])


Move = Callable[[Array], Array]
"""A x of states x[batch, G, K, n]."""


def _both(array: Array, axis: int = 1) -> Array:
    """Of kept poles those, and then their conjugates."""
    kept = _complex(array)
    return np.concatenate([kept, kept.conj()], axis=axis)


def _dense(form: str, a: Array, p: Array | None, q: Array | None) -> Array:
    """A[G, K, n, n] over all states; for pairs over the kept poles and then their conjugates."""
    if form == "dense":
        return a[:, None]
    if form == "block":
        return a
    both = _both(a)
    matrix = both[..., None] * np.eye(both.shape[1])
    if p is not None and q is not None:
        matrix = matrix - _both(p) @ np.swapaxes(_both(q).conj(), 1, 2)
    return np.asarray(matrix[:, None])


def _low_rank(a: Array, p: Array, q: Array, b: Array, dt: Array | None) -> tuple[Move, Array]:
    """A step of diag(A) - P Q*, which is O(n R), and B̄[G, 1, n, I]. With dt bilinear: (1 - A dt/2)⁻¹ by Woodbury's
    identity keeps the form."""
    poles, left, right = _both(a), _both(p), _both(q)
    if dt is not None:
        step = dt[:, None]
        inverse = (1 / (1 - poles * step / 2))[..., None]
        first, across = inverse * left * step[..., None] / 2, np.swapaxes(right.conj(), 1, 2)
        gain = first @ np.linalg.inv(np.eye(left.shape[-1]) + across @ first)
        b = inverse[:, None] * b * step[..., None, None]
        b = b - (gain @ (across @ b[:, 0]))[:, None]
        poles, left, right = 2 * inverse[..., 0] - 1, 2 * gain, inverse.conj() * right

    def move(x: Array) -> Array:
        read = np.einsum("gnr,bgkn->bgkr", right.conj(), x)
        return np.asarray(poles[:, None] * x - np.einsum("gnr,bgkr->bgkn", left, read))

    return move, b


def _phi(x: Array) -> tuple[Array, Array]:
    """exp(X) and (exp(X) - 1) / X of matrices, by the exponential of [[X, 1], [0, 0]]: its Taylor
    series after halving X below 1/16, then squared back."""
    n = x.shape[-1]
    wide = np.zeros((*x.shape[:-2], 2 * n, 2 * n), x.dtype)
    wide[..., :n, :n], wide[..., :n, n:] = x, np.eye(n)
    norm = float(np.max(np.abs(wide).sum(-1), initial=0.0))
    halvings = max(0, int(np.ceil(np.log2(max(norm, 1e-300)))) + 4) if np.isfinite(norm) else 0
    small = wide / 2.0**halvings
    total = term = np.broadcast_to(np.eye(2 * n, dtype=x.dtype), wide.shape)
    for k in range(1, 15):
        term = term @ small / k
        total = total + term
    for _ in range(halvings):
        total = total @ total
    return total[..., :n, :n], total[..., :n, n:]


def _discrete(a: Array, b: Array, step: Array | None, method: str) -> tuple[Array, Array]:
    """Ā, B̄ for A[G, K, n, n], B[G, K, n, I] and step[G, 1, 1 or n, 1]."""
    if step is None:
        return a, b
    one = np.eye(a.shape[-1])
    if method == "zoh":
        power, held = _phi(a * step)
        return power, held @ (b * step)
    left = one - a * step / 2
    return np.linalg.solve(left, one + a * step / 2), np.linalg.solve(left, b * step)


def _step(form: str, dt: Array | None) -> Array | None:
    if dt is None:
        return None
    if dt.ndim == 2:  # one for each pole, and the same for its conjugate
        return np.concatenate([dt, dt], axis=1)[:, None, :, None]
    return dt[:, None, None, None]


def _lti_ssm(node: Node, inputs: Sequence[Datum]) -> Sequence[Datum]:
    given = [None if x is None else np.asarray(x, np.float64) for x in (*inputs, *(None,) * 9)][:9]
    u, a, b, c, d, dt, initial, p, q = given
    assert u is not None and a is not None and b is not None and c is not None
    form: str = node.attribute("form")
    pairs, disc = form in ("diagonal", "dplr"), node.attribute("disc")
    if pairs:
        b, c = _both(b)[:, None], _both(c, 2)[:, :, None]
    elif form == "dense":
        b, c = b[:, None], c[:, :, None]
    if p is not None and q is not None and disc != "zoh":
        move, b = _low_rank(a, p, q, b, dt)
    else:
        matrix, b = _discrete(_dense(form, a, p, q), b, _step(form, dt), disc)

        def move(x: Array) -> Array:
            return np.asarray(np.einsum("gkij,bgkj->bgki", matrix, x))

    batch, _, length = u.shape
    groups, blocks, n, count = b.shape
    fed = u.reshape(batch, groups, count, length)
    x = np.zeros((batch, groups, blocks, n), b.dtype)
    if initial is not None:
        first = _complex(initial) if pairs else initial
        x = np.concatenate([first, first.conj()], axis=-1)[:, :, None] if pairs else first.reshape(x.shape)
    y = np.zeros((batch, groups, c.shape[1], length))
    for t in range(length):
        x = move(x) + np.einsum("gkni,bgi->bgkn", b, fed[..., t])
        y[..., t] = np.einsum("gokn,bgkn->bgo", c, x).real
    y = y + _through(d, fed)
    return [like(y.reshape(batch, -1, length), inputs[0]), like(_last(x, form), inputs[0])]


def _through(d: Array | None, fed: Array) -> Array:
    if d is None:
        return np.zeros(())
    if d.ndim == 1:
        return np.asarray(d.reshape(1, *fed.shape[1:3], 1) * fed)
    return np.asarray(np.einsum("goi,bgil->bgol", d, fed))


def _last(x: Array, form: str) -> Array:
    if form == "block":
        return x
    if form == "dense":
        return x[:, :, 0]
    half = x[:, :, 0, : x.shape[-1] // 2]
    return np.stack([half.real, half.imag], axis=-1)


STATE_SPACE: dict[str, Kernel] = {"LtiSsm": _lti_ssm}
