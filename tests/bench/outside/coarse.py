"""A method: the model sees a smaller image."""

from typing import Any

import torch.nn.functional as F
from torch import nn

from hourglass.methods import METHODS, Settings


class Coarse:
    def resolve(self, settings: Settings) -> dict[str, Any]:
        if settings.keys() != {"factor"}:
            raise ValueError("has one setting, 'factor'")
        return dict(settings)

    def apply(self, model: nn.Module, settings: Settings) -> nn.Module:
        model.register_forward_pre_hook(lambda _, inputs: F.avg_pool2d(inputs[0], settings["factor"]))
        return model


METHODS.register("coarse", Coarse())
