"""The hourglass in one stage of a windowed transformer: narrow before a block, widen after the last."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from torch import Tensor, nn

from hourglass.acceleration.clusters import narrow
from hourglass.acceleration.plan import Plan
from hourglass.acceleration.windowed.overlay import Overlay, Values
from hourglass.acceleration.windowed.windows import Size, count, join, split
from hourglass.operators import ReconstructionWeights

Args = tuple[Any, ...]
Widen = Callable[[Tensor], Tensor]


class Blocks(ABC):
    """How the blocks of one framework take tokens, hand them out, and hold the size of their windows.

    Tokens are (B, H, W, C) here; the methods that are not abstract serve frameworks that think so too. Without state.
    """

    def tokens(self, block: nn.Module, args: Args, grid: Size | None) -> Tensor:
        """The tokens in a block's arguments; on `grid`, where block or arguments still name the grid of the stage."""
        tokens: Tensor = args[0]
        return tokens

    def arguments(self, block: nn.Module, args: Args, tokens: Tensor) -> Args:
        """A block's arguments with other tokens; the block has its `overlay` by then."""
        return (tokens, *args[1:])

    def output(self, output: Any, grid: Size, widen: Widen) -> Any:
        """What a block returned, its tokens on `grid` widened."""
        return widen(output)

    def stage_output(self, output: Any, grid: Size, widen: Widen, first: int) -> Any:
        """What a stage returned, tokens from between block `first` and the last widened if it hands them out."""
        return output

    @abstractmethod
    def overlay(self, block: nn.Module, tokens: Tensor, plan: Plan) -> Values:
        """What must be otherwise in a block, and in the modules within, while it attends in windows of clusters."""


class Narrowed(NamedTuple):
    """What one forward pass remembers from the clustering until the end of the stage."""

    grid: Size
    windows: Size
    weights: ReconstructionWeights


class WindowedHourglass:
    """Hooks around the last blocks of one stage.

    A block has windows of clusters only while it runs; between two forward passes the model is the one it was. One
    forward pass at a time: two threads need two copies of the model.
    """

    def __init__(
        self, stage: nn.Module, blocks: Sequence[nn.Module], first: int, window: Size, kind: Blocks, plan: Plan
    ):
        """Registers the hooks.

        Args:
            stage: The module that runs the blocks.
            blocks: All its blocks, in order.
            first: Index of the block before which the tokens are clustered.
            window: Rows and columns of the attention windows.
            kind: How these blocks are handled.
            plan: The operating point; it fits.
        """
        self._first, self._blocks = first, list(blocks[first:])
        self._window, self._kind, self._plan = window, kind, plan
        self._overlay = Overlay()
        self._narrowed: Narrowed | None = None
        # Hooks of others, such as those that record hidden states, come after ours and see what a caller would see.
        self._handles = [stage.register_forward_hook(self._leave_stage, prepend=True, always_call=True)]
        for block in self._blocks:
            self._handles.append(block.register_forward_pre_hook(self._enter, with_kwargs=True))
            self._handles.append(block.register_forward_hook(self._leave, prepend=True, always_call=True))

    def detach(self) -> None:
        """Takes the hooks away, which is all there is."""
        for handle in self._handles:
            handle.remove()

    def _enter(self, block: nn.Module, args: Args, kwargs: dict[str, Any]) -> tuple[Args, dict[str, Any]]:
        if block is self._blocks[0]:
            tokens = self._narrow(self._kind.tokens(block, args, None))
        else:
            tokens = self._kind.tokens(block, args, self._small_grid())
        self._overlay.lay(self._kind.overlay(block, tokens, self._plan))
        return self._kind.arguments(block, args, tokens), kwargs

    def _leave(self, block: nn.Module, args: Args, output: Any) -> Any:
        self._overlay.lift()
        if output is None or block is not self._blocks[-1]:  # None: the block raised
            return output
        return self._kind.output(output, self._small_grid(), self._widen)

    def _leave_stage(self, stage: nn.Module, args: Args, output: Any) -> Any:
        if output is not None:
            output = self._kind.stage_output(output, self._small_grid(), self._widen, self._first)
        self._narrowed = None
        return output

    def _narrow(self, tokens: Tensor) -> Tensor:
        """(B, H, W, C) -> (B, rows * h, columns * w, C), the clusters of each window in its place."""
        grid = tokens.shape[1], tokens.shape[2]
        windows = count(grid[0], self._window[0]), count(grid[1], self._window[1])
        centers, weights = narrow(split(tokens, self._window), self._window, self._plan, windows=windows, extent=grid)
        self._narrowed = Narrowed(grid, windows, weights)
        return join(centers, self._plan.clusters, windows)

    def _widen(self, tokens: Tensor) -> Tensor:
        """(B, rows * h, columns * w, C) -> (B, H, W, C), without the padding."""
        grid, windows, weights = self._remembered()
        whole = join(weights(split(tokens, self._plan.clusters)), self._window, windows)
        return whole[:, : grid[0], : grid[1]].contiguous()

    def _small_grid(self) -> Size:
        windows = self._remembered().windows
        return windows[0] * self._plan.clusters[0], windows[1] * self._plan.clusters[1]

    def _remembered(self) -> Narrowed:
        if self._narrowed is None:
            raise RuntimeError(
                "a block ran outside of the stage that the hourglass is in: call the whole encoder, and train without "
                "gradient checkpointing of single blocks"
            )
        return self._narrowed
