"""What the operators accept. Checked once, at the public edge; every message names the argument and the remedy."""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
from torch import SymInt, Tensor

Semantics = Literal["official", "paper"]
Interpolation = Literal["kernel", "linear"]
_SEMANTICS = get_args(Semantics)


def check_clustering(
    tokens: Tensor,
    grid: tuple[int, int],
    clusters: tuple[int, int],
    iterations: int,
    window: int,
    temperature: float | Tensor,
    semantics: str,
) -> None:
    """Raises ValueError, naming the argument, unless `cluster` can run."""
    check_grids(tokens, grid, clusters)
    check_integer("iterations", iterations, least=0)
    check_integer("window", window, least=1)
    check_temperature(temperature, tokens)
    check_semantics(semantics)
    if window % 2 == 0:
        raise ValueError(f"window: must be odd, so that it has a middle cell, got {window}; try {window + 1}")


def check_relative_temperature(
    tokens: Tensor, grid: tuple[int, int], clusters: tuple[int, int], sharpness: float, windows: int
) -> None:
    """Raises ValueError, naming the argument, unless `relative_temperature` can run."""
    check_grids(tokens, grid, clusters)
    if not is_positive(sharpness):
        raise ValueError(f"sharpness: must be a positive number, got {sharpness!r}")
    check_integer("windows", windows, least=1)
    if windows > 1 and tokens.shape[0] % windows != 0:
        raise ValueError(
            f"windows: a batch of {tokens.shape[0]} is no whole number of images of {windows} windows; "
            "pass how many windows an image has"
        )


def check_grids(tokens: Tensor, grid: tuple[int, int], clusters: tuple[int, int]) -> None:
    """Raises ValueError, naming the argument, unless the tokens fill the grid, which has room for the clusters."""
    check_tensor("tokens", tokens, "(batch, height * width, channels)")
    check_pair("grid", grid)
    check_pair("clusters", clusters)
    count = tokens.shape[1]
    if grid[0] * grid[1] != count:
        raise ValueError(
            f"grid: {grid[0]} x {grid[1]} is {grid[0] * grid[1]} tokens, but `tokens` has {count}; "
            "pass the (height, width) of the token grid, without class or register tokens"
        )
    if clusters[0] * clusters[1] > count:
        raise ValueError(
            f"clusters: {clusters[0]} x {clusters[1]} is {clusters[0] * clusters[1]} centers, more than the "
            f"{count} tokens; ask for at most as many"
        )


def check_neighbourhoods(
    tokens: Tensor, centers: Tensor, neighbors: int, temperature: float | Tensor, semantics: str
) -> None:
    """Raises ValueError, naming the argument, unless `reconstruction_weights` can run."""
    check_tensor("tokens", tokens, "(batch, height * width, channels)")
    check_tensor("centers", centers, "(batch, h * w, channels)")
    check_integer("neighbors", neighbors, least=1)
    check_temperature(temperature, tokens)
    check_semantics(semantics)
    if centers.shape[0] != tokens.shape[0] or centers.shape[2] != tokens.shape[2]:
        raise ValueError(
            f"centers: shape {tuple(centers.shape)} does not go with tokens of shape {tuple(tokens.shape)}; "
            "batch and channels must be equal: pass what `cluster` returned for these tokens"
        )


def check_refined(refined: Tensor, batch: int, centers: int) -> None:
    """Raises ValueError unless `refined` has one row for each of the centers."""
    check_tensor("refined", refined, "(batch, h * w, channels)")
    if refined.shape[0] != batch or refined.shape[1] != centers:
        raise ValueError(
            f"refined: shape {tuple(refined.shape)} does not go with {centers} centers in a batch of {batch}; "
            "pass one row per center, in the order of the centers"
        )


