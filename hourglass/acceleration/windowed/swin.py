"""Adapters for Swin and SwinV2: of transformers, alone or inside another model, of timm, and of detectron2."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from hourglass.acceleration.adapters import loaded_classes
from hourglass.acceleration.plan import Plan
from hourglass.acceleration.windowed.attachment import Args, Blocks, Widen, WindowedHourglass
from hourglass.acceleration.windowed.bias import log_offsets, position_index, resized_table
from hourglass.acceleration.windowed.fit import check, locate
from hourglass.acceleration.windowed.overlay import Values
from hourglass.acceleration.windowed.windows import Size, shift_mask


class Swin(Blocks):
    """What they have in common: stages of blocks, and blocks with a relative position bias."""

    name: str
    stages: tuple[str, ...]
    square: bool

    def find(self, model: nn.Module) -> nn.Module | None:
        """The module in `model` that holds the stages, or None."""
        kinds = loaded_classes(*self.stages)
        return next((m for m in model.modules() if any(isinstance(child, kinds) for child in m.children())), None)

    def attach(self, encoder: nn.Module, model: nn.Module, plan: Plan) -> WindowedHourglass:
        """Puts the hourglass into the stage in which the plan starts.

        Raises:
            ValueError: The plan does not fit.
        """
        kinds = loaded_classes(*self.stages)
        stages: list[Any] = [child for child in encoder.children() if isinstance(child, kinds)]
        index, first = locate(plan, [len(stage.blocks) for stage in stages])
        blocks = list(stages[index].blocks)
        window: Size = _attention(blocks[first]).window_size
        check(plan, window, square=self.square)
        return WindowedHourglass(stages[index], blocks, first, window, self, plan)

    def overlay(self, block: nn.Module, tokens: Tensor, plan: Plan) -> Values:
        """Windows, bias and mask of the size of the clusters, half of which a shifted block rolls by."""
        shift = self.shift(block)
        rows, columns = (side // 2 if moved else 0 for side, moved in zip(plan.clusters, shift, strict=True))
        mask = None
        if rows or columns:
            # The authors' stage masks by the shift it was made with, while its blocks roll by that of the clusters.
            moved = shift if plan.semantics == "official" else (rows, columns)
            mask = shift_mask((tokens.shape[1], tokens.shape[2]), plan.clusters, moved, like=tokens)
        attention = _attention(block)
        return [
            (attention, _bias(attention, plan.clusters)),
            (block, self.geometry(block, plan.clusters, (rows, columns), mask)),
        ]

    @abstractmethod
    def shift(self, block: Any) -> Size:
        """Rows and columns that a block rolls its grid by."""

    @abstractmethod
    def geometry(self, block: Any, window: Size, shift: Size, mask: Tensor | None) -> Mapping[str, Any]:
        """The attributes of a block with this window, shift and mask."""


class TransformersSwin(Swin):
    """Swin and SwinV2 of transformers: tokens (B, H * W, C) beside their grid, windows by their side."""

    name = "transformers Swin, SwinV2 and DonutSwin, alone or as a backbone"
    stages: tuple[str, ...] = (
        "transformers.models.swin.modeling_swin:SwinStage",
        "transformers.models.swinv2.modeling_swinv2:Swinv2Stage",
        "transformers.models.donut.modeling_donut_swin:DonutSwinStage",
    )
    square = True

    def tokens(self, block: nn.Module, args: Args, grid: Size | None) -> Tensor:
        """See `Blocks`."""
        return _on_grid(args[0], grid or args[1])

    def arguments(self, block: nn.Module, args: Args, tokens: Tensor) -> Args:
        """See `Blocks`."""
        return (tokens.flatten(1, 2), (tokens.shape[1], tokens.shape[2]), *args[2:])

    def output(self, output: Any, grid: Size, widen: Widen) -> Any:
        """See `Blocks`."""
        return (widen(_on_grid(output[0], grid)).flatten(1, 2), *output[1:])

    def shift(self, block: Any) -> Size:
        """See `Swin`."""
        return block.shift_size, block.shift_size

    def geometry(self, block: Any, window: Size, shift: Size, mask: Tensor | None) -> Mapping[str, Any]:
        """See `Swin`."""

        def get_attn_mask(*_: Any, **__: Any) -> Tensor | None:
            return mask if block.shift_size > 0 else None  # a block drops its shift where one window covers the grid

        return {
            "window_size": window[0],
            "shift_size": shift[0],
            "get_attn_mask": get_attn_mask,
            "gradient_checkpointing": False,  # which runs a forward again later, when these values are gone
        }


class TransformersMaskFormerSwin(TransformersSwin):
    """The Swin within transformers' MaskFormer, whose stages hand out what goes into and comes out of each block."""

    name = "transformers MaskFormerSwin"
    stages = ("transformers.models.maskformer.modeling_maskformer_swin:MaskFormerSwinStage",)

    def stage_output(self, output: Any, grid: Size, widen: Widen, first: int) -> Any:
        """See `Blocks`."""
        tokens, dimensions, states = output
        if states is not None:  # input and output of block 0, of block 1, ...
            small = [widen(_on_grid(state, grid)).flatten(1, 2) for state in states[2 * first + 1 : -1]]
            states = (*states[: 2 * first + 1], *small, states[-1])
        return tokens, dimensions, states


