"""The quantization error of binary weights by a periodic function, and the frequency that it asks for.

BiPer (Vargas et al., CVPR 2024, arXiv 2404.01278) trains sign(sin(omega w)). For weights of a Laplace
distribution with mean magnitude b and u = omega b, the sine is nearest to gamma times its sign with
gamma = E|sin| = u / (1 + u²) coth(pi / (2u)), and the mean squared error then is 2u² / (1 + 4u²) - gamma².
"""

from __future__ import annotations

from math import pi, tanh

LIMIT = 1 - 8 / pi**2
"""The relative error for ever larger frequencies: that of a sine of uniform phase."""


def wave_scale(u: float) -> float:
    """gamma = E|sin(omega w)| for u = omega b."""
    return u / (1 + u * u) / tanh(pi / (2 * u))


def quantization_error(u: float) -> float:
    """E (sin - gamma sign(sin))² over E sin²: falls with u to LIMIT."""
    power = 2 * u * u / (1 + 4 * u * u)
    return (power - wave_scale(u) ** 2) / power


def frequency(mean_magnitude: float, excess: float = 0.05) -> float:
    """The least omega whose relative error is within `excess` of the limit, by bisection: beyond it the
    error falls no more and gradients, which grow with omega, only get wilder. Raises ValueError for
    weights that are all zero."""
    if mean_magnitude <= 0:
        raise ValueError("weights that are all zero have no frequency")
    low, high = 0.05, 100.0
    for _ in range(60):
        middle = (low + high) / 2
        if quantization_error(middle) > LIMIT * (1 + excess):
            low = middle
        else:
            high = middle
    return high / mean_magnitude
