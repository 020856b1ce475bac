"""The plain vision transformer of mmsegmentation, alone or in a segmentor such as Segmenter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from hourglass.acceleration.adapters import loaded_classes
from hourglass.acceleration.plain.attachment import Anatomy, PlainHourglass, holder
from hourglass.acceleration.plan import Plan


class MmsegVit:
    """mmsegmentation's `VisionTransformer`."""

    name = "mmsegmentation VisionTransformer"

    def find(self, model: nn.Module) -> nn.Module | None:
        """The first such encoder in `model`, or None."""
        kinds = loaded_classes("mmseg.models.backbones.vit:VisionTransformer")
        return next((module for module in model.modules() if isinstance(module, kinds)), None)

    def attach(self, encoder: nn.Module, model: nn.Module, plan: Plan) -> PlainHourglass:
        """Puts the hourglass into `encoder`.

        Raises:
            ValueError: The plan does not fit.
        """
        return MmsegHourglass(encoder, model, plan)


class MmsegHourglass(PlainHourglass):
    """This encoder folds the tokens of each block it is asked for into a map of its input's grid.

    So a plan that decodes the clusters sends them through that fold in the first places of the grid, and takes them out
    of it again before the decode head.
    """

    def __init__(self, encoder: Any, model: nn.Module, plan: Plan) -> None:
        """Registers the hooks."""
        last = len(encoder.layers) - 1
        if plan.reconstruct == "decoder" and not (encoder.final_norm and list(encoder.out_indices) == [last]):
            raise ValueError(
                "plan.reconstruct is 'decoder', which needs a backbone that hands out its last feature map alone, "
                f"after the final norm; this one has out_indices={list(encoder.out_indices)}: use reconstruct='encoder'"
            )
        anatomy = Anatomy(
            projection=encoder.patch_embed.projection,
            blocks=list(encoder.layers),
            norm=encoder.norm1 if encoder.final_norm else nn.Identity(),
            prefix=int(encoder.with_cls_token),
        )
        self._head: Any = None
        super().__init__(anatomy, encoder, model, plan)
        if plan.reconstruct == "encoder":
            self._taps = frozenset(encoder.out_indices) - ({last} if encoder.final_norm else set())
            self._handles.append(encoder.register_forward_pre_hook(self._enter_encoder))
            self._handles.append(encoder.register_forward_hook(self._leave_encoder, always_call=True))

    def detach(self) -> None:
        """Takes the hooks away, and gives the decode head its method back."""
        super().detach()
        if self._head is not None:
            self._head.__dict__.pop("forward", None)

    def around(self, encoder: nn.Module, model: nn.Module) -> Any:
        """See `PlainHourglass`; the decoder is called ``decode_head`` here."""
        return holder("decode_head", encoder, model)

    def follow(self, around: Any) -> None:
        """Stands in for the head's `forward`, which segmentors call without the hooks of a module's call."""
        self._head = around.decode_head
        self._head.forward = self.decode

    def decode(self, inputs: Any) -> Tensor:
        """The head's own `forward`: on the clusters, what comes out of it reconstructed."""
        forward: Callable[[Any, Any], Tensor] = type(self._head).forward
        narrow = self.passing.undecoded
        if narrow is None:
            return forward(self._head, inputs)
        self.passing.undecoded = None
        clusters = self.plan.clusters
        count = clusters[0] * clusters[1]
        scores = forward(self._head, [inputs[0].flatten(2)[..., :count].unflatten(2, clusters)])
        if scores.shape[-2:] != clusters:
            raise ValueError(
                f"plan.reconstruct='decoder' needs a decode head that returns scores for each token, {clusters}, got "
                f"{tuple(scores.shape[-2:])}: use reconstruct='encoder'"
            )
        whole: Tensor = narrow.weights(scores.flatten(2).transpose(1, 2)).transpose(1, 2).unflatten(2, narrow.grid)
        return whole

    def _leave_norm(self, norm: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor:
        output = super()._leave_norm(norm, args, output)
        narrow = self.passing.undecoded
        if narrow is None:
            return output
        whole = narrow.prefix + narrow.grid[0] * narrow.grid[1]
        return F.pad(output, (0, 0, 0, whole - output.shape[1]))

    def _enter_encoder(self, encoder: nn.Module, args: tuple[Any, ...]) -> None:
        self.passing.taps = self._taps

    def _leave_encoder(self, encoder: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        self.passing.taps, self.passing.tapped = frozenset(), None


ADAPTER = MmsegVit()
