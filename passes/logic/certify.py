"""Certifying: every checker at hand reads the proofs, and its verdict goes with the theorems."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import ClassVar

from ...backends.logic.checkers import all_verdicts
from ...backends.logic.reading import certificate_lines, node_of
from ...graph.ir import Program, make_node
from ...graph.operators.blocks import BLOCKS
from ..manager.contract import Certified
from ..manager.pass_ import Context, Result
from .theory_pass import BOTH, with_result


@dataclass(frozen=True)
class Certify:
    """Has the proofs checked: by the kernel, by the program `metamath` where it is installed, and by
    a Metamath verifier of ours. Records what each says and what every theorem rests on."""

    name: ClassVar[str] = "certify"
    variants: ClassVar[frozenset[str]] = BOTH

    @property
    def contract(self) -> Certified:
        return Certified()

    def run(self, program: Program, context: Context) -> Result:
        theorems = node_of(program, "Theorems")
        if theorems is None or theorems.outputs[0] is not program.outputs.get("theorems"):
            return Result(program, visits=len(program.graph.nodes))
        verdicts, rests, database = all_verdicts(certificate_lines(program))
        attributes = {
            "checkers": [v.checker for v in verdicts],
            "verdicts": [v.verdict for v in verdicts],
            "details": [v.detail for v in verdicts],
            "rests": [json.dumps([name, list(r)], ensure_ascii=False) for name, r in rests.items()] or None,
            "database": database,
        }
        made = make_node(BLOCKS["Certified"], (theorems.outputs[0],), attributes)
        notes = [f"{v.checker}: {v.verdict}" + (f" ({v.detail})" if v.detail else "") for v in verdicts]
        hits: dict[str, int] = {}
        for verdict in verdicts:
            hits[verdict.verdict] = hits.get(verdict.verdict, 0) + 1
        return Result(with_result(program, made), notes=tuple(notes), hits=hits)
