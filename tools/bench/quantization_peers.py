"""Ours beside other tools that quantize, in one run: the digits CNN, then a transformer.

The mask of the attention is an addition of -1e4, as exporters write it: in its range everything else is one code.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np

from ...backends.onnx.emitting.emission import emit
from ...graph.ir import Node, Program, Value, apply, constant
from ...passes.manager.application import moved_by
from ...passes.manager.pass_ import Context, Replacement
from ...passes.quantization.lowering import LowerQuantized
from ...passes.quantization.quantize import Quantize
from .quantization import DYNAMIC, instruction_set, least_times, trained
from .quantizers import TOOLS, Batches, Tool, side_by_side, static
from .sessions import open_session

Array = np.ndarray[Any, Any]

MASK = -1e4

OURS: Sequence[tuple[str, Mapping[str, Any]]] = (
    ("int8 static, defaults", {"weights": "int8", "activations": "int8"}),
    ("int8 dynamic", {"weights": "int8", "activations": DYNAMIC}),
    (
        "w4, blocks of 32",
        {"weights": {"grid": "int4", "block": 32, "zero": True, "clip": "mse", "rounding": "descent"}},
    ),
    (
        "w4, float format searched",
        {"weights": {"grid": "float(4, search)", "clip": "mse", "rounding": "adaround"}},
    ),
    ("w4 a8", {"weights": {"grid": "int4", "clip": "mse", "rounding": "descent"}, "activations": DYNAMIC}),
    ("w3 a8", {"weights": {"grid": "int3", "clip": "mse", "rounding": "descent"}, "activations": DYNAMIC}),
    ("w2 a8", {"weights": {"grid": "int2", "clip": "mse", "rounding": "adaround"}, "activations": DYNAMIC}),
)


def report() -> None:
    """Prints the tables."""
    side_by_side()
    print()
    program, context = trained("character_lm", 0)
    program = with_added_masks(program)
    print(f"instruction set: {instruction_set()}\ncharacter LM, seed 0, masks by adding {MASK:g}")
    print(f"{'tool':<38} {'bits a character':>17} {'kB':>8} {'ms':>7} {'CPU s to make':>14}")
    base = emit(program).SerializeToString()
    line = Line(base, context)
    line.show("float32", base, 0.0)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "float.onnx"
        source.write_bytes(base)
        for name, work in _tools(source, context.data["calibration"], Path(folder)).items():
            line.attempt(name, work)
    for name, options in OURS:
        line.attempt(f"graphwright {name}", _ours(program, context, options))


def with_added_masks(program: Program) -> Program:
    """The same function with -1e4 added where -infinity was chosen."""
    sites = [s for node in program.graph.nodes if (s := _added(node)) is not None]
    moved = moved_by(program, sites)
    return program.with_graph(
        tuple(moved.get(v, v) for v in program.graph.outputs),
        names={n: moved.get(v, v) for n, v in program.names.items()},
        origins={moved.get(v, v): o for v, o in program.origins.items()},
    )


def _added(node: Node) -> Replacement | None:
    if node.name != "Where" or None in node.inputs:
        return None
    seen, scores, other = (v for v in node.inputs if v is not None)
    if not _is_infinite(other):
        return None
    mask = apply("Where", seen, constant(np.float32(0)), constant(np.float32(MASK)))
    return Replacement(node.outputs, (apply("Add", scores, mask),), "mask")


def _is_infinite(value: Value) -> bool:
    return value.constant is not None and value.constant.size == 1 and bool(np.isneginf(value.constant).all())


@dataclass(frozen=True)
class Line:
    """Prints a line of the table for a model, its accuracy against that of `base`."""

    base: bytes
    context: Context

    def attempt(self, name: str, work: Callable[[], bytes]) -> None:
        """What a tool makes, or why it fails."""
        start = process_time()
        try:
            model = work()
            self.show(name, model, process_time() - start)
        except Exception as error:  # what a tool raises is a result of the table
            print(f"{name:<38} failed: {type(error).__name__}: {str(error).splitlines()[0][:80]}")

    def show(self, name: str, model: bytes, seconds: float) -> None:
        change = bits_of(model, self.context) - bits_of(self.base, self.context)
        feed = {"tokens": self.context.data["evaluation"][0]["tokens"]}
        _, took = least_times((self.base, model), feed)
        print(f"{name:<38} {change:>+17.4f} {len(model) / 1000:8.1f} {took:7.2f} {seconds:14.2f}")


def bits_of(model: bytes, context: Context) -> float:
    """Bits a character on the held-out text."""
    session, found = open_session(model), []
    for batch in context.data["evaluation"]:
        logits = session.run(["logits"], {"tokens": batch["tokens"]})[0].astype(np.float64)
        shifted = logits - logits.max(axis=-1, keepdims=True)
        every = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
        found.append(-np.take_along_axis(every, batch["target"][..., None], axis=-1).mean() / np.log(2))
    return float(np.mean(found))


def _ours(program: Program, context: Context, options: Mapping[str, Any]) -> Callable[[], bytes]:
    def work() -> bytes:
        made = Quantize(costs=False, **options).run(program, context).program
        model: bytes = emit(LowerQuantized().run(made, context).program).SerializeToString()
        return model

    return work


def _tools(source: Path, batches: Batches, folder: Path) -> dict[str, Callable[[], bytes]]:
    """ONNX Runtime's tools and NNCF, each a function to the model's bytes."""
    given = [{"tokens": b["tokens"]} for b in batches]
    products = partial(static, op_types_to_quantize=["MatMul", "Gemm"])
    tools: dict[str, Tool] = {
        "ONNX Runtime quantize_static, defaults": static,
        "  the same, MatMul and Gemm only": products,
        "ONNX Runtime quantize_dynamic": TOOLS["quantize_dynamic"],
        "ONNX Runtime MatMulNBitsQuantizer": TOOLS["MatMulNBitsQuantizer"],
        "NNCF quantize": TOOLS["nncf quantize"],
    }
    return {name: partial(_made, tool, source, folder / "made.onnx", given) for name, tool in tools.items()}


def _made(tool: Tool, source: Path, target: Path, batches: Batches) -> bytes:
    tool(source, target, batches)
    return target.read_bytes()
