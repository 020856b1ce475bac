"""The plain vision transformer of mmsegmentation, alone or in a segmentor such as Segmenter."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from hourglass.acceleration.hourglass import Args
from hourglass.acceleration.layouts import Others
from hourglass.acceleration.patch import patch_of
from hourglass.acceleration.published import PublishedHourglass, holder
from hourglass.acceleration.spec import EncoderSpec


class PublishedMmseg(PublishedHourglass):
    """This encoder folds the tokens of each block it is asked for into a map of its input's grid.

    So a plan that decodes the clusters sends them through that fold in the first places of the grid, and takes them out
    of it again before the decode head.
    """

    def around(self, encoder: nn.Module, model: nn.Module) -> Any:
        """See `PublishedHourglass`; the decoder is called ``decode_head`` here."""
        kept: Any = encoder
        if not kept.final_norm or list(kept.out_indices) != [len(kept.layers) - 1]:
            raise ValueError(
                "plan.reconstruct is 'decoder', which needs a backbone that hands out its last feature map alone, "
                f"after the final norm; this one has out_indices={list(kept.out_indices)}: use reconstruct='encoder'"
            )
        return holder("decode_head", encoder, model)

    def follow(self, around: Any) -> None:
        """See `PublishedHourglass`."""
        self.extend(around.decode_head, ClusterHead)

    def leave_norm(self, norm: nn.Module, args: Args, output: Tensor) -> Tensor:
        """See `PublishedHourglass`."""
        output = super().leave_norm(norm, args, output)
        state = self.slot.undecoded
        if state is None:
            return output
        whole = state.entry.shape[1]
        return F.pad(output, (0, 0, 0, whole - output.shape[1]))


class ClusterHead:
    """The forward of a decode head, which segmentors call without the hooks of a module's call."""

    def forward(self, inputs: Any) -> Any:
        """The head's own: on the clusters, what comes out of it reconstructed."""
        patch = patch_of(self)  # type: ignore[arg-type]
        state = patch.slot.undecoded
        if state is None:
            return super().forward(inputs)  # type: ignore[misc]
        patch.slot.undecoded = None
        clusters = state.small_grid
        count = clusters[0] * clusters[1]
        scores = super().forward([inputs[0].flatten(2)[..., :count].unflatten(2, clusters)])  # type: ignore[misc]
        if scores.shape[-2:] != clusters:
            raise ValueError(
                f"plan.reconstruct='decoder' needs a decode head that returns scores for each token, {clusters}, got "
                f"{tuple(scores.shape[-2:])}: use reconstruct='encoder'"
            )
        return state.clusters.rebuild(scores.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def _others(encoder: Any) -> Others:
    return int(encoder.with_cls_token), 0


def _normed(encoder: Any) -> Collection[int]:
    return {len(encoder.layers) - 1} & set(encoder.out_indices) if encoder.final_norm else ()


def _bare(encoder: Any) -> Collection[int]:
    return set(encoder.out_indices) - set(_normed(encoder))


SPECS = (
    EncoderSpec(
        classes=("mmseg.models.backbones.vit:VisionTransformer",),
        use="semantic segmentation: Segmenter, and others",
        norm=("norm1",),
        others=_others,
        taps=_bare,
        normed_taps=_normed,
        published=PublishedMmseg,
    ),
)
