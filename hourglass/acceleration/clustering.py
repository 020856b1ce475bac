"""The clusters of one forward pass: from the tokens of a grid to fewer, and the way back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from hourglass.acceleration.plan import Plan
from hourglass.acceleration.windows import Grid, Span, count, join, spans, split
from hourglass.operators import ReconstructionWeights, cluster, reconstruction_weights, relative_temperature
from hourglass.operators.observe import Moment, OperatorCall, annotate, is_observed, observing


class FewerTokens(Protocol):
    """What takes the place of the tokens of a grid, and the way back.

    Attributes:
        grid: (H, W) of the tokens.
        small_grid: (h', w') of what takes their place.
        small: (B, h', w', C), that.
        spans: Of the windows, along rows and columns.
    """

    grid: Grid
    small_grid: Grid
    small: Tensor
    spans: tuple[Sequence[Span], Sequence[Span]]

    def rebuild(self, refined: Tensor) -> Tensor:
        """What the blocks made of the few tokens, (B, h', w', D), to (B, H, W, D)."""
        ...


class _Part(NamedTuple):
    """Windows of one size: where they lie, their tokens and centers, and the weights of the way back."""

    rows: Span
    columns: Span
    tokens: Tensor
    centers: Tensor
    weights: ReconstructionWeights


class Clusters:
    """Tokens of a grid as clusters, window by window; the whole grid of a plain encoder is one window.

    In the residual form only real tokens are clustered: a last window that the grid cuts off gets clusters in
    proportion. So the small grid is cut off as well, and the blocks pad it as they always pad theirs. The published
    form pads to whole windows and clusters the padding too, as the authors do.

    Attributes:
        grid: (H, W) of the tokens.
        small_grid: (h', w') of the clusters.
        small: (B, h', w', C), the centers.
        spans: Of the windows, along rows and columns.
    """

    def __init__(self, tokens: Tensor, window: Grid | None, plan: Plan) -> None:
        """Clusters the tokens.

        Args:
            tokens: (B, H, W, C).
            window: Rows and columns of a window; None for the whole grid.
            plan: The operating point; its clusters fit into the window.
        """
        self.grid: Grid = (int(tokens.shape[1]), int(tokens.shape[2]))  # numbers, also while torch.jit traces
        self._residual = plan.form == "residual"
        window = window or self.grid
        height, width = self.grid
        if not self._residual:
            height, width = count(height, window[0]) * window[0], count(width, window[1]) * window[1]
            tokens = _padded(tokens, height - self.grid[0], width - self.grid[1])
        rows = spans(height, window[0], plan.clusters[0])
        columns = spans(width, window[1], plan.clusters[1])
        self.spans: tuple[Sequence[Span], Sequence[Span]] = (rows, columns)
        self.small_grid: Grid = (rows[-1].clusters.stop, columns[-1].clusters.stop)
        cut = [(down, across, _cut(tokens, down, across)) for down in rows for across in columns]
        self._across = len(columns)
        if is_observed():
            with annotate(clusters=self):
                self._parts = _parts(cut, plan, len(tokens))
        else:
            self._parts = _parts(cut, plan, len(tokens))
        self.small = self._of_clusters([part.centers for part in self._parts])

    def rebuild(self, refined: Tensor) -> Tensor:
        """What the blocks made of the clusters, (B, h', w', D), to (B, H, W, D)."""
        whole = []
        for part in self._parts:
            here = refined[:, part.rows.clusters, part.columns.clusters]
            windows = split(here, (part.rows.few, part.columns.few))
            if self._residual:
                windows = part.weights.residual(windows, part.tokens, part.centers)
            else:
                windows = part.weights(windows)
            whole.append(
                join(windows, (part.rows.window, part.columns.window), (part.rows.windows, part.columns.windows))
            )
        tokens, (height, width) = self._assembled(whole), self.grid
        padded = self._parts[-1].rows.tokens.stop > height or self._parts[-1].columns.tokens.stop > width
        return tokens[:, :height, :width].contiguous() if padded else tokens

    def sizes(self) -> Tensor:
        """(B, h', w', 1): how many tokens each cluster stands for, at least 1."""
        return self._of_clusters([part.weights.sizes().unsqueeze(2) for part in self._parts])

    def weight_sums(self) -> Tensor:
        """The sums of the weights that tokens are reconstructed with, all in a row."""
        return torch.cat([part.weights.values.sum(dim=2).flatten() for part in self._parts])

    def relative_sharpness(self, temperature: float) -> Tensor:
        """What `Plan.sharpness` a temperature amounts to for these tokens, on average."""
        sharp = [temperature / relative_temperature(part.tokens, *_grids(part), sharpness=1.0) for part in self._parts]
        return torch.cat(sharp).mean()

    def labels(self, image: int = 0) -> Tensor:
        """(H, W) int64 of an image of the batch: a number for the center nearest to each token."""
        found, numbered = [], 0
        for part in self._parts:
            counts = (part.rows.windows, part.columns.windows)
            windows, few = counts[0] * counts[1], part.centers.shape[1]
            of_image = slice(image * windows, (image + 1) * windows)
            nearest = torch.cdist(part.tokens[of_image].float(), part.centers[of_image].float()).argmin(2)
            nearest = nearest + numbered + torch.arange(windows, device=nearest.device)[:, None] * few
            numbered += windows * few
            found.append(join(nearest[..., None], (part.rows.window, part.columns.window), counts))
        return self._assembled(found)[0, : self.grid[0], : self.grid[1], 0]

    def _of_clusters(self, parts: list[Tensor]) -> Tensor:
        """What windows have for each cluster, (B * windows, h * w, C) a part, on the small grid: (B, h', w', C)."""
        few = [
            join(values, (part.rows.few, part.columns.few), (part.rows.windows, part.columns.windows))
            for values, part in zip(parts, self._parts, strict=True)
        ]
        return self._assembled(few)

    def _assembled(self, parts: list[Tensor]) -> Tensor:
        """Parts of a grid, (B, rows, columns, C) each, side by side."""
        if len(parts) == 1:
            return parts[0]
        rows = [torch.cat(parts[at : at + self._across], dim=2) for at in range(0, len(parts), self._across)]
        return torch.cat(rows, dim=1)


def _padded(tokens: Tensor, below: int, right: int) -> Tensor:
    """(B, H, W, C) with rows of zeros below and columns of zeros on the right."""
    return F.pad(tokens, (0, 0, 0, right, 0, below)) if below or right else tokens


def _cut(tokens: Tensor, rows: Span, columns: Span) -> Tensor:
    return split(tokens[:, rows.tokens, columns.tokens], (rows.window, columns.window))


def _temperatures(cut: list[tuple[Span, Span, Tensor]], plan: Plan, batch: int) -> list[float] | list[Tensor]:
    """For each part; relative to how far the tokens of all windows of an image are from their cells' means."""
    if plan.temperature is not None:
        return [plan.temperature for _ in cut]
    if len(cut) == 1:
        return [_own_temperature(*cut[0], plan)]
    # Nothing here may come from the CPU: a copy would keep the pass out of a CUDA graph.
    spread, total = torch.zeros((), device=cut[0][2].device), 0
    for rows, columns, tokens in cut:
        windows = rows.windows * columns.windows
        own = _own_temperature(rows, columns, tokens, plan)
        share = windows * rows.window * columns.window
        spread, total = spread + share / own.view(batch, windows)[:, 0], total + share
    return [(total / spread).repeat_interleave(rows.windows * columns.windows) for rows, columns, _ in cut]


