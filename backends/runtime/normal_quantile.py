"""The inverse of the standard normal distribution function, in float64.

Only `+ - * /`, square root and exponent extraction are used, which IEEE 754 rounds the same way
everywhere; so a draw has the same bits on every machine, whichever vector library NumPy uses.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Float64 = np.ndarray[Any, np.dtype[np.float64]]

# M. J. Wichura, Algorithm AS 241: The Percentage Points of the Normal Distribution, Applied
# Statistics 37 (1988) 477-484, routine PPND16; highest power first.
_CENTRE = (
    (
        2.5090809287301226727e3,
        3.3430575583588128105e4,
        6.7265770927008700853e4,
        4.5921953931549871457e4,
        1.3731693765509461125e4,
        1.9715909503065514427e3,
        1.3314166789178437745e2,
        3.3871328727963666080e0,
    ),
    (
        5.2264952788528545610e3,
        2.8729085735721942674e4,
        3.9307895800092710610e4,
        2.1213794301586595867e4,
        5.3941960214247511077e3,
        6.8718700749205790830e2,
        4.2313330701600911252e1,
        1.0,
    ),
)
_MIDDLE = (
    (
        7.74545014278341407640e-4,
        2.27238449892691845833e-2,
        2.41780725177450611770e-1,
        1.27045825245236838258e0,
        3.64784832476320460504e0,
        5.76949722146069140550e0,
        4.63033784615654529590e0,
        1.42343711074968357734e0,
    ),
    (
        1.05075007164441684324e-9,
        5.47593808499534494600e-4,
        1.51986665636164571966e-2,
        1.48103976427480074590e-1,
        6.89767334985100004550e-1,
        1.67638483018380384940e0,
        2.05319162663775882187e0,
        1.0,
    ),
)
_TAIL = (
    (
        2.01033439929228813265e-7,
        2.71155556874348757815e-5,
        1.24266094738807843860e-3,
        2.65321895265761230930e-2,
        2.96560571828504891230e-1,
        1.78482653991729133580e0,
        5.46378491116411436990e0,
        6.65790464350110377720e0,
    ),
    (
        2.04426310338993978564e-15,
        1.42151175831644588870e-7,
        1.84631831751005468180e-5,
        7.86869131145613259100e-4,
        1.48753612908506148525e-2,
        1.36929880922735805310e-1,
        5.99832206555887937690e-1,
        1.0,
    ),
)
Coefficients = tuple[tuple[float, ...], tuple[float, ...]]

# The natural logarithm of fdlibm (Sun Microsystems, e_log.c): log(1 + f) = f - (f²/2 - s (f²/2 + R)),
# s = f / (2 + f), R a polynomial in s².
_LOG = (
    1.479819860511658591e-01,
    1.531383769920937332e-01,
    1.818357216161805012e-01,
    2.222219843214978396e-01,
    2.857142874366239149e-01,
    3.999999999940941908e-01,
    6.666666666666735130e-01,
)
_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_SPLIT = 134217729.0  # 2**27 + 1, Dekker's splitting constant
_COMPENSATED = 3  # the last Horner steps, where nearly all rounding error is made


def normal_quantile(p: Float64) -> Float64:
    """x with Phi(x) = p, for p a multiple of 2**-53 inside (0, 1); same shape.

    AS 241 with its last steps in compensated arithmetic: within 3 units in the last place (AS 241
    itself is within 1.2 in exact arithmetic, and within 4.3 in plain float64).
    """
    q = p - 0.5
    result = _odd_ratio(_CENTRE, 0.180625 - q * q, q)
    outside = np.abs(q) > 0.425
    if outside.any():
        result[outside] = _outside(np.minimum(p[outside], 1.0 - p[outside]), q[outside])
    return result


def _outside(tail: Float64, q: Float64) -> Float64:
    root, root_low = _root_of_minus_log(tail)
    magnitude = _odd_ratio(_MIDDLE, root - 1.6, np.ones_like(root))
    far = root > 5.0
    if far.any():
        magnitude[far] = _odd_ratio(_TAIL, root[far] - 5.0, np.ones_like(root[far]))
    # dx/dr lies between 1.45 and 1.7 here, and root_low below half a unit in the last place.
    return np.copysign(magnitude + 1.5 * root_low, q)


def _odd_ratio(coefficients: Coefficients, r: Float64, factor: Float64) -> Float64:
    """factor * numerator(r) / denominator(r)."""
    top, top_low = _horner(coefficients[0], r)
    bottom, bottom_low = _horner(coefficients[1], r)
    ratio = top / bottom
    product, rest = _two_product(ratio, bottom)
    ratio_low = ((top - product) - rest + top_low - ratio * bottom_low) / bottom
    result, low = _two_product(factor, ratio)
    return result + (low + factor * ratio_low)


def _horner(coefficients: tuple[float, ...], r: Float64) -> tuple[Float64, Float64]:
    plain = len(coefficients) - _COMPENSATED
    value = np.full_like(r, coefficients[0])
    for c in coefficients[1:plain]:
        value = value * r + c
    low = np.zeros_like(r)
    for c in coefficients[plain:]:
        product, product_low = _two_product(value, r)
        value = product + c
        carried = value - product
        sum_low = (product - (value - carried)) + (c - carried)
        low = low * r + (product_low + sum_low)
    return value, low


def _two_product(a: Float64, b: Float64) -> tuple[Float64, Float64]:
    """a * b rounded, and its rounding error (Dekker 1971)."""
    product = a * b
    a_high, a_low = _split(a)
    b_high, b_low = _split(b)
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


def _split(a: Float64) -> tuple[Float64, Float64]:
    scaled = _SPLIT * a
    high = scaled - (scaled - a)
    return high, a - high


def _root_of_minus_log(p: Float64) -> tuple[Float64, Float64]:
    """sqrt(-log p) rounded, and what the rounding left out."""
    fraction, exponent = np.frexp(p)
    small = fraction < 0.7071067811865476
    f = np.where(small, 2.0 * fraction, fraction) - 1.0
    k = (exponent - small).astype(np.float64)
    s = f / (2.0 + f)
    z = s * s
    series = np.full_like(z, _LOG[0])
    for c in _LOG[1:]:
        series = series * z + c
    half = 0.5 * f * f
    rest = (half - (s * (half + z * series) + k * _LN2_LOW)) - f
    whole = -(k * _LN2_HIGH)
    minus_log = whole + rest
    low = rest - (minus_log - whole)
    root = np.sqrt(minus_log)
    square, square_low = _two_product(root, root)
    return root, ((minus_log - square) - square_low + low) / (2.0 * root)
