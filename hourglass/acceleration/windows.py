"""The attention windows of a token grid: cut them out, put them back, and mask the shifted ones."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

Grid = tuple[int, int]


class Span(NamedTuple):
    """Windows of one length along one side of a grid.

    Attributes:
        tokens: Where they lie.
        clusters: Where their clusters lie along the side of the small grid.
        window: Tokens along a window.
        few: Clusters along a window.
        windows: How many there are.
    """

    tokens: slice
    clusters: slice
    window: int
    few: int
    windows: int


def spans(side: int, window: int, few: int) -> tuple[Span, ...]:
    """The whole windows along a side, then the last one if the side cuts it off, with clusters in proportion.

    Args:
        side: Tokens along the side.
        window: Tokens along a whole window.
        few: Clusters along a whole window.
    """
    whole, rest = divmod(side, window)
    found = []
    if whole:
        found.append(Span(slice(0, whole * window), slice(0, whole * few), window, few, whole))
    if rest:
        kept = count(rest * few, window)
        found.append(Span(slice(whole * window, side), slice(whole * few, whole * few + kept), rest, kept, 1))
    return tuple(found)


def middles(side: Sequence[Span]) -> tuple[float, ...]:
    """Where the clusters along a side lie, counted in tokens: the mean of the tokens of each one's pooling cell."""
    found = []
    for span in side:
        for window in range(span.windows):
            first = span.tokens.start + window * span.window
            for cell in range(span.few):
                start, stop = cell * span.window // span.few, count((cell + 1) * span.window, span.few)
                found.append(first + (start + stop - 1) / 2)
    return tuple(found)


def split(tokens: Tensor, window: Grid) -> Tensor:
    """Cuts a grid of whole windows into them.

    Args:
        tokens: (B, rows * h, columns * w, C).
        window: (h, w).

    Returns:
        (B * rows * columns, h * w, C), windows and tokens row by row.
    """
    batch, height, width, channels = tokens.shape
    rows, columns = height // window[0], width // window[1]
    cut = tokens.reshape(batch, rows, window[0], columns, window[1], channels)
    return cut.transpose(2, 3).reshape(-1, window[0] * window[1], channels)


def join(windows: Tensor, window: Grid, counts: Grid) -> Tensor:
    """Puts windows back into a grid; undoes `split`.

    Args:
        windows: (B * rows * columns, h * w, C).
        window: (h, w).
        counts: (rows, columns).

    Returns:
        (B, rows * h, columns * w, C).
    """
    channels = windows.shape[2]
    grid = windows.reshape(-1, *counts, *window, channels)
    return grid.transpose(2, 3).reshape(-1, counts[0] * window[0], counts[1] * window[1], channels)


def count(side: int, window: int) -> int:
    """Windows along a side of a grid, the last one perhaps only begun."""
    return -(-side // window)


def shift_mask(grid: Grid, window: Grid, shift: Grid, dtype: torch.dtype, device: torch.device) -> Tensor:
    """What keeps tokens apart that only the cyclic shift brought into one window (Swin Transformer, section 3.2).

    Depends on sizes alone, so it is made once and kept, unless a compiler or a tracer is watching.

    Args:
        grid: Rows and columns of the shifted grid; padded to whole windows.
        window: Rows and columns (h, w) of a window.
        shift: Rows and columns of the grid that the shift moved to its end.
        dtype: Of the mask.
        device: Likewise.

    Returns:
        (windows, h * w, h * w), 0 within a region and -100 between two.
    """
    padded = count(grid[0], window[0]) * window[0], count(grid[1], window[1]) * window[1]
    return made_once(_shift_mask, padded, window, shift, dtype, device)


def _shift_mask(grid: Grid, window: Grid, shift: Grid, dtype: torch.dtype, device: torch.device) -> Tensor:
    sides = []
    for side, step, moved in zip(grid, window, shift, strict=True):
        place = torch.arange(side, device=device)
        sides.append(torch.where(place >= side - moved, 2, (place >= side - step).long()))
    labels = split((3 * sides[0][:, None] + sides[1])[None, :, :, None], window)
    return torch.where(labels == labels.transpose(1, 2), 0.0, -100.0).to(dtype)


def is_traced() -> bool:
    """Whether someone watches every operation: a compiler, an exporter, a tracer, a counter or a pretender."""
    if torch.compiler.is_compiling() or torch.jit.is_tracing():  # type: ignore[attr-defined,no-untyped-call]
        return True
    return bool(torch._C._len_torch_dispatch_stack())


def made_once(make: Callable[..., Tensor], *sizes: Hashable) -> Tensor:
    """``make(*sizes)``, from memory where plain execution made it before: a tracer's tensors must not outlive it."""
    if is_traced():
        return make(*sizes)
    if (known := _MADE.get((make, sizes))) is not None:
        return known
    with torch.inference_mode(False):  # else gradients could not flow past it later
        made = make(*sizes)
    if type(made) is Tensor:
        if len(_MADE) >= _MOST:
            _MADE.clear()
        _MADE[make, sizes] = made
    return made


_MADE: dict[tuple[Callable[..., Tensor], tuple[Hashable, ...]], Tensor] = {}
_MOST = 256