def check_residual(refined: Tensor, tokens: Tensor, centers: Tensor, weights: Tensor, count: int) -> None:
    """Raises ValueError unless the three tensors go with the weights, (batch, tokens, ...), of so many centers."""
    check_refined(refined, weights.shape[0], count)
    check_tensor("tokens", tokens, "(batch, height * width, channels)")
    if tokens.shape[:2] != weights.shape[:2]:
        raise ValueError(
            f"tokens: shape {tuple(tokens.shape)} does not go with weights for {weights.shape[1]} tokens in a batch of "
            f"{weights.shape[0]}; pass the tokens that were clustered"
        )
    if centers.shape != refined.shape:
        raise ValueError(
            f"centers: shape {tuple(centers.shape)} does not go with refined of shape {tuple(refined.shape)}; "
            "pass what the deep layers were given"
        )
    if refined.shape[2] != tokens.shape[2]:
        raise ValueError(
            f"refined: has {refined.shape[2]} channels, but `tokens` has {tokens.shape[2]}; a change can only be added "
            "to tokens of the same width, so rebuild other maps without the residual"
        )


def check_tensor(name: str, value: Tensor, layout: str) -> None:
    """Raises ValueError unless `value` is a three-dimensional, non-empty tensor of floating point numbers."""
    if not isinstance(value, Tensor) or value.dim() != 3 or not value.is_floating_point():
        got = f"{value.dtype} {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
        raise ValueError(f"{name}: must be a floating point tensor {layout}, got {got}")
    if value.shape[1] == 0 or value.shape[2] == 0:
        raise ValueError(f"{name}: must not be empty, got shape {tuple(value.shape)} for {layout}")


def check_pair(name: str, value: tuple[int, int]) -> None:
    """Raises ValueError unless `value` is two positive integers."""
    if not isinstance(value, tuple | list) or len(value) != 2 or not all(is_integer(n) and n >= 1 for n in value):
        raise ValueError(f"{name}: must be two positive integers (height, width), got {value!r}")


def check_integer(name: str, value: int, least: int) -> None:
    """Raises ValueError unless `value` is an integer not below `least`."""
    if not is_integer(value) or value < least:
        raise ValueError(f"{name}: must be an integer of at least {least}, got {value!r}")


def check_temperature(value: float | Tensor, tokens: Tensor) -> None:
    """Raises ValueError unless `value` is positive and finite, or a tensor of a number for each batch element.

    The numbers in a tensor are not looked at, which would make a GPU wait.
    """
    if isinstance(value, Tensor):
        if value.dim() != 1 or value.shape[0] != tokens.shape[0] or not value.is_floating_point():
            raise ValueError(
                f"temperature: a tensor must hold a floating point number for each of the {tokens.shape[0]} batch "
                f"elements, got {value.dtype} {tuple(value.shape)}"
            )
        if value.device != tokens.device:
            raise ValueError(f"temperature: is on {value.device}, but `tokens` is on {tokens.device}; move one of them")
    elif not is_positive(value):
        raise ValueError(f"temperature: must be a positive number (it multiplies the squared distance), got {value!r}")


def check_semantics(value: str) -> None:
    """Raises ValueError unless `value` is one of the known semantics."""
    if value not in _SEMANTICS:
        raise ValueError(f"semantics: must be one of {', '.join(_SEMANTICS)}, got {value!r}")


def check_interpolation(value: str, semantics: str) -> None:
    """Raises ValueError unless `value` is one of the known interpolations and goes with the semantics."""
    if value not in get_args(Interpolation):
        raise ValueError(f"interpolation: must be one of {', '.join(get_args(Interpolation))}, got {value!r}")
    if value == "linear" and semantics != "paper":
        raise ValueError("interpolation: linear weights sum to one; compute them with semantics='paper'")


def is_integer(value: object) -> bool:
    """Whether `value` is an integer and not a truth value; `torch.jit.trace` hands out sizes as tensors."""
    if isinstance(value, Tensor):
        tracing: bool = torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
        return tracing and value.dim() == 0 and value.dtype == torch.int64
    return isinstance(value, int | SymInt) and not isinstance(value, bool)


def is_positive(value: object) -> bool:
    """Whether `value` is a positive, finite number and not a truth value."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf
