"""State-space layers of the spec language, and the HiPPO matrices and poles that start them."""

from __future__ import annotations

import numpy as np

from ...diagnostics import did_you_mean, fail
from ...ir import Value
from ...operators.rules.state_space import FORMS
from ..arithmetic import unify
from ..construction import Construction
from ..meanings import Meaning, Results, Tensor, kind_name
from . import hippo as matrices

RANKS = {"dense": (3, 3, 3), "diagonal": (3, 4, 4), "dplr": (3, 4, 4), "block": (4, 4, 4)}
LARGEST_ORDER = 1024


def state_space(
    build: Construction,
    u: Meaning,
    A: Meaning,
    C: Meaning,
    B: Meaning = None,
    D: Meaning = None,
    dt: Meaning = None,
    initial: Meaning = None,
    P: Meaning = None,
    Q: Meaning = None,
    form: Meaning = "",
    disc: Meaning = "none",
    mode: Meaning = "auto",
    chunk: Meaning = 0,
) -> Meaning:
    """A linear time-invariant state-space layer: outputs and last state, by the operator LtiSsm."""
    given = dict(zip("u A C B D dt initial P Q".split(), (u, A, C, B, D, dt, initial, P, Q), strict=True))
    present = {n: m for n, m in given.items() if m is not None}
    values: dict[str, Value | None] = dict.fromkeys(given)
    values |= dict(zip(present, unify(build, tuple(present.values())), strict=True))
    name = form or ("dplr" if P is not None else "diagonal")
    if name not in FORMS:
        hint = did_you_mean(str(name), FORMS)
        raise fail("G0466", f"form is one of {', '.join(FORMS)}, not {name!r}", build.span, hint=hint)
    ranks = RANKS[str(name)]
    a, c = _shaped(build, values["A"], ranks[0]), values["C"]
    assert c is not None
    if name in ("diagonal", "dplr") and c.tensor.rank == 3 and a.tensor.shape[0] == c.tensor.shape[0]:
        c = build.op("Unsqueeze", c, _axis(build, 1))  # one output a head
    if values["A"] is not a:  # a shared state, written without its group
        for key in ("P", "Q", "initial"):
            values[key] = _shared(build, values[key], 1 if key == "initial" else 0)
    b = _entering(build, values["B"], a, str(name), ranks[1])
    operands = [
        values["u"],
        a,
        b,
        _shaped(build, c, ranks[2]),
        *(values[k] for k in "D dt initial P Q".split()),
    ]
    results = build.ops(
        "LtiSsm", *operands, domain="graphwright", form=name, disc=disc, mode=mode, chunk=chunk
    )
    return Results(("y", "last"), tuple(Tensor(v) for v in results))


def _axis(build: Construction, axis: int) -> Value:
    return build.constant(np.array([axis], np.int64))


def _shared(build: Construction, value: Value | None, axis: int) -> Value | None:
    return None if value is None else build.op("Unsqueeze", value, _axis(build, axis))


def _shaped(build: Construction, value: Value | None, rank: int) -> Value:
    """With an axis for the one group where it is left out."""
    assert value is not None
    if value.tensor.rank == rank - 1:
        return build.op("Unsqueeze", value, _axis(build, 0))
    return value


def _entering(build: Construction, b: Value | None, a: Value, name: str, rank: int) -> Value:
    """B; left out it is 1 (S4D), and of a diagonal form [H, M, 2] it has one input a head."""
    if b is None:
        if name not in ("diagonal", "dplr"):
            raise fail("G0501", f"form='{name}' needs B", build.span)
        one = build.constant(np.array([1, 0]), a.tensor.dtype)
        dims = (*a.tensor.shape[:2], 1, 2)
        return build.op("Expand", one, build.shape_value(dims))
    groups = a.tensor.shape[0]
    if (
        name in ("diagonal", "dplr")
        and b.tensor.rank == 3
        and b.tensor.shape == a.tensor.shape
        and groups != 1
    ):
        return build.op("Unsqueeze", b, _axis(build, 2))
    return _shaped(build, b, rank)


def _order(build: Construction, n: Meaning) -> int:
    if not isinstance(n, int) or not 1 <= n <= LARGEST_ORDER:
        shown = n if isinstance(n, int) else kind_name(n)
        raise fail("G0439", f"an order is a whole number of 1 to {LARGEST_ORDER}, not {shown}", build.span)
    return n


def hippo(build: Construction, kind: Meaning, n: Meaning) -> Meaning:
    """The HiPPO state matrix and input of order n, A[n, n] and B[n]: legs, legt, lagt, or lmu."""
    if kind not in matrices.MATRICES:
        known = ", ".join(matrices.MATRICES)
        raise fail("G0466", f"a HiPPO matrix is one of {known}, not {kind!r}", build.span)
    a, b = matrices.MATRICES[str(kind)](_order(build, n))
    return Results(("A", "B"), (a, b))


def legs_diagonal(build: Construction, n: Meaning, tau: Meaning = 1e-3, count: Meaning = None) -> Meaning:
    """Poles[m, 2], B[m, 2] and eigenvectors[n, m, 2] of LegS perturbed by tau B Bᵀ and diagonalised.

    m is the number of poles kept, or `count`, filled with poles that nothing enters."""
    order = _order(build, n)
    if not isinstance(tau, int | float) or not 0 < tau <= 0.5:
        raise fail("G0439", f"tau lies above 0 and is at most 1/2 (S4D), not {tau!r}", build.span)
    poles, entering, vectors = matrices.legs_diagonal(order, float(tau))
    if count is not None:
        if not isinstance(count, int) or count < len(poles):
            raise fail(
                "G0439",
                f"of order {order} with tau {tau:g} {len(poles)} poles are kept, not {count}",
                build.span,
            )
        more = count - len(poles)
        poles = np.pad(poles, (0, more), constant_values=-1.0)
        entering, vectors = np.pad(entering, (0, more)), np.pad(vectors, ((0, 0), (0, more)))
    parts = (poles, entering, vectors)
    return Results(("poles", "B", "vectors"), tuple(np.stack([x.real, x.imag], axis=-1) for x in parts))


def legs_inverse(build: Construction, n: Meaning, tau: Meaning = 1e-3, count: Meaning = None) -> Meaning:
    """What takes a state of LegS into legs_diagonal's coordinates: [m, n, 2], x̂ = W x."""
    found = legs_diagonal(build, n, tau, count)
    assert isinstance(found, Results)
    vectors, poles = found.get("vectors"), found.get("poles")
    assert isinstance(vectors, np.ndarray) and isinstance(poles, np.ndarray)
    order = vectors.shape[0]
    inverse = matrices.entering(order, vectors[..., 0] + 1j * vectors[..., 1])
    return np.stack([inverse.real, inverse.imag], axis=-1)


STATE_SPACE: tuple[tuple[str, object, str], ...] = tuple(
    (f.__name__, f, (f.__doc__ or "").split("\n")[0])
    for f in (state_space, hippo, legs_diagonal, legs_inverse)
)
"""name, function, and one line about it."""
