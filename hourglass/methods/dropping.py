"""Tokens that stay and tokens that are fused into one, and how all of them come back.

Liang et al., *EViT: Expediting Vision Transformers via Token Reorganizations*, ICLR 2022 (arXiv 2202.07800), section
3.2; coming back is the reconstruction of the hourglass, as its authors do it for dense prediction.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from hourglass.operators import reconstruct


@dataclass(frozen=True)
class Dropping:
    """What one dropping did to tokens (B, N, C).

    Attributes:
        kept: (B, K, C), by falling attention.
        dropped: (B, N - K, C), likewise.
        order: (B, N), where the kept and then the dropped ones stood.
    """

    kept: Tensor
    dropped: Tensor
    order: Tensor

    def reconstruct(self, few: Tensor, neighbors: int, temperature: float) -> Tensor:
        """What became of the K tokens and the fused one, (B, K + 1, D), to (B, N, D).

        A dropped token is reconstructed from the kept ones it was near to; the fused one is not used any more.

        Args:
            few: In the order that `drop` gave them.
            neighbors: As of `reconstruct`.
            temperature: Likewise.
        """
        few = few[:, :-1]
        back = reconstruct(few, self.dropped, self.kept, neighbors=neighbors, temperature=temperature)
        both = torch.cat([few, back], dim=1)
        return torch.empty_like(both).scatter(1, self.order[..., None].expand_as(both), both)


def drop(tokens: Tensor, attention: Tensor, kept: int) -> tuple[Tensor, Dropping]:
    """Keep the tokens that get most attention, and fuse the others into one.

    Args:
        tokens: (B, N, C).
        attention: (B, N), what the class token pays to each.
        kept: How many stay, K < N.

    Returns:
        (B, K + 1, C): those by falling attention, then the sum of the others weighted by the attention they get.
    """
    order = attention.argsort(dim=1, descending=True, stable=True)
    ranked, weights = tokens.take_along_dim(order[..., None], dim=1), attention.gather(1, order)[..., None]
    stay, go = ranked.split([kept, tokens.shape[1] - kept], dim=1)
    fused = (go * weights[:, kept:].to(go.dtype)).sum(dim=1, keepdim=True)
    return torch.cat([stay, fused], dim=1), Dropping(stay, go, order)
