"""In which precision the operators compute, whatever their inputs and surroundings have."""

from __future__ import annotations

import torch
from torch import Tensor


def working_dtype(*tensors: Tensor) -> torch.dtype:
    """At least float32: squared distances and their exponentials do not survive in half precision."""
    return torch.float64 if any(tensor.dtype == torch.float64 for tensor in tensors) else torch.float32


def full_precision(device: torch.device) -> torch.autocast:
    """Within it, automatic mixed precision leaves the operators alone."""
    return torch.autocast("cpu" if device.type == "meta" else device.type, enabled=False)
