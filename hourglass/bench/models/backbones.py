"""Backbones of timm: alone, to count and time them, or with a linear head on their patch tokens."""

from __future__ import annotations

from pathlib import Path

import timm
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from hourglass.bench.models.segmenter import Segmenter
from hourglass.bench.models.weights import require_numbers
from hourglass.registry import UserError


class Backbone(nn.Module):
    """A model of timm with the normalisation before it.

    Args:
        model: Takes normalised images.
        mean: Of the RGB channels in [0, 1], to subtract ...
        std: ... and to divide by.
    """

    def __init__(self, model: nn.Module, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1), persistent=False)

    mean: Tensor
    std: Tensor

    def forward(self, images: Tensor) -> Tensor:
        """Features of RGB images (B, 3, H, W) in [0, 1], as the model has them before its pooling."""
        features: Tensor = self.model.forward_features((images - self.mean) / self.std)  # type: ignore[operator]
        return features


class LinearSegmenter(Backbone):
    """Class scores that are a linear function of each patch token: the usual test of features without training them.

    Args:
        model: A plain ViT.
        mean: See `Backbone`.
        std: See `Backbone`.
        size: Height and width that images are resized to.
        head: From C channels to K classes.
    """

    def __init__(
        self,
        model: VisionTransformer,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        size: tuple[int, int],
        head: nn.Linear,
    ) -> None:
        super().__init__(Segmenter(model, head, size), mean, std)

    def forward(self, images: Tensor) -> Tensor:
        """RGB images (B, 3, H, W) in [0, 1] to logits (B, K, H, W)."""
        normalised = (images - self.mean) / self.std
        logits: Tensor = self.model((normalised + 1) / 2)  # a Segmenter takes images in [0, 1] to [-1, 1]
        return logits


def build(name: str, size: tuple[int, int], *, pretrained: bool, head: Path | None) -> Backbone:
    """A model of timm by its name.

    Args:
        name: As timm has it.
        size: Height and width of the images.
        pretrained: Load the weights that the name stands for.
        head: Safetensors file with ``weight`` (K, C) and ``bias`` (K); None for the features themselves.

    Raises:
        UserError: timm has no such model, it does not take such images, or its weights or the head cannot be obtained.
    """
    try:
        model = timm.create_model(name, pretrained=pretrained, num_classes=0, global_pool="", img_size=size)
    except Exception as error:  # timm, and the hub behind it, raise all kinds
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(
            f"model: '{name}' of timm cannot be built for {size[0]} x {size[1]} pixels: {reason}"
        ) from error
    mean, std = (tuple(model.pretrained_cfg[statistic]) for statistic in ("mean", "std"))
    if head is None:
        return Backbone(model, mean, std)
    if not isinstance(model, VisionTransformer):
        raise UserError(f"head: '{name}' of timm is no plain ViT, which a head is for; leave it out")
    return LinearSegmenter(model, mean, std, size, _read_head(head, model.embed_dim))


def _read_head(path: Path, channels: int) -> nn.Linear:
    try:
        state = load_file(path)
        head = nn.Linear(channels, len(state["weight"]))
        head.load_state_dict(state)
        require_numbers(state, head.state_dict())
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (OSError, SafetensorError, KeyError, TypeError, RuntimeError, UserError) as error:
        reason = str(error).strip().splitlines()[-1].strip()
        raise UserError(f"{path}: is no head of 'weight' (K, {channels}) and 'bias' (K): {reason}") from error
    return head
