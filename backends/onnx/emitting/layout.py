"""External data: which arrays lie at which offset of the file beside a model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np
from onnx import TensorProto, numpy_helper

from ....graph.types.dtypes import from_numpy
from .protos import stored_bytes

Array = np.ndarray[Any, Any]
ALIGNMENT = 4096
SMALLEST = 1024
"""Arrays below this many bytes stay in the model."""
_CHUNK = 1 << 24


@dataclass
class ExternalLayout:
    """Arrays in the order of the file called `location`, which lies beside the model. Without `packed`
    those with elements of less than a byte stay in the model: a session takes none from outside."""

    location: str
    packed: bool = True
    entries: list[tuple[Array, int]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    size: int = 0

    def takes(self, array: Array) -> bool:
        dtype = from_numpy(array.dtype)
        if dtype.kind == "string" or (dtype.bits < 8 and not self.packed):
            return False
        return stored_bytes(array) >= SMALLEST

    def add(self, array: Array, name: str, proto: TensorProto) -> None:
        """Gives the array a place, and refers to it from its TensorProto."""
        offset = -(-self.size // ALIGNMENT) * ALIGNMENT
        length = stored_bytes(array)
        self.entries.append((array, offset))
        self.names.append(name)
        self.size = offset + length
        proto.name = name
        proto.data_type = from_numpy(array.dtype).code
        proto.dims.extend(array.shape)
        proto.data_location = TensorProto.EXTERNAL
        for key, value in (("location", self.location), ("offset", str(offset)), ("length", str(length))):
            proto.external_data.add(key=key, value=value)

    def stream(self, file: BinaryIO) -> None:
        """Writes the file, without holding a copy of more than a piece of an array."""
        for array, offset in self.entries:
            file.write(b"\0" * (offset - file.tell()))
            if from_numpy(array.dtype).bits < 8:
                file.write(numpy_helper.from_array(np.asarray(array)).raw_data)
            else:
                _write_pieces(file, array)


def _write_pieces(file: BinaryIO, array: Array) -> None:
    flat = array.reshape(-1) if array.flags.c_contiguous else np.ascontiguousarray(array).reshape(-1)
    step = max(_CHUNK // array.itemsize, 1)
    for start in range(0, flat.size, step):
        file.write(flat[start : start + step].tobytes())
