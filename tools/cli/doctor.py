"""`graphwright doctor`."""

from __future__ import annotations

import platform
import shutil
import sys
from importlib import metadata

import click

from .output import print_table

REQUIRED = (
    "numpy",
    "pyyaml",
    "networkx",
    "onnx",
    "onnxruntime",
    "torch",
    "safetensors",
    "rich",
    "click",
    "ml_dtypes",
)
OPTIONAL = {"scikit-learn": "learn"}


@click.command("doctor")
def command() -> None:
    """Check the installation: versions, the C YAML loader, backends, disk."""
    rows: list[tuple[str, str, str]] = [("python", "ok", platform.python_version())]
    broken = 0
    for package in REQUIRED:
        version = _version(package)
        broken += version is None
        rows.append((package, "ok" if version else "MISSING", version or "pip install graphwright"))
    for package, extra in OPTIONAL.items():
        version = _version(package)
        rows.append(
            (package, "ok" if version else "not installed", version or f"pip install 'graphwright[{extra}]'")
        )
    rows += _checks()
    print_table(rows)
    sys.exit(1 if broken or any(row[1] == "BROKEN" for row in rows) else 0)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return _version("onnxruntime-gpu") if package == "onnxruntime" else None


def _checks() -> list[tuple[str, str, str]]:
    import yaml

    loader = "the C loader" if hasattr(yaml, "CLoader") else "the slow Python loader: libyaml is absent"
    free = shutil.disk_usage(".").free / 2**30
    return [("yaml", "ok", loader), *_backends(), ("disk", "ok", f"{free:.1f} GiB free here")]


def _backends() -> list[tuple[str, str, str]]:
    """Runs one addition on each backend."""
    import numpy as np

    from ...graph.ir import Graph, Program, apply, leaf
    from ...graph.types import FLOAT32, TensorType
    from ..api import BACKENDS, run

    x = leaf("Input", "x", TensorType(FLOAT32, (2,)))
    program = Program("doctor", Graph((x,), (apply("Add", x, x),)), ("y",))
    rows = []
    for name in BACKENDS:
        try:
            result = run(program, {"x": np.array([1, 2], np.float32)}, backend=name)["y"]
            rows.append((name, "ok" if result.tolist() == [2, 4] else "BROKEN", "adds"))
        except Exception as error:
            rows.append((name, "BROKEN", f"{type(error).__name__}: {error}"))
    return rows
