"""What stands in for a layer that no diagonal form is near enough to: sections in a row, blocks, or a diagonal
plus a low rank. All are exact but for the rounding of their numbers, and certified like a diagonal form."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...backends.runtime.state_space_cost import Layer, best_plan
from ...graph.ir import Node, Value, apply, apply_all, constant
from ..rewriting import Site
from .certificates import Certificate, absolute_gain
from .chunk_roundings import emitted_roundings
from .diagonal import rounded
from .fallbacks import Blocks, LowRank, block_form, low_rank_form
from .growth import reliable_kernel
from .layers import Numbers, operand, pairs
from .realisation import Realisation
from .sections import Stage, roundings_in_a_row, stages_of
from .system import Array, System, discretise

Build = Callable[[Node, Site], Value | None]


@dataclass(frozen=True, eq=False)
class Alternative:
    """`build` writes the layer's outputs in this form (None: its matrices are too large for a body);
    `costs` are its layers as the cost model sees them."""

    kind: str
    certificate: Certificate
    costs: tuple[Layer, ...]
    build: Build

    def cost(self, target: str) -> float:
        return sum(best_plan(layer, target).cost for layer in self.costs)


@dataclass(frozen=True, eq=False)
class Setting:
    """A layer's numbers, their discrete systems and impulse responses by group, and what is asked."""

    numbers: Numbers
    form: str
    disc: str
    length: int
    layer: Layer

    def system(self, group: int) -> System:
        return self.numbers.system(self.form, group)

    def discrete(self, group: int) -> System:
        return discretise(self.system(group), self.numbers.step(group), self.disc)

    def certificate(self, kind: str, held: Sequence[System], condition: float) -> Certificate:
        """Of discrete systems, one a group, with the numbers that the program holds: the worst group's."""
        worst: Certificate | None = None
        for group, system in enumerate(held):
            (exact, lost), (near, more) = (
                reliable_kernel(s, self.length) for s in (self.discrete(group), system)
            )
            norm, gain = absolute_gain(exact), absolute_gain(exact - near) + lost + more
            emitted = emitted_roundings(Realisation.of(system), self.length, self.numbers.dtype)
            found = Certificate(kind, gain, emitted.worst, np.inf, norm, self.length, self.numbers.dtype)
            expected = emitted.step / np.sqrt(self.length)
            found = replace(found, condition=condition, expected=expected, emitted=emitted)
            if worst is None or found.total > worst.total:
                worst = found
        assert worst is not None
        return worst


def alternatives(setting: Setting, names: Sequence[str]) -> list[Alternative]:
    """Those that apply, in the order asked."""
    found = (ALTERNATIVES[name](setting) for name in names)
    return [a for a in found if a is not None and np.isfinite(a.certificate.total)]


# --- sections ------------------------------------------------------------------------------------


def sections(setting: Setting) -> Alternative | None:
    """Of one filter in companion form: its poles in pairs, each pair a layer of its own, in a row."""
    if setting.numbers.groups != 1 or setting.disc != "none" or setting.form != "dense":
        return None
    system = setting.system(0)
    found = stages_of(system)
    if found is None:
        return None
    dtype = setting.numbers.dtype
    held = [stage.rounded(dtype) for stage in found]
    exact, lost = reliable_kernel(system, setting.length)
    response = np.eye(1, setting.length)[0]
    for stage in held:
        response = np.convolve(response, stage.kernel(setting.length))[: setting.length]
    emitted = roundings_in_a_row(held, setting.length, dtype)
    # the convolutions round in float64 no more than runs of the stages would
    lost += 16 * roundings_in_a_row(held, setting.length, "float64").worst
    norm = absolute_gain(exact)
    gain = float(np.abs(exact[:, 0, 0] - response).sum()) + lost
    certificate = Certificate(
        "sections", gain, emitted.worst, np.inf, norm, setting.length, dtype, emitted=emitted
    )
    layers = tuple(replace(setting.layer, states=s.states, diagonal=s.is_pair) for s in held)
    return Alternative("sections", certificate, layers, lambda node, site: _in_a_row(held, node, site, gain))


def _in_a_row(stages: Sequence[Stage], node: Node, site: Site, error: float) -> Value | None:
    signal = node.inputs[0]
    assert signal is not None
    through = operand(node, "D")
    for i, stage in enumerate(stages):
        numbers = [
            site.constant(np.asarray(x, signal.tensor.dtype.numpy), "state_space") for x in stage.arrays()
        ]
        if any(n is None for n in numbers):
            return None
        signal = apply_all(
            "LtiSsm",
            signal,
            *numbers,
            domain="graphwright",
            form="diagonal" if stage.is_pair else "dense",
            mode=node.attribute("mode"),
            chunk=node.attribute("chunk"),
            certified_error=error if i + 1 == len(stages) else 0.0,
            certificate_kind=f"section {i + 1}",
        )[0]
    return signal if through is None else _with_through(signal, node, through)


def _with_through(signal: Value, node: Node, through: Value) -> Value:
    """+ D u, of one input and one output."""
    u = node.inputs[0]
    assert u is not None
    scale = apply("Reshape", through, constant(np.array([1, 1, 1], np.int64)))
    return apply("Add", signal, apply("Mul", scale, u))


# --- blocks --------------------------------------------------------------------------------------


