"""Other optimizers of ONNX models, and ours, each as a function of a model."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import onnx

Tool = Callable[[onnx.ModelProto], onnx.ModelProto]

OURS = "graphwright"
PYTHON = ("onnxslim", "onnxscript")
COMPILED = ("onnxsim", "onnxoptimizer")
"""Peers by what they are written in: Python, and C++."""


def _graphwright() -> Tool:
    from ...backends.onnx import emit, import_model
    from ...passes.manager.manager import PassManager
    from ...passes.simplify.family import Simplify

    def run(model: onnx.ModelProto) -> onnx.ModelProto:
        return emit(PassManager().run(import_model(model), [Simplify()], verify="none").program)

    return run


def _onnxslim() -> Tool:
    slim: Tool = import_module("onnxslim").slim
    return slim


def _onnxsim() -> Tool:
    simplify: Any = import_module("onnxsim").simplify
    return lambda model: simplify(model)[0]


def _onnxscript() -> Tool:
    optimize: Tool = import_module("onnxscript.optimizer").optimize
    return optimize


def _onnxoptimizer() -> Tool:
    module: Any = import_module("onnxoptimizer")
    passes = module.get_fuse_and_elimination_passes()
    return lambda model: module.optimize(model, passes)


_LOADERS: dict[str, Callable[[], Tool]] = {
    OURS: _graphwright,
    "onnxslim": _onnxslim,
    "onnxscript": _onnxscript,
    "onnxsim": _onnxsim,
    "onnxoptimizer": _onnxoptimizer,
}
TOOLS = tuple(_LOADERS)


def load_tool(name: str) -> Tool:
    """The tool as a function, imported now. Raises KeyError for an unknown name, ImportError for a
    peer that is not installed."""
    return _LOADERS[name]()


def installed(name: str) -> bool:
    return name == OURS or find_spec(name) is not None
