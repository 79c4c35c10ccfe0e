"""Results on disk, found again by the content of what they were computed from.

An entry is one safetensors file: arrays, and the rest as JSON in its metadata. It is written
under another name and moved into place, so that a reader sees a whole entry or none, and a run
that was killed resumes where it was.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

_MARK = "$array"


def content_key(*parts: object) -> str:
    """A hash of plain data, arrays included: dictionaries regardless of their order; 1, 1.0, True
    and "1" apart. Raises TypeError for anything else (an object's identity is no content)."""
    found = hashlib.sha256()
    _absorb(found, parts)
    return found.hexdigest()


def _absorb(found: Any, value: object) -> None:
    if isinstance(value, np.ndarray | np.generic):
        array = np.ascontiguousarray(value)
        if array.dtype == object:
            _absorb(found, ("objects", array.shape, array.ravel().tolist()))
            return
        found.update(f"a{array.dtype.name}{np.shape(value)}:".encode())
        found.update(array.tobytes())
    elif isinstance(value, Mapping):
        found.update(f"m{len(value)}:".encode())
        for key in sorted(value, key=repr):
            _absorb(found, key)
            _absorb(found, value[key])
    elif isinstance(value, list | tuple):
        found.update(f"s{len(value)}:".encode())
        for item in value:
            _absorb(found, item)
    elif value is None or isinstance(value, bool | int | float | str):
        text = repr(value)
        found.update(f"{type(value).__name__}{len(text)}:{text}".encode())
    elif isinstance(value, bytes):
        found.update(f"b{len(value)}:".encode() + value)
    else:
        raise TypeError(f"a {type(value).__name__} has no content to be found by")


@dataclass(frozen=True)
class ResultCache:
    """Entries below `folder`, in 256 sub-folders. Values are JSON data with arrays in them."""

    folder: Path

    def get(self, key: str) -> Any:
        """The value, or None where there is none (an entry that can't be read counts as none)."""
        from safetensors import SafetensorError, safe_open

        path = self._path(key)
        try:
            with safe_open(str(path), "numpy") as file:
                metadata = file.metadata() or {}
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # no mapping
            return _joined(json.loads(metadata["value"]), arrays, json.loads(metadata["shapes"]))
        except (OSError, SafetensorError, KeyError, ValueError):
            return None

    def put(self, key: str, value: Any) -> None:
        """Stores the value. Raises TypeError for one that is not JSON data with arrays."""
        from safetensors.numpy import save

        arrays: dict[str, np.ndarray[Any, Any]] = {}
        plain = json.dumps(_parted(value, arrays), allow_nan=True)
        shapes = json.dumps({name: list(a.shape) for name, a in arrays.items()})
        held = {name: np.ascontiguousarray(a).reshape(-1) for name, a in arrays.items()}
        write_atomically(self._path(key), save(held, {"value": plain, "shapes": shapes}))

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self.get(key) is not None

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key[2:]}.safetensors"


def _parted(value: Any, arrays: dict[str, np.ndarray[Any, Any]]) -> Any:
    """JSON data, its arrays moved to `arrays`."""
    if isinstance(value, np.ndarray | np.generic):
        name = str(len(arrays))
        arrays[name] = np.asarray(value)
        return {_MARK: name}
    if isinstance(value, Mapping):
        if _MARK in value or not all(isinstance(k, str) for k in value):
            raise TypeError("the keys of a cached dictionary are strings")
        return {k: _parted(v, arrays) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_parted(v, arrays) for v in value]
    return value


def _joined(value: Any, arrays: Mapping[str, Any], shapes: Mapping[str, list[int]]) -> Any:
    if isinstance(value, dict):
        if _MARK in value:
            return arrays[value[_MARK]].reshape(shapes[value[_MARK]])
        return {k: _joined(v, arrays, shapes) for k, v in value.items()}
    return [_joined(v, arrays, shapes) for v in value] if isinstance(value, list) else value


def write_atomically(path: Path, content: bytes) -> None:
    """The file with that content, or what was there before; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
