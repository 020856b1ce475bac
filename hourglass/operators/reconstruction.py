"""Token reconstruction: the refined centers become tokens of the whole grid again (paper, section 3.3)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hourglass.operators.arguments import Semantics, check_neighbourhoods, check_refined
from hourglass.operators.precision import full_precision, working_dtype
from hourglass.operators.selection import smallest

# With fewer centers than this, or fewer than this many for each neighbor, a dense product beats picking rows (measured
# on a CPU).
DENSE_CENTERS = 256
DENSE_CENTERS_PER_NEIGHBOR = 10


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

    A token is combined from the refined rows of its nearest centers, with weights exp(-temperature * squared distance),
    normalized.

    Args:
        refined: (B, h * w, D), one row per center.
        tokens: (B, H * W, C), the tokens that were clustered.
        centers: (B, h * w, C), what `cluster` made of them.
        neighbors: nearest centers a token is combined from, k in the paper; all of them if there are fewer. With 1, the
            nearest center's row is copied exactly, however far it is.
        temperature: positive factor on the squared distance, tau.
        semantics: `official` divides the weights by their L2 norm, not below 1e-12: a token all of whose neighbors are
            far fades to zero. `paper` divides by their sum, and never fades.

    Returns:
        (B, H * W, D), in the dtype of `refined`; computed in at least float32.

    Raises:
        ValueError: an argument does not fit; the message names it.
    """
    weights = reconstruction_weights(tokens, centers, neighbors=neighbors, temperature=temperature, semantics=semantics)
    return weights(refined)


class ReconstructionWeights(NamedTuple):
    """What `reconstruct` adds up for each token; call it with any number of refined maps.

    Attributes:
        centers: How many centers there are, K.
        values: (B, N, k), the normalized weights of the chosen centers; (B, N, K) if all are listed.
        chosen: (B, N, k), which centers they belong to; None if all are listed.
    """

    centers: int
    values: Tensor
    chosen: Tensor | None

    def __call__(self, refined: Tensor) -> Tensor:
        """(B, K, D) -> (B, N, D), in the dtype of `refined`."""
        batch, tokens, _ = self.values.shape
        check_refined(refined, batch, self.centers)
        with full_precision(refined.device):
            rows = refined.to(self.values.dtype)
            if self.chosen is None:
                return (self.values @ rows).to(refined.dtype)
            # All batch elements at once: the rows of element b follow those of the elements before it.
            offsets = torch.arange(batch, device=rows.device)[:, None, None] * self.centers
            picked = F.embedding_bag(
                (self.chosen + offsets).flatten(0, 1),
                rows.flatten(0, 1),
                per_sample_weights=self.values.flatten(0, 1),
                mode="sum",
            )
            return picked.view(batch, tokens, -1).to(refined.dtype)


def reconstruction_weights(
    tokens: Tensor,
    centers: Tensor,
    *,
    neighbors: int = 20,
    temperature: float = 0.02,
    semantics: Semantics = "official",
) -> ReconstructionWeights:
    """The weights of `reconstruct`, which depend on tokens and centers alone, for use on several refined maps.

    Arguments and errors are those of `reconstruct`. Negative squared distances, made by rounding alone, count as zero.
    Centers that tie with the k-th nearest are all kept, as in the official code; where the rows of few out of many
    centers are picked (at least 256, and 10 for each neighbor), exactly k are.
    """
    check_neighbourhoods(tokens, centers, neighbors, temperature, semantics)
    count = centers.shape[1]
    dtype = working_dtype(tokens, centers)
    with full_precision(tokens.device):
        # Distances do not depend on the origin, but their rounding does: measure from the middle of the centers.
        middle = centers.detach().to(dtype).mean(dim=1, keepdim=True)
        tokens, centers = tokens.to(dtype) - middle, centers.to(dtype) - middle
        # Squared distances but for the squared norm of the token, which does not change what is near.
        partial = torch.baddbmm(centers.square().sum(dim=2).unsqueeze(1), tokens, centers.transpose(1, 2), alpha=-2)
        if neighbors == 1:
            nearest = partial.argmin(dim=2, keepdim=True)
            return ReconstructionWeights(count, torch.ones_like(nearest, dtype=dtype), nearest)
        chosen = None
        if count >= max(DENSE_CENTERS, DENSE_CENTERS_PER_NEIGHBOR * neighbors):
            partial, chosen = smallest(partial, neighbors)
        distances = (partial + tokens.square().sum(dim=2, keepdim=True)).clamp(min=0)
        if semantics == "paper":
            # The common factor cancels in the sum; without it the nearest center has weight 1, and nothing underflows.
            distances = distances - distances.amin(dim=2, keepdim=True)
        weights = torch.exp(-temperature * distances)
        if chosen is None and neighbors < count:
            weights = keep_largest(weights, neighbors)
        return ReconstructionWeights(count, F.normalize(weights, p=2 if semantics == "official" else 1, dim=2), chosen)


def keep_largest(weights: Tensor, count: int) -> Tensor:
    """The weights, with zero for all that are smaller than the k-th largest of their token."""
    kth = weights.topk(count, dim=2).values[:, :, -1:]
    # A compiler may compute a weight twice and round it differently, which must not drop the k-th itself.
    tolerance = 4 * torch.finfo(weights.dtype).eps
    return weights * (weights >= kth.detach() * (1 - tolerance))


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
