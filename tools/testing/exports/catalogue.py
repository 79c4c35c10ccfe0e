"""The architectures by name, each in two sizes, with inputs and the axes that vary."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from torch import nn

Arrays = dict[str, np.ndarray[Any, Any]]
SEED = 3
BATCH, LENGTH = 2, 12
"""The sizes that models are exported at."""
IMAGE = {"image": {0: "batch"}}
TOKENS = {"tokens": {0: "batch", 1: "length"}}


@dataclass(frozen=True)
class Architecture:
    """`module(small)` builds it; `inputs(small, batch, length)` draws what it is fed; `axes` names the
    sizes that vary, input -> axis -> name; `outputs` names the results, one for each. `fixed` has the
    sizes that an exporter writes into its model as numbers all the same, way -> name -> number."""

    name: str
    module: Callable[[bool], nn.Module]
    inputs: Callable[[bool, int, int], Arrays]
    axes: Mapping[str, Mapping[int, str]]
    outputs: tuple[str, ...]
    fixed: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def build(self, small: bool = False) -> nn.Module:
        """The module in evaluation mode, its weights and batch statistics random from a fixed seed."""
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(SEED)
            module = self.module(small).eval()
            for part in module.modules():
                if "Norm" in type(part).__name__:
                    _settle(part)
        return module


def _settle(norm: Any) -> None:
    """Scales, shifts and statistics as after training: a fresh norm's, 0 and 1, fold away."""
    from torch.nn import init

    for name in ("weight", "running_var"):
        if getattr(norm, name, None) is not None:
            init.uniform_(getattr(norm, name), 0.5, 1.5)
    for name in ("bias", "running_mean"):
        if getattr(norm, name, None) is not None:
            init.normal_(getattr(norm, name), 0.0, 0.2)


def _images(size: int, small_size: int, small: bool, batch: int, length: int) -> Arrays:
    side = small_size if small else size
    random = np.random.default_rng(SEED)
    return {"image": random.normal(size=(batch, 3, side, side)).astype(np.float32)}


def _tokens(small: bool, batch: int, length: int) -> Arrays:
    return {"tokens": np.random.default_rng(SEED).integers(0, 50 if small else 1000, (batch, length))}


LAYERS, SMALL_LAYERS, HEADS = 4, 2, 4


def _cached(small: bool, batch: int, length: int) -> Arrays:
    """`length` tokens of the past and a fourth as many new ones."""
    random = np.random.default_rng(SEED)
    size = 8 if small else 64
    found = {"tokens": random.integers(0, 50 if small else 1000, (batch, max(length // 4, 2)))}
    for name in _caches(SMALL_LAYERS if small else LAYERS):
        found[name] = random.normal(size=(batch, HEADS, length, size)).astype(np.float32)
    return found


def _caches(layers: int) -> list[str]:
    return [f"past_{kind}_{i}" for i in range(layers) for kind in ("key", "value")]


def _convolutional(
    name: str, full: Mapping[str, Any], small: Mapping[str, Any]
) -> Callable[[bool], nn.Module]:
    return partial(_made, "convolutional", name, full, small)


def _sequential(name: str, full: Mapping[str, Any], small: Mapping[str, Any]) -> Callable[[bool], nn.Module]:
    return partial(_made, "sequential", name, full, small)


def _made(
    module: str, name: str, full: Mapping[str, Any], small: Mapping[str, Any], is_small: bool
) -> nn.Module:
    from importlib import import_module

    found: nn.Module = getattr(import_module(f".{module}", __package__), name)(
        **(small if is_small else full)
    )
    return found


_FEW = {"layers": 2, "width": 32, "tokens": 50}
_CACHE_AXES = {n: {0: "batch", 2: "past"} for n in _caches(LAYERS)}

_ALL = (
    Architecture(
        "resnet18",
        _convolutional("ResNet18", {}, {"width": 8, "classes": 10}),
        partial(_images, 160, 32),
        IMAGE,
        ("logits",),
    ),
    Architecture(
        "mobile", _convolutional("mobile", {}, {"blocks": 3}), partial(_images, 128, 32), IMAGE, ("logits",)
    ),
    Architecture(
        "efficient",
        _convolutional("efficient", {}, {"blocks": 3}),
        partial(_images, 96, 32),
        IMAGE,
        ("logits",),
    ),
    Architecture(
        "unet",
        _convolutional("UNet", {}, {"width": 4, "depth": 2}),
        partial(_images, 96, 16),
        IMAGE,
        ("mask",),
    ),
    Architecture(
        "encoder",
        _sequential("LibraryEncoder", {}, _FEW),
        _tokens,
        TOKENS,
        ("states",),
        {"torchscript": {"length": LENGTH}},
    ),
    Architecture("hand_encoder", _sequential("HandEncoder", {}, _FEW), _tokens, TOKENS, ("states",)),
    Architecture(
        "decoder",
        _sequential("CachedDecoder", {"layers": LAYERS}, {**_FEW, "layers": SMALL_LAYERS}),
        _cached,
        {**TOKENS, **_CACHE_AXES},
        ("logits",),
    ),
    Architecture(
        "lstm_tagger",
        _sequential("LstmTagger", {}, {"width": 8, "tokens": 50, "labels": 3}),
        _tokens,
        TOKENS,
        ("scores",),
        {"optimized": {"length": LENGTH}},
    ),
    Architecture(
        "vit",
        _sequential("VisionTransformer", {}, {"layers": 2, "width": 24, "image": 32}),
        partial(_images, 112, 32),
        IMAGE,
        ("logits",),
    ),
    Architecture(
        "detector",
        partial(_made, "detection", "Detector", {}, {"width": 4, "image": 32}),
        partial(_images, 64, 32),
        IMAGE,
        ("chosen", "boxes", "scores"),
    ),
)

ARCHITECTURES = {a.name: a for a in _ALL}
