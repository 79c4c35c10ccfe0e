"""A pass checked against its contract: every site, then the outputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...backends.runtime.protocols import Evaluator
from ...graph.ir import Program, Value
from .body_values import Bodies, record
from .contract import Budget, Contract
from .evaluation import Samples, Unevaluable, draw_samples, evaluate, leaf_arrays
from .output_check import OutputCheck
from .pass_ import Result
from .site_check import SiteRun, check_site
from .sites import Region, from_type, is_constant, redrawn, region_of
from .verdict import Finding, Verdict, worst

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class BrokenSite:
    """A site that breaks its contract, with the boundary values that show it."""

    region: Region
    given: Mapping[Value, Array]
    run: SiteRun

    @property
    def rule(self) -> str:
        return self.region.replacement.rule


@dataclass(frozen=True)
class Verification:
    """What checking one pass gave. `broken` are the sites that fail, in the order in which the pass
    made them; `drift` is the distance of the outputs from the first program's (Bounded)."""

    verdict: Verdict
    sites: int = 0
    unchecked: int = 0
    error: float = 0.0
    ties: float = 0.0
    reason: str = ""
    broken: tuple[BrokenSite, ...] = ()
    outputs_broken: bool = False
    output_error: float = 0.0
    drift: float | None = None


@dataclass
class Verifier:
    """Checks passes; `samples` are the inputs that all checks of one compile share."""

    evaluator: Evaluator
    seed: int = 0
    samples: tuple[Samples, ...] = ()
    first: Program | None = None
    outputs: OutputCheck | None = None

    def prepare(self, program: Program) -> None:
        """Draws the inputs for a compile that starts with `program`."""
        self.first = program
        self.samples = draw_samples(program, self.seed, self.evaluator)
        self.outputs = OutputCheck(self.evaluator, self.samples)

    def verify(self, before: Program, result: Result, contract: Contract) -> Verification:
        """Sites first, so that an error is found where it is made; then the outputs."""
        if result.program is before or isinstance(contract, Budget):
            return Verification(Verdict.HOLDS)
        sites = self.check_sites(before, result, contract)
        if sites.verdict is Verdict.BROKEN:
            return sites
        assert self.outputs is not None
        outputs = self.outputs.compare(before, result, contract)
        drift = self.outputs.drift(self.first, result.program, contract) if self.first else None
        total = worst((Finding(sites.verdict, sites.error, reason=sites.reason), outputs, drift or outputs))
        return replace(
            sites,
            verdict=total.verdict,
            ties=max(sites.ties, outputs.ties),
            reason=total.reason,
            outputs_broken=total.verdict is Verdict.BROKEN,
            output_error=outputs.error,
            drift=drift.error if drift else None,
        )

    # --- sites -----------------------------------------------------------------------------------

    def check_sites(self, before: Program, result: Result, contract: Contract) -> Verification:
        regions = [r for r in map(region_of, result.replacements) if r is not None]
        broken: list[BrokenSite] = []
        findings: list[Finding] = []
        checked: set[int] = set()
        bodies = self._bodies(before, regions)
        for index, sample in enumerate(self.samples):
            pool = self._pool(before, result, regions, sample)
            for number, region in enumerate(regions):
                for used, run, given in self._runs(region, pool, sample, contract, index, bodies):
                    findings.append(run.finding)
                    checked.add(number)
                    if run.finding.verdict is Verdict.BROKEN:
                        broken.append(BrokenSite(used, given, run))
                        break
            if broken:
                break
        unchecked = len(result.replacements) - len(checked)
        total = worst(findings)
        return Verification(
            total.verdict,
            len(checked),
            unchecked,
            max((f.error for f in findings if np.isfinite(f.error)), default=0.0),
            max((f.ties for f in findings), default=0.0),
            total.reason,
            tuple(broken),
        )

    def _pool(
        self, before: Program, result: Result, regions: Sequence[Region], sample: Samples
    ) -> dict[Value, Array]:
        """The boundary values of all sites, computed from the sample inputs, and all weights."""
        given = leaf_arrays(before, sample.feeds)
        given.update(leaf_arrays(result.program, sample.feeds, result.scratch))
        for region in regions:
            for value in region.weights:
                name = value.node.attribute("name")
                array = result.program.weights.arrays.get(name)
                array = result.scratch.get(name) if array is None else array
                if array is not None:
                    given.setdefault(value, array)
        wanted = [v for r in regions if not r.replacement.in_body for v in r.boundary]
        missing = [v for v in dict.fromkeys(wanted) if v not in given and not is_constant(v)]
        found = evaluate(self.evaluator, missing, given)
        if not isinstance(found, Unevaluable):
            given.update(zip(missing, found, strict=True))
        return given

    def _bodies(self, before: Program, regions: Sequence[Region]) -> Bodies:
        """What the program's bodies really get, where a site lies in one."""
        if not self.samples or not any(r.replacement.in_body for r in regions):
            return Bodies()
        return record(self.evaluator, before, leaf_arrays(before, self.samples[0].feeds))

    def _runs(
        self,
        region: Region,
        pool: Mapping[Value, Array],
        sample: Samples,
        contract: Contract,
        index: int,
        bodies: Bodies,
    ) -> Iterator[tuple[Region, SiteRun, dict[Value, Array]]]:
        """The site on the values that it has in the program, then on others; a site in a body on what
        the body gets in its first steps, and on drawn values where it was not seen to run. One that
        reads no value but constants is the same for every sample."""
        if index and not region.boundary:
            return
        if not region.replacement.in_body and all(v in pool for v in region.boundary):
            actual = _given(region, pool)
            yield region, check_site(region, actual, contract, self.evaluator), actual
            if index == 0 and region.boundary:
                yield self._redrawn(region, pool, contract)
        elif index == 0 and (seen := bodies.boundaries(region, self.evaluator)):
            for values in seen:
                given = values | _weights(region, pool)
                yield region, check_site(region, given, contract, self.evaluator), given
        elif index == 0:
            generator = np.random.default_rng(self.seed)
            drawn = {v: from_type(v, sample.sizes, generator) for v in region.boundary}
            if all(a is not None for a in drawn.values()):
                given = {v: a for v, a in drawn.items() if a is not None} | _weights(region, pool)
                yield region, check_site(region, given, contract, self.evaluator), given

    def _redrawn(
        self, region: Region, pool: Mapping[Value, Array], contract: Contract
    ) -> tuple[Region, SiteRun, dict[Value, Array]]:
        """On redrawn boundary values. Before the site counts as broken its boundary is moved back: two
        values of it may belong together (a condition and its negation)."""
        run, given = self._on_redrawn(region, pool, contract)
        if run.finding.verdict is not Verdict.BROKEN:
            return region, run, given
        for further in (1, 2, 4, 8, 16, 30):
            deeper = region_of(region.replacement, region.depth + further)
            if deeper is None:
                break
            missing = [v for v in deeper.boundary if v not in pool and not is_constant(v)]
            found = evaluate(self.evaluator, missing, pool)
            if isinstance(found, Unevaluable):
                break
            again, other = self._on_redrawn(
                deeper, {**pool, **dict(zip(missing, found, strict=True))}, contract
            )
            if again.finding.verdict is not Verdict.BROKEN:
                return deeper, again, other
        return region, run, given

    def _on_redrawn(
        self, region: Region, pool: Mapping[Value, Array], contract: Contract
    ) -> tuple[SiteRun, dict[Value, Array]]:
        generator = np.random.default_rng(self.seed + 1)
        given = {v: redrawn(v, pool[v], generator) for v in region.boundary if v in pool}
        given |= _weights(region, pool)
        return check_site(region, given, contract, self.evaluator), given


def _given(region: Region, pool: Mapping[Value, Array]) -> dict[Value, Array]:
    return {v: pool[v] for v in region.boundary} | _weights(region, pool)


def _weights(region: Region, pool: Mapping[Value, Array]) -> dict[Value, Array]:
    return {v: pool[v] for v in region.weights if v in pool}
