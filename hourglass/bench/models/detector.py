"""A dense detector: FCOS on a feature pyramid, that of a Swin for example.

Lin et al., *Feature Pyramid Networks*, CVPR 2017; Tian et al., *FCOS*, ICCV 2019; both as torchvision has them.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from torch import Tensor, nn
from torchvision.models.detection import FCOS
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.fcos import FCOSHead
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import FeaturePyramidNetwork
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool
from transformers import SwinBackbone, SwinConfig

from hourglass.bench.models.inference import IMAGENET_MEAN

if TYPE_CHECKING:
    from hourglass.bench.models.plain import TokenPyramid

IMAGENET_STD = (0.229, 0.224, 0.225)


class SwinPyramid(nn.Module):
    """Swin's feature maps from ``first_stage`` on, through a feature pyramid, with one coarser level on top.

    Args:
        config: Of the Swin; its ``out_features`` name the stages that are used.
        channels: Channels of every level.
    """

    def __init__(self, config: SwinConfig, channels: int) -> None:
        super().__init__()
        self.swin = SwinBackbone(config)
        self.pyramid = FeaturePyramidNetwork(self.swin.channels, channels, LastLevelMaxPool())
        self.out_channels = channels
        strides = [4 * 2 ** (int(name.removeprefix("stage")) - 1) for name in self.swin.out_features]
        self.strides = (*strides, strides[-1] * 2)

    def forward(self, images: Tensor) -> OrderedDict[str, Tensor]:
        """(B, 3, H, W) normalised images to levels (B, C, H / s, W / s), finest first."""
        maps = self.swin(images).feature_maps
        levels: OrderedDict[str, Tensor] = self.pyramid(OrderedDict((str(i), m) for i, m in enumerate(maps)))
        return levels


class FcosDetector(nn.Module):
    """FCOS on a feature pyramid.

    Args:
        pyramid: From normalised images to levels of features, finest first.
        classes: Number of thing classes.
        convolutions: Convolutions in each branch of the head.
        size: Shorter and longer side the images are resized to.
        multiple: Of which both sides are multiples after that, with zeros on the right and below.
    """

    def __init__(
        self,
        pyramid: SwinPyramid | TokenPyramid,
        classes: int,
        convolutions: int,
        size: tuple[int, int],
        multiple: int = 32,
    ) -> None:
        super().__init__()
        anchors = AnchorGenerator(tuple((stride,) for stride in pyramid.strides), ((1.0,),) * len(pyramid.strides))
        per_location = anchors.num_anchors_per_location()[0]
        self.fcos = FCOS(
            pyramid,
            num_classes=classes,
            min_size=size[0],
            max_size=size[1],
            image_mean=IMAGENET_MEAN,
            image_std=IMAGENET_STD,
            anchor_generator=anchors,
            head=FCOSHead(pyramid.out_channels, per_location, classes, convolutions),
            score_thresh=0.05,
            size_divisible=multiple,
        )

    def forward(self, images: Tensor) -> list[dict[str, Tensor]]:
        """``boxes`` (N, 4) xyxy px, ``scores`` (N,), ``labels`` (N,) of each of (B, 3, H, W) RGB images in [0, 1]."""
        detections: list[dict[str, Tensor]] = self.fcos(list(images))
        return detections

    def detect(self, levels: OrderedDict[str, Tensor], images: ImageList) -> list[dict[str, Tensor]]:
        """Detections in the pixels of images that went through FCOS's own transform.

        Args:
            levels: Of these images, as of the pyramid.
            images: Transformed.
        """
        output, anchors, places = self._heads(levels, images)
        parts = {name: list(values.split(places, dim=1)) for name, values in output.items()}
        found: list[dict[str, Tensor]] = self.fcos.postprocess_detections(
            parts, [list(boxes.split(places)) for boxes in anchors], images.image_sizes
        )
        return found

    def losses(self, images: Tensor, targets: list[dict[str, Tensor]]) -> dict[str, Tensor]:
        """FCOS's losses by name; ``targets`` as the detections, without scores. The model must be in training mode."""
        losses: dict[str, Tensor] = self.fcos(list(images), targets)
        return losses

    def losses_on(
        self, levels: OrderedDict[str, Tensor], images: ImageList, targets: list[dict[str, Tensor]]
    ) -> dict[str, Tensor]:
        """As `losses`, where the levels are known; boxes are in the pixels of the transformed images."""
        output, anchors, places = self._heads(levels, images)
        losses: dict[str, Tensor] = self.fcos.compute_loss(targets, output, anchors, places)
        return losses

    def _heads(
        self, levels: OrderedDict[str, Tensor], images: ImageList
    ) -> tuple[dict[str, Tensor], list[Tensor], list[int]]:
        """What the head says, the anchors of each image, and the number of places of each level."""
        features = list(levels.values())
        places = [level.shape[-2] * level.shape[-1] for level in features]
        return self.fcos.head(features), self.fcos.anchor_generator(images, features), places
