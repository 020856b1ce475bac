"""The hourglass in one encoder: hooks that cluster the tokens before one block and bring back all that comes out."""

from __future__ import annotations

import warnings
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from hourglass.acceleration.advice import objections
from hourglass.acceleration.backward import Retained
from hourglass.acceleration.clustering import Clusters, FewerTokens
from hourglass.acceleration.fit import check, locate
from hourglass.acceleration.layouts import Frames, Others
from hourglass.acceleration.live import LiveStage
from hourglass.acceleration.masks import given, without_masks
from hourglass.acceleration.outputs import whole_states
from hourglass.acceleration.patch import Patch, foreign, watched
from hourglass.acceleration.plan import Plan
from hourglass.acceleration.proportional import Place, mask_place, with_mask
from hourglass.acceleration.resizing import GEOMETRY, ResizedBias, ResizedBlock, bias_of, geometry
from hourglass.acceleration.spec import Arguments, EncoderSpec, found
from hourglass.acceleration.state import ForwardState, PerThread, Slot, same_values
from hourglass.acceleration.windows import Grid, is_traced

Args = tuple[Any, ...]
_ONE_BACKWARD = "with gradient checkpointing, use use_reentrant=False and call backward before the next forward pass"


class Hourglass(Patch):
    """Acts between blocks, never inside one, so layer scale, drop path and fused attention stay as they are.

    The last block of the deep part hands out all tokens, so nothing behind it can tell. A block that is tapped on the
    way hands them out too, and the next one goes on with the clusters.
    """

    def __init__(self, spec: EncoderSpec, encoder: nn.Module, plan: Plan) -> None:
        """Puts the hourglass into `encoder`.

        Args:
            spec: Of the encoder.
            encoder: What is accelerated.
            plan: The operating point.

        Raises:
            ValueError: The plan does not fit. What was changed by then, `remove` undoes.
        """
        spec.check(encoder)
        self.spec, self.plan = spec, plan
        depths = [len(blocks) for _, blocks in spec.stages_of(encoder)]
        self.stage = LiveStage(spec, encoder, *locate(plan, depths))
        self._first = self.stage.first
        check(spec, encoder, plan, self.stage.blocks)
        super().__init__(encoder)
        self._threads = PerThread()
        self._retained = Retained()
        self._looked = False
        self._mask_places: dict[int, Place] = {}
        if plan.proportional_attention:
            self._mask_places = {
                at: mask_place(spec, encoder, block) for at, block in enumerate(self.deep_blocks(), self._first)
            }
        self._hook(self.stage.module, spec.root_of(encoder))

    @property
    def slot(self) -> Slot:
        """The forward pass of this thread."""
        return self._threads.slot

    def deep_blocks(self) -> list[Any]:
        """The blocks that get clusters."""
        return self.stage.blocks[self._first :]

    def extent(self) -> tuple[int, int, int, Grid | None, Grid]:
        """Number of blocks, start, the block behind which tokens are whole again, window and clusters."""
        depths = self.stage.depths()
        until = sum(depths[: self.stage.index + 1])
        return sum(depths), self.plan.start, until, self.stage.window(self.stage.blocks), self.plan.clusters

    def is_last_stage(self) -> bool:
        """Whether the final norm comes next."""
        return self.stage.index == len(self.stage.depths()) - 1

    def leaves_clusters(self) -> bool:
        """Whether the last block leaves clusters, for something that comes after it."""
        return False

    def fewer(self, tokens: Tensor, window: Grid | None) -> FewerTokens:
        """What the deep blocks get in place of tokens (B, H, W, C), window by window if there are windows."""
        return Clusters(tokens, window, self.plan)

    def finish(self, output: Any, *, checked: bool = True) -> Any:
        """Ends a pass; what the encoder returned, with all hidden states at full resolution.

        Raises:
            ValueError: What it returned was made from clusters.
        """
        slot = self.slot
        state = slot.state
        slot.end()
        if state is None or output is None:
            return output
        if checked and not self.spec.taps_alone and state.unfinished:
            raise ValueError(
                f"{type(self.encoder).__name__} stopped between block {self._first} and the end of the hourglass, with "
                f"clusters in place of tokens (block {state.last} and the final norm have to run): run the whole "
                "encoder, or call hourglass.remove(model) first and apply again after changing it"
            )
        return whole_states(output, state) if self.spec.records else output

    def remove(self) -> None:
        """See `Patch`."""
        super().remove()
        self._retained.clear()

    def _hook(self, stage: nn.Module, root: Any) -> None:
        spec = self.spec
        if spec.grid is None:
            self.after(found(root, spec.patches), self._see_grid)
        for index, block in enumerate(self.deep_blocks(), start=self._first):
            if any(map(foreign, block._forward_pre_hooks.values())):
                _warn(f"a forward pre-hook on block {index} of {type(self.encoder).__name__} may see clusters")
            if spec.windows is not None:
                self.extend(block, ResizedBlock)
                if (bias := bias_of(block)) is not None:
                    self.extend(bias, ResizedBias)
            self.before(block, partial(self._enter, index))
            self.after(block, partial(self._leave, index), always=True)
        if spec.stage_output is not None:
            self.after(stage, self._leave_stage, always=True)
        if root is not self.encoder:
            self.before(self.encoder, self._enter_outer)
            self.after(self.encoder, self._leave_outer, always=True)
        self.before(root, self._enter_root)
        self.after(root, self._leave_root, always=True)
        if spec.methods is not None:
            self.extend(root, spec.methods)
        spec.also(self, root)

    # The image and the encoder.

    def _enter_root(self, root: nn.Module, args: Args, kwargs: dict[str, Any]) -> None:
        self.slot.end()
        self.slot.masked = given(args, kwargs)

    def _see_grid(self, patches: nn.Module, args: Args, output: Any) -> None:
        if self.spec.image_grid is not None:
            self.slot.begin(self.spec.image_grid(self.spec.root_of(self.encoder), args, output))
            return
        if not isinstance(output, Tensor) or output.dim() not in (4, 5):
            raise ValueError(
                f"the patch embedding of {type(self.encoder).__name__} returned {type(output).__name__} in place of a "
                "map (batch, channels, height, width); torch.fx cannot follow the hourglass: use torch.export"
            )
        layout = Frames(int(output.shape[2])) if output.dim() == 5 else None
        self.slot.begin((int(output.shape[-2]), int(output.shape[-1])), layout)

    def _leave_root(self, root: nn.Module, args: Args, output: Any) -> Any:
        return output if self.slot.outer else self.finish(output)

    def _enter_outer(self, encoder: nn.Module, args: Args, kwargs: dict[str, Any]) -> None:
        self.slot.outer = True

    def _leave_outer(self, encoder: nn.Module, args: Args, output: Any) -> Any:
        self.slot.outer = False
        return self.finish(output)

    # The blocks.

    def _enter(self, index: int, block: nn.Module, args: Args, kwargs: dict[str, Any]) -> Arguments | None:
        slot = self._threads.slot
        state = slot.state
        # What the rest of this function would find out at greater length. Blocks of small models take less than a
        # millisecond.
        if state is not None and len(args) == 1 and args[0] is state.left and state.next == index and not kwargs:
            return None
        name = None if args else next(iter(kwargs), "")
        tokens: Any = args[0] if name is None else kwargs.get(name)
        if not isinstance(tokens, Tensor):
            raise ValueError(
                f"block {index} got a {type(tokens).__name__} in place of tokens: torch.fx cannot follow the "
                "hourglass; use torch.export or torch.compile"
            )
        if index == self._first:
            state = self._begin(index, block, tokens, args)
            tokens = state.small()
        else:
            state, tokens = self._go_on(index, slot, tokens)
        state.running, slot.current = index, state
        if name is not None:
            kwargs = {key: value for key, value in kwargs.items() if key != name}
        rest: Arguments = (args[1:], kwargs)
        if self.spec.grid is None and self.spec.takes_masks:
            rest = without_masks(rest, slot.masked)
        others, kwargs = self.spec.arguments(block, rest, state)
        if self._mask_places:
            others, kwargs = with_mask(self._mask_places[index], (others, kwargs), state.log_sizes(index))
        if self.spec.windows is not None:
            shift = self.spec.windows.shift(block)
            key = *shift, tokens.dtype
            if (sizes := state.geometries.get(key)) is None:
                sizes = state.geometries[key] = geometry(shift, state.clusters, self.plan, tokens)
            kwargs = {**kwargs, GEOMETRY: sizes}
        state.alone = not others and not kwargs
        return (tokens, *others), kwargs

    def _begin(self, index: int, block: nn.Module, tokens: Tensor, args: Args) -> ForwardState:
        slot, spec = self.slot, self.spec
        before = self._retained.recomputed(index, tokens)
        blocks, stage = self.stage.present(), self.stage.stretch()
        others, joins = self.stage.others(index, stage.start)
        grid, layout = (slot.grid, slot.layout) if before is None else (before.grid, before.layout)
        layout = layout or spec.layout
        if spec.grid is not None:
            grid = spec.grid(block, args)
        if grid is None or layout.shape_of(tokens) != layout.shape(others, grid):
            raise ValueError(_lost(index, tokens, grid, others))
        window, leaves_clusters = self.stage.window(blocks), self.leaves_clusters()
        self.check_clusters(grid, window, leaves_clusters)
        clusters = self.fewer(layout.grid(tokens, others, grid), window)
        state = ForwardState(clusters, layout, others, index, len(blocks) - 1, tokens)
        state.leaves_clusters, state.joins, state.stage = leaves_clusters, joins, stage
        if self._mask_places and isinstance(clusters, Clusters):
            state.sizes = clusters.sizes()
        if before is not None:
            state.tap(before.taps)
            return state
        taps = {*spec.taps(self.encoder), *(spec.normed_taps(self.encoder) if self.plan.form == "residual" else ())}
        state.tap(slot.taps.union(number - stage.start for number in taps))
        slot.state = state
        self._retained.keep(index, state, tokens)
        if isinstance(clusters, Clusters) and not (self._looked or tokens.is_meta or is_traced()):
            self._looked = True
            for objection in objections(clusters, self.plan, type(self.encoder).__name__):
                _warn(objection)
        return state

    def _go_on(self, index: int, slot: Slot, tokens: Tensor) -> tuple[ForwardState, Tensor]:
        trained = torch.is_grad_enabled()
        before = self._retained.recomputed(index, tokens) if trained else None
        state = before or slot.state
        if state is None or (before is None and index < state.next):
            raise ValueError(
                f"block {index} got tokens of a forward pass that is over: run the whole encoder; {_ONE_BACKWARD}"
            )
        if trained and before is None:
            self._retained.keep(index, state, tokens)
        if (small := state.tapped.get(index - 1)) is not None:
            if before is None and (state.handed_out is None or not same_values(tokens, state.handed_out)):
                raise ValueError(
                    f"the tokens that block {index - 1} handed out were changed on their way to block {index}, which "
                    "goes on with its clusters: change them behind the encoder"
                )
            return state, small
        if not state.is_small(tokens, index):
            raise ValueError(
                f"block {index} got tokens of shape {tuple(tokens.shape)} in place of the {state.small_grid[0]} x "
                f"{state.small_grid[1]} clusters that block {index - 1} left: nothing between the blocks of the "
                "hourglass may add or drop tokens"
            )
        return state, tokens

    def _leave(self, index: int, block: nn.Module, args: Args, output: Any) -> Any:
        slot = self._threads.slot
        state = slot.current
        if (
            state is not None
            and index in state.interior
            and isinstance(output, Tensor)
            and output.shape == state.small_shape
            and len(block._forward_hooks) == 1
        ):
            state.next = index + 1
            state.left = output if state.alone and not torch.is_grad_enabled() else None
            return None
        slot.current = None
        if output is None or state is None:  # the block failed
            slot.end()
            return None
        tokens = output[0] if isinstance(output, tuple) else output
        if not isinstance(tokens, Tensor) or not state.is_small(tokens, index):
            shape = tuple(tokens.shape) if isinstance(tokens, Tensor) else type(tokens).__name__
            raise ValueError(
                f"block {index} made {shape} of {state.small_grid[0]} x {state.small_grid[1]} clusters: only blocks "
                "that keep the number of tokens can be accelerated"
            )
        state.next, state.left, last = index + 1, None, index == state.last
        state.waiting = last and state.leaves_clusters
        ends = last and not state.leaves_clusters
        # A user's forward hook, which comes after this one, is shown all tokens.
        if not (ends or index in state.taps or watched(block)):
            return output
        state.tapped[index] = tokens
        whole = state.handed_out = state.whole(tokens, index)
        if ends and not self.spec.records and self.spec.stage_output is None:
            slot.state = None
        return (whole, *output[1:]) if isinstance(output, tuple) else whole

    def _leave_stage(self, stage: nn.Module, args: Args, output: Any) -> Any:
        state, self.slot.state = self.slot.state, None
        if output is None or state is None or self.spec.stage_output is None:
            return output
        return self.spec.stage_output(output, state)

    def check_clusters(self, grid: Grid, window: Grid | None, leaves_clusters: bool) -> None:
        """Raises ValueError if this image, or what the attention windows are by now, cannot have so many clusters."""
        (rows, columns), (height, width) = self.plan.clusters, window or grid
        if window is not None and (rows > height or columns > width):
            raise ValueError(
                f"plan.clusters are {rows} x {columns}, but the attention windows hold {height} x {width} tokens by "
                "now: call hourglass.remove(model) and apply a plan of no more than these"
            )
        if window is None and rows * columns > height * width:
            raise ValueError(
                f"plan.clusters {rows} x {columns} are more than the {height} x {width} tokens of this input: choose "
                "fewer, or a larger image"
            )


def _lost(index: int, tokens: Tensor, grid: Grid | None, others: Others) -> str:
    if grid is None:
        return (
            f"block {index} got tokens of an image whose patch embedding did not run in this forward pass: run the "
            f"whole encoder; {_ONE_BACKWARD}"
        )
    beside = f"behind {others[0]} prefix tokens" + (f" and before {others[1]} others" if others[1] else "")
    return (
        f"block {index} got {tokens.shape[1]} tokens, which do not fill the grid {grid} of the patch embedding "
        f"{beside}: run the whole encoder, without patch dropout"
    )


def _warn(message: str) -> None:
    warnings.warn(message, stacklevel=3)
