"""Elementwise programs with torch: by the native kernel where tensors are on the processor, else as what they
stand for, which is what is differentiated and exported, and what other devices run. Programs that say so are
computed step by step there, in torch's operators."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import torch

from ....graph.diagnostics import SpecError
from ...native.elementwise import Elementwise, Step, from_lines
from ...native.kernel import Kernel, kernel
from .carriers import Tensor
from .lowering import Lowering

_DTYPES = {
    "float32": torch.float32,
    "float64": torch.float64,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}

_UNTYPED: Any = torch
"""torch, for its functions without types."""


@dataclass(frozen=True)
class Prepared:
    """A program's text, the dtype of its numbers, and the whole number that stands for it in compiled graphs, the
    same in every process."""

    lines: tuple[str, ...]
    softmax: bool
    dtype: torch.dtype
    handle: int

    @cached_property
    def kernel(self) -> Kernel | None:
        """None where no compiler makes it."""
        try:
            found = kernel(self.lines, self.softmax)
            _ = found.address  # compiles it
        except SpecError:
            return None
        return found


@cache
def prepared(lines: tuple[str, ...], softmax: bool) -> Prepared:
    """The program, findable by its handle."""
    digest = hashlib.sha256("\n".join((str(softmax), *lines)).encode()).digest()
    found = Prepared(lines, softmax, _DTYPES[lines[0].split()[0]], int.from_bytes(digest[:7], "big"))
    _PREPARED[found.handle] = found
    return found


_PREPARED: dict[int, Prepared] = {}


def _handle(lines: tuple[str, ...], softmax: bool) -> int:
    found = prepared(lines, softmax)
    return -1 if found.kernel is None else found.handle


_CONSTANT_HANDLE: Callable[[tuple[str, ...], bool], int] = _UNTYPED.compiler.assume_constant_result(_handle)
"""A number in compiled graphs."""


def elementwise(
    *operands: Tensor,
    body: Callable[..., Any],
    program: Sequence[str],
    softmax: int = 0,
    certificates: Sequence[str] = (),
    least: int = 0,
    steps: int = 0,
) -> Tensor:
    """The program at every element, by its kernel. In another dtype than the program's (a shadow run), for fewer than
    `least` elements, and where there is no kernel, it is the body (with `steps`: the steps)."""
    first = operands[0]
    lines = tuple(program)
    if first.dtype is not _DTYPES[lines[0].split(" ", 1)[0]]:
        return _whole(body, operands)
    differentiated = torch.is_grad_enabled() and any(o.requires_grad for o in operands)
    if first.device.type == "cpu" and not differentiated and not torch.compiler.is_exporting():
        if least and first.numel() < least:
            return _whole(body, operands)
        if torch.compiler.is_compiling():
            handle = _CONSTANT_HANDLE(lines, bool(softmax))
            if handle >= 0:
                opaque: Tensor = torch.ops.graphwright.elementwise(list(operands), handle)
                return opaque
        else:
            found = prepared(lines, bool(softmax)).kernel
            if found is not None:
                return called(found, operands)
    if steps:
        return step_by_step(from_lines(lines), operands, bool(softmax))
    return _whole(body, operands)


def _whole(body: Callable[..., Any], operands: Sequence[Tensor]) -> Tensor:
    result: Tensor = body(*operands)[0]
    return result


def _computed(operands: Sequence[Tensor], handle: int) -> Tensor:
    found = _PREPARED[handle].kernel
    assert found is not None
    return called(found, operands)


def _shape(operands: Sequence[Tensor], handle: int) -> Tensor:
    return torch.empty_like(_UNTYPED.broadcast_tensors(*operands)[0], memory_format=torch.contiguous_format)


def _register() -> None:
    """The kernel's call as an operator that torch.compile leaves alone: traced, each fused product and sum
    would go through float64."""
    library = _UNTYPED.library.Library("graphwright", "FRAGMENT")
    library.define("elementwise(Tensor[] operands, int program) -> Tensor")
    library.impl("elementwise", _computed, "CPU")
    library._register_fake("elementwise", _shape)
    _LIBRARIES.append(library)


_LIBRARIES: list[Any] = []
_register()


def called(kernel: Kernel, operands: Sequence[Tensor]) -> Tensor:
    """The kernel on tensors of one shape, or of shapes that broadcast."""
    first, *others = operands
    if any(o.shape != first.shape for o in others):
        first, *others = _UNTYPED.broadcast_tensors(*operands)
    given = [o.contiguous() for o in (first, *others)]
    out = torch.empty_like(given[0], memory_format=torch.contiguous_format)
    count, pointers = out.numel(), [o.data_ptr() for o in given]
    if kernel.rows:
        columns = out.shape[-1] if out.dim() else 1
        kernel.address(count // max(columns, 1), columns, *pointers, out.data_ptr())
    else:
        kernel.address(count, *pointers, out.data_ptr())
    return out


def step_by_step(program: Elementwise, operands: Sequence[Tensor], softmax: bool = False) -> Tensor:
    """The program in torch's operators."""
    if softmax:
        (x,) = operands
        found = step_by_step(program, (x - x.amax(dim=-1, keepdim=True),))
        return found / found.sum(dim=-1, keepdim=True)
    values: dict[str, Tensor] = dict(zip(program.inputs, operands, strict=True))
    like = operands[0]
    made = {step.name: step for step in program.steps}
    for step in program.steps:
        found = _step(program, step, values, like)
        values[step.name] = found.detach() if _rounds(step, made) else found
    return values[program.result]


