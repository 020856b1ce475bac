"""Models by name: how each is built, where its weights are, what it was trained for."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from hourglass.bench.datasets.base import Category
from hourglass.bench.models.card import ModelCard, read_families
from hourglass.bench.models.weights import require_numbers
from hourglass.registry import Registry, UserError

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["MODELS", "ModelCard", "build", "build_meta", "build_untrained", "card"]

MODELS: Registry[ModelCard] = Registry("model", read=read_families)
"""What a package or a user adds a model to: ``MODELS.register("mine", ModelCard(name="mine", ...))``."""


def card(name: str) -> ModelCard:
    """The card of a model.

    Raises:
        UserError: No model has that name.
    """
    return MODELS.get(name)


def build(name: str, data: Path, *, task: str = "", categories: Sequence[Category] = ()) -> nn.Module:
    """The model with its trained weights, in evaluation mode, float32, on the CPU.

    Args:
        name: Of the model.
        data: Folder of all data, where weights are that were made of a download.
        task: What a model that can do several shall do.
        categories: What the labels of a model that can be adapted shall be.

    Raises:
        UserError: No model has that name, its framework is missing, or its weights are missing or do not fit.
    """
    from hourglass.bench.models.uninitialised import Uninitialised

    known = card(name)
    files = known.existing_files(data)
    with Uninitialised() if files else nullcontext():
        model: nn.Module = known.build(task, categories)
    if files:
        _read_weights(model, files, name)
    return model.eval()


def build_untrained(name: str) -> nn.Module:
    """As `build`, with random weights.

    Raises:
        UserError: No model has that name, or its framework is missing.
    """
    model: nn.Module = card(name).build("", ())
    return model.eval()


def build_meta(name: str) -> nn.Module:
    """The model in evaluation mode on the meta device: all its shapes, no numbers and no memory.

    Models of other frameworks are built on the CPU first: their constructors ask tensors for values.

    Raises:
        UserError: No model has that name, its framework is missing, or it cannot be built without weights.
    """
    import torch

    known = card(name)
    if known.adaptable:
        raise UserError(f"device: the model '{name}' is not built without its weights; use 'cpu' in place of 'meta'")
    with torch.device("meta") if known.backend is None else nullcontext():
        model: nn.Module = known.build("", ())
    return model.to("meta").eval()  # what was made by torch.Tensor(...) is not there yet


def _read_weights(model: nn.Module, files: Sequence[Path], name: str) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    weights: dict[str, Tensor] = {}
    for path in files:
        try:
            weights |= load_file(path)
        except SafetensorError as error:
            raise UserError(f"{path}: not a readable safetensors file ({error}); restore it") from error
    try:
        model.load_state_dict(weights)
        require_numbers(weights, model.state_dict())
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise UserError(f"{path}: does not fit the model '{name}': {first}") from error
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
