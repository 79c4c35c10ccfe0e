"""A state-space layer in real coordinates, and tables of the powers of its state matrix."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from .carriers import Tensor


@dataclass(frozen=True)
class Recurrence:
    """`x[t] = A x[t-1] + b u[t]`, `y = c x` for every group: b[G, S, I], c[G, O, S]. A is either
    `poles` (re, im)[G, M] over states [re | im], S = 2 M, or `blocks`[G, K, n, n], S = K n. With poles it may be
    less a `low_rank` P Qᵀ, both [G, S, R]."""

    b: Tensor
    c: Tensor
    poles: tuple[Tensor, Tensor] | None = None
    blocks: Tensor | None = None
    low_rank: tuple[Tensor, Tensor] | None = None

    @property
    def whole(self) -> Recurrence:
        """With one matrix where there are poles less a low rank."""
        if self.poles is None or self.low_rank is None:
            return self
        re, im = (torch.diag_embed(p) for p in self.poles)
        matrix = torch.cat([torch.cat([re, -im], dim=2), torch.cat([im, re], dim=2)], dim=1)
        p, q = self.low_rank
        return Recurrence(self.b, self.c, None, (matrix - p @ q.mT).unsqueeze(1))

    def power(self, steps: int) -> Recurrence:
        """With Aˢᵗᵉᵖˢ for A, by squaring."""
        if self.low_rank is not None:
            return self.whole.power(steps)
        if self.poles is not None:
            result, base = None, self.poles
            while steps:
                if steps & 1:
                    result = base if result is None else product(result, base)
                base, steps = product(base, base), steps >> 1
            ones = torch.ones_like(self.poles[0])
            return Recurrence(self.b, self.c, result or (ones, torch.zeros_like(ones)))
        assert self.blocks is not None
        return Recurrence(self.b, self.c, None, torch.linalg.matrix_power(self.blocks, steps))

    def advance(self, x: Tensor) -> Tensor:
        """A x for x[..., G, S]."""
        if self.poles is not None:
            moved = torch.cat(product(self.poles, halves(x)), dim=-1)
            if self.low_rank is None:
                return moved
            p, q = self.low_rank
            return moved - torch.einsum("gsr,...gr->...gs", p, torch.einsum("gsr,...gs->...gr", q, x))
        assert self.blocks is not None
        groups, count, n, _ = self.blocks.shape
        parts = x.reshape(-1, groups, count, n)
        return torch.einsum("gkij,bgkj->bgki", self.blocks, parts).reshape(x.shape)

    def after(self, vectors: Tensor) -> Tensor:
        """A v for columns v[G, S, columns]."""
        if self.poles is not None:
            first, second = vectors.chunk(2, dim=1)
            re, im = (p.unsqueeze(-1) for p in self.poles)
            moved = torch.cat([re * first - im * second, im * first + re * second], dim=1)
            return (
                moved if self.low_rank is None else moved - self.low_rank[0] @ (self.low_rank[1].mT @ vectors)
            )
        assert self.blocks is not None
        groups, count, n, _ = self.blocks.shape
        return (self.blocks @ vectors.reshape(groups, count, n, -1)).reshape(vectors.shape)

    def before(self, rows: Tensor) -> Tensor:
        """w A for rows w[G, rows, S]."""
        if self.poles is not None:
            first, second = rows.chunk(2, dim=-1)
            re, im = (p.unsqueeze(1) for p in self.poles)
            moved = torch.cat([first * re + second * im, second * re - first * im], dim=-1)
            return moved if self.low_rank is None else moved - (rows @ self.low_rank[0]) @ self.low_rank[1].mT
        assert self.blocks is not None
        groups, count, n, _ = self.blocks.shape
        parts = rows.reshape(groups, -1, count, n).transpose(1, 2)
        return (parts @ self.blocks).transpose(1, 2).reshape(rows.shape)

    def reached(self, count: int) -> Tensor:
        """Aᵗ b for t below count: [G, S, count, I], by doubling."""
        table, jump, have = self.b.unsqueeze(2), self, 1
        while have < count:
            more = jump.after(table.flatten(2)).reshape(table.shape)
            table = torch.cat([table, more], dim=2)
            have *= 2
            jump = jump.power(2)
        return table[:, :, :count]

    def seen(self, count: int) -> Tensor:
        """c Aᵗ⁺¹ for t below count: [G, count, O, S]."""
        table, jump, have = self.before(self.c).unsqueeze(1), self, 1
        groups, _, states = self.c.shape
        while have < count:
            more = jump.before(table.reshape(groups, -1, states)).reshape(table.shape)
            table = torch.cat([table, more], dim=1)
            have *= 2
            jump = jump.power(2)
        return table[:, :count]

    def kernel(self, count: int) -> Tensor:
        """c Aᵗ b: [G, O, count, I]."""
        return parted(self.c @ self.reached(count).flatten(2), 2, count)


Pair = tuple[Tensor, Tensor]


def product(left: Pair, right: Pair) -> Pair:
    """The product of two complex numbers as pairs of real tensors."""
    return left[0] * right[0] - left[1] * right[1], left[0] * right[1] + left[1] * right[0]


def parted(x: Tensor, axis: int, count: int) -> Tensor:
    """x with an axis split into `count` and the rest."""
    shape = x.shape
    return x.reshape(*shape[:axis], count, shape[axis] // count, *shape[axis + 1 :])


def halves(x: Tensor) -> Pair:
    """The real and imaginary parts of states [..., re | im]."""
    re, im = x.chunk(2, dim=-1)
    return re, im


def diagonal(a: Tensor, b: Tensor, c: Tensor, dt: Tensor | None, disc: str) -> Recurrence:
    """A[G, M, 2], B[G, M, I, 2], C[G, O, M, 2], conjugates implied: y = 2 Re(C x)."""
    poles, entering = (a[..., 0], a[..., 1]), (b[..., 0], b[..., 1])
    if dt is not None:
        step = dt if dt.dim() == 2 else dt.unsqueeze(-1)
        scaled = poles[0] * step, poles[1] * step
        poles, factor = _held(scaled, step) if disc == "zoh" else _tustin(scaled, step)
        entering = product((factor[0].unsqueeze(-1), factor[1].unsqueeze(-1)), entering)
    rows = torch.cat([2 * c[..., 0], -2 * c[..., 1]], dim=-1)
    return Recurrence(torch.cat(entering, dim=1), rows, poles)


def _held(z: Pair, step: Tensor) -> tuple[Pair, Pair]:
    """exp(z) and step (exp(z) - 1) / z; near 0 the quotient by its series."""
    size = torch.exp(z[0])
    power = size * torch.cos(z[1]), size * torch.sin(z[1])
    # exp(z) - 1 without cancellation: expm1(re) cos(im) - 2 sin²(im / 2)
    less = torch.expm1(z[0]) * torch.cos(z[1]) - 2 * torch.sin(z[1] / 2) ** 2, power[1]
    norm = z[0] ** 2 + z[1] ** 2
    tiny = norm < 1e-12
    safe = torch.where(tiny, torch.ones_like(norm), norm)
    re, im = product(less, (z[0] / safe, -z[1] / safe))
    first = torch.where(tiny, 1 + z[0] / 2, re), torch.where(tiny, z[1] / 2, im)
    return power, (first[0] * step, first[1] * step)


def _tustin(z: Pair, step: Tensor) -> tuple[Pair, Pair]:
    """(1 + z/2) / (1 - z/2) and step / (1 - z/2)."""
    below = (1 - z[0] / 2) ** 2 + (z[1] / 2) ** 2
    inverse = (1 - z[0] / 2) / below, z[1] / 2 / below
    return product((1 + z[0] / 2, z[1] / 2), inverse), (inverse[0] * step, inverse[1] * step)


def blocks(a: Tensor, b: Tensor, c: Tensor, dt: Tensor | None, disc: str) -> Recurrence:
    """A[G, K, n, n], B[G, K, n, I], C[G, O, K, n]."""
    if dt is not None:
        step = dt.reshape(-1, 1, 1, 1)
        a, b = _dense_zoh(a * step, b * step) if disc == "zoh" else _dense_tustin(a * step, b * step)
    return Recurrence(b.flatten(1, 2), c.flatten(2), None, a)


def _dense_zoh(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """The corners of exp([[A, B], [0, 0]])."""
    n = a.shape[-1]
    top = torch.cat([a, b], dim=-1)
    wide = torch.cat([top, top.new_zeros(*b.shape[:-2], b.shape[-1], top.shape[-1])], dim=-2)
    power = torch.linalg.matrix_exp(wide)
    return power[..., :n, :n], power[..., :n, n:]


def _dense_tustin(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    one = torch.eye(a.shape[-1], dtype=a.dtype, device=a.device)
    n = a.shape[-1]
    solved = torch.linalg.solve(one - a / 2, torch.cat([one + a / 2, b], dim=-1))
    return solved[..., :n], solved[..., n:]


def low_rank(
    a: Tensor, b: Tensor, c: Tensor, p: Tensor, q: Tensor, dt: Tensor | None, disc: str
) -> Recurrence:
    """diag(A) - P Q* over pairs, P and Q [G, M, R, 2]; conjugates are implied, so Q* x stands for 2 Re(Q* x). A
    bilinear step keeps the form, an exponential does not."""
    entering = torch.cat([b[..., 0], b[..., 1]], dim=1)
    leaving = torch.cat([2 * c[..., 0], -2 * c[..., 1]], dim=-1)
    left, right = torch.cat([p[..., 0], p[..., 1]], dim=1), 2 * torch.cat([q[..., 0], q[..., 1]], dim=1)
    system = Recurrence(entering, leaving, (a[..., 0], a[..., 1]), None, (left, right))
    if dt is None:
        return system
    if disc == "zoh":
        whole = system.whole
        assert whole.blocks is not None
        return blocks(whole.blocks, entering.unsqueeze(1), leaving.unsqueeze(2), dt, disc)
    return _low_rank_tustin(system, dt)


def _low_rank_tustin(system: Recurrence, dt: Tensor) -> Recurrence:
    """(1 - A dt/2)⁻¹ is D - D P' (1 + Qᵀ D P')⁻¹ Qᵀ D with D = (1 - Λ dt/2)⁻¹ and P' = P dt/2 (Woodbury), and
    Ā twice that, less one."""
    assert system.poles is not None and system.low_rank is not None
    half = tuple(x * dt.unsqueeze(-1) / 2 for x in system.poles)
    below = (1 - half[0]) ** 2 + half[1] ** 2
    inverse = (1 - half[0]) / below, half[1] / below
    d, wide = Recurrence(system.b, system.c, inverse), dt.reshape(-1, 1, 1)
    p, q = system.low_rank
    first = d.after(p) * (wide / 2)
    core = torch.eye(q.shape[-1], dtype=q.dtype, device=q.device) + q.mT @ first
    gain = torch.linalg.solve(core, first, left=False)
    entering = d.after(system.b) * wide
    entering = entering - gain @ (q.mT @ entering)
    taken = d.before(q.mT).mT
    return Recurrence(entering, system.c, (2 * inverse[0] - 1, 2 * inverse[1]), None, (2 * gain, taken))
