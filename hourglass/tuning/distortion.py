"""What a plan does to the outputs of a model, where there are no labels to ask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor


def tensors(output: Any) -> Iterator[Tensor]:
    """All floating point tensors in a model's output, in order."""
    if isinstance(output, Tensor):
        if output.is_floating_point():
            yield output
    elif isinstance(output, Mapping):
        for value in output.values():
            yield from tensors(value)
    elif isinstance(output, (tuple, list)):
        for value in output:
            yield from tensors(value)


def distortion(outputs: Any, reference: Any) -> float:
    """Share of the variance of a model's outputs that is lost: 0 for equal ones, about 1 for unrelated ones.

    Sum of squared differences over sum of squared deviations from the mean, in the mean over the tensors.

    Args:
        outputs: Of the accelerated model.
        reference: Of the untouched model for the same images.

    Raises:
        ValueError: There are no tensors to compare, or their shapes differ, as those of detections do.
    """
    pairs = list(zip(tensors(outputs), tensors(reference), strict=False))
    if not pairs or any(one.shape != other.shape for one, other in pairs):
        raise ValueError(
            "images: the model's outputs cannot be compared tensor by tensor; give `score`, a function from the model "
            "to a number of which more is better"
        )
    lost = []
    for one, other in pairs:
        one, other = one.detach().double(), other.detach().double()
        finite = torch.isfinite(one) & torch.isfinite(other)
        one, other = one[finite], other[finite]
        spread = (other - other.mean()).square().sum() if other.numel() else torch.zeros(())
        if spread > 0:
            lost.append(float((one - other).square().sum() / spread))
    return sum(lost) / len(lost) if lost else 0.0
