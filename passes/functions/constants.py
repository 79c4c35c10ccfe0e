"""Constants of function programs: exact numbers, written in hexadecimal, rounded where they are used."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import ml_dtypes
import numpy as np

FLOATS: dict[str, np.dtype[Any]] = {
    "float64": np.dtype(np.float64),
    "float32": np.dtype(np.float32),
    "float16": np.dtype(np.float16),
    "bfloat16": np.dtype(ml_dtypes.bfloat16),
}
PRECISION = {"float64": 53, "float32": 24, "float16": 11, "bfloat16": 8}
LEAST_EXPONENT = {"float64": -1074, "float32": -149, "float16": -24, "bfloat16": -133}
"""The exponent of the least subnormal number."""
LARGEST = {
    name: math.ldexp(2 - 2.0 ** (1 - PRECISION[name]), top)
    for name, top in {"float64": 1023, "float32": 127, "float16": 15, "bfloat16": 127}.items()
}
_HEX = re.compile(r"([+-]?)0[xX]([0-9a-fA-F]+)(?:\.([0-9a-fA-F]*))?[pP]([+-]?[0-9]+)")
_SPECIAL = {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}
_LARGEST_EXPONENT = 20_000


@dataclass(frozen=True)
class Constant:
    """A number by its text: a hexadecimal float of any length, `inf`, `-inf` or `nan`."""

    text: str

    @cached_property
    def exact(self) -> Fraction:
        """The number. Raises ValueError where it is not finite or no hexadecimal float."""
        found = _HEX.fullmatch(self.text)
        if found is None or abs(int(found[4])) > _LARGEST_EXPONENT:
            raise ValueError(f"'{self.text}' is no hexadecimal float")
        sign, whole, part, exponent = found[1], found[2], found[3] or "", int(found[4])
        size = Fraction(int(whole + part, 16)) * Fraction(2) ** (exponent - 4 * len(part))
        return -size if sign == "-" else size

    @property
    def is_finite(self) -> bool:
        return self.text not in _SPECIAL

    def rounded(self, dtype: str) -> float:
        """The nearest number of the dtype, ties to even, as a float64."""
        if not self.is_finite:
            return _SPECIAL[self.text]
        if self.exact == 0:
            return -0.0 if self.text[0] == "-" else 0.0
        return round_fraction(self.exact, dtype)

    def fits(self, dtype: str) -> bool:
        """Whether the dtype holds the number exactly."""
        return not self.is_finite or Fraction(self.rounded(dtype)) == self.exact

    def negated(self) -> Constant:
        if self.text == "nan":
            return self
        return Constant(self.text[1:] if self.text[0] == "-" else f"-{self.text}")


def constant(value: float | Fraction) -> Constant:
    """The constant of a float, or of a fraction whose denominator is a power of two. Raises ValueError
    for another fraction."""
    if isinstance(value, float) and not math.isfinite(value):
        return Constant(str(value))
    if value == 0:
        return Constant("-0x0p+0" if math.copysign(1, value) < 0 else "0x0p+0")
    size, sign = abs(Fraction(value)), "-" if value < 0 else ""
    if size.denominator & (size.denominator - 1):
        raise ValueError(f"{value} has no finite hexadecimal form")
    digits = size.numerator
    exponent = digits.bit_length() - size.denominator.bit_length()
    text = f"{digits << (1 - digits.bit_length()) % 4:x}"
    part = text[1:].rstrip("0")
    return Constant(f"{sign}0x1.{part}p{exponent:+d}" if part else f"{sign}0x1p{exponent:+d}")


def round_fraction(value: Fraction, dtype: str) -> float:
    """The nearest number of the dtype to a fraction that is not zero, ties to even; infinite past the
    largest."""
    size = abs(value)
    exponent = size.numerator.bit_length() - size.denominator.bit_length()
    if size < Fraction(2) ** exponent:
        exponent -= 1
    unit = max(exponent - PRECISION[dtype] + 1, LEAST_EXPONENT[dtype])
    steps = round(size / Fraction(2) ** unit)  # to even
    try:
        found = math.ldexp(steps, unit)
    except OverflowError:
        found = math.inf
    if found > LARGEST[dtype]:
        found = math.inf
    return -found if value < 0 else found
