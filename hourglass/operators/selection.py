"""The smallest of many numbers, without sorting more than a few."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

# On a CPU `topk` is slow where it takes many numbers out of long rows; from these on, groups are faster (measured).
MANY = 8
LONG = 512
GROUP = 8


def smallest(values: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The `count` smallest of each row and where they are, unordered: (B, N, K) -> twice (B, N, count)."""
    if values.device.type == "cpu" and count >= MANY and values.shape[2] >= max(LONG, GROUP * count):
        return smallest_by_groups(values, count)
    found, where = values.topk(count, dim=2, largest=False, sorted=False)
    return found, where


def smallest_by_groups(values: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """`smallest` in two steps: the smallest numbers are in the groups with the smallest minima.

    There must be at least `count` groups.
    """
    missing = -values.shape[2] % GROUP
    padded = F.pad(values, (0, missing), value=torch.inf) if missing else values
    grouped = padded.unflatten(2, (GROUP, -1))
    groups = grouped.amin(dim=2).topk(count, dim=2, largest=False, sorted=False).indices
    candidates = grouped.gather(3, groups[:, :, None, :].expand(-1, -1, GROUP, -1)).flatten(2)
    found, where = candidates.topk(count, dim=2, largest=False, sorted=False)
    member, group = where // count, where % count
    # Padding can only be found among numbers that are not finite; even then an index must be one.
    return found, (groups.gather(2, group) + member * grouped.shape[3]).clamp(max=values.shape[2] - 1)


def among_smallest(values: Tensor, count: int) -> Tensor:
    """Whether a number is one of the `count` smallest of its row, or equal to the last of them: boolean (B, N, K)."""
    smallest = values.topk(count, dim=2, largest=False, sorted=False)
    last = smallest.values.amax(dim=2, keepdim=True)
    # By place as well as by value: a compiler may compute the values a second time for the comparison and round them
    # differently, which must not drop what `topk` has found.
    return (values <= last).scatter(2, smallest.indices, 1)
