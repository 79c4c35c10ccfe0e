"""A training on disk: written whole or not at all, and continued bit for bit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from ....graph.diagnostics import fail
from ...runtime.cache import write_atomically

VERSION = 1
_RECORD = "checkpoint.json"


@dataclass
class Progress:
    """Where a training is: `step` steps are done. `sums` holds this epoch's loss sums and rows."""

    fingerprint: str
    step: int = 0
    sums: dict[str, list[float]] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    numbers: dict[str, Any] = field(default_factory=dict)  # optimizer state that is no tensor


def save(folder: Path, progress: Progress, tensors: Mapping[str, torch.Tensor]) -> None:
    """Writes the tensors under the step's own name, then the record that points to them, then
    removes older tensors: a reader finds one complete checkpoint at any moment."""
    from safetensors.torch import save as serialize

    name = f"checkpoint-{progress.step}.safetensors"
    whole = {n: t.detach().cpu().contiguous().clone() for n, t in tensors.items()}
    write_atomically(folder / name, serialize(whole))
    record = {"version": VERSION, "tensors": name, **asdict(progress)}
    write_atomically(folder / _RECORD, json.dumps(record, indent=1).encode("utf-8"))
    for old in folder.glob("checkpoint-*.safetensors"):
        if old.name != name:
            old.unlink(missing_ok=True)


def load(folder: Path, fingerprint: str) -> tuple[Progress, dict[str, torch.Tensor]] | None:
    """What `save` wrote, or None where there is nothing. Raises SpecError G0966: damaged, or of
    another training."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = folder / _RECORD
    if not path.is_file():
        return None
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        name, version = str(record.pop("tensors")), record.pop("version")
        progress = Progress(**record)
        tensors = load_file(folder / Path(name).name)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise fail("G0966", f"the checkpoint in '{folder}' can't be read: {error}") from error
    if version != VERSION or progress.fingerprint != fingerprint:
        raise fail(
            "G0966",
            f"the checkpoint in '{folder}' belongs to another training",
            hint="parameters, plan, data or seed differ; train into another folder, or without --resume",
        )
    return progress, tensors
