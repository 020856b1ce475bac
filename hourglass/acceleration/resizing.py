"""A block, and the module that holds its position bias, run with attention windows of another size.

They run as a twin: another object of the same class with the same parameters and children, but other sizes. The twin
lives for one call, so nothing that replicas or threads share ever changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from torch import Tensor, nn

from hourglass.acceleration.bias import log_offsets, position_index, resized_table
from hourglass.acceleration.clustering import FewerTokens
from hourglass.acceleration.patch import patch_of
from hourglass.acceleration.plan import Plan
from hourglass.acceleration.windows import Grid, Span, shift_mask

Kind = TypeVar("Kind")

GEOMETRY = "hourglass_geometry"
"""Keyword with which a resized block is told its geometry."""
_MASK = "_hourglass_mask"


class Geometry(NamedTuple):
    """How a block attends to clusters.

    Attributes:
        grid: Rows and columns of all clusters.
        window: Of a window of clusters.
        shift: That the grid is rolled by.
        mask: (windows, h * w, h * w) for a shifted grid, else None.
        spans: Of the windows, along rows and columns of the grid of tokens.
    """

    grid: Grid
    window: Grid
    shift: Grid
    mask: Tensor | None
    spans: tuple[Sequence[Span], Sequence[Span]]


def geometry(shift: Grid, clusters: FewerTokens, plan: Plan, like: Tensor) -> Geometry:
    """How a block attends to clusters whose model rolls it by `shift`.

    Args:
        shift: Rows and columns that the block rolls its own grid by.
        clusters: Of this pass.
        plan: The operating point.
        like: A tensor whose dtype and device the mask takes.
    """
    rows, columns = (side // 2 if moved else 0 for side, moved in zip(plan.clusters, shift, strict=True))
    mask = None
    if rows or columns:
        # The authors' stage masks by the shift it was made with, while its blocks roll by that of the clusters.
        moved = shift if (plan.form, plan.semantics) == ("published", "official") else (rows, columns)
        mask = shift_mask(clusters.small_grid, plan.clusters, moved, like.dtype, like.device)
    return Geometry(clusters.small_grid, plan.clusters, (rows, columns), mask, clusters.spans)


def twin(module: Kind, values: Mapping[str, Any]) -> Kind:
    """A module with the same parameters and children, and other values of some attributes."""
    other = object.__new__(type(module))
    other.__dict__.update(module.__dict__)
    # An entry here hides a parameter or buffer of the same name, without replacing it.
    other.__dict__.update(values)
    return other


class ResizedBlock:
    """The forward of a block with attention windows."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The block's own; with a geometry among the keywords, that of a twin with such windows."""
        geometry: Geometry | None = kwargs.pop(GEOMETRY, None)
        if geometry is None:
            return super().forward(*args, **kwargs)  # type: ignore[misc]
        patch = patch_of(self)  # type: ignore[arg-type]
        slot = patch.slot
        attributes = patch.spec.windows.attributes(self, geometry)
        slot.geometry = geometry
        try:
            resized = twin(self, {**attributes, _MASK: geometry.mask})
            return super(ResizedBlock, resized).forward(*args, **kwargs)  # type: ignore[misc]
        finally:
            slot.geometry = None

    def get_attn_mask(self, *args: Any, **kwargs: Any) -> Any:
        """Where a block makes its own mask: the block's own, or that of the twin unless it dropped its shift."""
        if _MASK not in self.__dict__:
            return super().get_attn_mask(*args, **kwargs)  # type: ignore[misc]
        shift = self.shift_size  # type: ignore[attr-defined]
        shifted = any(shift) if isinstance(shift, tuple) else shift > 0
        return self.__dict__[_MASK] if shifted else None


class ResizedBias:
    """The forward of the module that holds a relative position bias."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The module's own; inside a block with another geometry, that of a twin for such windows."""
        geometry: Geometry | None = patch_of(self).slot.geometry  # type: ignore[arg-type]
        if geometry is None:
            return super().forward(*args, **kwargs)  # type: ignore[misc]
        resized = twin(self, _bias(self, geometry))
        return super(ResizedBias, resized).forward(*args, **kwargs)  # type: ignore[misc]


def bias_of(block: nn.Module) -> Any:
    """The module within a block that holds its relative position bias, or None."""
    return next((module for module in block.modules() if hasattr(module, "relative_position_index")), None)


def _bias(module: Any, geometry: Geometry) -> Mapping[str, Any]:
    window = geometry.window
    values: dict[str, Any] = {
        "window_size": window,
        "window_area": window[0] * window[1],
        "relative_position_index": position_index(window, module.relative_position_index.device),
    }
    if hasattr(module, "shift_size"):
        values["shift_size"] = list(geometry.shift)
    if hasattr(module, "relative_position_bias_table"):
        table = module.relative_position_bias_table
        return values | {"relative_position_bias_table": resized_table(table, module.window_size, window)}
    like = module.relative_coords_table
    pretrained = getattr(module, "pretrained_window_size", (0, 0))
    offsets = log_offsets(module.window_size, pretrained, window, like.dtype, like.device)
    return values | {"relative_coords_table": offsets}
