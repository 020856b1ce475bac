"""Bipartite soft matching: which tokens become one, and how each gets back what became of them.

Bolya et al., *Token Merging: Your ViT But Faster*, ICLR 2023 (arXiv 2210.09461), section 3: tokens are dealt to two
sets by turns, each of the first is paired with the most similar one of the second, and the most similar pairs merge.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from hourglass.operators.observe import OperatorCall, is_observed, observed


@dataclass(frozen=True)
class Matching:
    """Pairs of tokens at even places (E of them) with tokens at odd places (O of them).

    Attributes:
        kept: Even tokens that stay alone, (B, E - r), ascending.
        sources: Even tokens that are merged, (B, r), as their place among the even ones.
        targets: The odd token each of them is merged into, (B, r).
    """

    kept: Tensor
    sources: Tensor
    targets: Tensor

    def merge(self, tokens: Tensor) -> Tensor:
        """(B, N, C) to (B, N - r, C): tokens alone, and the mean of each odd token with all that are merged into it."""
        even, odd = tokens[:, ::2], tokens[:, 1::2]
        merged = even.take_along_dim(self.sources[..., None], dim=1)
        targets = self.targets[..., None]
        sums = odd.scatter_add(1, targets.expand_as(merged), merged)
        sizes = torch.ones_like(odd[..., :1]).scatter_add(1, targets, torch.ones_like(merged[..., :1]))
        return torch.cat([even.take_along_dim(self.kept[..., None], dim=1), sums / sizes], dim=1)

    def unmerge(self, merged: Tensor) -> Tensor:
        """(B, N - r, D) back to (B, N, D): merged tokens all get what became of their mean."""
        kept, odd = merged.split([self.kept.shape[1], merged.shape[1] - self.kept.shape[1]], dim=1)
        even = torch.cat([kept, odd.take_along_dim(self.targets[..., None], dim=1)], dim=1)
        places = torch.cat([self.kept, self.sources], dim=1)[..., None].expand_as(even)
        tokens = merged.new_empty(len(merged), even.shape[1] + odd.shape[1], merged.shape[2])
        tokens[:, ::2] = torch.empty_like(even).scatter(1, places, even)
        tokens[:, 1::2] = odd
        return tokens


def match(tokens: Tensor, merged: int, prefix: int = 0) -> Matching:
    """Pair tokens by the cosine of the angle between them.

    Args:
        tokens: (B, N, C).
        merged: Tokens r to be merged away; at most half of those behind the prefix are.
        prefix: Class and other tokens in front, which stay alone.

    Returns:
        Which tokens are merged, the same number in every batch entry.
    """
    merged = min(merged, (tokens.shape[1] - prefix) // 2)
    if is_observed():
        batch, count, channels = tokens.shape
        call = OperatorCall("matching", batch, count - count // 2, count // 2, channels)
        return observed(call, _match, tokens, merged, prefix)
    return _match(tokens, merged, prefix)


def _match(tokens: Tensor, merged: int, prefix: int) -> Matching:
    directions = F.normalize(tokens.detach(), dim=-1, eps=1e-8)
    scores = directions[:, ::2] @ directions[:, 1::2].transpose(1, 2)
    scores[:, : (prefix + 1) // 2] = -torch.inf
    scores[:, :, : prefix // 2] = -torch.inf
    best, partners = scores.max(dim=2)
    ranked = best.argsort(dim=1, descending=True, stable=True)
    sources = ranked[:, :merged]
    return Matching(ranked[:, merged:].sort(dim=1).values, sources, partners.gather(1, sources))