def blocks(setting: Setting) -> Alternative | None:
    """Of every group the blocks of its invariant subspaces, packed into ones of equal size; where the largest
    is no more than half of the whole."""
    if setting.form != "dense":
        return None
    discrete = [setting.discrete(g) for g in range(setting.numbers.groups)]
    found = [block_form(s.a) for s in discrete]
    size = max(max(f.sizes) for f in found)
    if 2 * size > max(s.order for s in discrete):
        return None
    packed = [_packed(s, f, size) for s, f in zip(discrete, found, strict=True)]
    count = max(len(p[0]) for p in packed)
    dtype = setting.numbers.dtype
    arrays = [
        np.stack([np.pad(p[i], _missing(p[i], i, count)) for p in packed]).astype(dtype) for i in range(3)
    ]
    held = [
        Numbers(dict(zip("ABC", arrays, strict=True)), dtype).system("block", g) for g in range(len(found))
    ]
    certificate = setting.certificate("block", held, max(f.condition for f in found))
    gain = certificate.gain
    layer = replace(setting.layer, states=count * size, diagonal=False, block=size)
    return Alternative(
        "block", certificate, (layer,), lambda node, site: _one(node, site, "block", arrays, gain)
    )


def _missing(array: Array, index: int, count: int) -> list[tuple[int, int]]:
    axis = 1 if index == 2 else 0
    return [(0, count - array.shape[a] if a == axis else 0) for a in range(array.ndim)]


def _packed(system: System, found: Blocks, size: int) -> tuple[Array, Array, Array]:
    """A[K, size, size], B[K, size, inputs], C[outputs, K, size]: blocks put together while they fit."""
    moved = system.with_state(found.transform, found.inverse)
    bins: list[list[tuple[int, int]]] = []
    start = 0
    for order in found.sizes:
        free = next((b for b in bins if sum(n for _, n in b) + order <= size), None)
        if free is None:
            free = []
            bins.append(free)
        free.append((start, order))
        start += order
    a = np.zeros((len(bins), size, size))
    b = np.zeros((len(bins), size, system.b.shape[1]))
    c = np.zeros((system.c.shape[0], len(bins), size))
    for k, parts in enumerate(bins):
        at = 0
        for begin, order in parts:
            old, new = slice(begin, begin + order), slice(at, at + order)
            a[k, new, new], b[k, new], c[:, k, new] = moved.a[old, old], moved.b[old], moved.c[:, old]
            at += order
    return a, b, c


# --- diagonal plus low rank ----------------------------------------------------------------------


def dplr(setting: Setting) -> Alternative | None:
    """The exact form with unitary eigenvectors, continuous where the layer is."""
    if setting.form != "dense":
        return None
    systems = [setting.system(g) for g in range(setting.numbers.groups)]
    found = [low_rank_form(s) for s in systems]
    whole = [f for f in found if f is not None]
    dtype = np.dtype(setting.numbers.dtype)
    shapes = {(f.p.shape, len(f.form.poles)) for f in whole}
    if len(whole) < len(found) or len(shapes) != 1:
        return None
    arrays = _low_rank_arrays(whole, dtype)
    given = {**setting.numbers.arrays, **arrays}
    held = [
        discretise(Numbers(given, dtype.name).system("dplr", g), setting.numbers.step(g), setting.disc)
        for g in range(len(whole))
    ]
    certificate = setting.certificate("dplr", held, 1.0)
    gain, values = certificate.gain, list(arrays.values())
    rank = 0 if setting.disc == "zoh" else whole[0].p.shape[1]
    layer = replace(setting.layer, states=2 * len(whole[0].form.poles), diagonal=rank > 0, rank=rank)
    return Alternative(
        "dplr", certificate, (layer,), lambda node, site: _one(node, site, "dplr", values, gain)
    )


def _low_rank_arrays(found: Sequence[LowRank], dtype: np.dtype[np.float64]) -> dict[str, Array]:
    forms = [rounded(f.form, dtype) for f in found]
    parts = {n: [getattr(f, k) for f in forms] for n, k in (("A", "poles"), ("B", "b"), ("C", "c"))}
    parts |= {
        "P": [f.p.astype(np.complex128) for f in found],
        "Q": [f.q.astype(np.complex128) for f in found],
    }
    return {n: pairs(x, dtype.name) for n, x in parts.items()}


def _one(node: Node, site: Site, form: str, arrays: Sequence[Array], error: float) -> Value | None:
    """The layer with other matrices; blocks are discrete, the rest keeps its step."""
    values = [site.constant(np.ascontiguousarray(a), "state_space") for a in arrays]
    if any(v is None for v in values):
        return None
    keeps = form == "dplr"
    found: Value = apply_all(
        "LtiSsm",
        node.inputs[0],
        *values[:3],
        operand(node, "D"),
        operand(node, "dt") if keeps else None,
        None,
        *values[3:],
        domain="graphwright",
        form=form,
        disc=node.attribute("disc") if keeps else "none",
        mode=node.attribute("mode"),
        chunk=node.attribute("chunk"),
        certified_error=error,
        certificate_kind=form,
    )[0]
    return found


ALTERNATIVES: Mapping[str, Callable[[Setting], Alternative | None]] = {
    "sections": sections,
    "block": blocks,
    "dplr": dplr,
}
