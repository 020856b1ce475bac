"""The two operators of the hourglass: cluster neighbouring tokens, later reconstruct all of them.

Pure functions of tensors, without parameters: they never look at another element of the batch, keep the
shapes static, and run the same code on every device.
"""

from __future__ import annotations

from hourglass.operators.clustering import Cluster, cluster
from hourglass.operators.reconstruction import (
    Reconstruct,
    ReconstructionWeights,
    reconstruct,
    reconstruction_weights,
)
from hourglass.operators.temperature import relative_temperature

__all__ = [
    "Cluster",
    "Reconstruct",
    "ReconstructionWeights",
    "cluster",
    "reconstruct",
    "reconstruction_weights",
    "relative_temperature",
]
