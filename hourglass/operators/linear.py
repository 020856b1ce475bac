"""Weights that rebuild a token from the centers around it: locally linear embedding (Roweis and Saul, Science 2000)."""

from __future__ import annotations

import torch
from torch import Tensor

RIDGE = 0.006
"""How much the weights by distance count: enough to tell apart centers that lie in one line, and no more (measured)."""
LEAST = 1e-3
"""The weight by distance that a center has at least, or the ridge would be too high to be told from infinity."""


def linear_weights(
    tokens: Tensor, centers: Tensor, chosen: Tensor, closeness: Tensor, temperature: float | Tensor
) -> Tensor:
    """Weights w that sum to one and minimise temperature |x - sum w c|^2 + RIDGE sum w^2 / closeness, token by token.

    What is a linear function of the tokens is brought back exactly by weights that rebuild the tokens themselves, where
    a mean by distance only takes over what is constant. Weights may be negative and above one.

    Args:
        tokens: (B, N, C), x.
        centers: (B, K, C).
        chosen: (B, N, k), which of the centers a token is rebuilt from, c.
        closeness: (B, N, k), their weights by distance alone, which sum to one.
        temperature: Positive, a number or (B, 1, 1).

    Returns:
        (B, N, k), in the dtype of the tokens.
    """
    batch, count, neighbors = chosen.shape
    offsets = torch.arange(batch, device=tokens.device)[:, None, None] * centers.shape[1]
    rows = centers.flatten(0, 1).index_select(0, (chosen + offsets).flatten())
    apart = rows.view(batch * count, neighbors, -1).sub_(tokens.flatten(0, 1).unsqueeze(1))
    products = (apart @ apart.transpose(1, 2)).view(batch, count, neighbors, neighbors)
    if isinstance(temperature, Tensor):
        temperature = temperature.unsqueeze(3)
    system = temperature * products + torch.diag_embed(RIDGE / closeness.clamp(min=LEAST))
    solution = _solved(system.movedim((2, 3), (0, 1))).movedim(0, 2)
    return solution / solution.sum(dim=2, keepdim=True)


def _solved(system: Tensor) -> Tensor:
    """The x of A x = 1 for positive definite A (k, k, ...): (k, ...).

    By elimination, as `torch.linalg` solves many tiny systems no faster on a CPU, and as not every exporter knows it.
    """
    count = len(system)
    system = torch.cat([system, torch.ones_like(system[:, :1])], dim=1)
    for row in range(count):
        # The first column of what is left is the unknown of this row.
        pivot = system[row, 1:] / system[row, 0]
        others = system[:, 1:] - system[:, :1] * pivot
        system = torch.cat([others[:row], pivot.unsqueeze(0), others[row + 1 :]])
    return system[:, 0]
