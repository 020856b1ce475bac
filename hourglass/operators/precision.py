"""In which precision the operators compute, whatever their inputs and surroundings have."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

VANISHING = 1e-30
"""A weight so small counts as zero: far below what single precision can add to anything, above its denormal numbers."""


def working_dtype(*tensors: Tensor) -> torch.dtype:
    """At least float32: squared distances and their exponentials do not survive in half precision."""
    return torch.float64 if any(tensor.dtype == torch.float64 for tensor in tensors) else torch.float32


def full_precision(device: torch.device) -> torch.autocast:
    """Within it, automatic mixed precision leaves the operators alone."""
    return torch.autocast("cpu" if device.type == "meta" else device.type, enabled=False)


def without_vanishing(weights: Tensor) -> Tensor:
    """Nonnegative weights, on a CPU those that vanish set to zero.

    Far tokens have denormal weights, whose products an Intel CPU takes in microcode: a few make a matrix product
    several times slower. On a GPU they cost nothing, but a kernel more would. NaN stays.
    """
    return F.threshold(weights, VANISHING, 0.0) if weights.device.type == "cpu" else weights
