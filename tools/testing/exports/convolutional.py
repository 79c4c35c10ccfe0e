"""Convolutional networks: ResNet-18, a mobile and an efficient network, a U-Net."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut. He et al., arXiv 1512.03385, figure 2."""

    def __init__(self, inner: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inner, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut = nn.Sequential()
        if stride != 1 or inner != width:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inner, width, 1, stride, bias=False), nn.BatchNorm2d(width)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        z: Tensor = self.relu(self.bn2(self.conv2(y)) + self.shortcut(x))
        return z


class ResNet18(nn.Module):
    """Eighteen layers, twenty batch norms."""

    def __init__(self, width: int = 64, classes: int = 1000) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, width, 7, 2, 3, bias=False), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(3, 2, 1)
        )
        blocks: list[nn.Module] = []
        inner = width
        for stage in range(4):
            for block in range(2):
                outer = width * 2**stage
                blocks.append(BasicBlock(inner, outer, 2 if stage and not block else 1))
                inner = outer
        self.blocks = nn.Sequential(*blocks)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(inner, classes)

    def forward(self, image: Tensor) -> Tensor:
        x: Tensor = self.head(torch.flatten(self.pool(self.blocks(self.stem(image))), 1))
        return x


class SqueezeExcite(nn.Module):
    """A gate per channel. Hu et al., arXiv 1709.01507."""

    def __init__(self, width: int, squeezed: int, act: type[nn.Module], gate: type[nn.Module]) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.reduce, self.expand = nn.Conv2d(width, squeezed, 1), nn.Conv2d(squeezed, width, 1)
        self.act, self.gate = act(), gate()

    def forward(self, x: Tensor) -> Tensor:
        gate: Tensor = self.gate(self.expand(self.act(self.reduce(self.pool(x)))))
        return gate * x


class InvertedResidual(nn.Module):
    """Expand, depthwise, squeeze-excite, project. Howard et al., arXiv 1905.02244, figure 4."""

    def __init__(
        self,
        inner: int,
        width: int,
        expansion: int,
        kernel: int,
        stride: int,
        act: type[nn.Module],
        gate: type[nn.Module],
        squeezed: int,
    ) -> None:
        super().__init__()
        hidden = inner * expansion
        layers: list[nn.Module] = []
        if expansion != 1:
            layers += [nn.Conv2d(inner, hidden, 1, bias=False), nn.BatchNorm2d(hidden), act()]
        layers += [
            nn.Conv2d(hidden, hidden, kernel, stride, kernel // 2, groups=hidden, bias=False),
            nn.BatchNorm2d(hidden),
            act(),
        ]
        if squeezed:
            layers.append(SqueezeExcite(hidden, squeezed, nn.ReLU if act is nn.Hardswish else act, gate))
        layers += [nn.Conv2d(hidden, width, 1, bias=False), nn.BatchNorm2d(width)]
        self.layers = nn.Sequential(*layers)
        self.residual = stride == 1 and inner == width

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        return x + y if self.residual else y


MOBILE = (
    (16, 1, 3, 2, 1),
    (24, 4, 3, 2, 0),
    (24, 4, 3, 1, 0),
    (40, 4, 5, 2, 1),
    (40, 6, 5, 1, 1),
    (96, 6, 5, 2, 1),
)
EFFICIENT = (
    (16, 1, 3, 1, 1),
    (24, 6, 3, 2, 1),
    (24, 6, 3, 1, 1),
    (40, 6, 5, 2, 1),
    (40, 6, 5, 1, 1),
    (80, 6, 3, 2, 1),
)
"""Blocks: width, expansion, kernel, stride, whether it has squeeze-excite."""


class InvertedResidualNet(nn.Module):
    """A stem, inverted residuals, a 1x1 convolution and a linear head."""

    def __init__(
        self,
        blocks: tuple[tuple[int, int, int, int, int], ...],
        act: type[nn.Module],
        gate: type[nn.Module],
        classes: int = 1000,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), act()]
        inner = 16
        for width, expansion, kernel, stride, squeezes in blocks:
            squeezed = max(inner * expansion // 4, 8) if squeezes else 0
            layers.append(InvertedResidual(inner, width, expansion, kernel, stride, act, gate, squeezed))
            inner = width
        layers += [nn.Conv2d(inner, 6 * inner, 1, bias=False), nn.BatchNorm2d(6 * inner), act()]
        self.features = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Sequential(nn.Dropout(0.2), nn.Linear(6 * inner, classes))

    def forward(self, image: Tensor) -> Tensor:
        x: Tensor = self.head(torch.flatten(self.pool(self.features(image)), 1))
        return x


def mobile(blocks: int = 6) -> nn.Module:
    """As MobileNetV3: depthwise convolutions, hard swish, squeeze-excite with hard sigmoid."""
    return InvertedResidualNet(MOBILE[:blocks], nn.Hardswish, nn.Hardsigmoid)


def efficient(blocks: int = 6) -> nn.Module:
    """As EfficientNet (Tan and Le, arXiv 1905.11946): SiLU, squeeze-excite with sigmoid."""
    return InvertedResidualNet(EFFICIENT[:blocks], nn.SiLU, nn.Sigmoid)


def _double(inner: int, width: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(inner, width, 3, 1, 1),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.Conv2d(width, width, 3, 1, 1),
        nn.BatchNorm2d(width),
        nn.ReLU(),
    )


class UNet(nn.Module):
    """Down by max pooling, up by transposed convolutions and once by resizing, with skips.
    Ronneberger et al., arXiv 1505.04597."""

    def __init__(self, width: int = 16, depth: int = 3, classes: int = 2) -> None:
        super().__init__()
        widths = [width * 2**i for i in range(depth + 1)]
        self.down = nn.ModuleList(_double(a, b) for a, b in zip([3, *widths], widths, strict=False))
        self.pool = nn.MaxPool2d(2)
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(b, a, 2, 2) for a, b in zip(widths[-2:0:-1], widths[:1:-1], strict=True)
        )
        self.last_up = nn.Sequential(
            nn.Upsample(scale_factor=2.0, mode="bilinear", align_corners=False),
            nn.Conv2d(widths[1], widths[0], 1),
            nn.BatchNorm2d(widths[0]),
        )
        self.merge = nn.ModuleList(_double(2 * w, w) for w in widths[-2::-1])
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, image: Tensor) -> Tensor:
        skips = []
        x = image
        for i, stage in enumerate(self.down):
            x = stage(x if i == 0 else self.pool(x))
            skips.append(x)
        for up, merge, skip in zip([*self.up, self.last_up], self.merge, skips[-2::-1], strict=True):
            x = merge(torch.cat([up(x), skip], 1))
        y: Tensor = self.head(x)
        return y
