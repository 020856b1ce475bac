"""Attention masks, which cannot follow tokens into their clusters."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from hourglass.acceleration.spec import Arguments

MASKS = ("attention_mask", "attn_mask")


def given(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether the caller of an encoder may have given it a mask: by name, or behind the images."""
    return any(value is not None for value in args[1:]) or any(kwargs.get(name) is not None for name in MASKS)


def without_masks(arguments: Arguments, masked: bool | None) -> Arguments:
    """A block's arguments, tokens aside, without the mask that the model itself made of nothing.

    transformers make one that lets all tokens see all tokens while a tracer is watching.

    Args:
        arguments: Of a block whose tokens see all others.
        masked: Whether the model was given a mask; None if that is not known.

    Raises:
        ValueError: There is a mask that may be the caller's.
    """
    args, kwargs = arguments
    if not args and not kwargs:
        return arguments
    if kwargs.get("is_causal"):
        raise ValueError("is_causal makes tokens follow each other, which clusters do not: run the model without")
    names = [name for name in MASKS if kwargs.get(name) is not None]
    if not names and not any(map(_is_mask, args)):
        return arguments
    if masked is not False:
        raise ValueError("an attention mask cannot follow the tokens into their clusters: run the model without it")
    return tuple(None if _is_mask(value) else value for value in args), {**kwargs, **dict.fromkeys(names)}


def _is_mask(value: Any) -> bool:
    return isinstance(value, Tensor) or type(value).__name__ == "BlockMask"
