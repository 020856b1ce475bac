"""Random weights under which every token, block and map looks different."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def randomized(model: nn.Module) -> nn.Module:
    """The model in evaluation mode with weights that keep the scale of what goes through them."""
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        inputs = parameter[0].numel()
        parameter.data = noise * inputs**-0.5 if parameter.dim() > 1 else parameter.data + 0.2 * noise
    model.eval()  # of which some modules return None
    return model


def photographs(batch: int, height: int, width: int) -> Tensor:
    """Images (B, 3, H, W) in [0, 1]."""
    return torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(1))


def deviation(ours: Tensor, reference: Tensor) -> float:
    """Largest difference, relative to the largest value."""
    return ((ours - reference).abs().max() / reference.abs().max()).item()
