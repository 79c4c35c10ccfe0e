"""RNN, GRU and LSTM: one step function each, run over time by `recurrence`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional as F

from .carriers import Tensor
from .control import recurrence
from .lowering import Lowering

Activation = Callable[[Tensor], Tensor]
_Step = Callable[[list[Tensor], Tensor], list[Tensor]]

_DEFAULTS: dict[str, tuple[float, float]] = {
    "affine": (1.0, 0.0),
    "leakyrelu": (0.01, 0.0),
    "thresholdedrelu": (1.0, 0.0),
    "scaledtanh": (1.0, 1.0),
    "hardsigmoid": (0.2, 0.5),
    "elu": (1.0, 0.0),
}
_WITH_BETA = frozenset({"affine", "scaledtanh", "hardsigmoid"})


def _activation(name: str, alpha: float, beta: float) -> Activation:
    table: dict[str, Activation] = {
        "relu": torch.relu,
        "tanh": torch.tanh,
        "sigmoid": torch.sigmoid,
        "softsign": F.softsign,
        "softplus": lambda x: F.softplus(x, threshold=60.0),
        "affine": lambda x: alpha * x + beta,
        "leakyrelu": lambda x: F.leaky_relu(x, alpha),
        "thresholdedrelu": lambda x: F.threshold(x, alpha, 0.0),
        "scaledtanh": lambda x: alpha * torch.tanh(beta * x),
        "hardsigmoid": lambda x: torch.clamp(alpha * x + beta, 0.0, 1.0),
        "elu": lambda x: F.elu(x, alpha),
    }
    return table[name.lower()]


def _activations(
    names: Sequence[str], alphas: Sequence[float] | None, betas: Sequence[float] | None
) -> list[Activation]:
    """The functions; alphas and betas go, in order, to those that have them."""
    alpha_rest, beta_rest = list(alphas or ()), list(betas or ())
    found = []
    for name in names:
        alpha, beta = _DEFAULTS.get(name.lower(), (0.0, 0.0))
        if name.lower() in _DEFAULTS and alpha_rest:
            alpha = alpha_rest.pop(0)
        if name.lower() in _WITH_BETA and beta_rest:
            beta = beta_rest.pop(0)
        found.append(_activation(name, alpha, beta))
    return found


@dataclass(frozen=True)
class _Options:
    activations: Sequence[str]
    alphas: Sequence[float] | None
    betas: Sequence[float] | None
    clip: float | None
    direction: str
    layout: int

    @property
    def directions(self) -> int:
        return 2 if self.direction == "bidirectional" else 1

    def functions(self, direction: int) -> list[Activation]:
        every = _activations(self.activations, self.alphas, self.betas)
        each = len(every) // self.directions if len(every) >= self.directions else len(every)
        chosen = every[direction * each : (direction + 1) * each]
        if self.clip is None:
            return chosen
        limit = self.clip
        return [_clipped(f, limit) for f in chosen]


def _clipped(function: Activation, limit: float) -> Activation:
    return lambda x: function(x.clamp(-limit, limit))


def _run(
    x: Tensor,
    initial: Sequence[Tensor | None],
    sequence_lens: Tensor | None,
    hidden: int,
    options: _Options,
    make_step: Callable[[int], _Step],
) -> list[Tensor]:
    """[Y, Y_h, …] in the layout asked for: every direction run, results stacked."""
    x = x.transpose(0, 1) if options.layout else x
    zeros = x.new_zeros((options.directions, x.shape[1], hidden))
    states = [zeros if s is None else s.transpose(0, 1) if options.layout else s for s in initial]
    outputs, finals = [], []
    for direction in range(options.directions):
        backward = options.direction == "reverse" or direction == 1
        y, last = _one_direction(
            x, [s[direction] for s in states], sequence_lens, backward, make_step(direction)
        )
        outputs.append(y)
        finals.append(last)
    y = torch.stack(outputs, 1)
    ends = [torch.stack([f[i] for f in finals], 0) for i in range(len(states))]
    if options.layout:
        return [y.permute(2, 0, 1, 3), *(e.transpose(0, 1) for e in ends)]
    return [y, *ends]


def _one_direction(
    x: Tensor, states: list[Tensor], sequence_lens: Tensor | None, backward: bool, step: _Step
) -> tuple[Tensor, list[Tensor]]:
    """Y [T, N, hidden] and the last states; past a sequence's end Y is zero and states stay."""
    times = torch.arange(x.shape[0], device=x.device)
    if sequence_lens is None:
        ordered = x.flip(0) if backward else x
        inside = torch.ones_like(times, dtype=torch.bool).unsqueeze(1).expand(-1, x.shape[1])
    else:
        lengths = sequence_lens.to(torch.int64)
        inside = times.unsqueeze(1) < lengths
        ordered = _reversed(x, lengths, times) if backward else x

    def masked(state: list[Tensor], items: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        x_t, inside_t = items
        new = step(state, x_t)
        if sequence_lens is not None:
            mask = inside_t.unsqueeze(1)
            new = [torch.where(mask, n, s) for n, s in zip(new, state, strict=True)]
            return new, [torch.where(mask, new[0], torch.zeros_like(new[0]))]
        return new, [new[0]]

    finals, (y,) = recurrence(masked, states, [ordered, inside])
    if not backward:
        return y, finals
    return (y.flip(0) if sequence_lens is None else _reversed(y, lengths, times)), finals


def _reversed(x: Tensor, lengths: Tensor, times: Tensor) -> Tensor:
    """Each sequence reversed within its length."""
    places = torch.where(times.unsqueeze(1) < lengths, lengths - 1 - times.unsqueeze(1), times.unsqueeze(1))
    return torch.gather(x, 0, places.unsqueeze(-1).expand(x.shape))


def _biases(b: Tensor | None, direction: int, gates: int, x: Tensor, hidden: int) -> tuple[Tensor, Tensor]:
    """The biases of the input and of the recurrence, zero where there are none."""
    if b is None:
        zero = x.new_zeros((gates * hidden,))
        return zero, zero
    first, second = b[direction].chunk(2)
    return first, second


def _given(results: list[Tensor], count: int) -> Any:
    return results[0] if count == 1 else tuple(results[:count])


def rnn(
    x: Tensor,
    w: Tensor,
    r: Tensor,
    b: Tensor | None = None,
    sequence_lens: Tensor | None = None,
    initial_h: Tensor | None = None,
    activation_alpha: Sequence[float] | None = None,
    activation_beta: Sequence[float] | None = None,
    activations: Sequence[str] = ("Tanh", "Tanh"),
    clip: float | None = None,
    direction: str = "forward",
    hidden_size: int | None = None,
    layout: int = 0,
    results: int = 1,
) -> Any:
    """H = f(X Wᵀ + H Rᵀ + biases)."""
    hidden = r.shape[-1]
    options = _Options(activations, activation_alpha, activation_beta, clip, direction, layout)

    def make_step(d: int) -> _Step:
        (f,) = options.functions(d)[:1]
        wb, rb = _biases(b, d, 1, x, hidden)
        return lambda state, x_t: [f(F.linear(x_t, w[d], wb) + F.linear(state[0], r[d], rb))]

    return _given(_run(x, [initial_h], sequence_lens, hidden, options, make_step), results)


def gru(
    x: Tensor,
    w: Tensor,
    r: Tensor,
    b: Tensor | None = None,
    sequence_lens: Tensor | None = None,
    initial_h: Tensor | None = None,
    activation_alpha: Sequence[float] | None = None,
    activation_beta: Sequence[float] | None = None,
    activations: Sequence[str] | None = None,
    clip: float | None = None,
    direction: str = "forward",
    hidden_size: int | None = None,
    layout: int = 0,
    linear_before_reset: int = 0,
    results: int = 1,
) -> Any:
    """H = (1 - z) h + z H, with update gate z, reset gate r and candidate h; gates in order z, r, h."""
    hidden = r.shape[-1]
    names = activations or ["Sigmoid", "Tanh"] * (2 if direction == "bidirectional" else 1)
    options = _Options(names, activation_alpha, activation_beta, clip, direction, layout)

    def make_step(d: int) -> _Step:
        f, g = options.functions(d)
        wb, rb = _biases(b, d, 3, x, hidden)
        r_gates, r_new = r[d][: 2 * hidden], r[d][2 * hidden :]
        rb_gates, rb_new = rb[: 2 * hidden], rb[2 * hidden :]

        def step(state: list[Tensor], x_t: Tensor) -> list[Tensor]:
            (h,) = state
            from_x = F.linear(x_t, w[d], wb)
            update, reset = f(from_x[:, : 2 * hidden] + F.linear(h, r_gates, rb_gates)).chunk(2, -1)
            if linear_before_reset:
                inner = reset * F.linear(h, r_new, rb_new)
            else:
                inner = F.linear(reset * h, r_new, rb_new)
            new = g(from_x[:, 2 * hidden :] + inner)
            return [(1 - update) * new + update * h]

        return step

    return _given(_run(x, [initial_h], sequence_lens, hidden, options, make_step), results)


def lstm(
    x: Tensor,
    w: Tensor,
    r: Tensor,
    b: Tensor | None = None,
    sequence_lens: Tensor | None = None,
    initial_h: Tensor | None = None,
    initial_c: Tensor | None = None,
    p: Tensor | None = None,
    activation_alpha: Sequence[float] | None = None,
    activation_beta: Sequence[float] | None = None,
    activations: Sequence[str] | None = None,
    clip: float | None = None,
    direction: str = "forward",
    hidden_size: int | None = None,
    input_forget: int = 0,
    layout: int = 0,
    results: int = 1,
) -> Any:
    """C = f C + i c, H = o h(C), with peepholes p; gates in order i, o, f, c."""
    hidden = r.shape[-1]
    names = activations or ["Sigmoid", "Tanh", "Tanh"] * (2 if direction == "bidirectional" else 1)
    options = _Options(names, activation_alpha, activation_beta, clip, direction, layout)

    def make_step(d: int) -> _Step:
        f, g, h = options.functions(d)
        wb, rb = _biases(b, d, 4, x, hidden)
        holes = [x.new_zeros(())] * 3 if p is None else p[d].chunk(3)

        def step(state: list[Tensor], x_t: Tensor) -> list[Tensor]:
            old, memory = state
            gates = F.linear(x_t, w[d], wb) + F.linear(old, r[d], rb)
            taken, shown, kept, new = gates.chunk(4, -1)
            taken = f(taken + holes[0] * memory)
            kept = 1 - taken if input_forget else f(kept + holes[2] * memory)
            memory = kept * memory + taken * g(new)
            shown = f(shown + holes[1] * memory)
            return [shown * h(memory), memory]

        return step

    return _given(_run(x, [initial_h, initial_c], sequence_lens, hidden, options, make_step), results)


RECURRENT: dict[str, Lowering] = {
    "RNN": Lowering(rnn, counted=True),
    "GRU": Lowering(gru, counted=True),
    "LSTM": Lowering(lstm, counted=True),
}