class TimmSwin(Swin):
    """Swin and SwinV2 of timm: tokens (B, H, W, C), windows of any shape."""

    name = "timm SwinTransformer and SwinTransformerV2"
    stages = (
        "timm.models.swin_transformer:SwinTransformerStage",
        "timm.models.swin_transformer_v2:SwinTransformerV2Stage",
    )
    square = False

    def shift(self, block: Any) -> Size:
        """See `Swin`."""
        rows, columns = block.shift_size
        return rows, columns

    def geometry(self, block: Any, window: Size, shift: Size, mask: Tensor | None) -> Mapping[str, Any]:
        """See `Swin`."""
        return {
            "window_size": window,
            "window_area": window[0] * window[1],
            "shift_size": shift,
            "attn_mask": mask,
            "dynamic_mask": False,
        }


class Detectron2Swin(Swin):
    """The original Swin of segmentation, as detectron2 has it and those who build on it copy it.

    Tokens are (B, H * W, C). A stage sets the grid as attributes ``H`` and ``W`` of each block, and hands it the mask.
    """

    name = "detectron2 SwinTransformer, and those of Mask2Former, MaskDINO, MaskFormer and OneFormer"
    stages = tuple(
        f"{package}.modeling.backbone.swin:BasicLayer"
        for package in ("detectron2", "mask2former", "maskdino", "mask_former", "oneformer")
    )
    square = True

    def tokens(self, block: Any, args: Args, grid: Size | None) -> Tensor:
        """See `Blocks`."""
        return _on_grid(args[0], grid or (block.H, block.W))

    def arguments(self, block: Any, args: Args, tokens: Tensor) -> Args:
        """See `Blocks`."""
        return (tokens.flatten(1, 2), block.attn_mask)

    def output(self, output: Tensor, grid: Size, widen: Widen) -> Tensor:
        """See `Blocks`."""
        return widen(_on_grid(output, grid)).flatten(1, 2)

    def overlay(self, block: nn.Module, tokens: Tensor, plan: Plan) -> Values:
        """See `Blocks`."""
        return [*super().overlay(block, tokens, plan), (block, {"H": tokens.shape[1], "W": tokens.shape[2]})]

    def shift(self, block: Any) -> Size:
        """See `Swin`."""
        return block.shift_size, block.shift_size

    def geometry(self, block: Any, window: Size, shift: Size, mask: Tensor | None) -> Mapping[str, Any]:
        """See `Swin`."""
        return {"window_size": window[0], "shift_size": shift[0], "attn_mask": mask}


def _on_grid(tokens: Tensor, grid: Size) -> Tensor:
    return tokens.reshape(tokens.shape[0], *grid, tokens.shape[2])


def _attention(block: nn.Module) -> Any:
    """The module within a block that owns its relative position bias."""
    return next(module for module in block.modules() if hasattr(module, "relative_position_index"))


def _bias(attention: Any, clusters: Size) -> Mapping[str, Any]:
    values: dict[str, Any] = {
        "window_size": clusters,
        "window_area": clusters[0] * clusters[1],
        "relative_position_index": position_index(clusters, attention.relative_position_index.device),
    }
    if hasattr(attention, "relative_position_bias_table"):
        table = attention.relative_position_bias_table
        return values | {"relative_position_bias_table": resized_table(table, attention.window_size, clusters)}
    offsets = log_offsets(
        attention.window_size, attention.pretrained_window_size, clusters, like=attention.relative_coords_table
    )
    return values | {"relative_coords_table": offsets}


transformers_swin = TransformersSwin()
transformers_maskformer_swin = TransformersMaskFormerSwin()
timm_swin = TimmSwin()
detectron2_swin = Detectron2Swin()
