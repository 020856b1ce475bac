"""EViT as the hourglass's authors compare with it: some blocks keep the tokens that the class token attends to.

Liang et al., ICLR 2022 (arXiv 2202.07800). The dropped tokens come back by reconstruction after the last norm, or where
tokens are tapped (Expedit-Segmenter ``mmseg/models/backbones/evit.py``, Expedit-DPT ``dpt/evit.py``; there only for the
first image of a batch, here for all of them).
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, ValidationError
from torch import nn

from hourglass.bench.storage.documents import Document
from hourglass.methods import Settings


class _Settings(Document):
    """One operating point.

    Attributes:
        keep_rate: Share of the tokens behind the class token that a dropping block keeps.
        blocks: That drop, counted from 0.
        neighbors: Kept tokens that a dropped one is reconstructed from.
        temperature: Of the reconstruction.
    """

    keep_rate: Annotated[float, Field(gt=0, lt=1)]
    blocks: Annotated[tuple[NonNegativeInt, ...], Field(min_length=1)]
    neighbors: PositiveInt
    temperature: PositiveFloat


class _EViT:
    """Its settings are the fields of `_Settings`."""

    def resolve(self, settings: Settings) -> dict[str, Any]:
        return _checked(settings).model_dump(mode="json")

    def apply(self, model: nn.Module, settings: Settings) -> nn.Module:
        from hourglass.methods.dropping_blocks import Passing, attach  # imports timm and transformers

        attach(model, Passing(**_checked(settings).model_dump()))
        return model


def _checked(settings: Settings) -> _Settings:
    try:
        return _Settings.model_validate(dict(settings))
    except ValidationError as errors:
        first = errors.errors()[0]
        raise ValueError(": ".join([*map(str, first["loc"][:1]), first["msg"]])) from None


EVIT = _EViT()
