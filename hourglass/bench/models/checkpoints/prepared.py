"""From a published checkpoint to the file that a model is loaded from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from hourglass.bench import downloads, models
from hourglass.bench.models.checkpoints.files import read_checkpoint
from hourglass.bench.models.checkpoints.layouts import convert, some
from hourglass.bench.models.weights import require_numbers
from hourglass.bench.storage.files import digest, replacing
from hourglass.registry import UserError

_ORIGIN = "origin"


def prepare(
    name: str, *, root: Path, checkpoint: Path | None = None, layout: str | None = None, out: Path | None = None
) -> Path:
    """Write the weights of a model as safetensors, unless they are there already; their path.

    The file's metadata say where they come from, as JSON: ``layout``, ``source`` and ``sha256`` of the checkpoint, and
    the SHA-256 of the ``head`` that comes with the project, if the model has one.

    Args:
        name: Of the model.
        root: Folder of all data, where the published checkpoint is downloaded to.
        checkpoint: Another file than the published one.
        layout: How its keys are named; None as the published one's are.
        out: Where to write; None for where the model is loaded from: ``checkpoints`` in ``root``.

    Raises:
        UserError: The model takes no checkpoint, or this one cannot be obtained or read, or does not fit.
    """
    card = models.card(name)
    layout = layout or card.layout
    if card.artifact is None or layout is None:
        why = "its weights come with the project, or it runs in a framework of its own"
        raise UserError(f"model: '{name}' has no checkpoint to convert: {why}")
    target = out or card.weights(root)
    assert target is not None
    present = _origin(target)
    head = card.existing_head()
    made_for = {"model": name, "layout": layout} | ({"head": _sha256(head)} if head else {})
    published = made_for | {"source": downloads.get(card.artifact).file}
    if checkpoint is None and published.items() <= present.items():
        return target  # the download may be deleted by now
    source = checkpoint or downloads.fetch(card.artifact, root=root)
    origin = made_for | {"source": source.name, "sha256": _sha256(source)}
    if present == origin:
        return target
    try:
        published_weights = convert(layout, read_checkpoint(source))
        weights = fit(published_weights | (read_checkpoint(head) if head else {}), models.build_meta(name))
    except UserError as error:
        raise UserError(error if str(source) in str(error) else f"{source}: {error}") from error
    _save(weights, target, origin)
    return target


def fit(weights: Mapping[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """The weights as the model has them: its order, its precision, and memory of their own.

    Raises:
        UserError: One is missing, too many, of another shape or kind, or not finite.
    """
    wanted = model.state_dict()
    if missing := [key for key in wanted if key not in weights]:
        raise UserError(f"lacks {some(missing)}; choose another checkpoint")
    if left := [key for key in weights if key not in wanted]:
        raise UserError(f"holds {some(left)}, which the model does not have; choose another checkpoint")
    for key, value in wanted.items():
        if weights[key].shape != value.shape:
            shapes = f"{tuple(weights[key].shape)} in place of {tuple(value.shape)}"
            raise UserError(f"'{key}' is {shapes}: of another size or number of classes; choose another checkpoint")
    require_numbers(weights, wanted)
    return {
        key: weights[key].to(value.dtype).clone(memory_format=torch.contiguous_format) for key, value in wanted.items()
    }


def _save(weights: dict[str, Tensor], target: Path, origin: dict[str, str]) -> None:
    try:
        with replacing(target) as unfinished:
            # In one entry: several would be written in another order each time, and the file is known by its hash.
            save_file(weights, unfinished, metadata={_ORIGIN: json.dumps(origin, sort_keys=True)})
    except (OSError, SafetensorError) as error:
        raise UserError(f"{target}: cannot be written: {str(error).splitlines()[0]}") from error


def _origin(target: Path) -> dict[str, str]:
    """What a prepared file says of itself; nothing if it is not there or not readable."""
    try:
        with safe_open(target, framework="pt") as file:
            return dict(json.loads((file.metadata() or {})[_ORIGIN]))
    except (OSError, SafetensorError, KeyError, ValueError, TypeError):
        return {}


def _sha256(path: Path) -> str:
    try:
        return digest(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
