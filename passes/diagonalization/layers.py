"""LtiSsm nodes as systems of numbers and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...graph.ir import Node, Value, apply, apply_all, constant, make_node
from ..rewriting import Site
from .diagonal import Diagonal
from .system import Array, System

NAMES = ("u", "A", "B", "C", "D", "dt", "initial", "P", "Q")


@dataclass(frozen=True, eq=False)
class Numbers:
    """The constant operands of a node by name; u, D and initial stay values."""

    arrays: dict[str, Array]
    dtype: str

    def system(self, form: str, group: int) -> System:
        """The (continuous, if there is a dt) dense system of a group, in float64."""
        a, b, c = (self.arrays[n][group].astype(np.float64) for n in "ABC")
        if form == "dense":
            return System(a, b, c, "dt" not in self.arrays)
        if form == "block":
            count, n = a.shape[:2]
            whole = np.zeros((count * n, count * n))
            for k in range(count):
                whole[k * n : (k + 1) * n, k * n : (k + 1) * n] = a[k]
            return System(whole, b.reshape(count * n, -1), c.reshape(len(c), -1), "dt" not in self.arrays)
        return self._pairs(a, b, c, group)

    def _pairs(self, a: Array, b: Array, c: Array, group: int) -> System:
        """Over states [re | im]."""
        re, im = np.diag(a[:, 0]), np.diag(a[:, 1])
        matrix = np.block([[re, -im], [im, re]])
        if "P" in self.arrays:
            p, q = (self.arrays[n][group].astype(np.float64) for n in "PQ")
            left, right = (np.concatenate([x[..., 0], x[..., 1]]) for x in (p, q))
            matrix = matrix - 2 * left @ right.T
        entering = np.concatenate([b[..., 0], b[..., 1]])
        leaving = np.concatenate([2 * c[..., 0], -2 * c[..., 1]], axis=1)
        return System(matrix, entering, leaving, "dt" not in self.arrays)

    def step(self, group: int) -> float:
        return float(self.arrays["dt"][group]) if "dt" in self.arrays else 1.0

    @property
    def groups(self) -> int:
        return int(self.arrays["A"].shape[0])


def numbers_of(node: Node, site: Site) -> Numbers | str:
    """The node's matrices, or why they are not known."""
    arrays: dict[str, Array] = {}
    for name, value in zip(NAMES, node.inputs, strict=False):
        if value is None or name in ("u", "D", "initial"):
            continue
        array = site.array(value)
        if array is None:
            return f"its {name} is no constant: freeze the parameters and fold constants first"
        arrays[name] = array
    return Numbers(arrays, node.outputs[0].tensor.dtype.name)


def operand(node: Node, name: str) -> Value | None:
    index = NAMES.index(name)
    return node.inputs[index] if index < len(node.inputs) else None


def kept_rank(node: Node) -> int:
    """Of what a step takes from a diagonal, 0 for none; an exponential makes it a full matrix."""
    p = operand(node, "P")
    if p is None or node.attribute("disc") == "zoh":
        return 0
    return int(str(p.tensor.shape[2]))


def pairs(arrays: Sequence[Array], dtype: str) -> Array:
    """Complex arrays of one shape as a stack with a last axis of 2."""
    stacked = np.stack(arrays)
    return np.stack([stacked.real, stacked.imag], axis=-1).astype(dtype)


def padded(form: Diagonal, count: int) -> Diagonal:
    """With poles at zero that nothing enters or leaves, so that all groups have as many."""
    more = count - len(form.poles)
    if not more:
        return form
    return Diagonal(
        np.pad(form.poles, (0, more)),
        np.pad(form.b, ((0, more), (0, 0))),
        np.pad(form.c, ((0, 0), (0, more))),
        form.condition,
        np.pad(form.vectors, ((0, 0), (0, more))),
        np.pad(form.entering, ((0, more), (0, 0))),
        form.discrete,
    )


def diagonal_node(
    node: Node, site: Site, forms: Sequence[Diagonal], dtype: str, error: float, kind: str, *, last: bool
) -> tuple[Value, Value] | str:
    """The layer in discrete diagonal form: outputs, and where `last` the old coordinates of its state
    (else the old form's own, which nothing reads)."""
    count = max(len(f.poles) for f in forms)
    forms = [padded(f, count) for f in forms]
    matrices = [pairs([getattr(f, n) for f in forms], dtype) for n in ("poles", "b", "c")]
    weights = [site.constant(m, "state_space") for m in matrices]
    if any(w is None for w in weights):
        return "its matrices are too large for a body"
    initial = operand(node, "initial")
    if initial is not None:
        moved = _entered(initial, site, forms, dtype)
        if moved is None:
            return "its matrices are too large for a body"
        initial = moved
    y, state = apply_all(
        "LtiSsm",
        node.inputs[0],
        *weights,
        operand(node, "D"),
        None,
        initial,
        domain="graphwright",
        form="diagonal",
        disc="none",
        mode=node.attribute("mode"),
        chunk=node.attribute("chunk"),
        certified_error=error,
        certificate_kind=kind,
    )
    if not last:
        unread = make_node(node.operator, node.inputs, {**node.attributes, "certificate_kind": "unread"})
        return y, unread.outputs[1]
    left = _left(state, node, site, forms, dtype)
    return (y, left) if left is not None else "its matrices are too large for a body"


def _shape(*dims: int) -> Value:
    return constant(np.array(dims, np.int64))


def _entered(initial: Value, site: Site, forms: Sequence[Diagonal], dtype: str) -> Value | None:
    """entering · x of the old states, as pairs [batch, G, M, 2]."""
    table = np.stack([pairs([f.entering.T], dtype)[0] for f in forms])  # [G, N, M, 2]
    weight = site.constant(table.reshape(*table.shape[:2], -1), "state_space")
    if weight is None:
        return None
    groups, n, m = table.shape[:3]
    rows = apply("MatMul", apply("Reshape", initial, _shape(0, groups, 1, n)), weight)
    return apply("Reshape", rows, _shape(0, groups, m, 2))


def _left(state: Value, node: Node, site: Site, forms: Sequence[Diagonal], dtype: str) -> Value | None:
    """2 Re(vectors x̂), in the shape of the old state."""
    table = np.stack([np.stack([2 * f.vectors.T.real, -2 * f.vectors.T.imag], axis=1) for f in forms])
    groups, m, _, n = table.shape  # [G, M, 2, N]
    weight = site.constant(table.reshape(groups, 2 * m, n).astype(dtype), "state_space")
    if weight is None:
        return None
    rows = apply("MatMul", apply("Reshape", state, _shape(0, groups, 1, 2 * m)), weight)
    dims = [d for d in node.outputs[1].tensor.shape[1:] if isinstance(d, int)]
    return apply("Reshape", rows, _shape(0, *dims))


def label(node: Node) -> str:
    return f"LtiSsm {node.attribute('form')} {node.inputs[1].type if node.inputs[1] else ''}"
