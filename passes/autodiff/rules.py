"""Derivatives of elementwise operators, as data in the spec language.

Each row gives, for every operand, its share of the cotangent `g`: `a`, `b`, `c` are the operands,
`y` is the result, attributes go by their names. None: no gradient flows. The shares are summed
over broadcast axes afterwards. At ties and kinks they follow PyTorch (relu'(0) = 0, a tie of a
maximum is shared equally).
"""

from __future__ import annotations

ELEMENTWISE: dict[str, tuple[str | None, ...]] = {
    "Identity": ("g",),
    "Add": ("g", "g"),
    "Sub": ("g", "-g"),
    "Mul": ("g * b", "g * a"),
    "Div": ("g / b", "-g * y / b"),
    "Pow": (
        "where(b == 0, 0, g * b * a ** where(b == 0, 1, b - 1))",
        "where(a > 0, g * y * log(where(a > 0, a, 1)), 0)",
    ),
    "Neg": ("-g",),
    "Abs": ("g * sign(a)",),
    "Exp": ("g * y",),
    "Log": ("g / a",),
    "Sqrt": ("g / (2 * y)",),
    "Reciprocal": ("-g * y * y",),
    "Sin": ("g * cos(a)",),
    "Cos": ("-g * sin(a)",),
    "Tan": ("g * (1 + y * y)",),
    "Gelu": (
        "g * (0.5 * (1 + erf(a / sqrt(2))) + a * exp(-a * a / 2) / sqrt(2 * pi)) if approximate != 'tanh' else "
        "g * (0.5 * (1 + tanh(sqrt(2 / pi) * (a + 0.044715 * a ** 3))) + 0.5 * a * sqrt(2 / pi) * "
        "(1 + 0.134145 * a * a) * (1 - tanh(sqrt(2 / pi) * (a + 0.044715 * a ** 3)) ** 2))",
    ),
    "Mish": ("g * (tanh(softplus(a)) + a * (1 - tanh(softplus(a)) ** 2) * sigmoid(a))",),
    "HardSwish": ("where(a <= -3, 0, where(a < 3, g * (a / 3 + 0.5), g))",),
    "Swish": ("g * (sigmoid(alpha * a) + alpha * a * sigmoid(alpha * a) * (1 - sigmoid(alpha * a)))",),
    "Asin": ("g / sqrt(1 - a * a)",),
    "Acos": ("-g / sqrt(1 - a * a)",),
    "Atan": ("g / (1 + a * a)",),
    "Sinh": ("g * cosh(a)",),
    "Cosh": ("g * sinh(a)",),
    "Tanh": ("g * (1 - y * y)",),
    "Asinh": ("g / sqrt(a * a + 1)",),
    "Acosh": ("g / sqrt(a * a - 1)",),
    "Atanh": ("g / (1 - a * a)",),
    "Sigmoid": ("g * y * (1 - y)",),
    "Softplus": ("g * sigmoid(a)",),
    "Softsign": ("g / (1 + abs(a)) ** 2",),
    "Erf": ("g * 1.1283791670955126 * exp(-a * a)",),
    "Relu": ("where(a > 0, g, 0)",),
    "LeakyRelu": ("where(a > 0, g, alpha * g)",),
    "Elu": ("where(a > 0, g, g * (y + alpha))",),
    "Celu": ("where(a > 0, g, g * exp(a / alpha))",),
    "Selu": ("where(a > 0, g * gamma, g * (y + gamma * alpha))",),
    "ThresholdedRelu": ("where(a > alpha, g, 0)",),
    "HardSigmoid": ("where(0 < y < 1, alpha * g, 0)",),
    "PRelu": ("where(a > 0, g, b * g)", "where(a > 0, 0, a * g)"),
    "Where": (None, "where(a, g, 0)", "where(a, 0, g)"),
    "Max": ("where(a > b, g, where(a == b, g / 2, 0))", "where(b > a, g, where(a == b, g / 2, 0))"),
    "Min": ("where(a < b, g, where(a == b, g / 2, 0))", "where(b < a, g, where(a == b, g / 2, 0))"),
}

NO_GRADIENT = frozenset(
    [
        "Floor",
        "Ceil",
        "Round",
        "Sign",
        "Equal",
        "Less",
        "LessOrEqual",
        "Greater",
        "GreaterOrEqual",
        "And",
        "Or",
        "Not",
        "Xor",
        "IsNaN",
        "IsInf",
        "ArgMax",
        "ArgMin",
        "Shape",
        "Size",
        "NonZero",
        "StopGradient",
        "OneHot",
        "EyeLike",
        "ConstantOfShape",
        "Range",
        "BitwiseAnd",
        "BitwiseOr",
        "BitwiseXor",
        "BitwiseNot",
        "BitShift",
        "Mod",
    ]
)
"""Operators whose result does not change with their operands, or is no floating-point number."""
