"""A detector on the tokens of an encoder that stays as it is."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.models.detection.image_list import ImageList

from hourglass.bench import models
from hourglass.bench.models.detector import FcosDetector
from hourglass.bench.training.photos import Photos, mirrored
from hourglass.bench.training.stored import frozen, stored

MIRRORINGS = 4
"""Of a photograph, along none, one or both of its axes: blood cells have no up and down."""


def without_encoder(name: str) -> FcosDetector:
    """A detector on a `TokenPyramid` that is given tokens in place of images.

    Args:
        name: Of the model.
    """
    model: Any = models.build_untrained(name)
    model.fcos.backbone.tokens.encoder = nn.Identity()
    assert isinstance(model, FcosDetector)
    return model


class TokenBoxes:
    """Boxes in whole photographs of one size.

    Args:
        name: Of the model, whose encoder is that of a checkpoint.
        photos: With boxes.
        batch: Photographs a step.
    """

    def __init__(self, name: str, photos: Photos, batch: int) -> None:
        self.name, self.photos, self.batch = name, photos, batch

    def __call__(self, model: nn.Module, rng: np.random.Generator) -> Tensor:
        """Loss of one batch, of the model `without_encoder`."""
        assert isinstance(model, FcosDetector)
        chosen = rng.choice(len(self.photos.samples), self.batch, replace=False) * MIRRORINGS
        chosen += rng.integers(MIRRORINGS, size=self.batch)
        pyramid: Any = model.fcos.backbone
        patch = pyramid.strides[0]
        prepared = [self._prepared(model, int(index)) for index in chosen]
        sizes = [images.image_sizes[0] for images, _ in prepared]
        grid = [side // patch for side in prepared[0][0].tensors.shape[-2:]]
        maps = self.tokens[torch.from_numpy(chosen)].float().transpose(1, 2).unflatten(2, grid)
        levels = pyramid.levels(pyramid.tokens.project(maps))
        images = ImageList(torch.cat([images.tensors for images, _ in prepared]), sizes)
        losses = model.losses_on(levels, images, [target for _, target in prepared])
        return torch.stack(list(losses.values())).sum()

    @cached_property
    def tokens(self) -> Tensor:
        """(images, mirrored in each way, N, C) in half precision, with the first two axes as one."""

        def tokens(index: int) -> Tensor:
            images, _ = self._prepared(self._model, index)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                found: Tensor = self._model.fcos.backbone.tokens(images.tensors)[0]
            return found.flatten(2)[0].T

        return stored(self.photos.root, self.name, len(self.photos.samples) * MIRRORINGS, tokens)

    def _prepared(self, model: Any, index: int) -> tuple[ImageList, dict[str, Tensor]]:
        """A mirrored photograph and its boxes, as FCOS's own transform makes them."""
        photo, mirroring = divmod(index, MIRRORINGS)
        image, target = mirrored(self.photos.samples[photo], mirroring % 2 == 1, mirroring >= 2)
        images, targets = model.fcos.transform([image], [target])
        return images, targets[0]

    @cached_property
    def _model(self) -> Any:
        return frozen(self.name, self.photos.root)
