"""Models of the Hugging Face hub behind the same interface as the project's own.

Weights are read from safetensors alone, and code that a repository holds is not run.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
import transformers
from huggingface_hub import snapshot_download
from safetensors import safe_open
from torch import Tensor, nn

from hourglass.bench.datasets.base import Category
from hourglass.bench.datasets.classes import categories as make_categories
from hourglass.bench.downloads import offline
from hourglass.bench.models.weights import require_numbers
from hourglass.registry import UserError

_UNIVERSAL = "AutoModelForUniversalSegmentation"
_CLASSES = {
    "semantic-segmentation": ("AutoModelForSemanticSegmentation", _UNIVERSAL),
    "depth-estimation": ("AutoModelForDepthEstimation",),
    "object-detection": ("AutoModelForObjectDetection",),
    "instance-segmentation": (_UNIVERSAL,),
    "panoptic-segmentation": (_UNIVERSAL,),
}
_SCORE_THRESHOLD = 0.05
_KINDS = ("F64", "F32", "F16", "BF16", "I64", "I32")
"""Safetensors' names of the numbers of trained models: weights, and indices and counters beside them."""


class HubModel(nn.Module):
    """From images (B, 3, H, W) in [0, 1] to what the project's models return for the task.

    Args:
        model: Of transformers.
        processor: Of transformers: normalises images, and resizes them if it shall.
        task: What the model does.
        labels: Of the model, one for each category of the data set; None where it has none.
        resize: Whether images are resized, if `forward` is not told.
    """

    def __init__(
        self, model: nn.Module, processor: Any, task: str, labels: Sequence[int | None], *, resize: bool = False
    ) -> None:
        super().__init__()
        self.model = model
        self._processor = processor
        self._task = task
        self._labels = tuple(labels)
        self._resize = resize

    def forward(self, images: Tensor, resize: bool | None = None) -> Any:
        """The task's raw output; depth and class scores at the size of the images.

        Args:
            images: The batch.
            resize: Whether the processor resizes it.

        Raises:
            UserError: The model does not take images of that size.
        """
        size = images.shape[-2:]
        inputs = self._processor(
            images=list(images),
            do_rescale=False,
            do_resize=self._resize if resize is None else resize,
            return_tensors="pt",
        ).to(images.device)
        try:
            output = self.model(**inputs)
        except (RuntimeError, ValueError) as error:
            seen = tuple(inputs["pixel_values"].shape[-2:])
            kind = type(self.model).__name__
            raise UserError(f"model: {kind} cannot take images of {seen} pixels: {_line(error)}") from error
        if hasattr(output, "masks_queries_logits"):
            return self._queries(output, inputs)
        match self._task:
            case "semantic-segmentation":
                logits = _selected(output.logits.movedim(1, -1), self._labels).movedim(-1, 1)
                return F.interpolate(logits, size, mode="bilinear", align_corners=False)
            case "depth-estimation":
                return F.interpolate(output.predicted_depth[:, None], size, mode="bilinear", align_corners=False)[:, 0]
            case _:
                found = self._processor.post_process_object_detection(
                    output, threshold=_SCORE_THRESHOLD, target_sizes=[tuple(size)] * len(images)
                )
                return [self._detections(each) for each in found]

    @property
    def relative_depth(self) -> bool:
        """Whether its depth is relative: the inverse of a depth, up to an unknown factor and summand; larger is nearer.

        So are MiDaS's models, as DPT but for those on DINOv2, and Depth Anything's unless they say metric.
        """
        config: Any = self.model.config
        if self._task != "depth-estimation":
            return False
        if config.model_type == "dpt":
            return getattr(config.backbone_config, "model_type", None) not in ("dinov2", "dinov2_with_registers")
        return bool(getattr(config, "depth_estimation_type", "metric") == "relative")

    def _queries(self, output: Any, inputs: Any) -> Any:
        """With logits of the data set's categories, and masks without what the processor padded images with."""
        scores = output.class_queries_logits
        kept = [label for label in self._labels if label is not None]
        dropped = [label for label in range(scores.shape[-1] - 1) if label not in kept]
        nothing = scores[..., [*dropped, -1]].logsumexp(-1, keepdim=True)  # other labels are none of the categories
        output.class_queries_logits = torch.cat([_selected(scores, self._labels), nothing], dim=-1)
        if (mask := inputs.get("pixel_mask")) is not None and not mask.bool().all():
            height, width = int(mask[0, :, 0].sum()), int(mask[0, 0].sum())
            masks = F.interpolate(output.masks_queries_logits, mask.shape[-2:], mode="bilinear", align_corners=False)
            output.masks_queries_logits = masks[..., :height, :width]
        return output

    def _detections(self, found: dict[str, Tensor]) -> dict[str, Tensor]:
        """Those whose labels are categories, with the labels of these."""
        label_of = {known: label for label, known in enumerate(self._labels) if known is not None}
        labels = [label_of.get(label, -1) for label in found["labels"].tolist()]
        labelled = {**found, "labels": torch.tensor(labels, dtype=torch.int64, device=found["labels"].device)}
        kept = labelled["labels"] >= 0
        return {name: labelled[name][kept] for name in ("boxes", "scores", "labels")}


def snapshot(name: str, revision: str = "main") -> Path:
    """The folder of a model of the hub, which is downloaded once to the hub's cache.

    Args:
        name: ``owner/name``.
        revision: A tag, a branch or the SHA of a commit.

    Raises:
        UserError: It cannot be obtained.
    """
    try:
        return Path(
            snapshot_download(
                name, revision=revision, allow_patterns=["*.json", "*.safetensors"], local_files_only=offline()
            )
        )
    except Exception as error:  # of the hub, of its client, of the network below it
        raise UserError(f"model: '{name}' at '{revision}' cannot be loaded from the hub: {_line(error)}") from error


