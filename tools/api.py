"""The public functions of the package: `graphwright.load`, `graphwright.run`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..backends.runtime.feeds import prepare
from ..backends.runtime.protocols import Backend
from ..graph.build.document import build_program
from ..graph.diagnostics import did_you_mean, fail
from ..graph.ir import Program
from .documents import Overrides, open_unit

BACKENDS = ("torch", "onnx", "reference")


def load(
    path: str | Path,
    *,
    sizes: Mapping[str, object] | None = None,
    attributes: Mapping[str, object] | None = None,
    slots: Mapping[str, str] | None = None,
    optional: frozenset[str] | set[str] = frozenset(),
    training: bool = False,
    dtype: str | None = None,
) -> Program:
    """The program of a graph spec, its gradients resolved.

    `sizes` and `attributes` override the spec's own, `slots` binds functions or files, `optional`
    names the optional inputs that will be given. Raises SpecError.
    """
    from ..passes.autodiff.resolution import resolve_gradients

    overrides = Overrides({**(sizes or {}), **(attributes or {})}, slots or {}, frozenset(optional), dtype)
    program = build_program(open_unit(str(path), overrides), "train" if training else "infer")
    return resolve_gradients(program)[0]


def find_backend(name: str) -> Backend:
    """The backend called `name`. Raises SpecError G1304 for an unknown one."""
    if name == "torch":
        from ..backends.torch_fx.backend import TorchBackend

        return TorchBackend()
    if name == "onnx":
        from ..backends.onnx.backend import OnnxBackend

        return OnnxBackend()
    if name == "reference":
        from ..backends.reference.backend import ReferenceBackend

        return ReferenceBackend()
    raise fail("G1304", f"unknown backend '{name}'", hint=did_you_mean(name, BACKENDS) or ", ".join(BACKENDS))


def run(
    program: Program,
    inputs: Mapping[str, object],
    *,
    backend: str = "torch",
    seed: int = 0,
    parameters: Mapping[str, object] | None = None,
    state: Mapping[str, object] | None = None,
    noise: Mapping[str, object] | None = None,
) -> dict[str, np.ndarray[Any, Any]]:
    """Output name -> array, then state name -> its new value. Parameters, states and noise that are
    not given come from the program's weights or initializers. Raises SpecError."""
    feeds = prepare(program, inputs, seed=seed, parameters=parameters, states=state, noise=noise)
    return find_backend(backend).load(program).run(feeds)
