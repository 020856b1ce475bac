"""Segmentation models of transformers whose tokens change on the way: EoMT, VidEoMT and SegGPT.

Queries join the tokens of EoMT before its last blocks. SegGPT runs on pairs of images, stacked in the batch, that it
merges into one after its first blocks.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from hourglass.acceleration.encoders.transformers import classes, rotary
from hourglass.acceleration.layouts import ROWS, Others
from hourglass.acceleration.spec import Arguments, EncoderSpec, Stage, grid_of_rows, no_others
from hourglass.acceleration.state import ForwardState

_ZERO = WeakTensorKeyDictionary()
"""Probabilities that were found to be zero, and the version of each that was."""


def _are_zero(probabilities: Tensor) -> bool:
    """Looks at them once, and again when they change: a look keeps a GPU waiting, and a pass out of a CUDA graph."""
    known = not (torch.compiler.is_compiling() or probabilities.is_inference())
    if known and _ZERO.get(probabilities) == probabilities._version:
        return True
    if bool((probabilities > 0).any()):
        return False
    if known:
        _ZERO[probabilities] = probabilities._version
    return True


def _check_masks(encoder: Any) -> None:
    if encoder.training or not _are_zero(encoder.attn_mask_probs):
        raise ValueError(
            f"{type(encoder).__name__} masks the attention of its queries by what it predicts between its last blocks, "
            "in training mode and where attn_mask_probs are above 0, and such a mask cannot follow the clusters: call "
            "eval(), and attn_mask_probs.zero_() as at the end of training"
        )


class Masked:
    """The forward of a model that may mask its queries."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The model's own, unless it masks."""
        _check_masks(self)
        return super().forward(*args, **kwargs)  # type: ignore[misc]


class Unrecorded:
    """The forward of VidEoMT, whose last blocks run anew for each frame."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The model's own, unless it records what the blocks make."""
        if kwargs.get("output_hidden_states", self.config.output_hidden_states):  # type: ignore[attr-defined]
            raise ValueError(
                "the hidden states of VideomtForUniversalSegmentation are as many as it has frames, and the hourglass "
                "cannot tell which are whole: run it without output_hidden_states"
            )
        return super().forward(*args, **kwargs)  # type: ignore[misc]


def _queries(root: Any) -> Mapping[int, int]:
    return {root.config.num_hidden_layers - root.config.num_blocks: root.config.num_queries}


def _eomt_others(root: Any) -> Others:
    return root.embeddings.num_prefix_tokens, 0


def _before_and_with_queries(root: Any, paths: Sequence[str]) -> list[Stage]:
    """All frames are a batch up to the block before which queries join; then they come one by one."""
    (join,) = _queries(root)
    return [(root, root.layers[:join]), (root, root.layers[join:])]


def _pair_and_merged(root: Any, paths: Sequence[str]) -> list[Stage]:
    encoder = root.encoder
    merged = encoder.config.merge_index + 1
    return [(encoder, encoder.layers[:merged]), (encoder, encoder.layers[merged:])]


def _intermediate(model: Any) -> Collection[int]:
    return list(model.config.intermediate_hidden_state_indices)


def _halves(block: Any, arguments: Arguments, state: ForwardState) -> Arguments:
    """The upper half of the rows is the prompt, the lower half the image that shares what it attends to with others."""
    args, kwargs = arguments
    if ((args[1:] and args[1]) or kwargs.get("feature_ensemble")) and state.small_grid[0] % 2:
        raise ValueError(
            f"SegGPT with feature_ensemble halves the rows of its tokens, and plan.clusters has {state.small_grid[0]}: "
            "choose an even number of rows"
        )
    return arguments


_ANY = "panoptic, instance and semantic segmentation: EoMT"
_eomt = partial(EncoderSpec, records=True, others=_eomt_others, joins=_queries)

SPECS = (
    _eomt(classes("eomt", "EomtForUniversalSegmentation"), use=_ANY, methods=Masked, check=_check_masks),
    _eomt(
        classes("eomt_dinov3", "EomtDinov3ForUniversalSegmentation"),
        use=_ANY,
        methods=Masked,
        check=_check_masks,
        arguments=rotary,
    ),
    _eomt(
        classes("videomt", "VideomtForUniversalSegmentation"),
        use="segmentation of videos: VidEoMT",
        clustered="each frame",
        stages=_before_and_with_queries,
        methods=Unrecorded,
    ),
    EncoderSpec(
        classes("seggpt", "SegGptModel"),
        use="segmentation by example: SegGPT",
        records=True,
        layout=ROWS,
        others=no_others,
        grid=grid_of_rows,
        stages=_pair_and_merged,
        norm=(),
        taps=_intermediate,
        arguments=_halves,
    ),
)