def build(
    folder: Path, task: str, categories: Sequence[Category] | None, *, by_name: bool = True, resize: bool = False
) -> HubModel:
    """A model of transformers that lies in a folder, in evaluation mode.

    Args:
        folder: With its configuration, its processor's, and its weights.
        task: What it shall do.
        categories: What its labels shall be; None for those it has.
        by_name: Whether its labels are the categories by their names, or one after the other.
        resize: See `HubModel`.

    Raises:
        UserError: Something is missing or damaged, transformers knows no model of that kind for the task, or the labels
            are others.
    """
    common = {"trust_remote_code": False, "local_files_only": True}
    try:
        config = transformers.AutoConfig.from_pretrained(folder, **common)
        known = next((name for name in _CLASSES[task] if type(config) in _models(name)), None)
        if known is None or config.model_type == "oneformer":  # which also needs a text
            raise UserError(f"model: {folder}: '{config.model_type}' of transformers cannot do {task}; choose another")
        processor = transformers.AutoImageProcessor.from_pretrained(folder, **common)
        model, loading = getattr(transformers, known).from_pretrained(
            folder, use_safetensors=True, output_loading_info=True, **common
        )
        _require_numbers(folder, model)
        _require_all(folder, model, processor, loading["missing_keys"])
    except UserError:
        raise
    except Exception as error:  # a damaged file can raise anything
        raise UserError(f"model: {folder}: cannot be read for {task}: {_line(error)}") from error
    if categories is None or task == "depth-estimation":
        labels: Sequence[int | None] = range(len(config.id2label))
    else:
        labels = _matched(folder, config.id2label, categories, task, by_name)
    return HubModel(model.eval(), processor, task, labels, resize=resize)


def categories_of(model: HubModel) -> tuple[Category, ...]:
    """What the labels of a model stand for. It does not tell things from stuff: all count as things."""
    names: dict[int, str] = model.model.config.id2label  # type: ignore[union-attr,assignment]
    return make_categories(sorted(names.items()), things=names)


def _models(name: str) -> Any:
    return getattr(transformers, name)._model_mapping.keys()


def _require_numbers(folder: Path, model: nn.Module) -> None:
    """Make sure of what transformers does not ask: it makes floats of whatever a file holds."""
    for path in sorted((*folder.glob("model.safetensors"), *folder.glob("model-*-of-*.safetensors"))):
        with safe_open(path, framework="pt") as file:
            for key in file.offset_keys():
                if (kind := file.get_slice(key).get_dtype()) not in _KINDS:
                    raise UserError(
                        f"{path}: '{key}' is {kind}: not the numbers of a trained model; choose another model"
                    )
    parameters = dict(model.named_parameters())
    try:
        require_numbers(parameters, parameters)
    except UserError as error:
        raise UserError(f"model: {folder}: {error}") from None


def _require_all(folder: Path, model: nn.Module, processor: Any, missing: Iterable[str]) -> None:
    """Make sure that no weight is missing that counts: transformers draws random ones for them, and says so in its log.

    Some always are, as those of a layer of DPT that is never run. So ask the model what its output depends on.
    """
    missing = set(missing)
    lacking = sorted(name for name in missing if name.endswith(("running_mean", "running_var")))
    if parameters := {name: value for name, value in model.named_parameters() if name in missing}:
        model.requires_grad_(False)
        for parameter in parameters.values():
            parameter.requires_grad_()
        with torch.enable_grad():
            output = model(**processor(images=[torch.zeros(3, 64, 64)], do_rescale=False, return_tensors="pt"))
        asked = [value.sum() for value in output.values() if isinstance(value, Tensor) and value.requires_grad]
        if asked:
            gradients = torch.autograd.grad(asked, list(parameters.values()), allow_unused=True)
            lacking += sorted(name for name, found in zip(parameters, gradients, strict=True) if found is not None)
        model.requires_grad_()
    if lacking:
        others = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
        raise UserError(f"model: {folder}: its file lacks '{lacking[0]}'{others}; choose another model")


def _matched(
    folder: Path, names: dict[int, str], categories: Sequence[Category], task: str, by_name: bool
) -> list[int | None]:
    """The model's label of each category; None for stuff where only things are looked for."""
    wanted = [c for c in categories if c.isthing or task in ("semantic-segmentation", "panoptic-segmentation")]
    if not by_name or all(name == f"LABEL_{label}" for label, name in names.items()):
        if len(names) != len(wanted):
            raise UserError(f"model: {folder}: has {len(names)} labels, but the data set {len(wanted)} categories")
        order = iter(sorted(names))
        return [next(order) if category in wanted else None for category in categories]
    label_of = {name.strip().lower(): label for label, name in sorted(names.items(), reverse=True)}
    for category in wanted:
        if category.name.strip().lower() not in label_of:
            raise UserError(
                f"model: {folder}: has no label '{category.name}', as the data set has; name the categories as the "
                "model's config.json does, or say `labels: order` if they are in the same order"
            )
    return [label_of[c.name.strip().lower()] if c in wanted else None for c in categories]


def _selected(scores: Tensor, labels: Sequence[int | None]) -> Tensor:
    """(..., K) of (..., L): the least there is where a category has no label."""
    lowest = torch.finfo(scores.dtype).min
    columns = [scores.new_full(scores.shape[:-1], lowest) if label is None else scores[..., label] for label in labels]
    return torch.stack(columns, dim=-1)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
