"""Grids: the sorted levels that a quantized value may take, at most 256 of them.

Every number format of the field is one: integers, minifloats, powers, codebooks, signs; and so is
every format of scales. What the formats leave open is pinned here, in `PINNED`, and in nobody else's
code.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property

MOST_LEVELS = 256

PINNED: Mapping[str, str] = {
    "ties": (
        "A number half-way between two levels goes to the one an even number of steps from the level 0 "
        "(round half to even for integers and minifloats); without a level 0 to the upper one."
    ),
    "division": "x / scale is a true division in float32; multiplying by the reciprocal differs on ties.",
    "range": (
        "Symmetric integers leave out -2^(bits-1): int4 is -7..7. With a zero point all codes are used: "
        "int4 is -8..7."
    ),
    "saturation": "What lies beyond the last level, infinities too, goes to it; NaN is refused.",
    "zero scale": "A group of zeros, whose scale would be 0, gets the scale 1 (for a scale grid its level 1).",
    "e8m0": "The scale is 2^floor(log2(absmax) - log2(largest level's power of two)), the OCP rule: it rounds down.",
    "ue5m3": "The top exponent is reserved: the largest scale is 61,440, the least 2^-17.",
    "e4m3": "The FN form: no infinities, largest 448. As a scale grid only its positive half.",
    "zero point": "Integer grids only: x is about (code - zero) * scale, code = round(x / scale) + zero.",
    "stochastic": (
        "Between two levels the upper one is taken with the probability of the position, in steps of "
        "2^-24 (the bits of one draw); fewer bits would be biased."
    ),
    "stored scales": (
        "Files hold float32 and float16 scales as such, E4M3 ones in that type, E8M0 and UE5M3 ones as uint8 codes "
        "with a table of levels: E8M0 needs opset 24 and no runtime folds it, UE5M3 is no type of the standard. All "
        "are float32 before they are used."
    ),
    "last block": "A block that the axis does not fill has its own scale from the elements that it has.",
}
"""Name of an ambiguity -> the rule that all backends follow."""


@dataclass(frozen=True)
class Grid:
    """`levels` in increasing order, each exact in float32. `bits` is what a packed code takes;
    `integer` holds for levels k, k+1, …, which may be stored as themselves and shifted by a zero
    point."""

    name: str
    levels: tuple[float, ...]
    bits: int
    integer: bool = False

    @property
    def largest(self) -> float:
        """The largest magnitude."""
        return max(-self.levels[0], self.levels[-1])

    @property
    def symmetric(self) -> bool:
        return all(a == -b for a, b in zip(self.levels, reversed(self.levels), strict=True))

    @cached_property
    def zero(self) -> int | None:
        """The index of the level 0."""
        return self.levels.index(0.0) if 0.0 in self.levels else None

    @cached_property
    def thresholds(self) -> tuple[float, ...]:
        """For each level but the first the least float32 that goes to it or above. The code of a
        float32 x is the number of thresholds that are at most x."""
        pairs = zip(self.levels[:-1], self.levels[1:], strict=True)
        return tuple(_threshold(low, high, self._tie_up(i + 1)) for i, (low, high) in enumerate(pairs))

    def _tie_up(self, upper: int) -> bool:
        """Whether half-way between `upper - 1` and `upper` is the upper one's."""
        return self.zero is None or (upper - self.zero) % 2 == 0


@cache
def thresholds_of(levels: tuple[float, ...]) -> tuple[float, ...]:
    """`Grid.thresholds` of bare levels, as operators hold them."""
    return Grid("", levels, 8).thresholds


def _threshold(low: float, high: float, tie_up: bool) -> float:
    import numpy as np

    middle = (low + high) / 2
    found = np.float32(middle)
    below = float(found) < middle or (float(found) == middle and not tie_up)
    return float(np.nextafter(found, np.float32(np.inf)) if below else found)


# --- the formats ----------------------------------------------------------------------------------


def integers(low: int, high: int, name: str, bits: int) -> Grid:
    return Grid(name, tuple(float(v) for v in range(low, high + 1)), bits, integer=True)


