"""A head for classes on the tokens of an encoder that stays as it is."""

from __future__ import annotations

from copy import deepcopy
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hourglass.bench import models
from hourglass.bench.datasets.base import IGNORED
from hourglass.bench.models.dinov2 import TokenSegmenter
from hourglass.bench.training.photos import Photos
from hourglass.bench.training.stored import frozen, stored


class StandardisedTokens(nn.Module):
    """A head behind a batch norm that becomes part of it.

    Args:
        name: Of the model whose head is trained, a `TokenSegmenter`.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        segmenter = models.build_untrained(name)
        assert isinstance(segmenter, TokenSegmenter)
        self.head, self.grid = segmenter.head, segmenter.grid(models.card(name).image_size)
        # Without a momentum, its statistics are those of all batches.
        self.norm = nn.BatchNorm1d(self.head.project.in_features, affine=False, momentum=None)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (B, N, C) to a map of class scores, as of the head."""
        scores: Tensor = self.head(self.norm(tokens.transpose(1, 2)).transpose(1, 2), self.grid)
        return scores

    def folded(self) -> nn.ModuleDict:
        """The head, as ``head``, that gives the same for tokens as they are."""
        assert self.norm.running_mean is not None
        assert self.norm.running_var is not None
        head, project = deepcopy(self.head), self.head.project
        weight = project.weight.detach() * (self.norm.running_var + self.norm.eps).rsqrt()
        head.project.load_state_dict(
            {"weight": weight, "bias": project.bias.detach() - weight @ self.norm.running_mean}
        )
        return nn.ModuleDict({"head": head})


class TokenClasses:
    """Classes of whole photographs: shares of each class in each cell of a patch.

    Args:
        name: Of the model, a `TokenSegmenter` whose encoder is that of a checkpoint.
        photos: With label maps.
        batch: Photographs a step.
    """

    def __init__(self, name: str, photos: Photos, batch: int) -> None:
        self.name, self.photos, self.batch = name, photos, batch

    def __call__(self, model: nn.Module, rng: np.random.Generator) -> Tensor:
        """Loss of one batch, in bfloat16: several times as fast where the processor has it."""
        chosen = torch.from_numpy(rng.choice(len(self.tokens), self.batch, replace=False))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            scores = model(self.tokens[chosen].float())
        shares = self.shares[chosen].float() * self._weight[:, None, None]
        loss: Tensor = -(shares * scores.float().log_softmax(1)).sum() / shares.sum()
        return loss

    @cached_property
    def tokens(self) -> Tensor:
        """(images, N, C) in half precision."""

        def tokens(index: int) -> Tensor:
            return self._model.tokens(self.photos.samples[index].image[None].float() / 255)[0]

        return stored(self.photos.root, self.name, len(self.photos.samples), tokens)

    @cached_property
    def shares(self) -> Tensor:
        """(images, K, rows cells, columns cells): the share of each class in each cell; what is ignored has none."""
        model = models.build_meta(self.name)
        assert isinstance(model, TokenSegmenter)
        rows, columns = model.grid(models.card(self.name).image_size)
        size = rows * model.head.cells, columns * model.head.cells
        found = []
        for sample in self.photos.samples:
            known = F.one_hot(sample.target.where(sample.target != IGNORED, model.classes), model.classes + 1)
            found.append(F.adaptive_avg_pool2d(known[..., :-1].permute(2, 0, 1).float(), size).half())
        return torch.stack(found)

    @cached_property
    def _weight(self) -> Tensor:
        """Rare classes count more: 1 / log(1.1 + share of the pixels), as in ENet (arXiv 1606.02147, section 5.2)."""
        areas = self.shares.sum((0, 2, 3), dtype=torch.float64).float()
        weight = 1 / torch.log(1.1 + areas / areas.sum())
        return weight / weight.mean()

    @cached_property
    def _model(self) -> TokenSegmenter:
        model = frozen(self.name, self.photos.root)
        assert isinstance(model, TokenSegmenter)
        return model
