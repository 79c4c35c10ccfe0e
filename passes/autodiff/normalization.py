"""The derivatives of normalizations: y = s (x - mean) / sqrt(var + ε) + b over some axes."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from ...graph.build.meanings import Meaning, Tensor
from ...graph.diagnostics import fail
from ...graph.ir import Node, Value
from .reverse import Cotangents, Reverse, Rule

CENTRED = "(x - mean(x, axis=AXES, keepdims=true))"
DEVIATION = "sqrt(var(x, axis=AXES, keepdims=true) + eps)"


def _channels(rank: int) -> str:
    """A subscript that lays a vector along axis 1 of `rank` axes."""
    return f"[None, :{', None' * (rank - 2)}]"


def batch_normalization_gradient(
    reverse: Reverse, node: Node, cotangents: Cotangents
) -> Sequence[Value | None]:
    """dX, d scale, d bias, d mean and d variance; in training mode also through the running statistics."""
    x = node.inputs[0]
    assert x is not None
    rank = x.tensor.rank
    names = dict(zip(("x", "s", "b", "m", "v"), node.inputs, strict=True))
    values: dict[str, Meaning] = {n: Tensor(value) for n, value in names.items() if value is not None}
    values["eps"] = node.attribute("epsilon", 1e-5)
    values["count"] = prod((x.tensor.shape[0], *x.tensor.shape[2:]), start=1)
    values["keep"] = node.attribute("momentum", 0.9)
    axes = [0, *range(2, rank)]
    along = _channels(rank)
    total: list[Value | None] = [None] * 5
    for result, cotangent in enumerate(cotangents):
        if cotangent is not None:
            texts = _batch_texts(result, bool(node.attribute("training_mode", 0)))
            given = {**values, "g": Tensor(cotangent)}
            for i, text in enumerate(texts):
                if text:
                    written = text.replace("AXES", str(axes)).replace("ALONG", along)
                    share = reverse.express(written, given)
                    before = total[i]
                    total[i] = share if before is None else reverse.build.op("Add", before, share)
    return total


def _batch_texts(result: int, training: bool) -> tuple[str, ...]:
    """The shares of x, scale, bias, mean and variance in one result's cotangent."""
    if result == 1:
        return ("(g * (1 - keep))ALONG * (0 * x + 1) / count", "", "", "g * keep", "")
    if result == 2:
        return (f"2 * (g * (1 - keep))ALONG * {CENTRED} / count", "", "", "", "g * keep")
    if not training:
        return (
            "g * (s / sqrt(v + eps))ALONG",
            "sum(g * (x - mALONG), axis=AXES) / sqrt(v + eps)",
            "sum(g, axis=AXES)",
            "-sum(g, axis=AXES) * s / sqrt(v + eps)",
            "-0.5 * sum(g * (x - mALONG), axis=AXES) * s / ((v + eps) * sqrt(v + eps))",
        )
    return (
        _normalized("g * sALONG"),
        f"sum(g * {CENTRED} / {DEVIATION}, axis=AXES)",
        "sum(g, axis=AXES)",
        "",
        "",
    )


def _normalized(g: str) -> str:
    """dX where `g` is the cotangent of (x - mean) / sqrt(var + ε)."""
    h = f"({CENTRED} / {DEVIATION})"
    inner = f"mean({g} * {h}, axis=AXES, keepdims=true)"
    return f"({g} - mean({g}, axis=AXES, keepdims=true) - {h} * {inner}) / {DEVIATION}"


def layer_normalization_gradient(
    reverse: Reverse, node: Node, cotangents: Cotangents
) -> Sequence[Value | None]:
    """dX, d scale and d bias; its statistics as results have no derivative here (G0712)."""
    x, g = node.inputs[0], cotangents[0]
    if any(c is not None for c in cotangents[1:]) or x is None or g is None:
        raise fail("G0712", "the statistics that LayerNormalization returns have no derivative")
    rank = x.tensor.rank
    axes = list(range(node.attribute("axis", -1) % rank, rank))
    return _affine(reverse, node, g, axes)


def rms_normalization_gradient(
    reverse: Reverse, node: Node, cotangents: Cotangents
) -> Sequence[Value | None]:
    """dX and d scale of s x / sqrt(mean(x²) + ε)."""
    x, s, g = node.inputs[0], node.inputs[1], cotangents[0]
    assert x is not None and s is not None and g is not None
    rank = x.tensor.rank
    axes = str(list(range(node.attribute("axis", -1) % rank, rank)))
    values: dict[str, Meaning] = {"x": Tensor(x), "s": Tensor(s), "g": Tensor(g)}
    values["eps"] = node.attribute("epsilon", 1e-5)
    root = f"sqrt(mean(x * x, axis={axes}, keepdims=true) + eps)"
    dx = f"(g * s - x * mean(g * s * x, axis={axes}, keepdims=true) / ({root} * {root})) / {root}"
    scale = reverse.unbroadcast(reverse.express(f"g * x / {root}", values), s.tensor)
    return [reverse.express(dx, values), scale]


def instance_normalization_gradient(
    reverse: Reverse, node: Node, cotangents: Cotangents
) -> Sequence[Value | None]:
    """dX, d scale and d bias: statistics of each channel of each example."""
    x, g = node.inputs[0], cotangents[0]
    assert x is not None and g is not None
    rank = x.tensor.rank
    values: dict[str, Meaning] = {"x": Tensor(x), "g": Tensor(g), "eps": node.attribute("epsilon", 1e-5)}
    assert node.inputs[1] is not None
    values["s"] = Tensor(node.inputs[1])
    axes, along = str(list(range(2, rank))), _channels(rank)
    outer = str([0, *range(2, rank)])
    hidden = f"{CENTRED} / {DEVIATION}"
    texts = (
        _normalized(f"g * s{along}"),
        f"sum(g * {hidden}, axis={outer})",
        f"sum(g, axis={outer})",
    )
    return [reverse.express(t.replace("AXES", axes), values) for t in texts]


def _affine(reverse: Reverse, node: Node, g: Value, axes: Sequence[int]) -> Sequence[Value | None]:
    """The shares of x, scale and bias, which broadcast against x."""
    values: dict[str, Meaning] = {"g": Tensor(g), "eps": node.attribute("epsilon", 1e-5)}
    x, s = node.inputs[0], node.inputs[1]
    assert x is not None and s is not None
    values |= {"x": Tensor(x), "s": Tensor(s)}
    written = str(list(axes))
    dx = reverse.express(_normalized("g * s").replace("AXES", written), values)
    ds = reverse.express(f"g * {CENTRED} / {DEVIATION}".replace("AXES", written), values)
    shares: list[Value | None] = [dx, reverse.unbroadcast(ds, s.tensor)]
    if len(node.inputs) > 2 and node.inputs[2] is not None:
        shares.append(reverse.unbroadcast(g, node.inputs[2].tensor))
    return shares


NORMALIZATION: dict[str, Rule] = {
    "BatchNormalization": batch_normalization_gradient,
    "LayerNormalization": layer_normalization_gradient,
    "RMSNormalization": rms_normalization_gradient,
    "InstanceNormalization": instance_normalization_gradient,
}
