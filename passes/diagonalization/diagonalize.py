"""The pass that brings state-space layers to diagonal form, with a certificate each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from ...backends.runtime.state_space_cost import Layer, best_plan
from ...graph.ir import Node, Program, Value, make_node
from ...graph.types.dimensions import Dimension
from ..manager.contract import Bounded, Contract
from ..manager.pass_ import Context, Result
from ..rewriting import Procedure, Site
from ..rewriting.rewriting_pass import result_of
from ..rewriting.sweep import rewrite
from .alternatives import ALTERNATIVES, Setting, alternatives
from .candidates import CANDIDATES, Draws
from .certificates import Certificate, absolute_gain
from .choice import Outcome, Wanted, diagonalise
from .chunk_roundings import emitted_roundings
from .diagonal import Diagonal, diagonal_kernel
from .layers import Numbers, diagonal_node, kept_rank, label, numbers_of, operand
from .realisation import Realisation
from .roundings import step_roundings
from .system import System, kernel

FORMS_TAKEN = ("dense", "block", "dplr")
LONGEST = 131072
"""Steps that a certificate reaches: it goes through them one by one."""


@dataclass(frozen=True)
class Diagonalize:
    """Rewrites state-space layers with constant matrices in diagonal form: the first candidate whose
    certificate keeps `tolerance` (of the layer's largest gain, for inputs of as many steps as the layer is given;
    where their number is symbolic, of `length` steps, and on until the response is gone).

    - `candidates`: unitary, eig, dissipative (closed form; rank-one for HiPPO), lossless, ginibre,
      optimized, in this order.
    - `alternatives`: where none keeps it, the exact forms sections (of a companion form), block and dplr, if they
      are faster than the layer as it is, or that layer's own roundings exceed the tolerance.
    - `truncate`: above 0, first drops states whose Hankel singular values sum to this share.
    - `target`: torch or onnx; a layer that its cost model finds no faster in diagonal form is left
      dense, unless `always`.
    - `best_of`, `steps`: draws of a size for ginibre, Adam steps for optimized.

    Needs constants: put freeze_parameters and fold_constants before it.
    """

    name: ClassVar[str] = "diagonalize"
    variants: ClassVar[frozenset[str]] = frozenset({"infer"})

    tolerance: float = 1e-3
    length: int = 1024
    chunk: int = 64
    truncate: float = 0.0
    candidates: tuple[str, ...] = tuple(CANDIDATES)
    alternatives: tuple[str, ...] = tuple(ALTERNATIVES)
    target: str = "onnx"
    always: bool = False
    best_of: int = 3
    steps: int = 60

    def __post_init__(self) -> None:
        unknown = [c for c in self.candidates if c not in CANDIDATES]
        if unknown:
            raise ValueError(f"no candidate {unknown[0]}; there are {', '.join(CANDIDATES)}")
        unknown = [a for a in self.alternatives if a not in ALTERNATIVES]
        if unknown:
            raise ValueError(f"no alternative {unknown[0]}; there are {', '.join(ALTERNATIVES)}")
        if not 0 < self.tolerance < 1 or self.length < 1 or self.chunk < 1:
            raise ValueError("tolerance lies between 0 and 1, length and chunk are at least 1")
        if self.target not in ("torch", "onnx"):
            raise ValueError(f"target is torch or onnx, not {self.target}")

    @property
    def contract(self) -> Contract:
        return Bounded("gain", float("inf"))

    def run(self, program: Program, context: Context) -> Result:
        session = _Session(self, context.seed)
        rule = Procedure("diagonalized", ("LtiSsm",), session.rewrite)
        rewritten = rewrite(program, (rule,), self.name, context.firings)
        result = result_of(rewritten, tuple(session.notes))
        return session.with_bounds(result)


class _Session:
    """One run: what became of every layer, for the report and for the sites' bounds."""

    def __init__(self, options: Diagonalize, seed: int) -> None:
        self.options, self.seed = options, seed
        self.notes: list[str] = []
        self.bounds: dict[Value, float] = {}
        self.unread: set[Value] = set()

    def rewrite(self, node: Node, site: Site) -> Sequence[Value] | str | None:
        if node.attribute("certified_error") >= 0 or node.attribute("certificate_kind"):
            return "it is certified already"
        found = self._attempt(node, site)
        if isinstance(found, str):
            self.notes.append(f"{label(node)} left as it is: {found}")
        return found

    def _attempt(self, node: Node, site: Site) -> Sequence[Value] | str:
        form: str = node.attribute("form")
        if form not in FORMS_TAKEN:
            return "it is diagonal already"
        numbers = numbers_of(node, site)
        if isinstance(numbers, str):
            return numbers
        if self._length(node) > LONGEST:
            return f"its {self._length(node)} steps are more than the {LONGEST} that certificates reach"
        outcomes = self._outcomes(node, numbers, form)
        bad = next((o for o in outcomes if o.form is None), None)
        if bad is not None:
            return self._alternative(node, site, numbers, bad) if bad.tried else bad.reason
        forms = [o.form for o in outcomes if o.form is not None]
        certificates = [o.certificate for o in outcomes if o.certificate is not None]
        slower = self._slower(node, forms)
        if slower:
            return slower
        return self._replaced(node, site, outcomes, forms, certificates)

    def _length(self, node: Node) -> int:
        """The steps of the inputs that the certificate is for."""
        steps = _steps(node)
        return steps if isinstance(steps, int) else self.options.length

    def _alternative(self, node: Node, site: Site, numbers: Numbers, bad: Outcome) -> Sequence[Value] | str:
        """One of the exact forms, or why none."""
        options = self.options
        form, disc = node.attribute("form"), node.attribute("disc")
        if site.readers(node.outputs[1]) or operand(node, "initial") is not None:
            return f"{bad.reason}; its states are asked for, which no other form keeps"
        length = self._length(node)
        setting = Setting(numbers, form, disc, length, layer_of(node, length, None))
        before = best_plan(setting.layer, options.target).cost
        least = own_roundings(setting, numbers.dtype)
        said = [bad.reason]
        for found in alternatives(setting, options.alternatives):
            certificate = found.certificate
            limit = options.tolerance * certificate.norm
            rounds = least > limit >= certificate.rounding
            if certificate.gain > limit:
                said.append(f"{found.kind}: {certificate.gain / certificate.norm:.2g}")
            elif not (options.always or rounds or found.cost(options.target) < before):
                said.append(f"{found.kind}: no faster than the layer as it is")
            else:
                y = found.build(node, site)
                if y is None:
                    return "its matrices are too large for a body"
                unreliable = own_roundings(setting, "float64") > limit
                self.bounds[y] = np.inf if unreliable else certificate.total
                self.unread.add(_unread(node))
                by = "; certified in 50 digits: float64 loses the old form" if unreliable else ""
                self.notes.append(f"{label(node)}: {certificate}{by}")
                return y, _unread(node)
        return "; ".join(said)

    def _outcomes(self, node: Node, numbers: Numbers, form: str) -> list[Outcome]:
        options = self.options
        wanted = Wanted(
            options.tolerance,
            numbers.dtype,
            self._length(node),
            options.chunk,
            truncate=options.truncate,
            candidates=options.candidates,
            draws=Draws(self.seed, options.best_of, options.steps),
            lasting=not isinstance(_steps(node), int),
            heads=numbers.groups,
        )
        found: list[Outcome] = []
        for group in range(numbers.groups):
            outcome = diagonalise(
                numbers.system(form, group), wanted, numbers.step(group), node.attribute("disc")
            )
            found.append(outcome)
            if outcome.form is None:
                break
        return found

    def _slower(self, node: Node, forms: Sequence[Diagonal]) -> str:
        """Why the diagonal form would not pay, "" where it does."""
        if self.options.always:
            return ""
        dense, diagonal = (layer_of(node, self.options.length, poles) for poles in (None, forms))
        before, after = best_plan(dense, self.options.target), best_plan(diagonal, self.options.target)
        if after.cost < before.cost:
            return ""
        return (
            f"on {self.options.target} the dense form costs {before.cost / 1e3:.3g} µs ({before.mode}), "
            f"the diagonal one {after.cost / 1e3:.3g} µs"
        )

    def _replaced(
        self,
        node: Node,
        site: Site,
        outcomes: Sequence[Outcome],
        forms: Sequence[Diagonal],
        certificates: Sequence[Certificate],
    ) -> Sequence[Value] | str:
        last = site.readers(node.outputs[1]) > 0
        worst = max(certificates, key=lambda c: c.gain)
        bound = max(c.total for c in certificates)
        if last or operand(node, "initial") is not None:
            bound = self._with_states(node, outcomes, forms, bound, last=last)
        kinds = ", ".join(dict.fromkeys(c.kind for c in certificates))
        dtype = node.outputs[0].tensor.dtype.name
        made = diagonal_node(node, site, forms, dtype, worst.gain, kinds, last=last)
        if isinstance(made, str):
            return made
        self.bounds[made[0]] = bound
        if not last:
            self.unread.add(made[1])
        poles = max(len(f.poles) for f in forms)
        self.notes.append(f"{label(node)}: {poles} poles, {worst}")
        return made

    def _with_states(
        self, node: Node, outcomes: Sequence[Outcome], forms: Sequence[Diagonal], bound: float, *, last: bool
    ) -> float:
        """The bound with what initial states add, and what the last state may be off by."""
        chunk, dtype = self.options.chunk, node.outputs[0].tensor.dtype.name
        initial = operand(node, "initial") is not None
        for outcome, form in zip(outcomes, forms, strict=True):
            assert outcome.discrete is not None and outcome.certificate is not None
            a, order, length = outcome.discrete.a, outcome.discrete.order, self._length(node)
            states = Diagonal(form.poles, form.b, form.vectors, 1.0, form.vectors, form.entering)
            pairs = [(outcome.discrete, form, outcome.certificate.gain)]
            if last:
                whole = System(a, outcome.discrete.b, np.eye(order))
                moved = absolute_gain(kernel(whole, length) - diagonal_kernel(states, length))
                pairs.append((whole, states, moved))
            for system, near, gain in pairs:
                start = np.concatenate([form.entering.real, form.entering.imag]) if initial else None
                realised = replace(Realisation.of(near), start=start)
                total = gain + emitted_roundings(realised, length, dtype, chunk).worst
                bound = max(bound, total + (state_gain(system, near, length) if initial else 0.0))
        return bound

    def with_bounds(self, result: Result) -> Result:
        """The sites with their own bounds, by which the manager checks each; without last states
        that nothing reads."""
        sites = []
        for r in result.replacements:
            count = 1 if r.new[-1] in self.unread else len(r.new)
            bound = self.bounds.get(r.new[0])
            sites.append(replace(r, old=r.old[:count], new=r.new[:count], bound=bound))
        return replace(result, replacements=tuple(sites))


