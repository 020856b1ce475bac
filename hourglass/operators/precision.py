"""Which autocast the operators switch off, as they choose their precision themselves."""

from __future__ import annotations

from torch import Tensor


def autocast_device(tensor: Tensor) -> str:
    """The type of device whose autocast governs a tensor; on the meta device, which has none, any will do."""
    return "cpu" if tensor.is_meta else tensor.device.type
