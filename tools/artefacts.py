"""Emitted files: writing one, and running it on its own runtime by the names of its values."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ..backends.runtime.feeds import prepare
from ..backends.runtime.samples import draw, size_choices
from ..graph.diagnostics import fail
from ..graph.ir import Program
from .faults import last_line

Array = np.ndarray[Any, Any]
FILES = {"onnx": "model.onnx", "torch": "model.pt2"}
"""Backend -> the file that a compile writes."""


def check_backend(backend: str) -> None:
    """Raises SpecError: G1307 for a backend that writes no file."""
    if backend not in FILES:
        raise fail("G1307", f"compile emits {' or '.join(FILES)}, not '{backend}'")


def write_artefact(program: Program, folder: Path, backend: str, opset: int, seed: int) -> Path:
    """The program's file in the folder. Raises SpecError: what its backend can't express."""
    path = folder / FILES[backend]
    if backend == "torch":
        return _export(program, path, seed)
    from ..backends.onnx.capabilities import RuntimeKernels
    from ..backends.onnx.emitting.emission import save

    return save(program, path, opset=opset, kernels=RuntimeKernels())


def _export(program: Program, path: Path, seed: int) -> Path:
    import torch

    from ..backends.torch_fx.backend import TorchBackend

    feeds = prepare(program, drawn_inputs(program, seed, size_choices(program, seed)[0]), seed=seed)
    leaves = {**program.inputs, **program.states, **program.noise}
    exported = TorchBackend().export(program, {name: feeds[name] for name in leaves})
    torch.export.save(exported, str(path))
    return path


def drawn_inputs(program: Program, seed: int, sizes: Mapping[str, int]) -> dict[str, Array]:
    """Input name -> an array drawn from its domain, at these sizes."""
    feeds = draw(program, seed, dict(sizes))
    return {name: feeds[name] for name in program.inputs}


def read_artefact(path: Path, program: Program) -> OnnxFile | TorchFile:
    """The file on its own runtime; `program` is what it was emitted from."""
    return OnnxFile(path) if path.suffix == ".onnx" else TorchFile(path, program)


@contextmanager
def _quiet(logger: str) -> Iterator[None]:
    """Without warnings of this logger: torch names each symbol that it simplified away."""
    found = logging.getLogger(logger)
    level = found.level
    found.setLevel(logging.ERROR)
    try:
        yield
    finally:
        found.setLevel(level)


class OnnxFile:
    """A model file run by ONNX Runtime, by the names of its inputs and outputs."""

    def __init__(self, path: Path) -> None:
        import onnxruntime

        self.session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Output name -> array."""
        names = [o.name for o in self.session.get_outputs()]
        given = {i.name: feeds[i.name] for i in self.session.get_inputs()}
        try:
            results = self.session.run(names, given)
        except Exception as error:  # onnxruntime raises private C++ exception types
            raise fail("G1120", f"ONNX Runtime failed on the sample inputs: {last_line(error)}") from error
        return dict(zip(names, results, strict=True))


class TorchFile:
    """A saved torch.export program. Its arguments are the program's inputs, states and noise in
    order; it keeps no names, so they come from the program."""

    def __init__(self, path: Path, program: Program) -> None:
        import torch

        with _quiet("torch._export.serde.serialize"):
            self.module = torch.export.load(str(path)).module()
        self.program = program

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Output name -> array."""
        import torch

        from ..backends.torch_fx.arrays import from_torch, to_torch

        leaves = {**self.program.inputs, **self.program.states, **self.program.noise}
        with torch.no_grad():
            results = self.module(*(to_torch(feeds[name]) for name in leaves))
        types = [value.type for value in self.program.graph.outputs]
        return {
            name: from_torch(result, type)
            for (name, result), type in zip(results.items(), types, strict=True)
        }
