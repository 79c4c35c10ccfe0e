"""Random operators: their draws become noise leaves, so that every backend draws the same.

Each draw is an input of its own, filled from our generator and named after the node's result;
what the operator makes of it (mean and scale, a comparison, an arg-max) is plain arithmetic.
Inside a body there are no leaves to fill: the operator stays, and two equal ones are kept apart
by their `seed`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from ....graph.diagnostics import fail
from ....graph.ir import Value, apply, constant, leaf
from ....graph.operators import make_attribute
from ....graph.types.dtypes import BOOL, BY_CODE, FLOAT32, DType
from ....graph.types.types import TensorType
from .calls import Call
from .scope import Scope

UNIFORM_BITS = {"float64": 53}


def read_draw(call: Call, scope: Scope, name: str) -> tuple[Value, ...] | None:
    """The results of a random operator with its draw as a noise leaf; None where it draws nothing
    (Dropout in inference) or stays as it is (in a body). Raises SpecError G1212 where the shape of
    the draw is unknown."""
    if call.name == "Dropout" and not _trains(call):
        return None
    if scope.repeated:
        scope.reading.draws += 1
        if scope.reading.draws > 1 and "seed" not in call.attributes:
            call.attributes["seed"] = make_attribute("float", float(scope.reading.draws))
        return None
    return DRAWS[call.name](call, scope, name)


def _noise(scope: Scope, name: str, kind: str, type: TensorType) -> Value:
    if type.dims is None:
        raise fail("G1212", f"the shape of the draw '{name}' is unknown when the model is read")
    reading = scope.reading
    name = f"{scope.path}{name}"
    name = name if name not in reading.noise else f"{name}.{len(reading.noise)}"
    found = leaf("Noise", name, type)
    reading.noise[name] = found
    bits = UNIFORM_BITS.get(type.dtype.name, 24)
    reading.initializers[name] = leaf("Draw", name, type, kind=kind, bits=bits)
    return found


def _dtype(call: Call, default: DType) -> DType:
    code = call.pop("dtype", default.code)
    if code not in BY_CODE:
        raise fail("G1208", f"dtype={code} of {call.name} is no dtype")
    return BY_CODE[code]


def _scalar(number: float, dtype: DType) -> Value:
    return constant(np.asarray(number, dtype.numpy))


def _shape(call: Call) -> TensorType:
    """What RandomNormal and RandomUniform fill."""
    return TensorType(_dtype(call, FLOAT32), tuple(call.pop("shape", ())))


def _like(call: Call) -> TensorType:
    given = call.first().tensor
    return given.with_dtype(_dtype(call, given.dtype))


def _affine(x: Value, scale: float, shift: float) -> Value:
    dtype = x.tensor.dtype
    scaled = x if scale == 1 else apply("Mul", x, _scalar(scale, dtype))
    return scaled if shift == 0 else apply("Add", scaled, _scalar(shift, dtype))


def _normal(of: Callable[[Call], TensorType]) -> Callable[[Call, Scope, str], tuple[Value, ...]]:
    def draw(call: Call, scope: Scope, name: str) -> tuple[Value, ...]:
        x = _noise(scope, name, "normal", of(call))
        return (_affine(x, call.pop("scale", 1.0), call.pop("mean", 0.0)),)

    return draw


def _uniform(of: Callable[[Call], TensorType]) -> Callable[[Call, Scope, str], tuple[Value, ...]]:
    def draw(call: Call, scope: Scope, name: str) -> tuple[Value, ...]:
        x = _noise(scope, name, "uniform", of(call))
        low, high = call.pop("low", 0.0), call.pop("high", 1.0)
        return (_affine(x, high - low, low),)

    return draw


def _bernoulli(call: Call, scope: Scope, name: str) -> tuple[Value, ...]:
    probability = call.first()
    given = probability.tensor
    uniform = _noise(scope, name, "uniform", given)
    return (apply("Cast", apply("Less", uniform, probability), to=_dtype(call, given.dtype).code),)


def _multinomial(call: Call, scope: Scope, name: str) -> tuple[Value, ...]:
    """Gumbel-max: the arg-max over classes of log-probability plus Gumbel noise."""
    scores = call.first()
    given = scores.tensor
    if given.dims is None or len(given.dims) != 2:
        raise fail("G1212", f"Multinomial '{name}' needs scores of known shape [batch, classes]")
    batch, classes = given.dims
    shape = TensorType(given.dtype, (batch, call.pop("sample_size", 1), classes))
    uniform = _noise(scope, name, "uniform", shape)
    gumbel = apply("Neg", apply("Log", apply("Neg", apply("Log", uniform))))
    rows = apply("Unsqueeze", scores, constant(np.array([1], np.int64)))
    picked = apply("ArgMax", apply("Add", rows, gumbel), axis=-1, keepdims=0)
    return (apply("Cast", picked, to=_dtype(call, BY_CODE[6]).code),)


def _trains(call: Call) -> bool:
    mode = call.inputs[2] if len(call.inputs) > 2 else None
    if mode is None:
        return False
    return mode.constant is None or bool(mode.constant.all())


def _dropout(call: Call, scope: Scope, name: str) -> tuple[Value, ...]:
    """Keeps an element with probability 1 - ratio and scales it by the inverse."""
    x, mode = call.first(), call.inputs[2]
    assert mode is not None  # it trains
    given = x.tensor
    ratio = call.inputs[1] if call.inputs[1] is not None else _scalar(0.5, given.dtype)
    ratio = apply("Cast", ratio, to=given.dtype.code)
    uniform = _noise(scope, name, "uniform", given)
    kept = apply("GreaterOrEqual", uniform, ratio)
    if mode.constant is None:
        kept = apply("Or", kept, apply("Not", mode))
        ratio = apply("Where", mode, ratio, _scalar(0.0, given.dtype))
    scaled = apply("Div", x, apply("Sub", _scalar(1.0, given.dtype), ratio))
    assert kept.tensor.dtype is BOOL
    return apply("Where", kept, scaled, _scalar(0.0, given.dtype)), kept


DRAWS: Mapping[str, Callable[[Call, Scope, str], tuple[Value, ...]]] = {
    "RandomNormal": _normal(_shape),
    "RandomNormalLike": _normal(_like),
    "RandomUniform": _uniform(_shape),
    "RandomUniformLike": _uniform(_like),
    "Bernoulli": _bernoulli,
    "Multinomial": _multinomial,
    "Dropout": _dropout,
}
