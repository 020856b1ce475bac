"""Models by name: how each is built, where its weights are, what it was trained for."""

from __future__ import annotations

import importlib
from contextlib import nullcontext

import torch
from torch import nn

from hourglass.bench.models.cards import CARDS, ModelCard
from hourglass.registry import Registry, UserError

__all__ = ["MODELS", "ModelCard", "build", "card", "names", "skeleton"]

MODELS: Registry[ModelCard] = Registry("model", {card.name: card for card in CARDS})


def names() -> list[str]:
    """Names of all models."""
    return MODELS.names()


def card(name: str) -> ModelCard:
    """The card of a model.

    Raises:
        UserError: No model has that name.
    """
    return MODELS.get(name)


def build(name: str, *, weights: bool = True) -> nn.Module:
    """The model in evaluation mode, float32, on the CPU.

    Args:
        name: One of `names`.
        weights: Load the trained weights; False leaves the random initial ones.

    Raises:
        UserError: No model has that name, its framework is missing, or its weights are missing or do not fit.
    """
    known = card(name)
    model = _built(known)
    if weights:
        _load(model, known)
    return model.eval()


def skeleton(name: str) -> nn.Module:
    """The model in evaluation mode on the meta device: all its shapes, no numbers and no memory.

    Models of other frameworks are built on the CPU first: their constructors ask tensors for values.

    Raises:
        UserError: No model has that name, or its framework is missing.
    """
    known = card(name)
    with torch.device("meta") if known.backend is None else nullcontext():
        model = _built(known)
    return model.to("meta").eval()  # what was made by torch.Tensor(...) is not there yet


def _built(known: ModelCard) -> nn.Module:
    module, function = known.builder.split(":")
    model: nn.Module = getattr(importlib.import_module(module), function)()
    return model


def _load(model: nn.Module, known: ModelCard) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = known.existing_weights()
    try:
        model.load_state_dict(load_file(path))
    except SafetensorError as error:
        raise UserError(f"{path}: not a readable safetensors file ({error}); restore it from the repository") from error
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise UserError(f"{path}: does not fit the model '{known.name}': {first}") from error
