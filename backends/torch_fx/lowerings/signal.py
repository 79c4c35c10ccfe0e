"""Signals: Fourier transforms, window functions, the mel filter bank."""

from __future__ import annotations

import math
from typing import Any

import torch

from .carriers import CARRIERS, Tensor, number, wrapped
from .lowering import Lowering


def _complex(x: Tensor) -> Tensor:
    """[…, 1] or […, 2] as real or complex numbers."""
    wide = x if x.dtype is torch.float64 else x.to(torch.float32)
    return wide.squeeze(-1) if x.shape[-1] == 1 else torch.complex(wide[..., 0], wide[..., 1])


def _pairs(x: Tensor, dtype: torch.dtype) -> Tensor:
    result: Tensor = torch.view_as_real(x).to(dtype)
    return result


def dft(x: Tensor, dft_length: Any = None, axis: Any = None, inverse: int = 0, onesided: int = 0) -> Tensor:
    """The discrete Fourier transform along `axis`, numbers as pairs on the last axis."""
    along = wrapped(-2 if axis is None else number(axis), x.dim())
    values = _complex(x)
    if inverse and onesided:
        length = 2 * (x.shape[along] - 1) if dft_length is None else number(dft_length)
        real: Tensor = torch.fft.irfft(values, length, along).unsqueeze(-1).to(x.dtype)
        return real
    length = x.shape[along] if dft_length is None else number(dft_length)
    if inverse:
        return _pairs(torch.fft.ifft(values, length, along), x.dtype)
    transformed = torch.fft.fft(values, length, along)
    if onesided:
        transformed = transformed.narrow(along, 0, length // 2 + 1)
    return _pairs(transformed, x.dtype)


def stft(
    signal: Tensor, frame_step: Any, window: Tensor | None = None, frame_length: Any = None, onesided: int = 1
) -> Tensor:
    """The transforms of the windowed frames of signal[batch, length, 1 or 2]."""
    if frame_length is not None:
        length = number(frame_length)
    else:
        length = signal.shape[1] if window is None else window.shape[0]
    frames = _complex(signal).unfold(1, length, number(frame_step))
    if window is not None:
        frames = frames * window.to(signal.dtype)
    transformed = torch.fft.fft(frames, length, -1)
    if onesided:
        transformed = transformed.narrow(-1, 0, length // 2 + 1)
    return _pairs(transformed, signal.dtype)


def _angles(size: Any, periodic: int) -> tuple[Tensor, Any]:
    """2 pi n / N, for n = 0 … size - 1."""
    count = number(size)
    steps = torch.arange(count, dtype=torch.float64)
    return steps * (2 * math.pi / (count if periodic else count - 1)), count


def hann_window(size: Any, output_datatype: str = "float32", periodic: int = 1) -> Tensor:
    angles, _ = _angles(size, periodic)
    return (0.5 - 0.5 * torch.cos(angles)).to(CARRIERS[output_datatype])


def hamming_window(size: Any, output_datatype: str = "float32", periodic: int = 1) -> Tensor:
    angles, _ = _angles(size, periodic)
    return (25 / 46 - 21 / 46 * torch.cos(angles)).to(CARRIERS[output_datatype])


def blackman_window(size: Any, output_datatype: str = "float32", periodic: int = 1) -> Tensor:
    angles, _ = _angles(size, periodic)
    return (0.42 - 0.5 * torch.cos(angles) + 0.08 * torch.cos(2 * angles)).to(CARRIERS[output_datatype])


def mel_weight_matrix(
    num_mel_bins: Any,
    dft_length: Any,
    sample_rate: Any,
    lower_edge_hertz: Any,
    upper_edge_hertz: Any,
    output_datatype: str = "float32",
) -> Tensor:
    """[dft_length // 2 + 1, num_mel_bins]: triangles, equally spaced on the mel scale."""
    bins, length, rate = number(num_mel_bins), number(dft_length), number(sample_rate)
    low, high = (2595 * math.log10(1 + number(f) / 700) for f in (lower_edge_hertz, upper_edge_hertz))
    step = (high - low) / (bins + 2)
    hertz = [700 * (10 ** ((low + i * step) / 2595) - 1) for i in range(bins + 2)]
    edges = [int((length + 1) * f // rate) for f in hertz]
    matrix = torch.zeros(length // 2 + 1, bins, dtype=torch.float64)
    for i in range(bins):
        left, centre, right = edges[i : i + 3]
        if left == centre:
            matrix[centre, i] = 1
        for j in range(left, centre + 1 if left < centre else left):
            matrix[j, i] = (j - left) / (centre - left)
        for j in range(centre, right):
            matrix[j, i] = (right - j) / (right - centre)
    return matrix.to(CARRIERS[output_datatype])


SIGNAL: dict[str, Lowering] = {
    "DFT": Lowering(dft, numbers=frozenset({1, 2})),
    "STFT": Lowering(stft, numbers=frozenset({1, 3})),
    "HannWindow": Lowering(hann_window, numbers=frozenset({0})),
    "HammingWindow": Lowering(hamming_window, numbers=frozenset({0})),
    "BlackmanWindow": Lowering(blackman_window, numbers=frozenset({0})),
    "MelWeightMatrix": Lowering(mel_weight_matrix, numbers=frozenset({0, 1, 2, 3, 4})),
}