def _rounds(step: Step, made: Mapping[str, Step]) -> bool:
    """Whether it gives a rounded number: the derivative is that of a step function, not of the operations."""
    if step.operation in ("round", "floor"):
        return True
    if step.operation != "sub" or not isinstance(step.operands[1], float):
        return False
    total = made.get(str(step.operands[0]))
    return total is not None and total.operation in ("add", "fma") and total.operands[-1] == step.operands[1]


def _step(program: Elementwise, step: Step, values: Mapping[str, Tensor], like: Tensor) -> Tensor:
    if step.operation == "lookup":
        table, k = (str(o) for o in step.operands)
        entries = torch.tensor(program.tables[table], dtype=_DTYPES[step.dtype], device=like.device)
        return entries[torch.nan_to_num(values[k]).to(torch.int64) % len(program.tables[table])]
    dtype = next(
        (values[o].dtype for o in step.operands if isinstance(o, str) and values[o].dtype is not torch.bool),
        like.dtype,
    )
    given = [
        values[o] if isinstance(o, str) else torch.full((), o, dtype=dtype, device=like.device)
        for o in step.operands
    ]
    if step.operation == "cast":
        return given[0].to(_DTYPES[step.dtype])
    if step.operation == "outside":
        x, y, low, high = given
        return torch.where((low <= x) & (x <= high), y, _LIBRARY[step.function](x))
    found: Tensor = _OPERATIONS[step.operation](*given)
    return found


# --- the operations ----------------------------------------------------------------------------------


def _fma(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """In float32 and narrower the product is exact in float64."""
    if a.dtype is torch.float64:
        return a * b + c
    return (a.to(torch.float64) * b.to(torch.float64) + c.to(torch.float64)).to(a.dtype)


_LAYOUTS = {torch.float32: (torch.int32, 23, 127), torch.float64: (torch.int64, 52, 1023)}


def _power_of_two(k: Tensor) -> Tensor:
    """2^k for integers k from -126 to 127 (-1022 to 1023)."""
    integer, digits, bias = _LAYOUTS[k.dtype]
    return ((k.to(integer) + bias) << digits).view(k.dtype)


def _ldexp(y: Tensor, k: Tensor) -> Tensor:
    bias = _LAYOUTS[y.dtype][2]
    up = torch.clamp(torch.nan_to_num(k), -2 * (bias - 1), 2 * bias)
    half = torch.floor(up * 0.5)
    return torch.where(torch.isnan(k), k, y * _power_of_two(half) * _power_of_two(up - half))


def _split(x: Tensor, low: Tensor) -> tuple[Tensor, Tensor]:
    """The significand and the exponent, with the significand's derivative."""
    integer, digits, bias = _LAYOUTS[x.dtype]
    width = 32 if x.dtype is torch.float32 else 64
    small = x < 2.0 ** -(bias - 1)
    bits = torch.where(small, x * 2.0**width, x).detach().contiguous().view(integer)
    m = ((bits & ((1 << digits) - 1)) | (bias << digits)).view(x.dtype)
    k = (((bits >> digits) & (2 * bias + 1)) - bias).to(x.dtype) - small.to(x.dtype) * width
    large = m >= 2 * low
    m, k = torch.where(large, m * 0.5, m), k + large.to(x.dtype)
    if x.requires_grad:
        m = m + torch.nan_to_num(x - x.detach()) * _power_of_two(torch.clamp(-k, -bias + 1, bias))
    usual, zero, one = (x > 0) & torch.isfinite(x), x == 0, torch.ones_like(m)
    other = torch.where(zero, torch.copysign(one, x), torch.where(x > 0, one, torch.nan))
    return torch.where(usual, m, other), torch.where(
        usual, k, torch.where(zero, -torch.inf, x.detach().abs())
    )


_OPERATIONS: Mapping[str, Callable[..., Any]] = {
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "div": torch.div,
    "neg": torch.neg,
    "fma": _fma,
    "abs": torch.abs,
    "sqrt": torch.sqrt,
    "floor": torch.floor,
    "round": torch.round,
    "min": torch.minimum,
    "max": torch.maximum,
    "copysign": torch.copysign,
    "where": torch.where,
    "lt": torch.lt,
    "le": torch.le,
    "gt": torch.gt,
    "ge": torch.ge,
    "eq": torch.eq,
    "ne": torch.ne,
    "and": torch.logical_and,
    "or": torch.logical_or,
    "not": torch.logical_not,
    "isnan": torch.isnan,
    "ldexp": _ldexp,
    "exponent": lambda x, low: _split(x, low)[1],
    "significand": lambda x, low: _split(x, low)[0],
    "alternate": lambda y, k: torch.where(torch.remainder(k, 2) == 1, -y, y),
}

_LIBRARY: Mapping[str, Callable[[Tensor], Any]] = {
    "exp": torch.exp,
    "exp2": torch.exp2,
    "log": torch.log,
    "log2": torch.log2,
    "sin": torch.sin,
    "cos": torch.cos,
    "tanh": torch.tanh,
    "erf": torch.erf,
    "sigmoid": torch.sigmoid,
    "gelu": torch.nn.functional.gelu,
    "silu": torch.nn.functional.silu,
    "softplus": torch.nn.functional.softplus,
    "rsqrt": torch.rsqrt,
}

FUNCTION_PROGRAMS: dict[str, Lowering] = {"Elementwise": Lowering(elementwise)}
