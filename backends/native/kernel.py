"""Compiled elementwise programs, called on NumPy arrays and on addresses."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from .compiler import instruction_set, library
from .elementwise import Elementwise, from_lines
from .emitter import DTYPES, source

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Kernel:
    """A program in C. `rows`: the softmax along the last axis of a program for the exponential."""

    program: Elementwise
    rows: bool = False
    dialect: str = ""

    @cached_property
    def source(self) -> str:
        return source(self.program, self.dialect or instruction_set(), rows=self.rows)

    @cached_property
    def address(self) -> Callable[..., None]:
        """The C function; it takes a count (rows and columns) and addresses. Raises SpecError (G1130 to
        G1132)."""
        loaded = library(self.source)
        function = loaded.rows if self.rows else loaded.kernel
        counts, pointers = (2, 2) if self.rows else (1, len(self.program.inputs) + 1)
        function.argtypes = [ctypes.c_long] * counts + [ctypes.c_void_p] * pointers
        function.restype = None
        found: Callable[..., None] = function
        return found

    def __call__(self, *operands: Array, out: Array | None = None) -> Array:
        """The result, elementwise over operands that broadcast, in the program's dtype. Raises SpecError
        as `address` does, ValueError for an `out` of another type."""
        function, dtype = self.address, DTYPES[self.program.dtype][1]
        arrays: Sequence[Array] = [np.ascontiguousarray(o, dtype) for o in operands]
        if len({a.shape for a in arrays}) > 1:
            arrays = [np.ascontiguousarray(a) for a in np.broadcast_arrays(*arrays)]
        shape = np.shape(operands[0]) if len(arrays) == 1 else arrays[0].shape
        y = np.empty(shape, dtype) if out is None else out
        if y.dtype != dtype or y.shape != shape or not y.flags.c_contiguous:
            raise ValueError(f"the result is {np.dtype(dtype).name}{list(shape)}, contiguous")
        pointers = [a.ctypes.data for a in (*arrays, y)]
        if self.rows:
            columns = shape[-1] if shape else 1
            function(y.size // max(columns, 1), columns, *pointers)
        else:
            function(y.size, *pointers)
        return y


@lru_cache(maxsize=512)
def kernel(lines: tuple[str, ...], rows: bool = False) -> Kernel:
    """The kernel of a program's text."""
    return Kernel(from_lines(lines), rows)
