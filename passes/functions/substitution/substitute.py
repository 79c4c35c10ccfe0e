"""The pass that puts certified function programs in place of transcendental operators."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from ....graph.ir import Node, Origin, Program, Value, make_node, rebuild
from ....graph.operators.attributes import make_attribute
from ....graph.operators.table import operator
from ....graph.types import TensorType
from ...manager.contract import Bounded, Contract
from ...manager.evaluation import Samples, Unevaluable, default_evaluator, draw_samples, evaluate, leaf_arrays
from ...manager.pass_ import Context, Replacement, Result
from .amplification import Amplification, amplification
from .library import FOLDER, ORIGINAL, Entry, choices, library, unit
from .program_text import region_program
from .ranges import EVERYTHING, Range, proven, seen
from .regions import Region, function_of, operand_of, regions

CONFIDENCE = 6.0
"""Standard deviations that the outputs' budget leaves for what independent errors add up to."""
SMALL = 2048
"""A tensor of fewer elements costs its call, whatever is computed."""
OWN_UNITS = 3.0
"""Units in the last place that the operators themselves may be off."""
COVERED = 0.99
"""The share of the numbers seen that a domain must hold."""


@dataclass(frozen=True)
class Site:
    """One operator with what is known of it: what errors there become at the outputs (`amplification`; None
    without a tolerance), the error that it may cause (`allowed`: of an output, or of its own result), and the
    program that it gets, or why none."""

    node: Node
    function: str
    range: Range
    amplification: Amplification | None
    allowed: float
    entry: Entry | None = None
    reason: str = ""

    @property
    def largest(self) -> float:
        """The function's largest size where the operand was seen."""
        return largest_result(self.node, self.function, self.range.seen)


@dataclass(frozen=True)
class SubstituteFunctions:
    """Replaces Exp, Pow of 2, Log, Sin, Cos, Tanh, Erf, Sigmoid, Gelu, Swish, Softplus and Softmax, and the arithmetic
    around them, by certified programs, for `target` (native: C kernels; inductor: torch's operators, to be
    fused by torch.compile; onnx: nothing pays there).

    `tolerance` is the largest error that the outputs may get, absolutely: each operator gets a share by how much
    its errors are amplified on samples, and the cheapest program within it. Without one a program may be off by
    `ulp` units in the last place. `library` names a folder of programs, by default the standard ones.
    """

    name: ClassVar[str] = "substitute_functions"
    variants: ClassVar[frozenset[str]] = frozenset({"infer"})

    tolerance: float | None = None
    ulp: float = 4.0
    target: Literal["native", "inductor", "onnx"] = "native"
    fuse: bool = True
    library: str = ""

    def __post_init__(self) -> None:
        if self.tolerance is not None and not 0 < self.tolerance < math.inf:
            raise ValueError("the tolerance is a positive number")
        if not self.ulp > 0:
            raise ValueError("ulp is a positive number")

    @property
    def contract(self) -> Contract:
        return Bounded("max_abs", math.inf if self.tolerance is None else self.tolerance)

    def run(self, program: Program, context: Context) -> Result:
        nodes = [n for n in program.graph.nodes if function_of(n) and _is_taken(n)]
        if not nodes or self.target == "onnx":
            notes = ("ONNX Runtime computes each operator faster than a program of them",) * bool(nodes)
            return Result(program, notes=notes, visits=len(program.graph.nodes))
        sites = self._sites(program, nodes, context)
        chosen = {s.node: s for s in sites if s.entry is not None}
        found = regions(program, frozenset(chosen), self.fuse)
        made, replacements, names = _replaced(program, found, chosen, self.name)
        notes = (*map(_note, sites), *(f"fused: {n}" for n in names))
        hits = {"programs": len(chosen)} if chosen else {}
        return Result(made, replacements, notes, hits, len(program.graph.nodes), len(nodes))

    # --- what each site may cost ---------------------------------------------------------------------

    def _sites(self, program: Program, nodes: Sequence[Node], context: Context) -> list[Site]:
        samples = _samples(program, context)
        intervals = proven(program)
        values = [n.outputs[0] for n in nodes]
        arrays = _observed(program, nodes, samples)
        sizes = amplification(program, values, samples, context.seed) if self.tolerance is not None else None
        entries = library(Path(self.library) if self.library else FOLDER)
        found = []
        for node, value in zip(nodes, values, strict=True):
            function = function_of(node)
            operand = operand_of(node)
            assert function is not None
            known = (-math.inf, 0.0) if node.name == "Softmax" else intervals.get(operand, EVERYTHING)
            lies = Range(known, seen(arrays[node]))
            site = Site(
                node, function, lies, None, self.ulp * unit(_largest(node, function, lies), "float32")
            )
            if self.tolerance is not None:
                share = self.tolerance / (CONFIDENCE * math.sqrt(len(nodes)))
                factor = (sizes or {}).get(value, Amplification(math.inf, math.inf))
                site = replace(site, amplification=factor, allowed=share)
            found.append(self._choose(site, arrays[node], entries))
        return found

    def _choose(self, site: Site, arrays: Sequence[np.ndarray[Any, Any]], entries: Sequence[Entry]) -> Site:
        """The cheapest program within the site's error whose domain holds what was seen."""
        original = ORIGINAL[self.target]["softmax" if site.node.name == "Softmax" else site.function]
        known = choices(site.function, "float32", self.target, entries)
        if not known:
            return replace(site, reason=f"no certified program for {site.function}")
        reasons = []
        for entry in known:
            error = consequence(site, entry)
            if error > site.allowed:
                reasons.append(f"{entry.program.name} is off by {error:.2g}, {site.allowed:.2g} is allowed")
            elif (share := _share(entry, arrays)) < COVERED:
                reasons.append(f"{entry.program.name} covers {share:.0%} of the numbers seen")
            elif entry.cost(self.target) >= original:
                reasons.append(f"{entry.program.name} costs {entry.cost(self.target):g}, it {original:g}")
            else:
                return replace(site, entry=entry)
        return replace(site, reason=reasons[0])