def _own_temperature(rows: Span, columns: Span, tokens: Tensor, plan: Plan) -> Tensor:
    """For each window of an image, relative to the windows of this size alone."""
    return relative_temperature(
        tokens,
        (rows.window, columns.window),
        (rows.few, columns.few),
        sharpness=plan.sharpness,
        windows=rows.windows * columns.windows,
    )


def _parts(cut: list[tuple[Span, Span, Tensor]], plan: Plan, batch: int) -> list[_Part]:
    temperatures: Sequence[float | Tensor] = _temperatures(cut, plan, batch)
    parts = []
    for index, (rows, columns, tokens) in enumerate(cut):
        parts.append(_part(rows, columns, tokens, temperatures[index], plan))
    return parts


def _part(rows: Span, columns: Span, tokens: Tensor, temperature: float | Tensor, plan: Plan) -> _Part:
    centers = cluster(
        tokens,
        (rows.window, columns.window),
        (rows.few, columns.few),
        iterations=plan.iterations,
        window=plan.window,
        temperature=temperature,
        semantics=plan.semantics,
    )
    weights = reconstruction_weights(
        tokens,
        centers,
        neighbors=plan.neighbors or 1,
        temperature=temperature,
        semantics="paper" if plan.form == "residual" else plan.semantics,
        interpolation=plan.interpolation,
    )
    return _Part(rows, columns, tokens, centers, weights)


def _grids(part: _Part) -> tuple[Grid, Grid]:
    return (part.rows.window, part.columns.window), (part.rows.few, part.columns.few)


@contextmanager
def watched() -> Iterator[list[Clusters]]:
    """Collects the clusters of the forward passes that this thread runs inside the ``with`` block."""
    seen: list[Clusters] = []

    def look(moment: Moment, call: OperatorCall) -> None:
        clusters = call.context.get("clusters")
        if clusters is not None and all(clusters is not other for other in seen):
            seen.append(clusters)

    with observing(look):
        yield seen
