"""The layers of the standard library against torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F


def double(x: np.ndarray) -> torch.Tensor:
    return torch.tensor(x, dtype=torch.float64)


def draw(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.normal(size=shape).astype(np.float32)


def test_linear(run_nodes, agree, rng):
    x, kernel, offset = draw(rng, 2, 3, 4), draw(rng, 5, 4), draw(rng, 5)
    results = run_nodes(
        "layers/dense.yaml",
        {"x": x},
        {"y": "linear(x, width=5)", "plain": "linear(x, width=5, bias=false, kernel=y.kernel)"},
        parameters={"y.kernel": kernel, "y.offset": offset},
    )
    weights = double(kernel), double(offset)
    agree(results, {"y": F.linear(double(x), *weights), "plain": F.linear(double(x), weights[0])})


@pytest.mark.parametrize(("activation", "function"), [("Gelu", F.gelu), ("Relu", F.relu)])
def test_mlp(run_nodes, agree, rng, activation, function):
    x = draw(rng, 6, 4)
    weights = {
        "y.up.kernel": draw(rng, 8, 4),
        "y.up.offset": draw(rng, 8),
        "y.down.kernel": draw(rng, 3, 8),
        "y.down.offset": draw(rng, 3),
    }
    up_kernel, up_offset, down_kernel, down_offset = (double(w) for w in weights.values())
    expected = F.linear(function(F.linear(double(x), up_kernel, up_offset)), down_kernel, down_offset)
    node = f"mlp(x, hidden=8, width=3, activation={activation})"
    agree(run_nodes("layers/dense.yaml", {"x": x}, {"y": node}, parameters=weights), {"y": expected})


def test_gated_mlp(run_nodes, agree, rng):
    x = draw(rng, 6, 4)
    weights = {
        "y.gate.kernel": draw(rng, 8, 4),
        "y.up.kernel": draw(rng, 8, 4),
        "y.down.kernel": draw(rng, 3, 8),
    }
    gate, up, down = (double(w) for w in weights.values())
    expected = (F.silu(double(x) @ gate.T) * (double(x) @ up.T)) @ down.T
    node = "gated_mlp(x, hidden=8, width=3)"
    agree(run_nodes("layers/dense.yaml", {"x": x}, {"y": node}, parameters=weights), {"y": expected})


@pytest.mark.parametrize("shape", [(6, 3), (4, 3, 5), (4, 3, 5, 6)])
@pytest.mark.parametrize("training", [True, False])
def test_batch_norm(run_nodes, agree, rng, shape, training):
    x = draw(rng, *shape) * 2 + 1
    scale, offset, mean = draw(rng, 3), draw(rng, 3), draw(rng, 3)
    var = rng.uniform(0.5, 2, size=3).astype(np.float32)
    running = double(mean), double(var)
    expected = F.batch_norm(double(x), *running, double(scale), double(offset), training, 0.1, 1e-5)
    results = run_nodes(
        "layers/normalization.yaml",
        {"x": x},
        {"y": "batch_norm(x)"},
        parameters={"y.scale": scale, "y.offset": offset},
        state={"y.running_mean": mean, "y.running_var": var},
        training=training,
    )
    agree(results, {"y": expected})


@pytest.mark.parametrize("shape", [(2, 6), (2, 6, 5), (2, 6, 3, 4)])
def test_group_norm(run_nodes, agree, rng, shape):
    x, scale, offset = draw(rng, *shape), draw(rng, 6), draw(rng, 6)
    results = run_nodes(
        "layers/normalization.yaml",
        {"x": x},
        {"y": "group_norm(x, groups=2)"},
        parameters={"y.scale": scale, "y.offset": offset},
    )
    agree(results, {"y": F.group_norm(double(x), 2, double(scale), double(offset))})


def test_norms_of_features_and_instances(run_nodes, agree, rng):
    x, image = draw(rng, 3, 4, 8), draw(rng, 2, 3, 5, 6)
    w = {name: draw(rng, 8) for name in ("a.scale", "a.offset", "b.scale")}
    w |= {"c.scale": draw(rng, 3), "c.offset": draw(rng, 3)}
    results = run_nodes(
        "layers/normalization.yaml",
        {"x": x, "image": image},
        {"a": "layer_norm(x)", "b": "rms_norm(x)", "c": "instance_norm(image)"},
        parameters=w,
    )
    a, b, c = double(x), double(x), double(image)
    expected = {
        "a": F.layer_norm(a, (8,), double(w["a.scale"]), double(w["a.offset"])),
        "b": F.rms_norm(b, (8,), double(w["b.scale"]), 1e-6),
        "c": F.instance_norm(c, weight=double(w["c.scale"]), bias=double(w["c.offset"])),
    }
    agree(results, expected)


@pytest.mark.parametrize(("stride", "dilation", "groups"), [(1, 1, 1), (2, 1, 2), (1, 2, 4)])
def test_convolutions(run_nodes, agree, rng, stride, dilation, groups):
    image, line = draw(rng, 2, 4, 7, 8), draw(rng, 2, 4, 9)
    w = {
        "a.kernel": draw(rng, 8, 4 // groups, 3, 3),
        "a.offset": draw(rng, 8),
        "b.kernel": draw(rng, 8, 4 // groups, 3),
        "b.offset": draw(rng, 8),
    }
    options = {"stride": stride, "padding": dilation, "dilation": dilation, "groups": groups}
    shown = f"width=8, stride={stride}, dilation={dilation}, groups={groups}"
    results = run_nodes(
        "layers/convolution.yaml",
        {"image": image, "line": line},
        {"a": f"conv2d(image, {shown})", "b": f"conv1d(line, {shown})"},
        parameters=w,
    )
    expected = {
        "a": F.conv2d(double(image), double(w["a.kernel"]), double(w["a.offset"]), **options),
        "b": F.conv1d(double(line), double(w["b.kernel"]), double(w["b.offset"]), **options),
    }
    agree(results, expected)


@pytest.mark.parametrize("stride", [1, 2])
def test_basic_block(run_nodes, agree, rng, stride):
    x = draw(rng, 2, 4, 6, 6)
    width = 4 if stride == 1 else 8
    w = {"y.first.conv.kernel": draw(rng, width, 4, 3, 3), "y.conv.kernel": draw(rng, width, width, 3, 3)}
    if stride == 2:
        w["y.beside.conv.kernel"] = draw(rng, width, 4, 1, 1)
    results = run_nodes(
        "layers/residual.yaml",
        {"x": x},
        {"y": f"basic_block(x, width={width}, stride={stride})"},
        parameters=w,
    )
    fixed = 1 / np.sqrt(1 + 1e-5)  # batch norm at its initial statistics
    k = {name: double(kernel) for name, kernel in w.items()}
    first = F.relu(fixed * F.conv2d(double(x), k["y.first.conv.kernel"], stride=stride, padding=1))
    beside = double(x) if stride == 1 else fixed * F.conv2d(double(x), k["y.beside.conv.kernel"], stride=2)
    agree(results, {"y": F.relu(fixed * F.conv2d(first, k["y.conv.kernel"], padding=1) + beside)})


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("groups", [1, 2, 4])
def test_attention(run_nodes, agree, rng, causal, groups):
    q, k, v = draw(rng, 2, 5, 4, 8), draw(rng, 2, 5, groups, 8), draw(rng, 2, 5, groups, 8)
    heads_first = [double(t).transpose(1, 2) for t in (q, k, v)]
    expected = F.scaled_dot_product_attention(*heads_first, is_causal=causal, enable_gqa=True).transpose(1, 2)
    node = f"attend(q, k, v, causal={str(causal).lower()})"
    agree(run_nodes("layers/attention.yaml", {"q": q, "k": k, "v": v}, {"y": node}), {"y": expected})


def test_attention_over_valid_keys(run_nodes, agree, rng):
    q, k, v = draw(rng, 2, 3, 2, 4), draw(rng, 2, 5, 2, 4), draw(rng, 2, 5, 2, 4)
    valid = np.array([[1, 1, 0, 1, 0], [1, 0, 0, 0, 0]], dtype=bool)
    heads_first = [double(t).transpose(1, 2) for t in (q, k, v)]
    mask = torch.tensor(valid)[:, None, None, :]
    expected = F.scaled_dot_product_attention(*heads_first, attn_mask=mask).transpose(1, 2)
    inputs = {"q": q, "k": k, "v": v, "valid": valid}
    agree(run_nodes("layers/attention.yaml", inputs, {"y": "attend(q, k, v, valid)"}), {"y": expected})


def test_causal_attention_of_the_last_positions_over_valid_keys(run_nodes, agree, rng):
    q, k, v = draw(rng, 2, 3, 2, 4), draw(rng, 2, 5, 2, 4), draw(rng, 2, 5, 2, 4)
    valid = np.array([[1, 1, 0, 1, 1], [1, 0, 1, 1, 0]], dtype=bool)
    heads_first = [double(t).transpose(1, 2) for t in (q, k, v)]
    past = torch.arange(5)[None, :] <= torch.arange(2, 5)[:, None]  # the queries stand at 2, 3, 4
    mask = past & torch.tensor(valid)[:, None, None, :]
    expected = F.scaled_dot_product_attention(*heads_first, attn_mask=mask).transpose(1, 2)
    inputs = {"q": q, "k": k, "v": v, "valid": valid}
    node = "attend(q, k, v, valid, causal=true)"
    agree(run_nodes("layers/attention.yaml", inputs, {"y": node}), {"y": expected})


def test_rotary_is_a_complex_rotation(run_nodes, agree, rng):
    x = draw(rng, 2, 7, 3, 8)
    turn = np.exp(1j * np.arange(7)[:, None] * 10000.0 ** (-np.arange(4) / 4))
    turned = (x[..., :4] + 1j * x[..., 4:]) * turn[None, :, None, :]
    expected = np.concatenate([turned.real, turned.imag], axis=-1)
    agree(run_nodes("layers/attention.yaml", {"x": x}, {"y": "rotary(x)"}), {"y": expected})


def test_sinusoidal_positions(run_nodes, agree):
    x = np.zeros((1, 6, 8), dtype=np.float32)
    expected = np.zeros((1, 6, 8))
    for t in range(6):
        for i in range(4):
            angle = t / 10000 ** (2 * i / 8)
            expected[0, t, 2 * i : 2 * i + 2] = np.sin(angle), np.cos(angle)
    agree(run_nodes("layers/embedding.yaml", {"x": x}, {"y": "sinusoidal_positions(x)"}), {"y": expected})


def packed(rng: np.random.Generator, layer: nn.TransformerEncoderLayer, path: str) -> dict[str, np.ndarray]:
    """Random weights put into the torch layer, by our names (torch packs query, key, value)."""
    for p in layer.parameters():
        p.data = torch.tensor(rng.normal(0, 0.3, size=p.shape).astype(np.float32))
    state = {name: p.numpy() for name, p in layer.state_dict().items()}
    out = {}
    for i, name in enumerate(("query", "key", "value")):
        rows = slice(8 * i, 8 * (i + 1))
        out[f"{path}.attention.{name}.kernel"] = state["self_attn.in_proj_weight"][rows]
        out[f"{path}.attention.{name}.offset"] = state["self_attn.in_proj_bias"][rows]
    pairs = {
        "attention.out": "self_attn.out_proj",
        "feed.up": "linear1",
        "feed.down": "linear2",
    }
    for ours, theirs in pairs.items():
        out[f"{path}.{ours}.kernel"] = state[f"{theirs}.weight"]
        out[f"{path}.{ours}.offset"] = state[f"{theirs}.bias"]
    for ours, theirs in {"n1": "norm1", "n2": "norm2"}.items():
        out[f"{path}.{ours}.scale"] = state[f"{theirs}.weight"]
        out[f"{path}.{ours}.offset"] = state[f"{theirs}.bias"]
    return out


def test_encoder_block(run_nodes, agree, rng):
    layer = nn.TransformerEncoderLayer(
        8, 2, 32, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
    )
    weights = packed(rng, layer, "y")
    x = draw(rng, 2, 5, 8)
    valid = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], dtype=bool)
    expected = layer.double()(double(x), src_key_padding_mask=~torch.tensor(valid)).detach()
    results = run_nodes(
        "layers/transformer.yaml",
        {"x": x, "valid": valid},
        {"y": "encoder_block(x, valid, heads=2)"},
        parameters=weights,
    )
    agree(results, {"y": expected}, bound=4e-6)  # about 300 products are summed on the way to an output


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("kind", ["gru", "lstm"])
def test_recurrent_layers(run_nodes, agree, rng, kind, reverse):
    x = draw(rng, 3, 6, 4)
    gates = {"gru": 3, "lstm": 4}[kind]
    theirs = {"gru": nn.GRU, "lstm": nn.LSTM}[kind](4, 5, batch_first=True).double()
    w = {
        "r.kernel": draw(rng, gates * 5, 4),
        "r.recurrent": draw(rng, gates * 5, 5),
        "r.offset": draw(rng, gates * 5),
    }
    theirs.weight_ih_l0.data, theirs.weight_hh_l0.data = double(w["r.kernel"]), double(w["r.recurrent"])
    theirs.bias_ih_l0.data, theirs.bias_hh_l0.data = double(w["r.offset"]), torch.zeros(gates * 5).double()
    if kind == "gru":
        w["r.recurrent_offset"] = draw(rng, gates * 5)
        theirs.bias_hh_l0.data = double(w["r.recurrent_offset"])
    with torch.no_grad():
        h, last = theirs(double(x).flip(1) if reverse else double(x))
    expected = {"h": h.flip(1) if reverse else h, "last": (last if kind == "gru" else last[0])[0]}
    node = f"{kind}(x, width=5, reverse={str(reverse).lower()})"
    results = run_nodes(
        "layers/recurrent.yaml",
        {"x": x},
        {"r": node, "h": "r.h", "last": "r.last"},
        outputs=("h", "last"),
        parameters=w,
    )
    agree(results, expected)
