"""Models by name: how each is built, where its weights are, what it was trained for."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

from torch import nn

from hourglass.errors import UserError, hint

WEIGHTS = Path(__file__).parent / "weights"


@dataclass(frozen=True)
class ModelCard:
    """What is known of a model without building it."""

    name: str
    tasks: tuple[str, ...]
    dataset: str
    image_size: tuple[int, int]
    """Height and width of the images it is timed on."""
    builder: str
    """``module:function`` that returns it with random weights."""
    description: str

    @property
    def weights(self) -> Path:
        """Where its weights lie."""
        return WEIGHTS / f"{self.name}.safetensors"

    def require(self, task: str) -> None:
        """Make sure that it does a task.

        Raises:
            UserError: It does not.
        """
        if task not in self.tasks:
            raise UserError(f"model: '{self.name}' cannot do {task}; it does {', '.join(self.tasks)}")

    def weights_sha256(self) -> str:
        """Of the weights file, hexadecimal.

        Raises:
            UserError: There is no such file.
        """
        return _sha256(_existing(self))


_REFERENCE = "hourglass.models.reference"
_CARDS = {
    card.name: card
    for card in (
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
            "Segmenter, ViT 192 wide, 12 deep, patch 8",
        ),
        ModelCard(
            "fcos-bccd",
            ("object-detection",),
            "bccd",
            (480, 640),
            f"{_REFERENCE}:fcos_bccd",
            "FCOS, Swin 32 wide, 1-1-18-1 deep, window 8",
        ),
    )
}


def names() -> list[str]:
    """Names of all models."""
    return list(_CARDS)


def card(name: str) -> ModelCard:
    """The card of a model.

    Raises:
        UserError: No model has that name.
    """
    if name not in _CARDS:
        raise UserError(f"model: unknown name '{name}'; {hint(name, names())}")
    return _CARDS[name]


def build(name: str, *, weights: bool = True) -> nn.Module:
    """The model in evaluation mode, float32, on the CPU.

    Args:
        name: One of `names`.
        weights: Load the trained weights; False leaves the random initial ones.

    Raises:
        UserError: No model has that name, or its weights are missing or do not fit.
    """
    known = card(name)
    module, function = known.builder.split(":")
    model: nn.Module = getattr(importlib.import_module(module), function)()
    if weights:
        _load(model, known)
    return model.eval()


def _load(model: nn.Module, known: ModelCard) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = _existing(known)
    try:
        model.load_state_dict(load_file(path))
    except SafetensorError as error:
        raise UserError(f"{path}: not a readable safetensors file ({error}); restore it from the repository") from error
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise UserError(f"{path}: does not fit the model '{known.name}': {first}") from error


def _existing(known: ModelCard) -> Path:
    if not known.weights.is_file():
        raise UserError(
            f"{known.weights}: the weights of '{known.name}' are missing; "
            f"restore the file from the repository or run `hourglass train {known.name}`"
        )
    return known.weights


@cache
def _sha256(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()
