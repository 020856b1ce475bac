"""Plain vision transformers of transformers on all frames of a video at once. Each frame is clustered by itself."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn import functional as F

from hourglass.acceleration.encoders.transformers import classes
from hourglass.acceleration.hourglass import Hourglass
from hourglass.acceleration.patch import patch_of
from hourglass.acceleration.spec import EncoderSpec, no_others


def _positions_inside(hourglass: Hourglass, root: Any) -> None:
    """V-JEPA 2 finds the positions that it rotates queries and keys by inside of its attention."""
    for block in hourglass.deep_blocks():
        hourglass.extend(block.attention, ClusterPositions)


class ClusterPositions:
    """Positions in an attention that may be given clusters."""

    def get_position_ids(self, x: Tensor, masks: Any = None) -> tuple[Tensor, ...]:
        """The attention's own (frame, row, column) of each token; of each cluster, the mean over its pooling cell."""
        state = patch_of(self).slot.current  # type: ignore[arg-type]
        if state is None or masks is not None:
            return super().get_position_ids(x, masks=masks)  # type: ignore[misc, no-any-return]
        positions = super().get_position_ids(state.entry, masks=None)  # type: ignore[misc]
        grids = [ids.float().view(-1, *state.grid) for ids in positions]
        return tuple(F.adaptive_avg_pool2d(ids, state.small_grid).flatten().to(x.dtype) for ids in grids)


_VIDEO = "backbones on videos"

SPECS = (
    EncoderSpec(
        classes("videomae", "VideoMAEModel"), use=_VIDEO, clustered="each frame", records=True, others=no_others
    ),
    EncoderSpec(
        classes("vjepa2", "VJEPA2Model"),
        use=_VIDEO,
        clustered="each frame",
        root="encoder",
        patches=("embeddings.patch_embeddings.proj",),
        norm=(),
        others=no_others,
        records=True,
        takes_masks=False,
        also=_positions_inside,
    ),
)
