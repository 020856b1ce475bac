"""How well a model's saliency agrees with that of the untouched model: fidelity without labels, never accuracy.

Metrics of two saliency maps as in Bylinskii et al., *What Do Different Evaluation Metrics Tell Us About Saliency
Models?*, TPAMI 2019 (arXiv 1604.03605), section 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from hourglass.bench.datasets.base import Category, Sample
from hourglass.bench.tasks.base import Values
from hourglass.bench.tasks.metric import Metric

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class SaliencyAgreement:
    """Saliency in [0, 1] for every pixel: (B, H, W) in, (H, W) float32 out. Its targets are the untouched model's."""

    name: ClassVar[str] = "saliency-agreement"
    targets_of_untouched_model: ClassVar[bool] = True
    target_name: ClassVar[str] = "untouched model"

    def predict(self, output: Tensor, sizes: Sequence[tuple[int, int]], categories: Sequence[Category]) -> list[Tensor]:
        """Saliency at the image's size."""
        import torch.nn.functional as F

        return [
            F.interpolate(saliency[None, None], size, mode="bilinear", align_corners=False)[0, 0]
            for saliency, size in zip(output.float(), sizes, strict=True)
        ]

    def writer(self, folder: Path, categories: Sequence[Category]) -> SaliencyWriter:
        """8-bit PNGs; white is 1."""
        return SaliencyWriter(folder)


class AgreementScorer:
    """Metrics of each image, and their mean over images.

    Args:
        task: Of the predictions.
        categories: None.
    """

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric(
            "agreement_cc",
            "CC with the untouched model",
            "fraction",
            True,
            "linear correlation of the saliency of an image's pixels with that of the untouched model",
        ),
        Metric(
            "agreement_sim",
            "SIM with the untouched model",
            "fraction",
            True,
            "sum over pixels of the lesser of both saliencies, each divided by its sum",
        ),
    )

    def __init__(self, task: SaliencyAgreement, categories: Sequence[Category]) -> None:
        self._images: list[list[float]] = []

    def add(self, prediction: Tensor, sample: Sample) -> None:
        """Compare saliency (H, W) with the untouched model's."""
        import torch

        ours, theirs = prediction.double().flatten(), sample.target.double().flatten()
        same = bool(torch.equal(ours, theirs))  # a correlation of what does not vary is none
        correlation = 1.0 if same else float(torch.nan_to_num(torch.corrcoef(torch.stack([ours, theirs]))[0, 1]))
        shares = [values / values.sum().clamp(min=torch.finfo(torch.float64).tiny) for values in (ours, theirs)]
        similarity = 1.0 if same else float(torch.minimum(*shares).sum())
        self._images.append([correlation, similarity])

    def values(self) -> Values:
        """None without any image."""
        names = [metric.name for metric in self.metrics]
        columns = list(zip(*self._images, strict=True)) or [()] * len(names)
        return {
            name: sum(column) / len(column) if column else None for name, column in zip(names, columns, strict=True)
        }

    def state(self) -> list[list[float]]:
        """The metrics of each image."""
        return self._images

    def merge(self, state: list[list[float]]) -> None:
        """Append another scorer's images."""
        self._images += state


class SaliencyWriter:
    """Writes an 8-bit PNG per image.

    Args:
        folder: Where to.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, prediction: Tensor, sample: Sample) -> None:
        """Write saliency (H, W)."""
        from PIL import Image

        self._folder.mkdir(parents=True, exist_ok=True)
        shades = (prediction.clamp(0, 1) * 255).round().byte().numpy()
        Image.fromarray(shades).save(self._folder / f"{sample.name}.png")

    def close(self) -> None:
        """Nothing is left to write."""
