"""What one forward pass knows of its clusters, and where it is kept."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping
from typing import Any, NamedTuple, TypeVar, cast

import torch
from torch import Tensor

from hourglass.acceleration.clustering import FewerTokens
from hourglass.acceleration.layouts import Layout, Others
from hourglass.acceleration.windows import Grid

Value = TypeVar("Value")


class Stretch(NamedTuple):
    """Where a stage lies in its encoder: blocks before it, and blocks of all stages."""

    start: int
    total: int


class ForwardState:
    """One forward pass through the deep part of one encoder: from the clustering to the last block of the stage.

    Attributes:
        clusters: Of this pass.
        layout: Of the tokens between blocks.
        others: Numbers of tokens before and behind the grid, at the entry.
        joins: How many join in front of those later, by the block before which they do.
        stage: Where the blocks lie in the encoder; they are counted from its start.
        first: The block before which the tokens were clustered.
        last: The block after which they are whole again.
        taps: Blocks whose output is handed out whole before that.
        interior: Blocks that hand out clusters, if no hook of the user looks at them.
        next: The block that is due.
        alone: Whether the last block that was looked at got tokens and nothing else.
        left: What the last block left for the next one, where both get nothing else and no gradients are wanted.
        entry: The tokens before the clustering, as the block got them.
        tapped: What the next block goes on with in place of what was handed out, by block.
        handed_out: What the last block handed out whole, if it did.
        leaves_clusters: Whether the last block does, for the final norm.
        waiting: Whether it did, and the norm is still due.
        geometries: Of the attention windows, by what they depend on beside the clusters.
        sizes: (B, h, w, 1), the tokens that each cluster stands for, where attention is in proportion to them.
        small_shape: Of the tokens in the last block that was looked at, if no others join.
        inputs: What the blocks were given, kept where a backward pass may have to recompute them.
    """

    def __init__(
        self, clusters: FewerTokens, layout: Layout, others: Others, first: int, last: int, entry: Tensor
    ) -> None:
        """See the attributes."""
        self.clusters, self.layout, self.others = clusters, layout, others
        self.first, self.last, self.entry = first, last, entry
        self.joins: Mapping[int, int] = {}
        self.stage = Stretch(0, last + 1)
        self.next = first
        self.tap(frozenset())
        self.tapped: dict[int, Tensor] = {}
        self.handed_out: Tensor | None = None
        self.left: Tensor | None = None
        self.alone = False
        self.waiting = self.leaves_clusters = False
        self.inputs: dict[int, Tensor] = {}
        self.running = first
        self.geometries: dict[Hashable, Any] = {}
        self.sizes: Tensor | None = None
        self._log_sizes: dict[Others, Tensor] = {}
        self._shapes: dict[int, tuple[int, ...]] = {}
        self.small_shape: torch.Size | None = None
        self._derived: tuple[int, object, object] = (-1, None, None)

    @property
    def grid(self) -> Grid:
        """(H, W) of the tokens."""
        return self.clusters.grid

    @property
    def small_grid(self) -> Grid:
        """(h, w) of the clusters."""
        return self.clusters.small_grid

    @property
    def unfinished(self) -> bool:
        """Whether what the last block left is clusters that nobody has brought back."""
        return self.waiting or (self.next <= self.last and self.next - 1 not in self.tapped)

    def tap(self, blocks: frozenset[int]) -> None:
        """Has these blocks, and the last one, hand out all tokens."""
        self.taps = blocks
        self.interior = frozenset(range(self.first, self.last)) - blocks

    def small(self) -> Tensor:
        """The clusters in the layout of the blocks, for the first of them."""
        return self.layout.laid_out(self.clusters.small, self.entry, self.others)

    def others_at(self, block: int) -> Others:
        """Numbers of tokens before and behind the grid in a block."""
        before, behind = self.others
        return before + sum(number for at, number in self.joins.items() if at <= block), behind

    def is_small(self, tokens: Tensor, block: int) -> bool:
        """Whether tokens have the shape of the clusters in a block."""
        if tokens.shape == self.small_shape:  # as in the block before
            return True
        if (shape := self._shapes.get(block)) is None:
            shape = self._shapes[block] = self.layout.shape(self.others_at(block), self.small_grid)
        small = tokens.dim() == self.entry.dim() and self.layout.shape_of(tokens) == shape
        if small and not self.joins:
            self.small_shape = tokens.shape
        return small

    def log_sizes(self, block: int) -> Tensor:
        """What a block adds to its attention's logits: (B, 1, 1, keys), the logarithm of each key's size.

        Other tokens than clusters have the size 1.
        """
        others = self.others_at(block)
        if (mask := self._log_sizes.get(others)) is None:
            sizes = cast(Tensor, self.sizes).to(self.entry.dtype)
            beside = sizes.new_ones(self.entry.shape[0], sum(others), 1)
            mask = self.layout.laid_out(sizes, beside, others).log().transpose(1, 2).unsqueeze(1)
            self._log_sizes[others] = mask
        return mask

    def whole(self, tokens: Tensor, block: int) -> Tensor:
        """What a block made of the clusters, at full resolution; other tokens as they are."""
        others = self.others_at(block)
        refined = self.layout.grid(tokens, others, self.small_grid)
        return self.layout.laid_out(self.clusters.rebuild(refined), tokens, others)

    def whole_state(self, position: int, state: Value) -> Value:
        """One of the hidden states that an encoder recorded, at full resolution.

        Args:
            position: Number of blocks of the stage before it.
            state: As recorded; what is no tensor of clusters comes back as it is.
        """
        block = position - 1
        inside = self.first <= position <= self.last + 1
        if not inside or not isinstance(state, Tensor) or not self.is_small(state, block):
            return state
        if position == self.first:  # recorded at the entrance of the block, where clusters are what it gets
            return state if self.small_grid == self.grid else cast(Value, self.entry)
        return state if block in self.tapped else cast(Value, self.whole(state, block))

    def saw(self, index: int, tokens: Tensor) -> bool:
        """Whether this pass gave these very tokens to block `index` before: then that block is being recomputed."""
        return index in self.inputs and same_values(self.inputs[index], tokens)

    def once(self, source: object, derive: Callable[[], Value]) -> Value:
        """`derive()`, made anew when `source` is another object, and when the block that made it is recomputed."""
        block, known, value = self._derived
        if known is not source or block == self.running:
            value = derive()
            self._derived = self.running, source, value
        return cast(Value, value)


class Slot:
    """The forward pass that a thread is in, through one encoder.

    Attributes:
        grid: (H, W) of the image, as the patch embedding showed it.
        layout: Of its tokens, if not the usual one.
        state: From the first deep block on.
        current: The state that the running block belongs to; another one if the block is being recomputed.
        geometry: Of the attention windows in the running block.
        taps: Blocks that the caller asked for.
        masked: Whether the caller gave an attention mask; None if that is not known.
        outer: Whether the pass runs in the model around its own root.
        undecoded: The state whose clusters are on their way to the decoder.
    """

    def __init__(self) -> None:
        self.grid: Grid | None = None
        self.layout: Layout | None = None
        self.state: ForwardState | None = None
        self.current: ForwardState | None = None
        self.geometry: Any = None
        self.taps: frozenset[int] = frozenset()
        self.masked: bool | None = None
        self.outer = False
        self.undecoded: ForwardState | None = None

    def begin(self, grid: Grid, layout: Layout | None = None) -> None:
        """A new image."""
        self.grid, self.layout, self.state = grid, layout, None

    def end(self) -> None:
        """The pass is over, or failed."""
        self.grid = self.layout = self.state = self.current = self.masked = None


class PerThread(threading.local):
    """A slot for each thread; a copy starts empty. The compiler cannot follow attributes of this class itself."""

    def __init__(self) -> None:
        self.slot = Slot()

    def __reduce__(self) -> tuple[type[PerThread], tuple[()]]:
        return type(self), ()


def same_values(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors are the same, or views of the same memory."""
    if one is other:
        return True
    if torch.compiler.is_compiling() or one.shape != other.shape or one.stride() != other.stride():
        return False
    try:
        return one.data_ptr() == other.data_ptr()
    except RuntimeError:  # no memory of their own: inside a function transform
        return False
