"""Token reconstruction: the refined centers become tokens of the whole grid again (paper, section 3.3)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hourglass.operators.arguments import (
    Interpolation,
    Semantics,
    check_interpolation,
    check_neighbourhoods,
    check_refined,
    check_residual,
)
from hourglass.operators.linear import linear_weights
from hourglass.operators.observe import OperatorCall, is_observed, observed
from hourglass.operators.precision import full_precision, without_vanishing, working_dtype
from hourglass.operators.selection import among_smallest, smallest

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
    temperature: float | Tensor = 0.02,
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
        temperature: positive factor on the squared distance, tau; a number, or one for each batch element, (B,).
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
        sum_to_one: Whether each token's weights do.
        closeness: As `values`, by distance alone: the nearest center's is the largest.
    """

    centers: int
    values: Tensor
    chosen: Tensor | None
    sum_to_one: bool
    closeness: Tensor

    def __call__(self, refined: Tensor) -> Tensor:
        """The weighted rows of a map, W refined: (B, K, D) -> (B, N, D), in the dtype of `refined`."""
        check_refined(refined, self.values.shape[0], self.centers)
        if is_observed():
            return observed(self._call(refined=refined), self._rebuilt, refined)
        return self._rebuilt(refined)

    def residual(self, refined: Tensor, tokens: Tensor, centers: Tensor) -> Tensor:
        """The tokens, with what the deep layers changed in their centers: tokens + W (refined - centers).

        A block of a transformer adds to its tokens, so what the deep layers did to a cluster is `refined - centers`. A
        token keeps what it was before the clustering and takes over only that change, where `reconstruct` replaces the
        token by a mixture of clusters. The weights must sum to one, or the change would be scaled: by up to the root of
        the number of neighbors if they have an L2 norm of one. It makes sense on the residual stream alone, before any
        norm or head.

        Args:
            refined: (B, h * w, C), what the deep layers made of the centers.
            tokens: (B, H * W, C), the tokens that were clustered.
            centers: (B, h * w, C), what the deep layers were given.

        Returns:
            (B, H * W, C), in the dtype of `tokens`; computed in at least float32.

        Raises:
            ValueError: an argument does not fit, or the weights do not sum to one.
        """
        check_residual(refined, tokens, centers, self.values, self.centers)
        if not self.sum_to_one:
            raise ValueError(
                "semantics: the residual form needs weights that sum to one; compute them with semantics='paper'"
            )
        if is_observed():
            call = self._call(refined=refined, tokens=tokens, centers=centers)
            return observed(call, self._with_change, refined, tokens, centers)
        return self._with_change(refined, tokens, centers)

    def sizes(self) -> Tensor:
        """How many tokens each center stands for: (B, K), those it is the nearest to, but at least 1.

        Whole numbers, so their sums do not depend on the order in which a GPU adds them.
        """
        closest = self.closeness.detach().argmax(dim=2, keepdim=True)
        nearest = (closest if self.chosen is None else self.chosen.gather(2, closest)).flatten(1)
        ones = torch.ones_like(nearest, dtype=self.values.dtype)
        counts = ones.new_zeros(nearest.shape[0], self.centers).scatter_add(1, nearest, ones)
        return counts.clamp(min=1)

    def _call(self, **arguments: Tensor) -> OperatorCall:
        batch, count, _ = self.values.shape
        channels = arguments["refined"].shape[2]
        return OperatorCall("reconstruction", batch, count, self.centers, channels, arguments=arguments)

    def _rebuilt(self, refined: Tensor) -> Tensor:
        with full_precision(refined.device):
            rows = refined.to(self.values.dtype)
            rebuilt = self.values @ rows if self.chosen is None else self._picked(rows, self.chosen)
            return rebuilt.to(refined.dtype)

    def _with_change(self, refined: Tensor, tokens: Tensor, centers: Tensor) -> Tensor:
        dtype = self.values.dtype
        with full_precision(refined.device):
            change = refined.to(dtype) - centers.to(dtype)
            kept = tokens.to(dtype)
            if self.chosen is None:
                return torch.baddbmm(kept, self.values, change).to(tokens.dtype)
            return self._picked(change, self.chosen).add_(kept).to(tokens.dtype)

    def _picked(self, rows: Tensor, chosen: Tensor) -> Tensor:
        batch, tokens, _ = self.values.shape
        # All batch elements at once: the rows of element b follow those of the elements before it.
        offsets = torch.arange(batch, device=rows.device)[:, None, None] * self.centers
        summed = F.embedding_bag(
            (chosen + offsets).flatten(0, 1),
            rows.flatten(0, 1),
            per_sample_weights=self.values.flatten(0, 1),
            mode="sum",
        )
        return summed.view(batch, tokens, -1)


