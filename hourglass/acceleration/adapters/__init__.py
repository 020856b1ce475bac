"""What an adapter is, and the list of them.

An adapter teaches the hourglass one family of encoders. It acts between blocks, never inside one, so layer scale, drop
path, position embeddings and fused attention stay as their framework wrote them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Protocol

from torch import nn

from hourglass.acceleration.plan import Plan
from hourglass.registry import Registry


class Attachment(Protocol):
    """The hourglass in one encoder: what `apply` left there. Survives deepcopy and pickle with its model."""

    def detach(self) -> None:
        """Leave the encoder, and the model around it, exactly as they were."""
        ...


class Adapter(Protocol):
    """One family of encoders.

    Attributes:
        name: What it supports, as a reader of an error message would call it.
    """

    name: str

    def find(self, model: nn.Module) -> nn.Module | None:
        """The encoder inside `model` (or `model` itself) that this adapter accelerates, or None."""
        ...

    def attach(self, encoder: nn.Module, model: nn.Module, plan: Plan) -> Attachment:
        """Put the hourglass into `encoder`.

        Raises:
            ValueError: In one line, if the plan does not fit. Nothing is changed then.
        """
        ...


ENCODERS: Registry[Adapter] = Registry(
    "encoder",
    {
        "timm-vit": "hourglass.acceleration.adapters.timm_vit:ADAPTER",
        "transformers-vit": "hourglass.acceleration.adapters.transformers_vit:ADAPTER",
        "mmseg-vit": "hourglass.acceleration.adapters.mmseg_vit:ADAPTER",
        "transformers-swin": "hourglass.acceleration.windowed.swin:transformers_swin",
        "transformers-maskformer-swin": "hourglass.acceleration.windowed.swin:transformers_maskformer_swin",
        "timm-swin": "hourglass.acceleration.windowed.swin:timm_swin",
        "detectron2-swin": "hourglass.acceleration.windowed.swin:detectron2_swin",
        "transformers-sam": "hourglass.acceleration.windowed.sam:transformers_sam",
        "detectron2-vit": "hourglass.acceleration.windowed.sam:detectron2_vit",
    },
)
"""Loaded when first needed, so importing the library needs torch and nothing else."""


def adapters() -> Iterator[Adapter]:
    """The adapters in the order in which they are asked: what was added last is asked first.

    So an extension can take over a subclass of an encoder that is known here.
    """
    return map(ENCODERS.get, reversed(ENCODERS.names()))


def loaded_classes(*targets: str) -> tuple[type[nn.Module], ...]:
    """Those of the classes ``"module:class"`` whose module is already imported.

    A model can only be an instance of a class whose module is loaded, so no adapter ever imports its framework.
    """
    found = []
    for target in targets:
        module, name = target.split(":")
        if (kind := getattr(sys.modules.get(module), name, None)) is not None:
            found.append(kind)
    return tuple(found)
