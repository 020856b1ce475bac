"""In which precision the operators compute, whatever their inputs and surroundings have."""

from __future__ import annotations

import torch
from torch import Tensor


def working_dtype(*tensors: Tensor) -> torch.dtype:
    """At least float32: squared distances and their exponentials do not survive in half precision."""
    dtype = torch.float32
    for tensor in tensors:
        dtype = torch.promote_types(dtype, tensor.dtype)
    return dtype


def full_precision(device: torch.device) -> torch.autocast:
    """Within it, automatic mixed precision leaves the operators alone."""
    return torch.autocast("cpu" if device.type == "meta" else device.type, enabled=False)
