"""LtiSsm with torch: step by step, in chunks, by FFT, or by an associative scan."""

from __future__ import annotations

import torch

from ...runtime.state_space_cost import Layer, best_plan, best_step
from .carriers import Tensor
from .lowering import Lowering
from .state_space_tables import Recurrence, blocks, diagonal, halves, low_rank, parted

Run = tuple[Tensor, Tensor]
"""Outputs [batch, G, O, L] and the last state [batch, G, S]."""


def lti_ssm(
    u: Tensor,
    a: Tensor,
    b: Tensor,
    c: Tensor,
    d: Tensor | None = None,
    dt: Tensor | None = None,
    initial: Tensor | None = None,
    p: Tensor | None = None,
    q: Tensor | None = None,
    *,
    form: str = "dense",
    disc: str = "none",
    mode: str = "auto",
    chunk: int = 0,
    certified_error: float = -1.0,
    certificate_kind: str = "",
) -> tuple[Tensor, Tensor]:
    """x[t] = A x[t-1] + B u[t], y[t] = C x[t] + D u[t]: u[batch, G·I, L] to y[batch, G·O, L] and the
    last state. The certificate is carried, not used."""
    system = recurrence(form, disc, a, b, c, dt, p, q)
    groups, _, inputs = system.b.shape
    fed = u.reshape(u.shape[0], groups, inputs, u.shape[-1])
    states = system.b.shape[1]
    start = u.new_zeros(u.shape[0], groups, states) if initial is None else _joined(initial, form)
    layer = _layer(system, fed)
    mode, chunk = _plan(layer, mode, chunk)
    if mode != "step" or not best_step(layer, "torch").diagonal:
        system = system.whole
    y, last = MODES[mode](system, fed, start, chunk)
    if d is not None:
        y = y + (
            d.reshape(groups, inputs, 1) * fed if d.dim() == 1 else torch.einsum("goi,bgil->bgol", d, fed)
        )
    return y.flatten(1, 2), _parted(last, form, a)


def recurrence(
    form: str,
    disc: str,
    a: Tensor,
    b: Tensor,
    c: Tensor,
    dt: Tensor | None,
    p: Tensor | None,
    q: Tensor | None,
) -> Recurrence:
    """The discrete system in real coordinates."""
    if form == "diagonal":
        return diagonal(a, b, c, dt, disc)
    if form == "dplr":
        assert p is not None and q is not None  # by the type rule
        return low_rank(a, b, c, p, q, dt, disc)
    if form == "dense":
        return blocks(a.unsqueeze(1), b.unsqueeze(1), c.unsqueeze(2), dt, disc)
    return blocks(a, b, c, dt, disc)


def _joined(state: Tensor, form: str) -> Tensor:
    """A state of the operator as [batch, G, S]."""
    if form in ("diagonal", "dplr"):
        return torch.cat([state[..., 0], state[..., 1]], dim=-1)
    return state.flatten(2)


def _parted(state: Tensor, form: str, a: Tensor) -> Tensor:
    """[batch, G, S] as a state of the operator."""
    if form in ("diagonal", "dplr"):
        return torch.stack(halves(state), dim=-1)
    return parted(state, 2, a.shape[1]) if form == "block" else state


def _layer(system: Recurrence, fed: Tensor) -> Layer:
    groups, states, inputs = system.b.shape
    batch, _, _, length = fed.shape
    return Layer(
        int(batch),
        groups,
        inputs,
        system.c.shape[1],
        states,
        int(length),
        system.poles is not None,
        constant=False,
        rank=0 if system.low_rank is None else system.low_rank[0].shape[2],
    )


def _plan(layer: Layer, mode: str, chunk: int) -> tuple[str, int]:
    if mode not in ("auto", "chunk") or (mode == "chunk" and chunk > 0):
        return mode, chunk
    plan = best_plan(layer, "torch")
    if mode == "chunk":
        return mode, plan.chunk if plan.mode == "chunk" else 64
    return plan.mode, chunk if plan.mode == "chunk" and chunk > 0 else plan.chunk


def step(system: Recurrence, u: Tensor, x: Tensor, chunk: int) -> Run:
    """One step after the other."""
    entering = torch.einsum("gsi,bgil->lbgs", system.b, u)
    states = []
    for fed in entering.unbind(0):
        x = system.advance(x) + fed
        states.append(x)
    if not states:
        return u.new_zeros(*u.shape[:2], system.c.shape[1], 0), x
    return torch.einsum("gos,lbgs->bgol", system.c, torch.stack(states)), x


def chunked(system: Recurrence, u: Tensor, x: Tensor, chunk: int) -> Run:
    """Within a chunk of T steps a product with the Toeplitz block of the kernel, T·I to T·O; from one
    to the next the state, by Aᵀ. The last chunk may be shorter: it takes a corner of the tables."""
    length = u.shape[-1]
    size = max(1, min(chunk, length))
    tables = _Tables.of(system, size)
    whole, rest = divmod(length, size)
    found = []
    if whole:
        y, x = _chunks(tables, u[..., : whole * size], x, size)
        found.append(y)
    if rest:
        y, x = _chunks(tables.shorter(system, rest), u[..., whole * size :], x, rest)
        found.append(y)
    if not found:
        return u.new_zeros(*u.shape[:2], system.c.shape[1], 0), x
    return torch.cat(found, dim=-1) if len(found) > 1 else found[0], x


