"""The pass that puts certified function programs in place of transcendental operators."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from ....graph.diagnostics import SpecError
from ....graph.ir import Graph, Node, Program, Value
from ...manager.contract import Bounded, Contract
from ...manager.evaluation import Samples, default_evaluator
from ...manager.pass_ import Context, Replacement, Result
from .allotment import allotted
from .amplification import Amplification, amplification
from .calls import limits, parents, unbounded
from .infinities import ends
from .library import FOLDER, Entry, choices, library, unit
from .places import Found, Place, consequence, find, samples_of, site_error
from .pricing import Verdict, verdict
from .regions import Region, regions, single
from .replacing import Chosen, replaced
from .report import note

Target = Literal["auto", "native", "inductor", "onnx"]
CONFIDENCE = 6.0
"""Standard deviations that the outputs' budget leaves for what independent errors add up to."""
OWN_UNITS = 3.0
"""Units in the last place that the operators themselves may be off."""
OWN_FACTOR = 4.0
"""How much further than on the samples a form of several operators may be off on other numbers."""
COVERED = 0.99
"""The share of the numbers seen that a domain must hold."""
UNKNOWN = Amplification(math.inf, math.inf)
"""Of a program without a gradient."""
PRINTED = ("float32", "float64")
"""The dtypes that kernels have."""
TARGETS: Mapping[str, str] = {"torch": "native", "onnx": "onnx", "export": "export"}
"""The backend that a compile emits for -> the target."""


@dataclass(frozen=True)
class SubstituteFunctions:
    """Replaces Exp, Pow of 2, Log, Sin, Cos, Tanh, Erf, Sigmoid, Gelu, Swish, Softplus and Softmax, also written out in
    other operators (1 / (1 + exp(-x)), log(x) / log 2, 1 / sqrt(x)), and the arithmetic around them, in the main graph
    and in bodies, by certified programs, where these are faster on `target` (native: C kernels; inductor: those
    between what torch.compile makes; onnx: the standard's operators; auto: that of the backend).

    `tolerance` is the largest error that the outputs may get, absolutely: each operator gets a share by how much
    its errors are amplified on samples, and the cheapest program within it. Without one a program may be off by
    `ulp` units in the last place. `costs`: measured on this machine, once, or those of the table. `library` names a
    folder of programs, by default the standard ones.
    """

    name: ClassVar[str] = "substitute_functions"
    variants: ClassVar[frozenset[str]] = frozenset({"infer"})

    tolerance: float | None = None
    ulp: float = 4.0
    target: Target = "auto"
    costs: Literal["measured", "table"] = "measured"
    fuse: bool = True
    library: str = ""

    def __post_init__(self) -> None:
        if self.tolerance is not None and not 0 < self.tolerance < math.inf:
            raise ValueError("the tolerance is a positive number")
        if not 0 < self.ulp < math.inf:
            raise ValueError("ulp is a positive number")
        if self.library and not Path(self.library).is_dir():
            raise ValueError(f"there is no folder '{self.library}'")

    @property
    def contract(self) -> Contract:
        return Bounded("max_abs", math.inf if self.tolerance is None else self.tolerance)

    def run(self, program: Program, context: Context) -> Result:
        samples = samples_of(program, context)
        found = find(program, samples, context)
        target = TARGETS.get(context.backend, "native") if self.target == "auto" else self.target
        places = self._with_programs(program, found, samples, context, target)
        chosen, said = self._chosen(places, target)
        taken = {(c.graph, n) for c in chosen for n in c.entries}
        lines = []
        for place in places:
            key = place.graph, place.match.node
            kept = place if key in taken else replace(place, entry=None)
            lines.append(note(program, kept, place.reason or said[key]))
        fused = [" ".join(n.name for n in c.region.nodes) for c in chosen if len(c.region.nodes) > 1]
        return Result(
            replaced(program, chosen, self.name),
            _replacements(chosen, {(p.graph, p.match.node): p for p in places}, program.graph),
            (*lines, *(f"fused: {names}" for names in fused)),
            {"programs": len(taken)} if taken else {},
            len(program.graph.nodes),
            len(places),
        )

    # --- which program each place may have --------------------------------------------------------

    def _with_programs(
        self, program: Program, found: Found, samples: Sequence[Samples], context: Context, target: str
    ) -> list[Place]:
        """Every place with the cheapest program within its error, or why there is none."""
        entries = library(Path(self.library) if self.library else FOLDER)
        above = parents(program)
        places = [replace(p, reason=self._refusal(program, above, p, found)) for p in found.places]
        sizes = self._amplified(program, [p for p in places if not p.reason], samples, context)
        offered = []
        for place in places:
            if self.tolerance is None:
                place = replace(place, allowed=self.ulp * unit(place.largest, place.dtype))
            elif not place.reason:
                factor = (sizes or {}).get((place.graph, place.match.result), UNKNOWN)
                place = replace(place, allowed=self.tolerance / CONFIDENCE, amplification=factor)
            offered.append(_offered(place, found.seen(place), entries, target))
        return self._within_budget(offered)

    def _within_budget(self, offered: Sequence[tuple[Place, list[Entry]]]) -> list[Place]:
        """The places, each with one of the programs that it is offered."""
        errors = [[consequence(p, e) for e in entries] for p, entries in offered]
        total = self.tolerance / CONFIDENCE if self.tolerance is not None else math.inf
        result = []
        for (place, entries), row, k in zip(offered, errors, allotted(errors, total), strict=True):
            if k is not None:
                place = replace(place, entry=entries[k])
            elif entries:
                least = min(row)
                least_name = entries[row.index(least)].program.name
                reason = f"{least_name} would move an output by {least:.2g}, too much beside the others for {total:.2g}"
                place = replace(place, reason=reason)
            result.append(place)
        return result

    def _refusal(self, program: Program, above: Any, place: Place, found: Found) -> str:
        """Why no program is looked for, whatever it costs."""
        if place.dtype not in PRINTED:
            return f"programs have no kernels in {place.dtype}"
        if not place.match.result.tensor.dims:
            return "a single number, or one of unknown rank"
        arrays = found.seen(place)
        if not any(a.size for a in arrays) and not all(map(math.isfinite, place.range.proven)):
            return "it was not reached on the samples: nothing is known of its numbers"
        low, high = place.match.safe
        if not (low < place.range.seen[0] and place.range.seen[1] < high):
            return f"as it is written it overflows on numbers seen, beyond {low:.4g} to {high:.4g}"
        if self.tolerance is not None and place.in_body:
            return unbounded(program, above, place.graph, place.match.result) or ""
        return ""

    def _amplified(
        self, program: Program, places: Sequence[Place], samples: Sequence[Samples], context: Context
    ) -> dict[tuple[Graph, Value], Amplification] | None:
        """With a budget: what errors at the places become at the outputs, also in the longest loops."""
        if self.tolerance is None or not places:
            return None
        values: dict[Graph, list[Value]] = {}
        for place in places:
            values.setdefault(place.graph, []).append(place.match.result)
        ends = limits(program) if any(p.in_body for p in places) else {}
        longest = _at_sizes(program, {**samples[-1].sizes, **ends}, context.seed) if ends else ()
        return amplification(program, values, (*samples, *longest), context.seed)

    # --- which of them pay -------------------------------------------------------------------------

    def _chosen(
        self, places: Sequence[Place], target: str
    ) -> tuple[list[Chosen], dict[tuple[Graph, Node], str]]:
        """The regions that programs make faster, and of each place what it costs."""
        chosen: list[Chosen] = []
        said: dict[tuple[Graph, Node], str] = {}
        for graph in dict.fromkeys(p.graph for p in places):
            here = {p.match.node: p for p in places if p.graph is graph and p.entry is not None}
            for region in regions(graph, [p.match for p in here.values()], self.fuse):
                found = self._verdict(graph, region, here, target)
                said.update({(graph, n): found.text for n in region.matches})
                if found.chosen is not None:
                    chosen.append(found.chosen)
        return chosen, said

    def _verdict(self, graph: Graph, region: Region, here: Mapping[Node, Place], target: str) -> Verdict:
        entries = {n: e for n in region.matches if (e := here[n].entry) is not None}
        if target == "export":
            reason = "an exported file holds standard operators only; kernels run in modules (target: native)"
            return Verdict(None, reason)
        at_ends = {n: ends(here[n].match, e, here[n].range.proven) for n, e in entries.items()}
        made = Chosen(graph, region, entries, steps=target == "onnx", at_ends=at_ends)
        return verdict(made, here, target, self.costs == "measured")


