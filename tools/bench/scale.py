"""How import and simplification grow with the graph, beside peers in the same run."""

from __future__ import annotations

import gc
import math
from dataclasses import dataclass
from time import process_time

import onnx

from ...backends.onnx.importing import import_model
from ...passes.manager.manager import PassManager
from ...passes.simplify.family import Simplify
from .peers import installed, load_tool
from .synthetic import minimal_nodes, synthetic_model

SIZES = (1_000, 10_000, 50_000)
PEER_LIMIT = {"onnxscript": 1_000, "onnxslim": 10_000, "onnxsim": 50_000}
"""The largest graph each peer is given: beyond it, it takes minutes."""


@dataclass(frozen=True, slots=True)
class Row:
    tool: str
    nodes: int
    seconds: float
    left: int


def ours(model: onnx.ModelProto, repeats: int = 5) -> tuple[float, int]:
    """(least CPU seconds from ModelProto to simplified program, nodes left), verification off."""
    best, left = math.inf, 0
    for _ in range(repeats):
        gc.collect()
        start = process_time()
        record = PassManager().run(import_model(model), [Simplify()], verify="none")
        best = min(best, process_time() - start)
        left = record.end.nodes
    return best, left


def _peer(name: str, model: onnx.ModelProto) -> tuple[float, int]:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    tool = load_tool(name)
    start = process_time()
    result = tool(copy)
    return process_time() - start, len(result.graph.node)


def measure() -> list[Row]:
    """A row for each tool and size; peers that are not installed are left out."""
    rows: list[Row] = []
    for nodes in SIZES:
        model = synthetic_model(nodes)
        seconds, left = ours(model)
        assert left == minimal_nodes(nodes), (
            f"{left} nodes left of {nodes}, {minimal_nodes(nodes)} are needed"
        )
        rows.append(Row("graphwright", nodes, seconds, left))
        for name, largest in PEER_LIMIT.items():
            if nodes > largest or not installed(name):
                continue
            rows.append(Row(name, nodes, *_peer(name, model)))
    return rows


def exponent(rows: list[Row]) -> float:
    """The growth exponent of our time between the smallest and the largest graph."""
    own = [r for r in rows if r.tool == "graphwright"]
    first, last = own[0], own[-1]
    return math.log(last.seconds / first.seconds) / math.log(last.nodes / first.nodes)


def report() -> None:
    """Prints the table."""
    rows = measure()
    print(f"{'tool':<12} {'nodes':>7} {'left':>7} {'CPU s':>8} {'ratio':>7}")
    for row in rows:
        base = next(r.seconds for r in rows if r.tool == "graphwright" and r.nodes == row.nodes)
        print(f"{row.tool:<12} {row.nodes:>7,} {row.left:>7,} {row.seconds:>8.3f} {row.seconds / base:>7.1f}")
    print(f"growth exponent of ours from {SIZES[0]:,} to {SIZES[-1]:,} nodes: {exponent(rows):.2f}")
