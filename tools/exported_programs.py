"""Saved torch.export programs (`.pt2`) as programs, through torch's own ONNX exporter."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..graph.ir import Program
from .exported_archives import check_archive, refused
from .faults import first_line


def import_exported(path: Path, sizes: Mapping[str, int] | None = None) -> Program:
    """The program of a `.pt2` file.

    Raises SpecError G1224 for a file that is none, that could run code when loaded, or that torch
    can't export, and what reading ONNX raises.
    """
    from ..backends.onnx.importing import import_model

    check_archive(path)
    with _quiet():
        exported = _load(path)
        model = _to_onnx(path, exported)
    return import_model(model, sizes=sizes)


def _load(path: Path) -> Any:
    """The exported program. Example inputs are pickles: they are read by torch's restricted unpickler
    only, where torch would fall back to one that runs code."""
    import torch

    before = torch.load

    def restricted(*arguments: Any, **keywords: Any) -> Any:
        return before(*arguments, **{**keywords, "weights_only": True})

    torch.load = restricted
    try:
        return torch.export.load(str(path))
    except MemoryError:
        raise refused(path, "it does not fit into memory") from None
    except Exception as error:
        raise refused(path, first_line(error)) from error
    finally:
        torch.load = before


def _to_onnx(path: Path, exported: Any) -> Any:
    import torch

    try:
        import onnxscript  # noqa: F401  # only whether it is there
    except ImportError:
        hint = "pip install 'graphwright[import]'"
        raise refused(path, "torch's ONNX exporter needs the package onnxscript", hint) from None
    try:
        program = torch.onnx.export(exported, (), dynamo=True, optimize=False, verbose=False)
        assert program is not None
        return program.model_proto
    except Exception as error:
        raise refused(path, f"torch can't export it: {first_line(error)}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's remarks, which are about torch's own workings."""
    root = logging.getLogger("torch")
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        root.setLevel(level)
