"""Generated state-space layers and inputs whose float32 runs must keep to their certificates.

Runs are torch's own, step by step and in chunks, numpy's in chunks with tables rounded once and sums in drawn orders,
fused or not, and of every `RUNTIME`-th case ONNX Runtime's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ...passes.diagonalization.candidates import Draws
from ...passes.diagonalization.certificates import worst_input
from ...passes.diagonalization.choice import Outcome, Wanted, diagonalise
from ...passes.diagonalization.chunk_roundings import held_powers
from ...passes.diagonalization.diagonal import Diagonal, diagonal_kernel
from ...passes.diagonalization.layers import pairs
from ...passes.diagonalization.realisation import Realisation
from ...passes.diagonalization.system import Array, System, kernel
from .rounding_adversary import moved_row

RUNTIME = 25
CANDIDATES = 24
"""Numbers of which an input takes the one whose roundings push farthest."""
KINDS = (
    "full",
    "triangular",
    "nearly unstable",
    "normal",
    "ill conditioned",
    "defective",
    "nilpotent",
    "companion",
)


@dataclass(frozen=True, eq=False)
class Case:
    """A discrete system, the steps of its inputs, and of a chunk."""

    system: System
    length: int
    chunk: int
    number: int


@dataclass(frozen=True)
class Broken:
    """A run that left its bound."""

    number: int
    run: str
    error: float
    bound: float


def case(number: int, seed: int = 0) -> Case:
    draws = np.random.default_rng((seed, number))
    n, length = int(draws.integers(1, 9)), int(draws.integers(1, 65))
    n, length = (1 if draws.random() < 0.05 else n), (1 if draws.random() < 0.03 else length)
    inputs, outputs = (int(k) for k in draws.integers(1, 3, 2))
    a = _matrix(KINDS[number % len(KINDS)], n, draws)
    b, c = draws.standard_normal((n, inputs)), draws.standard_normal((outputs, n))
    return Case(System(a, b, c), length, int(draws.choice([2, 5, 8, 16, 32])), number)


def _matrix(kind: str, n: int, draws: np.random.Generator) -> Array:
    a = draws.standard_normal((n, n))
    radius = draws.uniform(0.1, 0.999)
    if kind == "nearly unstable":
        radius = 1 - 10.0 ** -draws.uniform(2, 5)
    if kind == "normal":
        a = np.linalg.qr(a)[0]
    if kind == "triangular":
        a = np.tril(a)
    if kind == "companion":
        a = np.eye(n, k=-1)
        a[0] = draws.standard_normal(n)
    if kind == "nilpotent":
        return np.asarray(np.tril(a, -1))
    if kind == "defective":
        return np.asarray(radius * np.eye(n) + np.eye(n, k=-1) * draws.choice([0.1, 1.0]))
    if kind == "ill conditioned":  # up to a condition beyond 1 / u of float64
        gap = 10.0 ** -draws.uniform(2, 17)
        return np.asarray(np.diag(radius + gap * (np.arange(n) - n)) + np.triu(a, 1))
    return np.asarray(a * radius / max(float(np.abs(np.linalg.eigvals(a)).max()), 1e-6))


def violated(cases: int, seed: int = 0) -> tuple[int, int]:
    """(cases of which a run left its bound, cases declined)."""
    found = [broken_by(case(number, seed)) for number in range(cases)]
    return sum(bool(f) for f in found), sum(f is None for f in found)


def broken_by(made: Case) -> list[Broken] | None:
    """The runs that left their bounds; None where the layer was declined."""
    found = diagonalise(
        made.system, Wanted(length=made.length, chunk=made.chunk, draws=Draws(made.number, 2, 5))
    )
    if found.form is None or found.certificate is None:
        return None
    u = inputs_of(made, found)
    emitted, gain = found.certificate.emitted, found.certificate.gain
    assert emitted is not None
    own, old = diagonal_kernel(found.form, made.length), kernel(made.system, made.length)
    near, exact = (_convolved(k, u) for k in (own, old))
    broken = []
    for run, y, bound in runs(made, found.form, u, emitted.step, emitted.once, emitted.own):
        errors = ((y, near, bound), (y, exact, gain + bound))
        for error, limit in ((float(np.abs(a - b).max()), limit) for a, b, limit in errors):
            if not error <= limit:
                broken.append(Broken(made.number, run, error, limit))
    return broken


def _convolved(response: Array, u: Array) -> Array:
    """Of u[batch, I, L], [batch, O, L]."""
    length = u.shape[2]
    found = np.zeros((len(u), response.shape[1], length))
    for t in range(length):
        found[:, :, t] = np.einsum(
            "soi,bis->bo", response[: t + 1][::-1], u[:, :, : t + 1].astype(np.float64)
        )
    return found


def inputs_of(made: Case, found: Outcome) -> Array:
    """float32 [batch, I, L] within 1: drawn, the worst of T1, signs, and one whose roundings add up."""
    assert found.form is not None
    draws = np.random.default_rng((1, made.number))
    inputs, length = made.system.b.shape[1], made.length
    moved = kernel(made.system, length) - diagonal_kernel(found.form, length)
    signs = draws.choice([-1.0, 1.0], (inputs, length))
    drawn = draws.uniform(-1, 1, (inputs, length))
    pushed = _pushed(Realisation.of(found.form), worst_input(diagonal_kernel(found.form, length)), draws)
    return np.stack([drawn, worst_input(moved).T, signs, pushed.T]).astype(np.float32)


def _pushed(system: Realisation, wanted: Array, draws: np.random.Generator) -> Array:
    """Step by step the candidate near wanted[L, I] whose roundings move the last output most."""
    assert system.poles is not None
    length, m = len(wanted), len(system.poles)
    gains = np.concatenate(list(system.seen(length)))[::-1, 0]
    numbers = (system.poles.real, system.poles.imag, system.b)
    re, im, b = (x.astype(np.float32) for x in numbers)
    x, chosen = np.zeros(2 * m, np.float32), []
    for t, row in enumerate(wanted):
        u = (row * (1 - 0.02 * draws.random((CANDIDATES, len(row))))).astype(np.float32)
        moved = np.concatenate([re * x[:m] - im * x[m:], im * x[:m] + re * x[m:]])
        new = moved + u @ b.T
        z = system.poles * (x[:m] + 1j * x[m:].astype(np.float64))
        exact = np.concatenate([z.real, z.imag]) + u.astype(np.float64) @ system.b.T
        at = int(np.argmax((new - exact) @ gains[t]))
        x = new[at]
        chosen.append(u[at])
    return np.stack(chosen)


# --- runs ------------------------------------------------------------------------------------------


def runs(
    made: Case, form: Diagonal, u: Array, step: float, once: float, own: float
) -> Iterator[tuple[str, Array, float]]:
    """Names, outputs [batch, O, L] and what roundings may have added."""
    once, own = (x or step for x in (once, own))  # one step is no chunk
    if made.length == 1:  # chunks of one step run as a step in some runtimes and by tables in others
        once, own = max(once, step), max(own, step)
    yield "torch steps", by_torch(form, u, "step", 1), step
    yield "torch chunks", by_torch(form, u, "chunk", made.chunk), own
    draws = np.random.default_rng((2, made.number))
    for fused in (False, True):
        yield "chunks in a drawn order", in_chunks(form, u, made.chunk, draws, fused=fused), once
    if made.number % RUNTIME == 0:
        yield "ONNX Runtime steps", by_runtime(form, u, "step", 1), step
        yield "ONNX Runtime chunks", by_runtime(form, u, "chunk", made.chunk), own
        yield "ONNX Runtime chunks of float64 tables", by_runtime(form, u, "once", made.chunk), once


def _matrices(form: Diagonal) -> list[Array]:
    return [pairs([x], "float32") for x in (form.poles, form.b, form.c)]


def by_torch(form: Diagonal, u: Array, mode: str, chunk: int) -> Array:
    import torch

    from ...backends.torch_fx.lowerings.state_space import lti_ssm

    given = (torch.from_numpy(x) for x in (u, *_matrices(form)))
    return np.asarray(lti_ssm(*given, form="diagonal", mode=mode, chunk=chunk)[0].numpy(), np.float64)


def by_runtime(form: Diagonal, u: Array, mode: str, chunk: int) -> Array:
    """Emitted by the operator, or `once` by the pass that computes tables in float64."""
    from ...backends.onnx.backend import OnnxBackend
    from ...graph.ir import Graph, Program, Weights, apply_all, leaf
    from ...graph.types import TensorType
    from ...graph.types.dtypes import FLOAT32
    from ...passes.diagonalization.chunking import ChunkSsm
    from ...passes.manager.pass_ import Context

    weights = dict(zip("ABC", _matrices(form), strict=True))
    fed = leaf("Input", "u", TensorType(FLOAT32, u.shape))
    w = [leaf("Weight", n, TensorType(FLOAT32, x.shape)) for n, x in weights.items()]
    way = "step" if mode == "step" else "chunk"
    y = apply_all("LtiSsm", fed, *w, domain="graphwright", form="diagonal", mode=way, chunk=chunk)[0]
    program = Program("p", Graph((fed,), (y,)), ("y",), weights=Weights(weights))
    if mode == "once":
        program = ChunkSsm(chunk=chunk).run(program, Context()).program
    return np.asarray(OnnxBackend().load(program).run({"u": u})["y"], np.float64)


def in_chunks(form: Diagonal, u: Array, chunk: int, draws: np.random.Generator, *, fused: bool) -> Array:
    """Tables rounded once, every sum in an order of its own."""
    system, (batch, inputs, length) = Realisation.of(form), u.shape
    chunk, m = min(chunk, length), len(form.poles)
    end = np.concatenate(list(system.reached(system.b, chunk)))
    jump = held_powers(form.poles, chunk, "float32")
    seen = np.concatenate(list(system.seen(chunk + 1)))[1:]
    out = np.stack([[moved_row(row, jump) for row in rows] for rows in seen]).astype(np.float32)
    local, end = (system.c @ end).astype(np.float32), end.astype(np.float32)
    re, im = jump.real.astype(np.float32), jump.imag.astype(np.float32)
    count = -(-length // chunk)
    padded = np.concatenate([np.zeros((batch, inputs, count * chunk - length), np.float32), u], axis=2)
    x, found = np.zeros((batch, 2 * m), np.float32), []
    for k in range(count):
        part = padded[:, :, k * chunk : (k + 1) * chunk]
        moved = np.concatenate([x[:, :m] * re - x[:, m:] * im, x[:, :m] * im + x[:, m:] * re], axis=1)
        for t in range(chunk):
            rows = part[:, :, : t + 1][:, :, ::-1].transpose(0, 2, 1).reshape(batch, -1)
            inner = _summed(rows, local[: t + 1].transpose(1, 0, 2).reshape(len(local[0]), -1), draws, fused)
            found.append(inner + _summed(moved, out[t], draws, fused))
        rows = part[:, :, ::-1].transpose(0, 2, 1).reshape(batch, -1)
        fed = _summed(rows, end.transpose(1, 0, 2).reshape(2 * m, -1), draws, fused)
        x = moved + fed
    return np.stack(found, axis=2)[:, :, count * chunk - length :].astype(np.float64)


def _summed(x: Array, table: Array, draws: np.random.Generator, fused: bool) -> Array:
    """x[batch, n] times table[k, n], term by term in a drawn order."""
    total = np.zeros((len(x), len(table)), np.float32)
    for j in draws.permutation(x.shape[1]):
        if fused:
            both = x[:, j, None].astype(np.float64) * table[:, j].astype(np.float64)
            total = (total + both).astype(np.float32)
        else:
            total = total + x[:, j, None] * table[:, j]
    return total