def _is_taken(node: Node) -> bool:
    """Float32, and large enough where its size is known."""
    type = node.outputs[0].type
    if not isinstance(type, TensorType) or type.dtype.name != "float32" or not type.dims:
        return False
    sizes = [d for d in type.dims if isinstance(d, int)]
    return len(sizes) < len(type.dims) or math.prod(sizes) >= SMALL


def _samples(program: Program, context: Context) -> tuple[Samples, ...]:
    """Calibration data where the step has some, else inputs drawn as the program declares them."""
    batches = context.data.get(context.calibration or "calibration")
    drawn = draw_samples(program, context.seed, default_evaluator())
    if not batches:
        return drawn
    return (*(Samples({**drawn[0].feeds, **batch}) for batch in batches[:4]), *drawn)


def _observed(
    program: Program, nodes: Sequence[Node], samples: Sequence[Samples]
) -> dict[Node, list[np.ndarray[Any, Any]]]:
    """The operands of every node on the samples."""
    values = list(dict.fromkeys(map(operand_of, nodes)))
    found: dict[Node, list[np.ndarray[Any, Any]]] = {n: [] for n in nodes}
    for sample in samples:
        given = leaf_arrays(program, sample.feeds)
        arrays = evaluate(default_evaluator(), [v for v in values if v not in given], given)
        if isinstance(arrays, Unevaluable):
            continue
        made = dict(zip([v for v in values if v not in given], arrays, strict=True)) | given
        for node in nodes:
            operand = operand_of(node)
            if operand in made:
                array = made[operand]
                found[node].append(_shifted_rows(array) if node.name == "Softmax" else array)
    return found


