"""Pictures: what a model predicted, and which tokens its clusters joined.

Those who put stored pictures together import `layers` alone, which needs no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hourglass.bench.pictures.clusters import borders, outline
    from hourglass.bench.pictures.predictions import draw, is_drawn, layer

__all__ = ["borders", "draw", "is_drawn", "layer", "outline"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from hourglass.bench.pictures import clusters, predictions

    return getattr(clusters if hasattr(clusters, name) else predictions, name)