class _Tables:
    """For chunks of T steps: `local`[G, I·T, O·T], `into`[G, I·T, S], `out`[G, S, O·T], and `jump`."""

    def __init__(self, kernel: Tensor, reached: Tensor, seen: Tensor, jump: Recurrence) -> None:
        self.kernel, self.reached, self.seen, self.jump = kernel, reached, seen, jump

    @classmethod
    def of(cls, system: Recurrence, size: int) -> _Tables:
        reached = system.reached(size)
        kernel = parted(system.c @ reached.flatten(2), 2, size)
        return cls(kernel, reached, system.seen(size), system.power(size))

    def shorter(self, system: Recurrence, size: int) -> _Tables:
        return _Tables(
            self.kernel[:, :, :size], self.reached[:, :, :size], self.seen[:, :size], system.power(size)
        )

    def local(self) -> Tensor:
        """The block-Toeplitz matrix K[t - s] for s ≤ t, from (I, s) to (O, t)."""
        groups, outputs, size, inputs = self.kernel.shape
        gap = torch.arange(size, device=self.kernel.device)
        gap = gap[None, :] - gap[:, None]  # [s, t]
        picked = self.kernel[:, :, gap.clamp(min=0)] * (gap >= 0)[None, None, :, :, None]
        return picked.permute(0, 4, 2, 1, 3).reshape(groups, inputs * size, outputs * size)

    def into(self) -> Tensor:
        """What the inputs of a chunk add to the state at its end."""
        return self.reached.flip(2).permute(0, 3, 2, 1).flatten(1, 2)

    def out(self) -> Tensor:
        """What the state before a chunk adds to its outputs."""
        return self.seen.permute(0, 3, 2, 1).flatten(2)


def _chunks(tables: _Tables, u: Tensor, x: Tensor, size: int) -> Run:
    batch, groups, inputs, length = u.shape
    count = length // size
    outputs = tables.kernel.shape[1]
    rows = u.reshape(batch, groups, inputs, count, size).permute(1, 0, 3, 2, 4)
    rows = rows.reshape(groups, batch * count, inputs * size)
    y = torch.bmm(rows, tables.local())
    fed = parted(torch.bmm(rows, tables.into()), 1, batch).permute(2, 1, 0, 3)
    before = []
    for part in fed.unbind(0):
        before.append(x)
        x = tables.jump.advance(x) + part
    carried = torch.stack(before, dim=2).permute(1, 0, 2, 3).reshape(groups, batch * count, -1)
    y = torch.baddbmm(y, carried, tables.out())
    y = y.reshape(groups, batch, count, outputs, size).permute(1, 0, 3, 2, 4)
    return y.reshape(batch, groups, outputs, length), x


def fft(system: Recurrence, u: Tensor, x: Tensor, chunk: int) -> Run:
    """The convolution with the whole kernel by transforms of twice the length, and the response to
    the initial state."""
    length = u.shape[-1]
    if length == 0:
        return step(system, u, x, chunk)
    reached = system.reached(length)
    kernel = parted(system.c @ reached.flatten(2), 2, length)
    size = 2 * length
    spectrum = torch.fft.rfft(kernel, n=size, dim=2)
    product_ = torch.einsum("gofi,bgif->bgof", spectrum, torch.fft.rfft(u, n=size))
    y = torch.fft.irfft(product_, n=size)[..., :length]
    y = y + torch.einsum("gtos,bgs->bgot", system.seen(length), x)
    last = torch.einsum("gsti,bgit->bgs", reached.flip(2), u) + system.power(length).advance(x)
    return y, last


def associative(system: Recurrence, u: Tensor, x: Tensor, chunk: int) -> Run:
    """Prefix sums of (A, B u) in log₂ L rounds (Hillis and Steele): the power of A that stands between
    two neighbours is the same everywhere, since the layer does not change with time."""
    if u.shape[-1] == 0:
        return step(system, u, x, chunk)
    states = torch.einsum("gsi,bgil->lbgs", system.b, u)
    states = torch.cat([(states[0] + system.advance(x)).unsqueeze(0), states[1:]])
    reach, jump = 1, system
    while reach < states.shape[0]:
        moved = jump.advance(states[:-reach].flatten(0, 1)).reshape(states[:-reach].shape)
        states = torch.cat([states[:reach], states[reach:] + moved])
        reach, jump = 2 * reach, jump.power(2)
    return torch.einsum("gos,lbgs->bgol", system.c, states), states[-1]


MODES = {"step": step, "chunk": chunked, "fft": fft, "associative": associative}

STATE_SPACE: dict[str, Lowering] = {"LtiSsm": Lowering(lti_ssm)}
