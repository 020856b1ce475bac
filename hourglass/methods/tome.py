"""Token Merging (ToMe) as the hourglass's authors compare with it.

Bolya et al., ICLR 2023 (arXiv 2210.09461) merge for good, block after block. Dense prediction needs all tokens, so the
authors' repositories merge before each attention and each MLP and undo it right after, by the tokens that go in and
without attention in proportion to size (Expedit-Segmenter ``mmseg/ops/tome``, Expedit-DPT ``dpt/tome/timm.py``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

from hourglass.acceleration.adapters import loaded_classes
from hourglass.methods import Settings
from hourglass.methods.merging import Matching, match
from hourglass.registry import hint

SUPPORTED = "timm VisionTransformer with plain blocks (Segmenter's too), and transformers' DPT"


class _ToMe:
    """Its one setting is ``r_percent``: of all tokens, the share that is merged away, above 0 and at most 50."""

    def resolve(self, settings: Settings) -> dict[str, Any]:
        for name in settings:
            if name != "r_percent":
                raise ValueError(f"unknown setting '{name}'; {hint(name, ['r_percent'])}")
        share = settings.get("r_percent")
        if not isinstance(share, int | float) or isinstance(share, bool) or not 0 < share <= 50:
            raise ValueError(f"r_percent must be a number above 0 and at most 50, got {share!r}")
        return {"r_percent": share}

    def apply(self, model: nn.Module, settings: Settings) -> nn.Module:
        share = self.resolve(settings)["r_percent"] / 100
        if any(isinstance(hook, _Merged) for module in model.modules() for hook in module._forward_hooks.values()):
            raise ValueError("tokens are merged in this model already")
        sublayers = list(_sublayers(model))
        if not sublayers:
            raise ValueError(f"{type(model).__name__} has no blocks that are known to it; supported: {SUPPORTED}")
        for first, last, prefix in sublayers:
            _Merged(share, prefix).attach(first, last)
        return model


class _Merged:
    """Runs one attention or MLP on merged tokens."""

    def __init__(self, share: float, prefix: int) -> None:
        self._share = share
        self._prefix = prefix
        self._matching: Matching | None = None

    def attach(self, first: nn.Module, last: nn.Module) -> None:
        """Merge what goes into `first`, undo it in what comes out of `last`."""
        first.register_forward_pre_hook(self._enter)
        last.register_forward_hook(self)

    def _enter(self, module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        tokens: Tensor = args[0]
        self._matching = match(tokens, int(tokens.shape[1] * self._share), self._prefix)
        return (self._matching.merge(tokens), *args[1:])

    def __call__(self, module: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor:
        matching, self._matching = self._matching, None
        return output if matching is None else matching.unmerge(output)


def _sublayers(model: nn.Module) -> Iterator[tuple[nn.Module, nn.Module, int]]:
    """Where each attention and each MLP begins and ends, without the residual, and the number of prefix tokens."""
    timm_vit = loaded_classes("timm.models.vision_transformer:VisionTransformer")
    timm_block = loaded_classes("timm.models.vision_transformer:Block")
    dpt_layer = loaded_classes("transformers.models.dpt.modeling_dpt:DPTViTLayer")
    for module in model.modules():
        if isinstance(module, timm_vit):
            for block in module.blocks:  # type: ignore[union-attr]
                if type(block) not in timm_block:
                    raise ValueError(
                        f"a block of class {type(block).__name__} is not known to it; supported: {SUPPORTED}"
                    )
                yield block.attn, block.attn, module.num_prefix_tokens  # type: ignore[misc]
                yield block.mlp, block.mlp, module.num_prefix_tokens  # type: ignore[misc]
        elif isinstance(module, dpt_layer):
            yield module.attention, module.attention, 1  # type: ignore[misc]
            yield module.intermediate, module.output.dense, 1  # type: ignore[misc,union-attr]


TOME = _ToMe()
