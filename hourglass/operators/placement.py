"""The layout of a tiling, from the addresses of its rows and columns."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from hourglass.operators.addresses import AxisAddresses
from hourglass.operators.layouts import ManyTiles, OneTile, Pairs
from hourglass.operators.quarters import Quarters
from hourglass.operators.tiling import Tiling
from hourglass.operators.tracing import is_compiling

Layout = OneTile | ManyTiles | Quarters


def layout(tiling: Tiling, like: Tensor) -> Layout:
    """The layout of a tiling, on the device and with the precision of `like`.

    It is remembered in ordinary eager execution. A trace (compilation, export, fake tensors) gets its own, as part of
    its graph.
    """
    if is_eager(like):
        with torch.inference_mode(False):
            return _remembered(tiling, like.dtype, like.device)
    return find_layout(tiling, like.dtype, like.device)


def is_eager(tensor: Tensor) -> bool:
    """Whether operations on a tensor are carried out, and not traced."""
    return not is_compiling() and type(tensor) is Tensor


def find_layout(tiling: Tiling, dtype: torch.dtype, device: torch.device) -> Layout:
    """Computes the layout of a tiling."""
    y, x, quartered = tiling
    rows, columns = AxisAddresses(y, device), AxisAddresses(x, device)
    count, window = y.tokens * x.tokens, y.window * x.window
    slots, places = y.side * x.side, y.length * x.length + 1
    size = y.tiles * x.tiles * slots * places

    pooling = by_tile(torch.mul, rows.pooling(dtype), columns.pooling(dtype))
    inbound = by_tile(
        torch.add,
        rows.inbound((x.tokens * window, x.window), missing=count * window),
        columns.inbound((window, 1), missing=count * window),
    )
    if len(pooling) == 1:
        apart = torch.where(inbound[0] >= count * window, -torch.inf, 0.0).to(dtype)
        return OneTile(F.pad(pooling, (0, 1)), apart)

    outbound = (
        rows.outbound((x.tiles * slots * places, x.side * places, x.length), missing=size)[:, None, :, None]
        + columns.outbound((slots * places, places, 1), missing=size)[:, None, :]
    ).view(count, window)
    owned = (rows.owned((x.tiles * slots, x.side))[:, None] + columns.owned((slots, 1))).flatten().int()
    if quartered:
        by_row = torch.arange(places - 1, device=device).view(2, y.length // 2, 2, x.length // 2)
        order = by_row.transpose(1, 2).flatten()
        pooling, inbound = pooling[:, :, order], inbound[:, :, order]
        new_place = F.pad(order.argsort(), (0, 1), value=places - 1)
        inside = outbound.clamp(max=size - 1)
        outbound = torch.where(outbound < size, inside - inside % places + new_place[inside % places], outbound)
    pairs = Pairs(
        outbound.clamp(max=size - 1).flatten().int(),
        torch.where(outbound < size, 0.0, -torch.inf).to(dtype),
        F.pad(inbound.where(inbound < count * window, inbound.new_zeros(())), (0, 1)).flatten().int(),
    )
    pooling = F.pad(pooling, (0, 1))
    if quartered:
        tokens = rows.halves[:, None, :, None] * x.tokens + columns.halves[:, None, :]
        tokens = F.pad(tokens.flatten(), (0, (places - 1) // 4)).int()
        return Quarters(pooling, (y.tiles + 1, x.tiles + 1), tokens, pairs, owned)
    region = rows.region[:, None, :, None] * x.tokens + columns.region[:, None, :]
    return ManyTiles(
        pooling,
        F.pad(region.reshape(-1, places - 1), (0, 1)).flatten().int(),
        pairs,
        owned,
        halves=y.tiles if y.halves else 0,
    )


_remembered = lru_cache(maxsize=64)(find_layout)


def by_tile(combine: Callable[[Tensor, Tensor], Tensor], rows: Tensor, columns: Tensor) -> Tensor:
    """Combines the (tiles, side, length) tensors of the two axes to (tiles, slots, places)."""
    tiles, slots, places = (y * x for y, x in zip(rows.shape, columns.shape, strict=True))
    return combine(rows[:, None, :, None, :, None], columns[:, None, :, None, :]).reshape(tiles, slots, places)
