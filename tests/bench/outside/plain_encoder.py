"""An encoder of one's own, described for the hourglass."""

from torch import Tensor, nn

from hourglass.acceleration.encoders import ENCODERS
from hourglass.acceleration.spec import EncoderSpec
from hourglass.bench.models import MODELS, ModelCard


class PlainEncoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, 16, 4, 4)})
        self.blocks = nn.ModuleList(nn.TransformerEncoderLayer(16, 2, 32, batch_first=True) for _ in range(3))
        self.norm = nn.LayerNorm(16)

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.patch_embed["proj"](images).flatten(2).transpose(1, 2)
        for block in self.blocks:
            tokens = block(tokens)
        return self.norm(tokens)


ENCODERS.register("plain", (EncoderSpec((f"{__name__}:PlainEncoder",)),))
MODELS.register(
    "plain-encoder",
    ModelCard(
        name="plain-encoder",
        tasks=("semantic-segmentation",),
        image_size=(32, 48),
        dataset="flags",
        builder=PlainEncoder,
    ),
)
