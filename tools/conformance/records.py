"""Records on disk: one JSON line a case, so that a run that was stopped goes on where it was.

Lines belong to one state of the source: a file begun by another is started afresh.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from .outcome import CaseRecord

PACKAGE = Path(__file__).resolve().parents[2]
READ = ("graph", "backends", "tools/conformance")


def source_digest() -> str:
    """A digest of the source that results depend on, and of the versions of what it runs on."""
    import onnx
    import onnxruntime
    import torch

    found = hashlib.sha256(f"{onnx.__version__} {onnxruntime.__version__} {torch.__version__}".encode())
    for folder in READ:
        for file in sorted((PACKAGE / folder).rglob("*.py")):
            found.update(file.relative_to(PACKAGE).as_posix().encode())
            found.update(file.read_bytes())
    return found.hexdigest()[:16]


class RecordFile:
    """Records appended to a file as they come."""

    def __init__(self, path: Path, digest: str) -> None:
        self.path, self.digest = path, digest
        self.records = dict(self._read())
        if not self.records:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({"source": digest}) + "\n", encoding="utf-8")

    def _read(self) -> Iterator[tuple[str, CaseRecord]]:
        """What an earlier run left; nothing where it was of another source, or the file is broken.
        A last line cut short by the end of a run is passed over."""
        if not self.path.exists():
            return
        first, *lines = self.path.read_text(encoding="utf-8").splitlines() or [""]
        if first != json.dumps({"source": self.digest}):
            return
        for line in lines:
            try:
                record = CaseRecord.from_json(json.loads(line))
            except (ValueError, KeyError, TypeError):
                continue
            yield record.key, record

    def add(self, record: CaseRecord) -> None:
        self.records[record.key] = record
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record.to_json()) + "\n")
            file.flush()
            os.fsync(file.fileno())
