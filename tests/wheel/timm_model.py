"""What the library does to a model of timm, wherever it is installed."""

import sys

import timm
import torch

import hourglass

model = timm.create_model("vit_tiny_patch16_224", img_size=160, num_classes=0, global_pool="").eval()
images = torch.randn(1, 3, 160, 160)
with torch.inference_mode():
    before = model(images)
    hourglass.apply(model, hourglass.Plan(start=4, clusters=(6, 6)))
    assert hourglass.is_applied(model)
    accelerated = model(images)
    hourglass.remove(model)
    assert torch.equal(model(images), before)
assert accelerated.shape == before.shape
assert not torch.equal(accelerated, before)
assert not [name for name in sys.modules if name.startswith("hourglass.bench")]
print(hourglass.__file__)
