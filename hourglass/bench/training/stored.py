"""Tokens of an encoder that stays as it is: computed once, kept on the disk, then drawn at random."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from rich.progress import track
from torch import Tensor, nn

from hourglass.bench import downloads, models
from hourglass.bench.models.checkpoints import convert, read_checkpoint


def stored(data: Path, name: str, count: int, compute: Callable[[int], Tensor]) -> Tensor:
    """Tokens (count, N, C) in half precision; those that are not on the disk yet are computed.

    Args:
        data: Folder of all data.
        name: Of the model.
        count: How many inputs there are.
        compute: Tokens (N, C) of one of them.
    """
    folder = data / "training-tokens" / name
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{index}.npy" for index in range(count)]
    missing = [index for index, path in enumerate(paths) if not path.is_file()]
    for index in track(missing, f"tokens of {name}", disable=not missing):
        with torch.inference_mode():
            tokens = compute(index)
        partial = folder / ".partial.npy"
        np.save(partial, tokens.half().numpy())
        os.replace(partial, paths[index])
    return torch.from_numpy(np.stack([np.load(path) for path in paths]))


def frozen(name: str, data: Path) -> nn.Module:
    """A model with the encoder of its checkpoint, and a head that is not trained."""
    card = models.card(name)
    assert card.artifact is not None
    assert card.layout is not None
    model = models.build_untrained(name)
    weights = convert(card.layout, read_checkpoint(downloads.fetch(card.artifact, root=data)))
    if strange := model.load_state_dict(weights, strict=False).unexpected_keys:
        raise ValueError(f"{name}: has no '{strange[0]}', which its checkpoint holds")
    return model.eval()
