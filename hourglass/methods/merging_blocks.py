"""Token Merging in a model: each attention and each MLP runs on merged tokens."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

from hourglass.acceleration.patch import Patch
from hourglass.methods.merging import Matching, match
from hourglass.methods.patching import DPT, VIT, VIT_BLOCK, find, is_a, refuse_patched

SUPPORTED = "timm VisionTransformer with plain blocks (Segmenter's too), and transformers' DPT"
Sublayer = tuple[nn.Module, nn.Module]


class _Matching(threading.local):
    """What the running sublayer of a thread merged."""

    now: Matching | None = None

    def __reduce__(self) -> tuple[type[_Matching], tuple[()]]:
        return type(self), ()


class Merging(Patch):
    """Runs each attention and each MLP of an encoder on merged tokens."""

    def __init__(self, encoder: nn.Module, sublayers: list[Sublayer], share: float) -> None:
        """Merges what goes into the first module of each sublayer, undoes it in what comes out of the last."""
        super().__init__(encoder)
        self._share = share
        self._prefix = getattr(encoder, "num_prefix_tokens", 1)
        self._matching = _Matching()
        for first, last in sublayers:
            self.before(first, self._merge)
            self.after(last, self._undo)

    def _merge(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        tokens: Tensor = args[0]
        matching = match(tokens, int(tokens.shape[1] * self._share), self._prefix)
        self._matching.now = matching
        return (matching.merge(tokens), *args[1:]), kwargs

    def _undo(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
        matching, self._matching.now = self._matching.now, None
        if matching is None:
            return output
        if isinstance(output, tuple):  # DPT's attention until transformers 5
            return matching.unmerge(output[0]), *output[1:]
        return matching.unmerge(output)


def merge_tokens(model: nn.Module, share: float) -> None:
    """Have the encoder in a model merge tokens.

    Args:
        model: With an encoder that is known.
        share: Of all tokens, the part that is merged away.

    Raises:
        ValueError: There is no such encoder, or a method has changed the model already.
    """
    refuse_patched(model, Merging, "tokens are merged")
    encoder = find(model, (VIT, DPT))
    if encoder is None:
        raise ValueError(f"{type(model).__name__} has no blocks that are known to it; supported: {SUPPORTED}")
    Merging(encoder, list(_sublayers(encoder)), share)


def _sublayers(encoder: Any) -> Iterator[Sublayer]:
    """Where each attention and each MLP begins and ends, without the residual."""
    if not is_a(encoder, VIT):
        for layer in encoder.encoder.layer:
            yield layer.attention, layer.attention
            yield layer.intermediate, layer.output.dense
        return
    for block in encoder.blocks:
        if not is_a(block, VIT_BLOCK, exactly=True):
            raise ValueError(f"a block of class {type(block).__name__} is not known to it; supported: {SUPPORTED}")
        yield block.attn, block.attn
        yield block.mlp, block.mlp
