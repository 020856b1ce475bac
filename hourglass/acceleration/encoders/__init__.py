"""The classes of encoders that are known, in one registry.

A name stands for a sequence of `EncoderSpec` (and `Refusal`). Descriptions name classes as text, so no framework is
ever imported. Other packages and a user's folder add theirs, as to every `Registry`; what was added last is asked
first, so they can take over a subclass of a class that is known here.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from hourglass.acceleration.spec import EncoderSpec, Refusal
from hourglass.registry import Registry

Descriptions = Sequence[EncoderSpec | Refusal]

ENCODERS: Registry[Descriptions] = Registry(
    "encoder",
    {
        "timm": "hourglass.acceleration.encoders.timm:SPECS",
        "transformers": "hourglass.acceleration.encoders.transformers:SPECS",
        "language": "hourglass.acceleration.encoders.language:SPECS",
        "torchvision": "hourglass.acceleration.encoders.torchvision:SPECS",
        "mmsegmentation": "hourglass.acceleration.encoders.mmseg:SPECS",
        "swin": "hourglass.acceleration.encoders.swin:SPECS",
        "relative": "hourglass.acceleration.encoders.relative:SPECS",
        "sam": "hourglass.acceleration.encoders.sam:SPECS",
        "detection": "hourglass.acceleration.encoders.detection:SPECS",
        "segmentation": "hourglass.acceleration.encoders.segmentation:SPECS",
        "video": "hourglass.acceleration.encoders.video:SPECS",
        "refused": "hourglass.acceleration.encoders.refused:SPECS",
    },
)


class Catalogue:
    """All descriptions, by class."""

    def __init__(self) -> None:
        """Loads them."""
        self._own: dict[str, list[EncoderSpec | Refusal]] = {}
        self._children: dict[str, EncoderSpec] = {}
        for name in reversed(ENCODERS.names()):
            for spec in ENCODERS.get(name):
                for target in spec.classes:
                    self._own.setdefault(target, []).append(spec)
                if isinstance(spec, EncoderSpec):
                    self._children.update(dict.fromkeys(spec.children, spec))

    def classes(self) -> list[str]:
        """``"module:class"`` of all that can be accelerated."""
        return [name for name, specs in self._own.items() if any(isinstance(spec, EncoderSpec) for spec in specs)]

    def of(self, module: nn.Module) -> EncoderSpec | Refusal | None:
        """What is known of a module's class, or of the first of its bases that something is known of."""
        for name in _names(module):
            for spec in self._own.get(name, ()):
                if isinstance(spec, Refusal) or spec.fits(module):
                    return spec
        for child in module.children():
            for name in _names(child):
                if name in self._children:
                    return self._children[name]
        return None

    def encoders(self, model: nn.Module) -> list[tuple[str, nn.Module, EncoderSpec]]:
        """The encoders in a model: path, module and description of each; none lies within another."""
        found: list[tuple[str, nn.Module, EncoderSpec]] = []
        for path, module in model.named_modules():
            if any(not outer or path.startswith(f"{outer}.") for outer, _, _ in found):
                continue
            spec = self.of(module)
            if isinstance(spec, EncoderSpec):
                found.append((path, module, spec))
        return found


def _names(module: nn.Module) -> list[str]:
    return [f"{kind.__module__}:{kind.__qualname__}" for kind in type(module).__mro__]