def _steps(node: Node) -> Dimension:
    u = node.inputs[0]
    assert u is not None
    return u.tensor.shape[2]


def _unread(node: Node) -> Value:
    """What stands for a last state that nothing reads."""
    attributes = {**node.attributes, "certificate_kind": "unread"}
    return make_node(node.operator, node.inputs, attributes).outputs[1]


def own_roundings(setting: Setting, dtype: str) -> float:
    """What the layer as it is rounds at most, step by step, per unit input."""
    systems = (Realisation.of(setting.discrete(g)) for g in range(setting.numbers.groups))
    return max(float(step_roundings(s, setting.length, dtype).max(initial=0.0)) for s in systems)


def state_gain(system: System, form: Diagonal, length: int) -> float:
    """max over l and outputs of Σ |C Aˡ⁺¹ - 2 Re(c λˡ⁺¹ entering)|: what a wrong image of an initial
    state of size 1 may do at any later step."""
    row, worst = system.c @ system.a, 0.0
    jump = form.poles.copy()
    for _ in range(length):
        near = 2 * ((form.c * jump) @ form.entering).real
        worst = max(worst, float(np.abs(row - near).sum(axis=1).max()))
        if max(float(np.abs(row).max(initial=0.0)), float(np.abs(near).max(initial=0.0))) < 1e-30:
            break
        row, jump = row @ system.a, jump * form.poles
    return worst


def layer_of(node: Node, length: int, forms: Sequence[Diagonal] | None) -> Layer:
    """The layer as the cost model sees it: as it is, or in diagonal form."""
    u = node.inputs[0]
    b, c = node.inputs[2], node.inputs[3]
    assert u is not None and b is not None and c is not None
    batch, _, steps = u.tensor.shape
    dims = b.tensor.shape
    inputs = dims[-1] if node.attribute("form") in ("dense", "block") else dims[2]
    states = 1
    for d in node.outputs[1].tensor.shape[2:]:
        states *= int(str(d))
    if forms is not None:
        states = 2 * max(len(f.poles) for f in forms)
    rank = kept_rank(node) if forms is None else 0
    return Layer(
        batch if isinstance(batch, int) else 1,
        int(str(dims[0])),
        int(str(inputs)),
        int(str(c.tensor.shape[1])),
        states,
        steps if isinstance(steps, int) else length,
        diagonal=forms is not None or rank > 0,
        rank=rank,
    )