def minifloat(exponent_bits: int, mantissa_bits: int, bias: float, top: int | None = None) -> list[float]:
    """The non-negative values of a minifloat in order of their codes: subnormals, then normals.
    `top` is the number of codes that are finite. A real `bias` is allowed (per-tensor search)."""
    steps = 2**mantissa_bits
    values = []
    for code in range(2**exponent_bits * steps if top is None else top):
        exponent, fraction = divmod(code, steps)
        normal = exponent > 0
        values.append((normal + fraction / steps) * 2.0 ** (max(exponent, 1) - bias))
    return values


def signed(positive: Sequence[float]) -> tuple[float, ...]:
    """Both signs of values in increasing order, with one zero."""
    return (*(-v for v in reversed(positive) if v), *positive)


_NF4 = (
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
    -0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725,
    0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941,
    0.7229568362236023, 1.0,
)  # fmt: skip
"""Dettmers et al., QLoRA (arXiv 2305.14314), appendix E."""

_FLOATS: Mapping[str, tuple[int, int, int, int | None, int]] = {
    # name: exponent bits, mantissa bits, bias, finite codes, bits
    "e2m1": (2, 1, 1, None, 4),
    "e1m2": (1, 2, 1, None, 4),
    "e2m3": (2, 3, 1, None, 6),
    "e3m2": (3, 2, 3, None, 6),
    "e4m3": (4, 3, 7, 127, 8),
    "e5m2": (5, 2, 15, 124, 8),
}

_FIXED: Mapping[str, Callable[[], Grid]] = {
    "binary": lambda: Grid("binary", (-1.0, 1.0), 1),
    "ternary": lambda: integers(-1, 1, "ternary", 2),
    "nf4": lambda: Grid("nf4", tuple(_float32(v) for v in _NF4), 4),
}

SCALES: Mapping[str, Callable[[], Grid]] = {
    "e8m0": lambda: Grid("e8m0", tuple(2.0**e for e in range(-127, 128)), 8),
    "e4m3_scale": lambda: Grid("e4m3_scale", tuple(minifloat(4, 3, 7, 127)[1:]), 8),
    "ue5m3": lambda: Grid("ue5m3", tuple(minifloat(5, 3, 15, 248)[1:]), 8),
}
"""Positive grids for scales; float32 and float16 scales are no grids but dtypes."""

_PATTERN = re.compile(r"(u?)int([1-8])")
_POWER = re.compile(r"power\(\s*(u?)int([2-8])\s*,\s*([0-9.eE+-]+)\s*\)")
_CODEBOOK = re.compile(r"codebook\((.+)\)", re.DOTALL)
_FLOAT = re.compile(r"float\(\s*(\d)\s*,\s*(\d)\s*,\s*([0-9.eE+-]+)\s*\)")


@cache
def grid(name: str) -> Grid:
    """The grid called `name`: int2 … int8, uint1 … uint8, binary, ternary, nf4, e2m1, e1m2, e2m3,
    e3m2, e4m3, e5m2, `power(int4, 0.5)` (or uint4), `float(2, 1, 1.3)` (exponent bits, mantissa bits, a real
    bias), `codebook(-1, -0.2, 0, 0.4)`, and the scale grids e8m0, e4m3_scale, ue5m3.

    Raises ValueError for an unknown name or levels that are none.
    """
    if name in _FIXED:
        return _FIXED[name]()
    if name in SCALES:
        return SCALES[name]()
    if name in _FLOATS:
        exponent, mantissa, bias, top, bits = _FLOATS[name]
        return Grid(name, signed(minifloat(exponent, mantissa, bias, top)), bits)
    for pattern, make in ((_PATTERN, _integer), (_POWER, _power), (_FLOAT, _searched), (_CODEBOOK, _book)):
        match = pattern.fullmatch(name.strip())
        if match is not None:
            return make(name, match)
    raise ValueError(f"there is no grid '{name}'; known are {', '.join(grid_names())}")