def _at_sizes(program: Program, sizes: Mapping[str, int], seed: int) -> tuple[Samples, ...]:
    """One more sample, where its sizes are allowed together."""
    from ....backends.runtime.samples import draw

    try:
        return (Samples(draw(program, seed, sizes, evaluator=default_evaluator()), sizes),)
    except SpecError:
        return ()


def _offered(
    place: Place, arrays: Sequence[np.ndarray[Any, Any]], entries: Sequence[Entry], target: str
) -> tuple[Place, list[Entry]]:
    """The programs whose domain holds what was seen and which are within the place's error, the cheapest first; or,
    without any, the place with the reasons."""
    if place.reason:
        return place, []
    known = choices(place.match.function, place.dtype, target, entries)
    if not known:
        what = f"{place.match.function} in {place.dtype}"
        return replace(place, reason=f"no certified program for {what}"), []
    fits, narrow, far = [], [], []
    for entry in known:
        error = consequence(place, entry)
        if not error <= place.allowed:
            far.append((error, entry.program.name))
        elif not entry.covers(*place.range.proven) and (share := _share(entry, arrays)) < COVERED:
            narrow.append(f"{entry.program.name} covers {share:.0%} of the numbers seen")
        else:
            fits.append(entry)
    if fits:
        return place, fits
    closest = [f"{name} is off by {e:.2g}, {place.allowed:.2g} is allowed" for e, name in sorted(far)[:1]]
    return replace(place, reason="; ".join((*narrow, *closest))), []


def _share(entry: Entry, arrays: Sequence[np.ndarray[Any, Any]]) -> float:
    """The share of the numbers seen that the program's domain holds."""
    low, high = entry.program.domain
    count = sum(a.size for a in arrays)
    inside = sum(int(np.count_nonzero((a >= low) & (a <= high) | np.isnan(a))) for a in arrays)
    return inside / count if count else 0.0


# --- what the manager checks --------------------------------------------------------------------------


def _replacements(
    chosen: Sequence[Chosen], places: Mapping[tuple[Graph, Node], Place], main: Graph
) -> tuple[Replacement, ...]:
    """Of each place its program alone, on the operand that it had, against the bound that its certificate gives."""
    found = []
    for made in chosen:
        in_body = made.graph is not main
        for node, entry in made.entries.items():
            place = places[made.graph, node]
            value = Chosen(made.graph, single(place.match), {node: entry}, at_ends=made.at_ends).node(
                [place.match.operand]
            )
            bound = _bound(place, entry)
            found.append(
                Replacement((place.match.result,), (value,), "programs", bound=bound, in_body=in_body)
            )
    return tuple(found)


def _bound(place: Place, entry: Entry) -> float:
    """The certificate's error, the operator's own, and that of a form of several operators."""
    return site_error(place, entry) + OWN_UNITS * unit(place.largest, place.dtype) + OWN_FACTOR * place.own
