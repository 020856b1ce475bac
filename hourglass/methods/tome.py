"""Token Merging (ToMe) as the hourglass's authors compare with it.

Bolya et al., ICLR 2023 (arXiv 2210.09461) merge for good, block after block. Dense prediction needs all tokens, so the
authors' repositories merge before each attention and each MLP and undo it right after, by the tokens that go in and
without attention in proportion to size (Expedit-Segmenter ``mmseg/ops/tome``, Expedit-DPT ``dpt/tome/timm.py``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hourglass.methods import Settings
from hourglass.methods.settings import check_names, number

if TYPE_CHECKING:
    from torch import nn


class _ToMe:
    """Its one setting is ``r_percent``: of all tokens, the share that is merged away, above 0 and at most 50."""

    def resolve(self, settings: Settings) -> dict[str, Any]:
        check_names(settings, ["r_percent"], needed=())
        return {"r_percent": number("r_percent", settings.get("r_percent"), most=50)}

    def apply(self, model: nn.Module, settings: Settings) -> nn.Module:
        from hourglass.methods.merging_blocks import merge_tokens

        merge_tokens(model, self.resolve(settings)["r_percent"] / 100)
        return model

    def remove(self, model: nn.Module) -> nn.Module:
        from hourglass.acceleration.patch import remove_patches
        from hourglass.methods.merging_blocks import Merging

        return remove_patches(model, Merging, " by this method")


TOME = _ToMe()
