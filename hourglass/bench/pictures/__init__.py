"""Pictures: what a model predicted, and which tokens its clusters joined."""

from __future__ import annotations

from hourglass.bench.pictures.clusters import outline
from hourglass.bench.pictures.predictions import draw

__all__ = ["draw", "outline"]
