"""Attention in proportion to what a cluster stands for, as a mask that a block adds to its attention's logits.

softmax(q k + log size) is what attention over the tokens themselves would give if those of a cluster were all alike
(Bolya et al., *Token Merging: Your ViT but Faster*, ICLR 2023, section 3).
"""

from __future__ import annotations

import inspect
from typing import Any, NamedTuple

from torch import Tensor, nn

from hourglass.acceleration.masks import MASKS
from hourglass.acceleration.spec import Arguments, EncoderSpec

_ADDING = ("eager", "sdpa")
"""Kinds of attention in transformers that add a mask to the logits; others take only masks of their own making."""


class Place(NamedTuple):
    """Of a block's mask: how many other arguments than tokens come before it, and its name."""

    position: int
    name: str


def mask_place(spec: EncoderSpec, encoder: nn.Module, block: Any) -> Place:
    """Where a block's forward takes a mask that it adds to its attention's logits.

    Raises:
        ValueError: It takes none.
    """
    name = type(encoder).__name__
    kind = getattr(getattr(spec.root_of(encoder), "config", None), "_attn_implementation", None) or _ADDING[0]
    if kind not in _ADDING:
        raise ValueError(
            f"plan.proportional_attention is true, but the attention of this {name} ({kind}) takes no mask to add to "
            "its logits: load the model with attn_implementation='sdpa'"
        )
    parameters = list(inspect.signature(block.forward).parameters)
    known = [mask for mask in MASKS if mask in parameters]
    if spec.windows is not None or not spec.takes_masks or not known:
        raise ValueError(
            f"plan.proportional_attention is true, but blocks of class {type(block).__name__} in {name} take no "
            "attention mask: leave it out"
        )
    return Place(parameters.index(known[0]) - 1, known[0])


def with_mask(place: Place, arguments: Arguments, mask: Tensor) -> Arguments:
    """A block's arguments, tokens aside, with a mask."""
    args, kwargs = arguments
    if place.position < len(args):
        return (*args[: place.position], mask, *args[place.position + 1 :]), kwargs
    return args, {**kwargs, place.name: mask}
