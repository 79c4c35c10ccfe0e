"""ST-ProtoPNet against scikit-learn's cosine similarity and a transcription of the losses in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics.pairwise import cosine_similarity

import graphwright

C, K, D = 4, 5, 64
BACKBONE = """\
graphwright: 1
kind: graph
name: harness
use: [papers/st_protopnet.yaml]
inputs:
  image: float32[3, 3, 6, 6]
  label: int64[3]
nodes:
  net: st_protopnet(image, label, backbone=both_signs)
  trivial_act: net.trivial.act
  support_act: net.support.act
  loss_trivial: net.loss_trivial
  loss_support: net.loss_support
  prediction: net.prediction
outputs: [trivial_act, support_act, loss_trivial, loss_support, prediction]
functions:
  both_signs(x): concat([x, -x], axis=1)
"""


def branch(z, P, head, label, separation):
    """Activations, logits and the terms that the branches share."""
    B, _, H, W = z.shape
    flat = z.transpose(0, 2, 3, 1).reshape(-1, D)
    cosine = cosine_similarity(flat, P.reshape(-1, D)).reshape(B, H * W, C * K)
    act = np.maximum(cosine, 0).max(axis=1)
    owner = np.repeat(np.arange(C), K)
    own = owner[None] == label[:, None]
    entropy = torch.nn.functional.cross_entropy(torch.tensor(act @ head.T), torch.tensor(label)).item()
    cluster = np.where(own, act, 0).max(axis=1).mean()
    separate = np.where(own, 0, act).max(axis=1).mean()
    orthogonal = sum(np.abs(P[c] @ P[c].T - np.eye(K)).sum() for c in range(C))
    sparse = np.abs(head[owner[None] != np.arange(C)[:, None]]).sum()
    common = entropy - 0.8 * cluster + separation * separate + 1e-3 * orthogonal + 1e-4 * sparse
    return act, act @ head.T, common


def between(P, reduce):
    """Mean over pairs of different classes of the largest or smallest product of their prototypes."""
    pairs = [reduce(P[c] @ P[e].T) for c in range(C) for e in range(C) if c != e]
    return float(np.mean(pairs))


@pytest.fixture
def weights(rng):
    def unit():
        P = rng.normal(size=(C, K, D))
        return (P / np.linalg.norm(P, axis=-1, keepdims=True)).astype(np.float32)

    names = ("trivial", "support")
    out = {f"{n}.P": unit() for n in names}
    out |= {f"{n}.head": rng.normal(size=(C, C * K)).astype(np.float32) for n in names}
    out |= {f"{n}.z.kernel": rng.normal(size=(D, 6, 1, 1)).astype(np.float32) for n in names}
    return out


def test_activations_losses_and_prediction(tmp_path, agree, rng, weights):
    image = rng.normal(size=(3, 3, 6, 6)).astype(np.float32)
    label = np.array([2, 0, 3])
    features = np.concatenate([image, -image], axis=1).astype(np.float64)
    w = {name: value.astype(np.float64) for name, value in weights.items()}
    parts = {}
    for name, separation in (("trivial", 0.08), ("support", 0.48)):
        z = np.einsum("bchw,dc->bdhw", features, w[f"{name}.z.kernel"][:, :, 0, 0])
        parts[name] = branch(z, w[f"{name}.P"], w[f"{name}.head"], label, separation)
    expected = {
        "trivial_act": parts["trivial"][0],
        "support_act": parts["support"][0],
        "loss_trivial": parts["trivial"][2] + between(w["trivial.P"], np.max),
        "loss_support": parts["support"][2] - between(w["support.P"], np.min),
        "prediction": (parts["trivial"][1] + parts["support"][1]).argmax(axis=1),
    }
    path = tmp_path / "harness.yaml"
    path.write_text(BACKBONE)
    program = graphwright.load(path)
    named = {f"net.{name}": value for name, value in weights.items()}
    results = {
        backend: graphwright.run(program, {"image": image, "label": label}, backend=backend, parameters=named)
        for backend in ("torch", "onnx")
    }
    agree(results, expected)
