"""Losses, metrics and blocks of the standard library against torch, scikit-learn and loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn import metrics
from torch.nn import functional as F

LOSSES = "functions/losses.yaml"


def double(x: np.ndarray) -> torch.Tensor:
    return torch.tensor(x, dtype=torch.float64)


def draw(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("shape", [(7,), (3, 5)])
def test_cross_entropy(run_nodes, agree, rng, smoothing, shape):
    logits, label = draw(rng, *shape, 4), rng.integers(0, 4, size=shape)
    label[0] = -100
    expected = F.cross_entropy(
        double(logits).reshape(-1, 4), torch.tensor(label).reshape(-1), label_smoothing=smoothing
    )
    node = f"cross_entropy(logits, label, label_smoothing={smoothing})"
    agree(run_nodes(LOSSES, {"logits": logits, "label": label}, {"loss": node}), {"loss": expected})


def test_elementwise_losses(run_nodes, agree, rng):
    a, b = draw(rng, 4, 6) * 2, draw(rng, 4, 6)
    x, y = double(a), double(b)
    nodes = {
        "mse": "mean_squared_error(a, b)",
        "mae": "mean_absolute_error(a, b)",
        "huber_loss": "huber(a, b, delta=0.7)",
        "nll": "gaussian_nll(a, b, a * b)",
        "kl": "kl_divergence(a, b)",
        "latent": "gaussian_kl(a, b)",
    }
    expected = {
        "mse": F.mse_loss(x, y),
        "mae": F.l1_loss(x, y),
        "huber_loss": F.huber_loss(x, y, delta=0.7),
        "nll": F.gaussian_nll_loss(x, double(a * b), torch.exp(y), full=True),
        "kl": F.kl_div(F.log_softmax(y, -1), F.log_softmax(x, -1), log_target=True, reduction="batchmean"),
        "latent": torch.distributions.kl_divergence(
            torch.distributions.Normal(x, torch.exp(y / 2)), torch.distributions.Normal(0.0, 1.0)
        )
        .sum(-1)
        .mean(),
    }
    agree(run_nodes(LOSSES, {"a": a, "b": b}, nodes), expected)


def test_binary_losses(run_nodes, agree, rng):
    logits, target = draw(rng, 5, 3) * 3, rng.integers(0, 2, size=(5, 3)).astype(np.float32)
    x, y = double(logits), double(target)
    p = torch.sigmoid(x)
    p_t = p * y + (1 - p) * (1 - y)
    alpha_t = 0.3 * y + 0.7 * (1 - y)
    dice = 1 - (2 * (p * y).sum(1) + 1) / (p.sum(1) + y.sum(1) + 1)
    nodes = {
        "plain": "binary_cross_entropy(logits, target)",
        "weighted": "binary_cross_entropy(logits, target, pos_weight=2.5)",
        "focal": "focal_loss(logits, target, alpha=0.3, gamma=1.5)",
        "dice": "dice_loss(sigmoid(logits), target)",
    }
    expected = {
        "plain": F.binary_cross_entropy_with_logits(x, y),
        "weighted": F.binary_cross_entropy_with_logits(x, y, pos_weight=torch.tensor(2.5)),
        "focal": (-alpha_t * (1 - p_t) ** 1.5 * torch.log(p_t)).mean(),
        "dice": dice.mean(),
    }
    agree(run_nodes(LOSSES, {"logits": logits, "target": target}, nodes), expected)


def test_info_nce(run_nodes, agree, rng):
    a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (draw(rng, 6, 4), draw(rng, 6, 4)))
    similarity = double(a) @ double(b).T / 0.1
    rows, columns = (F.cross_entropy(s, torch.arange(6)) for s in (similarity, similarity.T))
    agree(run_nodes(LOSSES, {"a": a, "b": b}, {"loss": "info_nce(a, b)"}), {"loss": (rows + columns) / 2})


def test_quantile_losses(run_nodes, agree, rng):
    low, high, target = draw(rng, 30) - 1, draw(rng, 30) + 1, 2 * draw(rng, 30)
    nodes = {
        "loss": "pinball(low, target, tau=0.2)",
        "score": "interval_score(low, high, target, alpha=0.2)",
        "share": "coverage(low, high, target)",
    }
    miss = np.where(target < low, low - target, np.where(target > high, target - high, 0))
    expected = {
        "loss": metrics.mean_pinball_loss(target.astype(float), low.astype(float), alpha=0.2),
        "score": np.mean(high.astype(float) - low + 10 * miss.astype(float)),
        "share": np.mean((low <= target) & (target <= high)),
    }
    agree(run_nodes("functions/quantile.yaml", {"low": low, "high": high, "target": target}, nodes), expected)


def test_classification_metrics(run_nodes, agree, rng):
    logits, label = draw(rng, 60, 5), rng.integers(0, 5, size=60)
    logits[np.arange(30), label[:30]] += 2
    label[label == 4] = 3  # a class without examples
    guess = logits.argmax(axis=1)
    nodes = {
        "right": "accuracy(logits, label)",
        "top": "top_k_accuracy(logits, label, k=2)",
        "counts": "confusion_matrix(argmax(logits, axis=-1), label, classes=5)",
        "f1": "f1_score(argmax(logits, axis=-1), label, classes=5)",
        "f1_positive": "binary_f1(argmax(logits, axis=-1) == 3, label == 3)",
    }
    expected = {
        "right": metrics.accuracy_score(label, guess),
        "top": metrics.top_k_accuracy_score(label, logits, k=2, labels=range(5)),
        "counts": metrics.confusion_matrix(label, guess, labels=range(5)),
        "f1": metrics.f1_score(label, guess, average="macro", labels=range(5), zero_division=0),
        "f1_positive": metrics.f1_score(label == 3, guess == 3),
    }
    agree(run_nodes("functions/metrics.yaml", {"logits": logits, "label": label}, nodes), expected)


def test_ranking_and_regression_metrics(run_nodes, agree, rng):
    label = rng.uniform(size=80) < 0.4
    score = (draw(rng, 80) + label).round(1)  # with ties
    nodes = {
        "area": "auc(score, label)",
        "fit": "r2_score(score, float32(label))",
        "brier": "brier_score(sigmoid(score), float32(label))",
    }
    p = 1 / (1 + np.exp(-score.astype(float)))
    expected = {
        "area": metrics.roc_auc_score(label, score),
        "fit": metrics.r2_score(label.astype(float), score.astype(float)),
        "brier": metrics.brier_score_loss(label, p),
    }
    agree(
        run_nodes("functions/metrics.yaml", {"score": score.astype(np.float32), "label": label}, nodes),
        expected,
    )


def test_expected_calibration_error(run_nodes, agree, rng):
    p = rng.dirichlet(np.ones(3), size=50).astype(np.float32)
    label = rng.integers(0, 3, size=50)
    confidence, hit = p.max(axis=1), p.argmax(axis=1) == label
    error = 0.0
    for low in np.arange(10) / 10:
        inside = (confidence >= low) & (confidence < low + 0.1)
        if inside.any():
            error += inside.mean() * abs(confidence[inside].mean(dtype=float) - hit[inside].mean())
    node = "expected_calibration_error(p, label, bins=10)"
    agree(run_nodes("functions/metrics.yaml", {"p": p, "label": label}, {"ece": node}), {"ece": error})


@pytest.mark.parametrize(("n", "k"), [(10, 1), (10, 4), (20, 10)])
def test_pass_at_k(run_nodes, agree, n, k):
    c = np.arange(n + 1)
    expected = [1 - math.comb(n - i, k) / math.comb(n, k) for i in c]
    agree(
        run_nodes("functions/metrics.yaml", {"c": c}, {"s": f"pass_at_k(c, n={n}, k={k})"}), {"s": expected}
    )


def test_prototype_similarities(run_nodes, agree, rng):
    a, b, z, P = draw(rng, 5, 3), draw(rng, 4, 3), draw(rng, 2, 3, 4, 5), draw(rng, 6, 3)
    pixels = z.transpose(0, 2, 3, 1).reshape(2, 20, 3)
    cosine = np.stack([metrics.pairwise.cosine_similarity(rows, P) for rows in pixels.astype(float)])
    nodes = {
        "d": "squared_distance(a, b)",
        "cosine": "cosine_similarity(a, b)",
        "rbf": "rbf_similarity(a, b, sigma=2.0)",
        "activation": "map_similarity(z, P)",
    }
    x, y = a.astype(float), b.astype(float)
    expected = {
        "d": metrics.pairwise.euclidean_distances(x, y) ** 2,
        "cosine": metrics.pairwise.cosine_similarity(x, y),
        "rbf": np.exp(-metrics.pairwise.euclidean_distances(x, y) / 2),
        "activation": np.maximum(cosine, 0).max(axis=1),
    }
    agree(run_nodes("functions/prototypes.yaml", {"a": a, "b": b, "z": z, "P": P}, nodes), expected)


def test_prototype_scores(run_nodes, agree, rng):
    activation = rng.uniform(size=(5, 6)).astype(np.float32)
    own = np.arange(6)[None] // 2 == rng.integers(0, 3, size=5)[:, None]
    nodes = {"cluster": "cluster_score(activation, own)", "separation": "separation_score(activation, own)"}
    expected = {
        "cluster": np.mean([row[mine].max() for row, mine in zip(activation, own, strict=True)]),
        "separation": np.mean([row[~mine].max() for row, mine in zip(activation, own, strict=True)]),
    }
    agree(run_nodes("functions/prototypes.yaml", {"activation": activation, "own": own}, nodes), expected)


def test_effective_sample_size(run_nodes, agree, rng):
    w = draw(rng, 9)
    share = np.exp(w.astype(float)) / np.exp(w.astype(float)).sum()
    nodes = {"size": "effective_sample_size(w)"}
    agree(run_nodes("functions/sampling.yaml", {"w": w}, nodes), {"size": 1 / (share**2).sum()})


def test_policy_gradient_blocks(run_nodes, agree, rng):
    reward = draw(rng, 3, 5)
    mask = rng.uniform(size=(3, 5)) < 0.7
    x = reward.astype(float)
    kept = x[mask]
    returns = np.zeros_like(x)
    for t in reversed(range(5)):
        returns[:, t] = x[:, t] + (0.9 * returns[:, t + 1] if t < 4 else 0)
    nodes = {
        "group": "group_advantage(reward)",
        "others": "leave_one_out(reward)",
        "returns": "discounted_return(reward, discount=0.9)",
        "white": "whiten(reward, mask)",
    }
    expected = {
        "group": (x - x.mean(1, keepdims=True)) / (x.std(1, ddof=1, keepdims=True) + 1e-4),
        "others": np.array([[row[i] - np.delete(row, i).mean() for i in range(5)] for row in x]),
        "returns": returns,
        "white": np.where(mask, (x - kept.mean()) / np.sqrt(kept.var() + 1e-8), 0),
    }
    agree(run_nodes("functions/policy_gradient.yaml", {"reward": reward, "mask": mask}, nodes), expected)
