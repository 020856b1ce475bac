"""Adapters for plain encoders most of whose blocks attend in windows: SAM of transformers, ViTDet of detectron2."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from hourglass.acceleration.adapters import loaded_classes
from hourglass.acceleration.plan import Plan
from hourglass.acceleration.windowed.attachment import Blocks, Widen, WindowedHourglass
from hourglass.acceleration.windowed.fit import check, locate
from hourglass.acceleration.windowed.overlay import Values
from hourglass.acceleration.windowed.windows import Size


class WindowedVit(Blocks):
    """One stage of blocks, tokens (B, H, W, C). Most attend in windows; the others, to all of the smaller grid.

    The smaller grid keeps the border that padding to whole windows added, as in the authors' code. Both kinds of
    attention interpolate their position tables to whatever grid they meet, so only the window changes.
    """

    name: str
    encoder: str
    """Its class, ``module:class``."""
    blocks: str
    """Name in it of the list of blocks."""

    def find(self, model: nn.Module) -> nn.Module | None:
        """The encoder in `model`, or None."""
        kinds = loaded_classes(self.encoder)
        return next((module for module in model.modules() if isinstance(module, kinds)), None)

    def attach(self, encoder: nn.Module, model: nn.Module, plan: Plan) -> WindowedHourglass:
        """Puts the hourglass into the encoder.

        Raises:
            ValueError: The plan does not fit, or no block attends in windows.
        """
        blocks: list[Any] = list(getattr(encoder, self.blocks))
        _, first = locate(plan, [len(blocks)])
        window = max(block.window_size for block in blocks)
        if window == 0:
            raise ValueError(
                f"every block of this {type(encoder).__name__} attends globally, and the hourglass clusters in "
                "windows: use an encoder that has some"
            )
        check(plan, (window, window), square=True)
        return WindowedHourglass(encoder, blocks, first, (window, window), self, plan)

    def overlay(self, block: Any, tokens: Tensor, plan: Plan) -> Values:
        """See `Blocks`."""
        # Gradient checkpointing would run the forward again later, when these values are gone.
        window = plan.clusters[0] if block.window_size else 0
        return [(block, {"window_size": window, "gradient_checkpointing": False})]


class TransformersSam(WindowedVit):
    """The image encoder of SAM."""

    name = "transformers SamVisionEncoder"
    encoder = "transformers.models.sam.modeling_sam:SamVisionEncoder"
    blocks = "layers"

    def stage_output(self, output: Any, grid: Size, widen: Widen, first: int) -> Any:
        """Widens the hidden states, if they were asked for: the input of the first block and the output of each."""
        states = getattr(output, "hidden_states", None)
        if states is not None:
            small = range(first + 1 if first else 0, len(states) - 1)
            output.hidden_states = tuple(
                widen(state) if i in small and state is not None else state for i, state in enumerate(states)
            )
        return output


class Detectron2Vit(WindowedVit):
    """The ViT of ViTDet, which hands out nothing but its last feature map."""

    name = "detectron2 ViT (ViTDet)"
    encoder = "detectron2.modeling.backbone.vit:ViT"
    blocks = "blocks"


transformers_sam = TransformersSam()
detectron2_vit = Detectron2Vit()