def reconstruction_weights(
    tokens: Tensor,
    centers: Tensor,
    *,
    neighbors: int = 20,
    temperature: float | Tensor = 0.02,
    semantics: Semantics = "official",
    interpolation: Interpolation = "kernel",
) -> ReconstructionWeights:
    """The weights of `reconstruct`, which depend on tokens and centers alone, for use on several refined maps.

    With `interpolation` "kernel" they depend on distances alone. With "linear" they are those that rebuild the token
    itself from its neighbors as well as they can (`hourglass.operators.linear`), which suits a residual: what the deep
    layers change is then taken over to first order. They sum to one, so they need semantics "paper".

    The other arguments and errors are those of `reconstruct`. Negative squared distances, made by rounding alone, count
    as zero officially.
    Centers that are exactly as far away as the k-th nearest are all kept, as in the official code, which however
    compares weights, where more is equal; where the rows of few out of many centers are picked (at least 256, and 10
    for each neighbor, or with linear interpolation any number), exactly k are.
    """
    check_neighbourhoods(tokens, centers, neighbors, temperature, semantics)
    check_interpolation(interpolation, semantics)
    arguments = tokens, centers, neighbors, temperature, semantics, interpolation
    if is_observed():
        batch, count, channels = tokens.shape
        call = OperatorCall("weights", batch, count, centers.shape[1], channels, nearest=neighbors == 1)
        call.linear = min(neighbors, centers.shape[1]) if interpolation == "linear" and neighbors > 1 else 0
        call.arguments = {"tokens": tokens, "centers": centers}
        return observed(call, _reconstruction_weights, *arguments)
    return _reconstruction_weights(*arguments)


def _reconstruction_weights(
    tokens: Tensor,
    centers: Tensor,
    neighbors: int,
    temperature: float | Tensor,
    semantics: Semantics,
    interpolation: Interpolation,
) -> ReconstructionWeights:
    count = centers.shape[1]
    dtype = working_dtype(tokens, centers)
    linear = interpolation == "linear"
    with full_precision(tokens.device):
        # Distances do not depend on the origin, but their rounding does: measure from the middle of the centers.
        middle = centers.detach().to(dtype).mean(dim=1, keepdim=True)
        tokens, centers = tokens.to(dtype) - middle, centers.to(dtype) - middle
        # Squared distances but for the squared norm of the token, which does not change what is near.
        partial = torch.baddbmm(centers.square().sum(dim=2).unsqueeze(1), tokens, centers.transpose(1, 2), alpha=-2)
        if neighbors == 1:
            nearest = partial.argmin(dim=2, keepdim=True)
            ones = torch.ones_like(nearest, dtype=dtype)
            return ReconstructionWeights(count, ones, nearest, sum_to_one=True, closeness=ones)
        chosen = kept = None
        if linear or count >= max(DENSE_CENTERS, DENSE_CENTERS_PER_NEIGHBOR * neighbors):
            partial, chosen = smallest(partial, min(neighbors, count))
        elif neighbors < count:
            kept = among_smallest(partial.detach(), neighbors)
        if semantics == "official":
            distances = (partial + tokens.square().sum(dim=2, keepdim=True)).clamp(min=0)
        else:
            # A factor common to all weights cancels in the sum. So measure from the nearest center, whose weight is 1
            # then: nothing underflows.
            distances = partial - partial.amin(dim=2, keepdim=True)
        if isinstance(temperature, Tensor):
            temperature = temperature.to(dtype)[:, None, None]
        weights = without_vanishing(torch.exp(-temperature * distances))
        if kept is not None:
            weights = weights * kept
        closeness = F.normalize(weights, p=2 if semantics == "official" else 1, dim=2)
        values = closeness
        if linear and chosen is not None:
            values = linear_weights(tokens, centers, chosen, closeness, temperature)
        return ReconstructionWeights(count, values, chosen, sum_to_one=semantics == "paper", closeness=closeness)


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