def grid_names() -> tuple[str, ...]:
    """What `grid` knows, for messages."""
    generic = (
        "int2 … int8",
        "uint1 … uint8",
        "power(int4, a)",
        "power(uint4, a)",
        "float(e, m, bias)",
        "codebook(…)",
    )
    return (*generic, *_FIXED, *_FLOATS)


def _integer(name: str, match: re.Match[str]) -> Grid:
    bits = int(match[2])
    if match[1]:
        return integers(0, 2**bits - 1, name, bits)
    if bits == 1:
        raise ValueError("int1 has the level 0 only; use binary, ternary or int2")
    return integers(1 - 2 ** (bits - 1), 2 ** (bits - 1) - 1, name, bits)


def full_range(found: Grid) -> Grid:
    """The integer grid with all its codes, as a zero point makes use of them: int4 is -8..7."""
    if not found.integer or found.levels[0] >= 0 or found.name == "ternary":
        return found
    return integers(int(found.levels[0]) - 1, int(found.levels[-1]), found.name, found.bits)


def power(bits: int, exponent: float, unsigned: bool = False) -> Grid:
    """`sign(c) (|c| / q)^(1/a)` for the codes c of a symmetric integer grid with the largest q
    (NUPES, arXiv 2308.05600). a = 1 is the uniform grid divided by q."""
    most = 2**bits - 1 if unsigned else 2 ** (bits - 1) - 1
    positive = [_float32((c / most) ** (1 / exponent)) for c in range(most + 1)]
    if unsigned:
        return Grid(f"power(uint{bits}, {exponent:g})", tuple(positive), bits)
    return Grid(f"power(int{bits}, {exponent:g})", signed(positive), bits)


def _power(name: str, match: re.Match[str]) -> Grid:
    exponent = float(match[3])
    if not 0.05 <= exponent <= 4:
        raise ValueError(f"the exponent of '{name}' is outside 0.05..4")
    return power(int(match[2]), exponent, bool(match[1]))


def _searched(name: str, match: re.Match[str]) -> Grid:
    exponent, mantissa = int(match[1]), int(match[2])
    bits = 1 + exponent + mantissa
    if bits > 8 or exponent < 1:
        raise ValueError(f"'{name}' has {bits} bits; at most 8 with at least one exponent bit")
    values = [_float32(v) for v in minifloat(exponent, mantissa, float(match[3]))]
    return Grid(name, signed(values), bits)


def _book(name: str, match: re.Match[str]) -> Grid:
    return codebook([float(v) for v in match[1].split(",")], name)


def codebook(values: Sequence[float], name: str = "codebook") -> Grid:
    """The grid of given levels. Raises ValueError for fewer than 2, more than 256, or ones that
    float32 does not tell apart or that are not finite."""
    import numpy as np

    levels = sorted({_float32(v) for v in values})
    if not np.isfinite(levels).all():
        raise ValueError("the levels of a codebook are finite numbers")
    if not 2 <= len(levels) <= MOST_LEVELS:
        raise ValueError(f"a codebook has 2 to {MOST_LEVELS} different levels, not {len(levels)}")
    return Grid(name, tuple(levels), max(1, (len(levels) - 1).bit_length()))


def whole_levels(found: Grid) -> Grid:
    """The grid with its levels as integers that fit int8 (uint8 where none is negative): exact where a multiple
    of them is whole (E2M1, squares), else rounded. Integers stay as they are."""
    if found.integer:
        return found
    most = 255 if found.levels[0] >= 0 else 127
    name = f"{found.name} as {'u' if most == 255 else ''}int8"
    for factor in (1, 2, 4, 8, 9, 16, 49, 225):
        whole = [v * factor for v in found.levels]
        if all(abs(v - round(v)) < 1e-4 for v in whole) and max(map(abs, whole)) <= most:
            return replace(codebook([float(round(v)) for v in whole], name), bits=found.bits)
    rounded = sorted({float(round(v / found.largest * most)) for v in found.levels})
    return Grid(name, tuple(rounded), found.bits)


def _float32(value: float) -> float:
    import numpy as np

    return float(np.float32(value))
