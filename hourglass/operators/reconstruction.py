"""Token reconstruction: the refined centers become tokens of the whole grid again (paper, section 3.3)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from hourglass.operators.arguments import Semantics, check_neighbourhoods, check_refined
from hourglass.operators.clustering import squared_distances
from hourglass.operators.precision import autocast_device


def reconstruct(
    refined: Tensor,
    tokens: Tensor,
    centers: Tensor,
    *,
    neighbors: int = 20,
    temperature: float = 0.02,
    semantics: Semantics = "official",
) -> Tensor:
    """Rebuilds the tokens of the whole grid from what the deep layers made of the centers.

    Args:
        refined: (B, h * w, D), one row per center.
        tokens: (B, H * W, C), the tokens that were clustered.
        centers: (B, h * w, C), what `cluster` made of them.
        neighbors: nearest centers that a token is combined from, k in the paper; 1 copies the nearest center exactly.
        temperature: factor on the squared distance, tau.
        semantics: `official` divides the weights by their L2 norm, `paper` by their sum.

    Returns:
        (B, H * W, D), in the dtype of `refined`.

    Raises:
        ValueError: an argument does not fit; the message names it.
    """
    weights = reconstruction_weights(tokens, centers, neighbors=neighbors, temperature=temperature, semantics=semantics)
    return weights(refined)


class ReconstructionWeights(NamedTuple):
    """Who contributes to each token, and how much: call it with any number of refined maps."""

    matrix: Tensor

    def __call__(self, refined: Tensor) -> Tensor:
        """(B, h * w, D) -> (B, H * W, D), in the dtype of `refined`."""
        check_refined(refined, self.matrix.shape[0], self.matrix.shape[2])
        with torch.autocast(autocast_device(refined), enabled=False):
            return (self.matrix @ refined.to(self.matrix.dtype)).to(refined.dtype)


def reconstruction_weights(
    tokens: Tensor,
    centers: Tensor,
    *,
    neighbors: int = 20,
    temperature: float = 0.02,
    semantics: Semantics = "official",
) -> ReconstructionWeights:
    """The weights of `reconstruct`, which depend on tokens and centers alone, for use on several refined maps.

    Arguments and errors are those of `reconstruct`.
    """
    check_neighbourhoods(tokens, centers, neighbors, temperature, semantics)
    with torch.autocast(autocast_device(tokens), enabled=False):
        working = torch.promote_types(torch.promote_types(tokens.dtype, centers.dtype), torch.float32)
        middle = centers.to(working).mean(dim=1, keepdim=True)
        distances = squared_distances(tokens.to(working) - middle, centers.to(working) - middle).clamp(min=0)
        if neighbors == 1:
            nearest = distances.argmin(dim=2)
            return ReconstructionWeights(nn.functional.one_hot(nearest, distances.shape[2]).to(working))
        logits = -temperature * distances
        kept = min(neighbors, distances.shape[2])
        least = logits.topk(kept, dim=2).values[:, :, -1:]
        logits = logits.masked_fill(logits < least, -torch.inf)
        if semantics == "official":
            return ReconstructionWeights(nn.functional.normalize(logits.exp(), dim=2))
        return ReconstructionWeights(logits.softmax(dim=2))


class Reconstruct(nn.Module):
    """`reconstruct` as a module without parameters."""

    def __init__(self, *, neighbors: int = 20, temperature: float = 0.02, semantics: Semantics = "official") -> None:
        """See `reconstruct` for the arguments."""
        super().__init__()
        self.neighbors = neighbors
        self.temperature = temperature
        self.semantics = semantics

    def forward(self, refined: Tensor, tokens: Tensor, centers: Tensor) -> Tensor:
        """(B, h * w, D), (B, H * W, C) and (B, h * w, C) -> (B, H * W, D)."""
        return reconstruct(
            refined,
            tokens,
            centers,
            neighbors=self.neighbors,
            temperature=self.temperature,
            semantics=self.semantics,
        )

    def extra_repr(self) -> str:
        """The settings, for printing a model."""
        return f"neighbors={self.neighbors}, temperature={self.temperature}, semantics={self.semantics}"
