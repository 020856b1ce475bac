"""What the hourglass has to know of a class of encoders: one description, most of it a default.

A description says where things are; it is read anew in every forward pass, so a model may change after `apply`: another
input size, fewer blocks, no final norm.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import nn

from hourglass.acceleration.layouts import SEQUENCE, Layout, Others
from hourglass.acceleration.windows import Grid

if TYPE_CHECKING:
    from hourglass.acceleration.hourglass import Hourglass
    from hourglass.acceleration.published import PublishedHourglass
    from hourglass.acceleration.resizing import Geometry
    from hourglass.acceleration.state import ForwardState

Arguments = tuple[tuple[Any, ...], dict[str, Any]]
Stage = tuple[nn.Module, Sequence[nn.Module]]

BLOCKS = ("blocks", "layers", "layer", "encoder.layers", "encoder.layer", "encoder.blocks", "model.layer")
PATCHES = (
    "patch_embed.proj",
    "patch_embed.projection",
    "embeddings.patch_embeddings.projection",
    "embeddings.patch_embedding",
    "embeddings.patch_embeddings",
    "embeddings.projection",
    "embeddings.patch_embed",
    "conv_proj",
)
NORMS = ("norm", "layernorm", "post_layernorm", "layer_norm", "encoder.ln")
PREFIX = (
    "cls_token",
    "class_token",
    "class_embedding",
    "distillation_token",
    "register_tokens",
    "cls_register_token",
)

BACKBONES = "backbones of any model"
"""What most encoders are used for."""


def found(module: Any, paths: Sequence[str]) -> Any:
    """What is at the first of the dotted paths that leads somewhere; None if none does."""
    for path in paths:
        here = module
        for name in path.split(".") if path else ():
            here = getattr(here, name, None)
            if here is None:
                break
        else:
            return here
    return None


def counted(root: Any) -> Others:
    """The tokens in front of the grid: those of the usual names in the encoder or its embeddings."""
    if isinstance(number := getattr(root, "num_prefix_tokens", None), int):
        return number, 0
    embeddings = getattr(root, "embeddings", root)
    tokens = [getattr(embeddings, name, None) for name in PREFIX]
    return sum(1 if token.dim() == 1 else token.shape[-2] for token in tokens if token is not None), 0


def no_blocks(encoder: Any) -> Collection[int]:
    """Of an encoder that hands out nothing but what its last block leaves."""
    return ()


def no_others(root: Any) -> Others:
    """For encoders that have no tokens but those of the grid."""
    return 0, 0


def none_join(root: Any) -> Mapping[int, int]:
    """For encoders that take no tokens on board on the way."""
    return {}


def unchanged(block: Any, arguments: Arguments, state: ForwardState) -> Arguments:
    """For blocks that take nothing but tokens that depends on the grid."""
    return arguments


def grid_of_rows(block: Any, args: tuple[Any, ...]) -> Grid:
    """Of blocks that get tokens as (B, H, W, C)."""
    return int(args[0].shape[1]), int(args[0].shape[2])


def one_stage(root: Any, paths: Sequence[str]) -> list[Stage]:
    """The whole encoder as the one stage of its blocks."""
    return [(root, found(root, paths))]


def unshifted(block: Any) -> Grid:
    """For blocks whose windows all lie in one grid."""
    return 0, 0


def fits_all(encoder: Any) -> None:
    """For classes whose every instance is supported."""


def nothing_else(hourglass: Hourglass, root: Any) -> None:
    """For encoders in which nothing but the blocks meets the clusters."""


@dataclass(frozen=True)
class WindowSpec:
    """Attention windows, and how a block is run with windows of another size.

    Attributes:
        size: Rows and columns of a block's windows as its model has them; (0, 0) for global attention.
        attributes: What must be otherwise in a block that attends in windows of clusters, by name.
        shift: Rows and columns that a block rolls its grid by.
        square: Whether windows have one side length for both directions.
    """

    size: Callable[[Any], Grid]
    attributes: Callable[[Any, Geometry], Mapping[str, Any]]
    shift: Callable[[Any], Grid] = unshifted
    square: bool = False


@dataclass(frozen=True)
class EncoderSpec:
    """One class of encoders (or several of the same build). Paths are dotted names; the first that is there counts.

    For a plain list of blocks on (B, tokens, C) with usual names, the classes are all there is to say.

    Attributes:
        classes: ``"module:class"``; subclasses count. Nothing is imported.
        use: What they are used for, in a few words, for the list of what is supported.
        clustered: What a plan's clusters are those of, if not the whole image or an attention window; likewise.
        children: Classes of modules; whatever holds one of these is such an encoder, too.
        root: Path from the encoder to the part of it that holds embeddings, blocks and norm; empty for itself. A model
            without it is none of this class.
        blocks: Paths from the root to the list of blocks.
        patches: Paths from the root to the module whose output (B, C, H, W) shows the grid.
        image_grid: (H, W) from the root, and the positional arguments and output of that module, where that is no map.
        norm: Paths from the root to the norm after the last block.
        layout: How tokens are laid out between blocks.
        others: Numbers of tokens before and behind the grid, of a root.
        joins: How many tokens join in front of those, of a root: by the block before which they do.
        grid: (H, W) from a block's positional arguments, for stages that know their grid; else None.
        stages: The runs of blocks on one grid each, of a root; the last block of a run reconstructs.
        taps: Blocks whose output an encoder goes on with as it is, beside the last.
        normed_taps: Blocks whose output goes through the final norm first.
        taps_alone: Whether it goes on with nothing else, so that blocks behind the last of them are of no use.
        arguments: Adapts a block's arguments, tokens aside, to the clusters.
        takes_masks: Whether a tensor among those is an attention mask.
        windows: Of encoders with attention windows.
        methods: A class whose methods wrap those of the root that run blocks without a call of the root.
        stage_output: Brings what a stage returns to full resolution, if it hands out more than its last block's tokens.
        records: Whether the encoder may hand out the input of its first block and the output of every block.
        check: Raises ValueError, in one line, for instances that are not supported.
        published: What is put into the model for the published form, if not the usual.
        also: Puts what else the clusters need into the model, with the hourglass's `before`, `after` and `extend`.
    """

    classes: tuple[str, ...]
    use: str = ""
    clustered: str = ""
    children: tuple[str, ...] = ()
    root: str = ""
    blocks: tuple[str, ...] = BLOCKS
    patches: tuple[str, ...] = PATCHES
    norm: tuple[str, ...] = NORMS
    layout: Layout = SEQUENCE
    image_grid: Callable[[Any, tuple[Any, ...], Any], Grid] | None = None
    others: Callable[[Any], Others] = counted
    joins: Callable[[Any], Mapping[int, int]] = none_join
    grid: Callable[[Any, tuple[Any, ...]], Grid] | None = None
    stages: Callable[[Any, Sequence[str]], Sequence[Stage]] = one_stage
    taps: Callable[[Any], Collection[int]] = no_blocks
    normed_taps: Callable[[Any], Collection[int]] = no_blocks
    taps_alone: bool = False
    arguments: Callable[[Any, Arguments, ForwardState], Arguments] = unchanged
    takes_masks: bool = True
    windows: WindowSpec | None = None
    methods: type[Any] | None = None
    stage_output: Callable[[Any, ForwardState], Any] | None = None
    records: bool = False
    check: Callable[[Any], None] = fits_all
    published: type[PublishedHourglass] | None = None
    also: Callable[[Hourglass, Any], None] = nothing_else

    def fits(self, module: nn.Module) -> bool:
        """Whether a module of one of the classes is built as described: versions of a framework differ."""
        root = self.root_of(module)
        return root is not None and (self.stages is not one_stage or found(root, self.blocks) is not None)

    def root_of(self, encoder: nn.Module) -> Any:
        """The part of `encoder` that holds embeddings, blocks and norm."""
        return found(encoder, (self.root,))

    def stages_of(self, encoder: nn.Module) -> list[tuple[nn.Module, list[Any]]]:
        """The runs of blocks, as they are now."""
        return [(stage, list(blocks)) for stage, blocks in self.stages(self.root_of(encoder), self.blocks)]


@dataclass(frozen=True)
class Refusal:
    """Classes that look as if they could be accelerated, and why they cannot.

    Attributes:
        classes: ``"module:class"``.
        reason: Ends the sentence that begins with the name of the class.
    """

    classes: tuple[str, ...]
    reason: str
