"""Exporting: certified theorems as files."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

from ...backends.logic.exporters.files import FORMATS
from ...backends.logic.reading import node_of
from ...graph.ir import Program, make_node
from ...graph.operators.blocks import BLOCKS
from ..manager.contract import Certified
from ..manager.pass_ import Context, Result
from .theory_pass import BOTH


@dataclass(frozen=True)
class Export:
    """Adds the files of certified theorems to a program's outputs: `files` are their paths, `texts`
    what is in them. Formats: theorems, certificates (JSON lines), metamath, explorer (HTML), tptp,
    smtlib."""

    formats: tuple[str, ...] = field(
        default=("theorems", "metamath", "explorer", "certificates"),
        metadata={"doc": f"Of {', '.join(FORMATS)}."},
    )

    name: ClassVar[str] = "export"
    variants: ClassVar[frozenset[str]] = BOTH

    def __post_init__(self) -> None:
        wrong = [f for f in self.formats if f not in FORMATS]
        if wrong:
            raise ValueError(f"no format '{wrong[0]}'; there are {', '.join(FORMATS)}")

    @property
    def contract(self) -> Certified:
        return Certified()

    def run(self, program: Program, context: Context) -> Result:
        certified = node_of(program, "Certified")
        if certified is None or not self.formats:
            return Result(program, visits=len(program.graph.nodes))
        made = make_node(BLOCKS["Export"], certified.outputs, {"formats": list(self.formats)})
        kept = [(n, v) for n, v in program.outputs.items() if n not in ("files", "texts")]
        outputs = [*kept, ("files", made.outputs[0]), ("texts", made.outputs[1])]
        changed = program.with_graph(tuple(v for _, v in outputs))
        return Result(replace(changed, output_names=tuple(n for n, _ in outputs)), hits={"export": 1})