def _shifted_rows(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """What a softmax takes the exponential of."""
    with np.errstate(invalid="ignore"):
        return np.asarray(array - array.max(axis=-1, keepdims=True)) if array.size else array


def _share(entry: Entry, arrays: Sequence[np.ndarray[Any, Any]]) -> float:
    """The share of the numbers seen that the program's domain holds."""
    low, high = entry.program.domain
    count = sum(a.size for a in arrays)
    inside = sum(int(np.count_nonzero((a >= low) & (a <= high) | np.isnan(a))) for a in arrays)
    return inside / count if count else 1.0


_LARGEST = {"sin": 1.0, "cos": 1.0, "tanh": 1.0, "erf": 1.0, "sigmoid": 1.0}


def _largest(node: Node, function: str, lies: Range) -> float:
    return largest_result(node, function, lies.seen)


def largest_result(node: Node, function: str, lies: tuple[float, float]) -> float:
    """The largest size of the function on an interval."""
    low, high = lies
    if node.name == "Softmax" or function in _LARGEST:
        return 1.0
    if function in ("exp", "exp2"):
        return float(np.exp(min(high, 700.0))) if function == "exp" else 2.0 ** min(high, 1000.0)
    if function in ("log", "log2"):
        least = max(low, 1e-45)
        return max(abs(math.log(least)), abs(math.log(max(high, least)))) * (1.5 if function == "log2" else 1)
    return max(abs(low), abs(high)) + 1.0


def consequence(site: Site, entry: Entry) -> float:
    """The error that the program causes: in its own result, or, by its amplification, in an output."""
    factor = site.amplification
    if factor is None:
        return entry.error(1.0) if site.node.name == "Softmax" else site_error(site, entry)
    if entry.relative is None:
        return factor.absolute * entry.certificate.bound
    relative = 2 * entry.relative + 2.0**-22 if site.node.name == "Softmax" else entry.relative
    return factor.relative * relative


def site_error(site: Site, entry: Entry) -> float:
    """The largest absolute error of the node with the program in it. A softmax is a quotient: the errors of a
    term, of the sum (no larger, relatively) and of the quotient."""
    if site.node.name == "Softmax":
        return 2 * entry.error(1.0) + 4 * unit(0.5, "float32")
    return entry.error(site.largest)


def _note(site: Site) -> str:
    place = f"{site.node.name} of {site.range.seen[0]:.4g} to {site.range.seen[1]:.4g}"
    if site.entry is None:
        return f"{place}: kept, {site.reason}"
    proof = ", proven" if site.entry.covers(*site.range.proven) else ", guarded"
    guard = "" if site.entry.is_total else proof
    return f"{place}{guard}: {site.entry.name()}; error {consequence(site, site.entry):.2g} of {site.allowed:.2g}"


# --- the new graph -----------------------------------------------------------------------------------


@dataclass
class _Rebuild:
    """The graph with regions replaced, operands first."""

    program: Program
    by: str
    moved: dict[Value, Value] = field(default_factory=dict)
    origins: dict[Value, Origin] = field(default_factory=dict)

    def old(self, node: Node) -> Node:
        return rebuild(node, [None if v is None else self.moved.get(v, v) for v in node.inputs])

    def put(self, node: Node, new: Sequence[Value]) -> None:
        for old, value in zip(node.outputs, new, strict=True):
            self.moved[old] = value
            origin = self.program.origins.get(old)
            if origin is not None and value not in self.program.origins:
                self.origins.setdefault(value, origin)


def _replaced(
    program: Program, found: Sequence[Region], chosen: Mapping[Node, Site], by: str
) -> tuple[Program, tuple[Replacement, ...], list[str]]:
    ends = {region.nodes[-1]: region for region in found}
    work = _Rebuild(program, by)
    replacements: list[Replacement] = []
    names: list[str] = []
    for node in program.graph.nodes:
        old = work.old(node)
        work.put(node, old.outputs)
        region = ends.get(node)
        if region is None:
            continue
        entries = {n: chosen[n].entry for n in region.functions}
        value = _elementwise(region, {n: e for n, e in entries.items() if e is not None}, work.moved)
        replacements.append(Replacement(old.outputs, (value,), "programs", bound=_site_bound(region, chosen)))
        work.moved[node.outputs[0]] = value
        origin = program.origins.get(node.outputs[0], Origin())
        work.origins[value] = origin.merge(Origin(), by)
        names.append(" ".join(n.name for n in region.nodes)) if len(region.nodes) > 1 else None
    if not replacements:
        return program, (), []
    outputs = tuple(work.moved.get(v, v) for v in program.graph.outputs)
    return _finished(program, outputs, work), tuple(replacements), names


def _finished(program: Program, outputs: tuple[Value, ...], work: _Rebuild) -> Program:
    made = program.with_graph(outputs)
    alive = {v for n in made.graph.nodes for v in n.outputs} | set(program.graph.inputs)
    names = {n: work.moved.get(v, v) for n, v in program.names.items()}
    origins = {**program.origins, **work.origins}
    return replace(
        made,
        names={n: v for n, v in names.items() if v in alive},
        origins={v: o for v, o in origins.items() if v in alive},
    )


def _elementwise(region: Region, entries: Mapping[Node, Entry], moved: Mapping[Value, Value]) -> Value:
    text = region_program(region, {n: e.program for n, e in entries.items()})
    attributes = {
        "body": make_attribute("graph", region.body()),
        "program": make_attribute("strings", text.lines()),
        "certificates": make_attribute("strings", tuple(dict.fromkeys(e.name() for e in entries.values()))),
        "softmax": make_attribute("int", int(region.is_softmax)),
    }
    inputs = [moved.get(v, v) for v in region.inputs]
    return make_node(operator("Elementwise", "graphwright"), inputs, attributes).outputs[0]


def _site_bound(region: Region, chosen: Mapping[Node, Site]) -> float | None:
    """The certificate's error and the operator's own, where the region is that operator alone; regions of
    several are held by the outputs' limit."""
    if len(region.nodes) > 1:
        return None
    site = chosen[region.nodes[0]]
    assert site.entry is not None
    return site_error(site, site.entry) + OWN_UNITS * unit(site.largest, "float32")
