"""A detection head on a small backbone: decoded boxes, scores, non-maximum suppression."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

THRESHOLD, SCORE, KEPT = 0.5, 0.5, 20


@torch.library.custom_op("graphwright_exports::suppress", mutates_args=())
def suppress(boxes: Tensor, scores: Tensor) -> Tensor:
    """ONNX's NonMaxSuppression: boxes (batch, n, 4) as corners, scores (batch, classes, n) ->
    (selected, 3) of batch, class and box. Greedy, the best score first."""
    found = []
    for b in range(scores.shape[0]):
        for c in range(scores.shape[1]):
            order = [int(i) for i in scores[b, c].argsort(descending=True) if scores[b, c, i] > SCORE]
            kept: list[int] = []
            for i in order:
                if len(kept) < KEPT and all(_overlap(boxes[b, i], boxes[b, j]) <= THRESHOLD for j in kept):
                    kept.append(i)
            found += [(b, c, i) for i in kept]
    return torch.tensor(found, dtype=torch.int64).reshape(-1, 3)


@suppress.register_fake
def _(boxes: Tensor, scores: Tensor) -> Tensor:
    count = torch.library.get_ctx().new_dynamic_size()
    return boxes.new_empty((count, 3), dtype=torch.int64)


def _overlap(a: Tensor, b: Tensor) -> float:
    low, high = torch.maximum(a[:2], b[:2]), torch.minimum(a[2:], b[2:])
    shared = (high - low).clamp(min=0).prod()
    return float(shared / ((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - shared))


class Detector(nn.Module):
    """Features of stride 8, three anchors a cell; selected (batch, class, box) with boxes and scores."""

    def __init__(self, width: int = 32, classes: int = 4, image: int = 64) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for a, b in ((3, width), (width, 2 * width), (2 * width, 4 * width)):
            layers += [nn.Conv2d(a, b, 3, 2, 1, bias=False), nn.BatchNorm2d(b), nn.LeakyReLU(0.1)]
        self.backbone = nn.Sequential(*layers)
        self.classes = nn.Conv2d(4 * width, 3 * classes, 3, 1, 1)
        self.deltas = nn.Conv2d(4 * width, 12, 3, 1, 1)
        self.register_buffer("anchors", _anchors(image // 8), persistent=False)
        self.image = float(image)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = self.backbone(image)
        batch = x.shape[0]
        scores = self.classes(x).permute(0, 2, 3, 1).reshape(batch, -1, self.classes.out_channels // 3)
        scores = scores.sigmoid().transpose(1, 2)
        boxes = self._decoded(self.deltas(x).permute(0, 2, 3, 1).reshape(batch, -1, 4))
        chosen = suppress(boxes, scores)
        b, c, i = chosen[:, 0], chosen[:, 1], chosen[:, 2]
        return chosen, boxes[b, i], scores[b, c, i]

    def _decoded(self, deltas: Tensor) -> Tensor:
        """Ren et al., arXiv 1506.01497, equation 2."""
        anchors: Any = self.anchors
        centre, size = anchors[:, :2], anchors[:, 2:]
        middle = centre + deltas[..., :2] * size
        half = torch.exp(deltas[..., 2:].clamp(max=4.0)) * size / 2
        return torch.cat([middle - half, middle + half], -1).clamp(0.0, self.image)


def _anchors(cells: int) -> Tensor:
    """(cells * cells * 3, 4): centre and size."""
    centres = (torch.arange(cells) + 0.5) * 8
    y, x = torch.meshgrid(centres, centres, indexing="ij")
    points = torch.stack([x, y], -1).reshape(-1, 1, 2).expand(-1, 3, -1)
    sizes = torch.tensor([[8.0, 8.0], [16.0, 8.0], [8.0, 16.0]]).expand(cells * cells, 3, 2)
    return torch.cat([points, sizes], -1).reshape(-1, 4)
