"""What is known of each model without building it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from hourglass.bench.models.inference import Inference, Resized, ShortSide, SlidingWindow, whole
from hourglass.bench.storage.files import digest
from hourglass.registry import UserError

SHIPPED = Path(__file__).parent / "weights"
PREPARED = Path("data/checkpoints")


@dataclass(frozen=True)
class ModelCard:
    """What is known of a model without building it."""

    name: str
    tasks: tuple[str, ...]
    dataset: str
    image_size: tuple[int, int]
    """Height and width of the images it is timed on, and its cost counted."""
    builder: str
    """``module:function`` that returns it with random weights."""
    description: str
    artifact: str | None = None
    """Id of the published checkpoint its weights come from; None if they come with the project."""
    layout: str | None = None
    """How the keys of that checkpoint are named; None if the model cannot be run outside of its own framework."""
    inference: Inference = whole
    """How images go through it when its accuracy is measured."""
    backend: str | None = None
    """Of `hourglass.bench.backends`: the framework that builds it; None for what the bench depends on anyway."""

    @property
    def weights(self) -> Path:
        """Where its weights lie."""
        folder = SHIPPED if self.artifact is None else PREPARED
        return folder / f"{self.name}.safetensors"

    @property
    def protocol(self) -> str | None:
        """How images go through it when its accuracy is measured, in words; None if as they are."""
        return None if self.inference is whole else repr(self.inference)

    def require(self, task: str) -> None:
        """Make sure that it does a task.

        Raises:
            UserError: It does not.
        """
        if task not in self.tasks:
            raise UserError(f"model: '{self.name}' cannot do {task}; it does {', '.join(self.tasks)}")

    def existing_weights(self) -> Path:
        """As `weights`.

        Raises:
            UserError: There is no such file.
        """
        if not self.weights.is_file():
            raise UserError(f"{self.weights}: the weights of '{self.name}' are missing; {self._remedy}")
        return self.weights

    def weights_sha256(self) -> str:
        """Of the weights file, hexadecimal.

        Raises:
            UserError: There is no such file.
        """
        return _sha256(self.existing_weights())

    @property
    def _remedy(self) -> str:
        if self.artifact is None:
            return f"restore the file from the repository or run `hourglass train {self.name}`"
        if self.layout is None:
            return "only its cost can be counted here, as it runs in a framework of its own"
        return f"run `hourglass convert {self.name}`"


_REFERENCE, _FULL_SIZE = "hourglass.bench.models.reference", "hourglass.bench.models.full_size"
_MMSEG, _DETECTRON2 = "hourglass.bench.backends.mmseg", "hourglass.bench.backends.detectron2"
CARDS = (
    ModelCard(
        "segmenter-scenes",
        ("semantic-segmentation",),
        "scenes",
        (256, 256),
        f"{_REFERENCE}:segmenter_scenes",
        "Segmenter, ViT 192 wide, 12 deep, patch 8",
    ),
    ModelCard(
        "dpt-scenes",
        ("depth-estimation",),
        "scenes",
        (256, 256),
        f"{_REFERENCE}:dpt_scenes",
        "DPT, ViT 192 wide, 12 deep, patch 8",
    ),
    ModelCard(
        "mask2former-scenes",
        ("panoptic-segmentation", "instance-segmentation"),
        "scenes",
        (256, 256),
        f"{_REFERENCE}:mask2former_scenes",
        "Mask2Former, Swin 32 wide, 1-1-18-1 deep, window 8",
    ),
    ModelCard(
        "fcos-scenes",
        ("object-detection",),
        "scenes",
        (256, 256),
        f"{_REFERENCE}:fcos_scenes",
        "FCOS, Swin 32 wide, 1-1-18-1 deep, window 8",
    ),
    ModelCard(
        "segmenter-camvid",
        ("semantic-segmentation",),
        "camvid",
        (360, 480),
        f"{_REFERENCE}:segmenter_camvid",
        "Segmenter, ViT 192 wide, 12 deep, patch 8, convolutional stem",
    ),
    ModelCard(
        "fcos-bccd",
        ("object-detection",),
        "bccd",
        (480, 640),
        f"{_REFERENCE}:fcos_bccd",
        "FCOS, Swin 32 wide, 1-1-18-1 deep, window 8",
    ),
    # The models of the paper's tables, at the size of image their cost is published for.
    ModelCard(
        "segmenter-vit-l16-ade20k",
        ("semantic-segmentation",),
        "ade20k",
        (640, 640),
        f"{_FULL_SIZE}:segmenter_ade20k",
        "Segmenter, ViT-L/16",
        artifact="segmenter-l16-mask-ade20k",
        layout="segmenter-official",
        inference=SlidingWindow(short=640, long=2560, crop=640, stride=640),
    ),
    ModelCard(
        "segmenter-vit-l16-cityscapes",
        ("semantic-segmentation",),
        "cityscapes",
        (768, 768),
        f"{_FULL_SIZE}:segmenter_cityscapes",
        "Segmenter, ViT-L/16",
        artifact="segmenter-l16-mask-cityscapes",
        layout="segmenter-official",
        inference=SlidingWindow(short=1024, long=2048, crop=768, stride=512),
    ),
    ModelCard(
        "segmenter-vit-l16-pascal-context",
        ("semantic-segmentation",),
        "pascal-context",
        (480, 480),
        f"{_FULL_SIZE}:segmenter_pascal_context",
        "Segmenter, ViT-L/16",
        artifact="segmenter-l16-mask-pascal-context",
        layout="segmenter-official",
        inference=SlidingWindow(short=520, long=4160, crop=480, stride=320),
    ),
    ModelCard(
        "dpt-hybrid-nyuv2",
        ("depth-estimation",),
        "nyuv2",
        (480, 640),
        f"{_FULL_SIZE}:dpt_hybrid_nyuv2",
        "DPT-Hybrid: ViT-B/16 behind a ResNet-50",
        artifact="dpt-hybrid-nyu",
        layout="dpt-original",
    ),
    ModelCard(
        "dpt-hybrid-kitti",
        ("depth-estimation",),
        "kitti",
        (352, 1216),
        f"{_FULL_SIZE}:dpt_hybrid_kitti",
        "DPT-Hybrid: ViT-B/16 behind a ResNet-50",
        artifact="dpt-hybrid-kitti",
        layout="dpt-original",
    ),
    ModelCard(
        "mask2former-swin-l-coco-panoptic",
        ("panoptic-segmentation",),
        "coco",
        (1152, 1152),
        f"{_FULL_SIZE}:mask2former_coco_panoptic",
        "Mask2Former, Swin-L",
        artifact="mask2former-swinl-coco-panoptic",
        layout="mask2former-detectron2",
        inference=ShortSide(800, 1333),
    ),
    ModelCard(
        "mask2former-swin-l-coco-instance",
        ("instance-segmentation",),
        "coco",
        (1152, 1152),
        f"{_FULL_SIZE}:mask2former_coco_instance",
        "Mask2Former, Swin-L",
        artifact="mask2former-swinl-coco-instance",
        layout="mask2former-detectron2",
        inference=ShortSide(800, 1333),
    ),
    ModelCard(
        "mask2former-swin-l-ade20k-panoptic",
        ("panoptic-segmentation",),
        "ade20k",
        (1152, 1152),
        f"{_FULL_SIZE}:mask2former_ade20k_panoptic",
        "Mask2Former, Swin-L",
        artifact="mask2former-swinl-ade-panoptic",
        layout="mask2former-detectron2",
        inference=ShortSide(640, 2560),
    ),
    ModelCard(
        "mask2former-swin-l-ade20k-semantic",
        ("semantic-segmentation",),
        "ade20k",
        (1152, 1152),
        f"{_FULL_SIZE}:mask2former_ade20k_semantic",
        "Mask2Former, Swin-L",
        artifact="mask2former-swinl-ade-semantic",
        layout="mask2former-detectron2",
        inference=ShortSide(640, 2560),
    ),
    ModelCard(
        "dino-swin-l-coco",
        ("object-detection",),
        "coco",
        (1152, 1152),
        f"{_FULL_SIZE}:swin_large",
        "DINO's backbone, Swin-L",
        artifact="dino-swinl-5scale-36ep",
        layout=None,
        inference=ShortSide(800, 1333),
    ),
    ModelCard(
        "maskdino-swin-l-coco-instance",
        ("instance-segmentation",),
        "coco",
        (1152, 1152),
        f"{_FULL_SIZE}:swin_large",
        "MaskDINO's backbone, Swin-L",
        artifact="maskdino-swinl-instance",
        layout=None,
        inference=ShortSide(800, 1333),
    ),
    ModelCard(
        "maskdino-swin-l-coco-panoptic",
        ("panoptic-segmentation",),
        "coco",
        (1152, 1152),
        f"{_FULL_SIZE}:swin_large",
        "MaskDINO's backbone, Swin-L",
        artifact="maskdino-swinl-panoptic",
        layout=None,
        inference=ShortSide(800, 1333),
    ),
    # Some of them once more, and others, as the frameworks have them that they were published in.
    ModelCard(
        "segmenter-vit-l16-ade20k-mmseg",
        ("semantic-segmentation",),
        "ade20k",
        (640, 640),
        f"{_MMSEG}:segmenter_ade20k",
        "Segmenter of mmsegmentation, ViT-L/16",
        artifact="mmseg-segmenter-l-mask-ade20k",
        layout="native",
        inference=Resized(640, 2560),
        backend="mmseg",
    ),
    ModelCard(
        "mask2former-swin-l-coco-panoptic-detectron2",
        ("panoptic-segmentation",),
        "coco",
        (1152, 1152),
        f"{_DETECTRON2}:mask2former_coco_panoptic",
        "Mask2Former of its own repository, Swin-L",
        artifact="mask2former-swinl-coco-panoptic",
        layout="native",
        inference=ShortSide(800, 1333),
        backend="mask2former",
    ),
    ModelCard(
        "mask2former-swin-l-coco-instance-detectron2",
        ("instance-segmentation",),
        "coco",
        (1152, 1152),
        f"{_DETECTRON2}:mask2former_coco_instance",
        "Mask2Former of its own repository, Swin-L",
        artifact="mask2former-swinl-coco-instance",
        layout="native",
        inference=ShortSide(800, 1333),
        backend="mask2former",
    ),
    ModelCard(
        "maskdino-swin-l-coco-instance-detectron2",
        ("instance-segmentation",),
        "coco",
        (1152, 1152),
        f"{_DETECTRON2}:maskdino_coco_instance",
        "MaskDINO of its own repository, Swin-L, five scales",
        artifact="maskdino-swinl-instance",
        layout="native",
        inference=ShortSide(800, 1333),
        backend="maskdino",
    ),
    ModelCard(
        "maskdino-swin-l-coco-panoptic-detectron2",
        ("panoptic-segmentation",),
        "coco",
        (1152, 1152),
        f"{_DETECTRON2}:maskdino_coco_panoptic",
        "MaskDINO of its own repository, Swin-L, five scales",
        artifact="maskdino-swinl-panoptic",
        layout="native",
        inference=ShortSide(800, 1333),
        backend="maskdino",
    ),
    ModelCard(
        "vitdet-vit-l16-coco",
        ("object-detection",),
        "coco",
        (1024, 1024),
        f"{_DETECTRON2}:vitdet_large",
        "ViTDet, ViT-L/16, Mask R-CNN",
        artifact="vitdet-mask-rcnn-l",
        layout="native",
        inference=ShortSide(1024, 1024),
        backend="detectron2",
    ),
    ModelCard(
        "dino-swin-l-coco-detrex",
        ("object-detection",),
        "coco",
        (1152, 1152),
        f"{_DETECTRON2}:dino_swin_large",
        "DINO of detrex, Swin-L, five scales",
        artifact="dino-swinl-5scale-36ep",
        layout="native",
        inference=ShortSide(800, 1333),
        backend="detrex",
    ),
)


@cache
def _sha256(path: Path) -> str:
    return digest(path)
