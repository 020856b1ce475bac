"""The smallest of many numbers, without sorting more than a few."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

GROUP = 8
# On a CPU `topk` partitions a row of less than 64 numbers for each that it takes, which is slow: groups are faster, but
# for the shortest rows. They are for long rows, too (measured).
PARTITIONED = 64
SHORTEST = 16
LONG = 768


def smallest(values: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The `count` smallest of each row and where they are, unordered: (B, N, K) -> twice (B, N, count)."""
    length = values.shape[2]
    grouped = length >= SHORTEST * count and (length < PARTITIONED * count or length >= LONG)
    if values.device.type == "cpu" and grouped:
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
    found, where = smallest(values, count)
    last = found.amax(dim=2, keepdim=True)
    # By place as well as by value: a compiler may compute the values a second time for the comparison and round them
    # differently, which must not drop what was found.
    return (values <= last).scatter(2, where, 1)
