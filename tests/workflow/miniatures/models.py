"""Some of the project's models in small, as ``small-<name>``: the ones whose published key layouts the tests know.

Protocols, layouts and checkpoints stay the project's own. DINO, which runs in a framework of its own, becomes a small
detector of this project.
"""

from __future__ import annotations

import small
from torch import nn

from hourglass.bench.models import MODELS, card

from ._native import Native

SIZE = (160, 224)


def dpt() -> nn.Module:
    model = small.dpt()
    model.dpt.dpt.embeddings.image_size = (480, 640)
    return model


SMALL = {
    "segmenter-vit-l16-ade20k": {"builder": lambda: small.segmenter(150), "image_size": SIZE},
    "dpt-hybrid-nyuv2": {"builder": dpt},
    "mask2former-swin-l-coco-panoptic": {"builder": lambda: small.mask2former(133), "image_size": SIZE},
    "mask2former-swin-l-coco-instance": {"builder": lambda: small.mask2former(80), "image_size": SIZE},
    "dino-swin-l-coco": {"builder": Native, "image_size": SIZE, "layout": "native"},
}
for name, changes in SMALL.items():
    MODELS.register(f"small-{name}", card(name).model_copy(update={"name": f"small-{name}", **changes}))
