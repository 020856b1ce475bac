"""The hourglass in one encoder: hooks that cluster the tokens before one block and bring back all that comes out."""

from __future__ import annotations

import threading
import warnings
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from hourglass.acceleration.clustering import Clusters
from hourglass.acceleration.fit import check, locate
from hourglass.acceleration.layouts import Others
from hourglass.acceleration.patch import Patch, foreign
from hourglass.acceleration.plan import Plan
from hourglass.acceleration.resizing import GEOMETRY, Geometry, ResizedBias, ResizedBlock, bias_of
from hourglass.acceleration.spec import Arguments, EncoderSpec, found
from hourglass.acceleration.state import ForwardState, PerThread, Slot, same_values
from hourglass.acceleration.windows import Grid, shift_mask

Args = tuple[Any, ...]


class Hourglass(Patch):
    """Acts between blocks, never inside one, so layer scale, drop path and fused attention stay as they are.

    In the residual form the last block of the deep part hands out all tokens, so nothing behind it can tell. In the
    published form the clusters of a plain encoder go through the final norm first, or through the decoder as well.
    """

    def __init__(self, spec: EncoderSpec, encoder: nn.Module, model: nn.Module, plan: Plan) -> None:
        """Puts the hourglass into `encoder`.

        Args:
            spec: Of the encoder.
            encoder: What is accelerated.
            model: It, or what contains it; the decoder of a plan that reconstructs there is looked for in it.
            plan: The operating point.

        Raises:
            ValueError: The plan does not fit. Nothing is changed then.
        """
        spec.check(encoder)
        stages = spec.stages_of(encoder)
        self.spec, self.plan = spec, plan
        self._stage, self._first = locate(plan, [len(blocks) for _, blocks in stages])
        stage, blocks = stages[self._stage]
        self._blocks = blocks
        check(spec, encoder, plan, blocks)
        around = self._around(encoder, model) if plan.reconstruct == "decoder" else None
        super().__init__(encoder)
        self._threads = PerThread()
        self._retained: dict[int, ForwardState] = {}
        self._warned: set[str] = set()
        root = spec.root_of(encoder)
        # In the published form, the clusters of a plain encoder go through the final norm before they are brought back.
        plain = plan.form == "published" and spec.windows is None
        self._norm: nn.Module | None = found(root, spec.norm) if plain else None
        try:
            self._hook(stage, root)
            if around is not None:
                self._follow(around)
        except ValueError:
            self.remove()
            raise

    @property
    def slot(self) -> Slot:
        """The forward pass of this thread."""
        return self._threads.slot

    def extent(self) -> tuple[int, int, int, Grid | None, Grid]:
        """Number of blocks, start, the block behind which tokens are whole again, window and clusters."""
        stages = self.spec.stages_of(self.encoder)
        before = sum(len(blocks) for _, blocks in stages[: self._stage])
        until = before + len(stages[self._stage][1])
        window = self._window(self._blocks)
        return sum(len(blocks) for _, blocks in stages), self.plan.start, until, window, self.plan.clusters

    def remove(self) -> None:
        """See `Patch`."""
        super().remove()
        self._retained.clear()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_retained": {}}

    def _hook(self, stage: nn.Module, root: Any) -> None:
        spec = self.spec
        if spec.grid is None:
            self.after(found(root, spec.patches), self._see_grid)
        for index, block in enumerate(self._blocks[self._first :], start=self._first):
            if any(map(foreign, block._forward_pre_hooks.values())):
                self._warn(f"a forward pre-hook on block {index} of {type(self.encoder).__name__} may see clusters")
            if spec.windows is not None:
                self.extend(block, ResizedBlock)
                if (bias := bias_of(block)) is not None:
                    self.extend(bias, ResizedBias)
            self.before(block, partial(self._enter, index))
            self.after(block, partial(self._leave, index), always=True)
        if self._norm is not None:
            self.before(self._norm, self._enter_norm)
            self.after(self._norm, self._leave_norm)
        if spec.stage_output is not None:
            self.after(stage, self._leave_stage, always=True)
        if root is not self.encoder:
            self.before(self.encoder, self._enter_outer)
            self.after(self.encoder, self._leave_outer, always=True)
        self.before(root, self._enter_root)
        self.after(root, self._leave_root, always=True)
        if spec.methods is not None:
            self.extend(root, spec.methods)

    def _around(self, encoder: nn.Module, model: nn.Module) -> Any:
        return holder("decoder", encoder, model)

    def _follow(self, around: Any) -> None:
        """Has the decoder in `around` run on the clusters, and reconstructs what comes out of it."""
        self.after(around.decoder, self._leave_decoder)
        self.after(around, self._forget, always=True)

    # The image and the encoder.

    def _enter_root(self, root: nn.Module, args: Args, kwargs: dict[str, Any]) -> None:
        slot = self.slot
        slot.end()
        slot.masked = len(args) > 1 or kwargs.get("attention_mask") is not None or kwargs.get("attn_mask") is not None

    def _see_grid(self, patches: nn.Module, args: Args, output: Any) -> None:
        if not isinstance(output, Tensor) or output.dim() != 4:
            raise ValueError(
                f"the patch embedding of {type(self.encoder).__name__} returned a {type(output).__name__} in place of a "
                "map (batch, channels, height, width); torch.fx cannot follow the hourglass: use torch.export"
            )
        self.slot.begin((int(output.shape[-2]), int(output.shape[-1])))

    def _leave_root(self, root: nn.Module, args: Args, output: Any) -> Any:
        return output if self.slot.outer else self.finish(output)

    def _enter_outer(self, encoder: nn.Module, args: Args, kwargs: dict[str, Any]) -> None:
        self.slot.outer = True

    def _leave_outer(self, encoder: nn.Module, args: Args, output: Any) -> Any:
        self.slot.outer = False
        return self.finish(output)

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
        return _whole_states(output, state) if self.spec.records else output

    # The blocks.

    def _enter(self, index: int, block: nn.Module, args: Args, kwargs: dict[str, Any]) -> Arguments:
        slot = self.slot
        name = None if args else next(iter(kwargs), None)
        tokens = args[0] if args else kwargs.get(name)  # type: ignore[arg-type]
        if not isinstance(tokens, Tensor):
            raise ValueError(
                f"block {index} got a {type(tokens).__name__} in place of tokens: torch.fx and torch.jit.script cannot "
                "follow the hourglass; use torch.export or torch.compile"
            )
        rest = (args[1:], {key: value for key, value in kwargs.items() if key != name})
        if index == self._first:
            state = self._begin(index, block, tokens, args)
            tokens = state.small()
        else:
            state, tokens = self._go_on(index, tokens)
        state.running = index
        slot.current = state
        others, kwargs = self.spec.arguments(block, self._without_masks(rest), state)
        if self.spec.windows is not None:
            kwargs = {**kwargs, GEOMETRY: self._geometry(block, state, tokens)}
        return (tokens, *others), kwargs

    def _begin(self, index: int, block: nn.Module, tokens: Tensor, args: Args) -> ForwardState:
        slot, spec, plan = self.slot, self.spec, self.plan
        before = self._recomputed(index, tokens)
        blocks = self._live_blocks()
        others = spec.others(spec.root_of(self.encoder))
        if spec.grid is not None:
            grid: Grid | None = spec.grid(block, args)
        elif before is not None:
            grid = before.grid
        else:
            grid = slot.grid
        if grid is None or spec.layout.shape_of(tokens) != spec.layout.shape(others, grid):
            raise ValueError(self._lost_grid(index, tokens, grid, others))
        window, through_norm = self._window(blocks), self._norm_stands()
        self._check_clusters(grid, window, through_norm)
        clusters = Clusters(spec.layout.grid(tokens, others, grid), window, plan)
        state = ForwardState(clusters, spec.layout, others, index, len(blocks) - 1, tokens)
        state.through_norm = through_norm
        taps = frozenset(spec.taps(self.encoder))
        if plan.form == "residual":
            taps |= frozenset(spec.normed_taps(self.encoder))
        state.taps = before.taps if before is not None else taps | slot.taps
        if before is None:
            slot.state = state
            self._retain(index, state, tokens, new=True)
            if not (torch.compiler.is_compiling() or torch.jit.is_tracing()):
                self._check_values(state)
        return state

    def _go_on(self, index: int, tokens: Tensor) -> tuple[ForwardState, Tensor]:
        slot = self.slot
        state = before = self._recomputed(index, tokens)
        if state is None:
            state = slot.state
            if state is None or index < state.next:
                raise ValueError(
                    f"block {index} got tokens of a forward pass that is over: run the whole encoder; with gradient "
                    "checkpointing, use use_reentrant=False and call backward before the next forward pass"
                )
            self._retain(index, state, tokens)
        if (small := state.tapped.get(index - 1)) is not None:
            if before is None and (state.handed_out is None or not same_values(tokens, state.handed_out)):
                raise ValueError(
                    f"the tokens that block {index - 1} handed out were changed on their way to block {index}, which "
                    "goes on with its clusters: change them behind the encoder"
                )
            return state, small
        if not state.is_small(tokens):
            raise ValueError(
                f"block {index} got tokens of shape {tuple(tokens.shape)} in place of the {state.small_grid[0]} x "
                f"{state.small_grid[1]} clusters that block {index - 1} left: nothing between the blocks of the "
                "hourglass may add or drop tokens"
            )
        return state, tokens

    def _leave(self, index: int, block: nn.Module, args: Args, output: Any) -> Any:
        slot = self.slot
        state, slot.current = slot.current, None
        if output is None or state is None:  # the block failed
            slot.end()
            return None
        tokens = output[0] if isinstance(output, tuple) else output
        if not isinstance(tokens, Tensor) or not state.is_small(tokens):
            shape = tuple(tokens.shape) if isinstance(tokens, Tensor) else type(tokens).__name__
            raise ValueError(
                f"block {index} made {shape} of {state.small_grid[0]} x {state.small_grid[1]} clusters: only blocks "
                "that keep the number of tokens can be accelerated"
            )
        state.next = index + 1
        last = index == state.last and not state.through_norm
        state.waiting = index == state.last and state.through_norm
        if not (last or index in state.taps or _watched(block)):
            return output
        state.tapped[index] = tokens
        whole = state.handed_out = state.whole(tokens)
        if last and not self.spec.records and self.spec.stage_output is None:
            slot.state = None
        return (whole, *output[1:]) if isinstance(output, tuple) else whole

    def _leave_stage(self, stage: nn.Module, args: Args, output: Any) -> Any:
        state, self.slot.state = self.slot.state, None
        if output is None or state is None or self.spec.stage_output is None:
            return output
        return self.spec.stage_output(output, state)

    def _live_blocks(self) -> list[Any]:
        """The blocks of the stage that are there now: those there were or the first of them, without wrappers."""
        _, blocks = self.spec.stages_of(self.encoder)[self._stage]
        known = self._blocks[: len(blocks)]
        if len(blocks) <= self._first or len(blocks) > len(known):
            raise ValueError(self._changed())
        for block, before in zip(blocks[self._first :], known[self._first :], strict=True):
            if block is not before and all(module is not before for module in block.modules()):
                raise ValueError(self._changed())
        return known

    def _norm_stands(self) -> bool:
        """Whether clusters will go through the final norm: not where it was taken away since."""
        norm = found(self.spec.root_of(self.encoder), self.spec.norm)
        if self._norm is None or norm is None or norm is self._norm:
            return self._norm is not None and norm is not None
        if not isinstance(norm, nn.Identity):
            raise ValueError(self._changed())
        return False

    def _changed(self) -> str:
        return (
            f"the blocks or the final norm of {type(self.encoder).__name__} are others than they were: call hourglass.remove(model) and "
            "apply again"
        )

    def _recomputed(self, index: int, tokens: Tensor) -> ForwardState | None:
        """The pass that gave a block these tokens before, if the backward pass is running the block again."""
        if torch.compiler.is_compiling() or not torch.is_grad_enabled():
            return None
        return next((state for state in list(self._retained.values()) if state.saw(index, tokens)), None)

    def _retain(self, index: int, state: ForwardState, tokens: Tensor, new: bool = False) -> None:
        """Keeps what gradient checkpointing needs until the next pass of this thread."""
        if torch.compiler.is_compiling():
            return
        if torch.is_grad_enabled():
            state.inputs[index] = tokens
            self._retained[threading.get_ident()] = state
        elif new:
            self._retained.pop(threading.get_ident(), None)

    def _without_masks(self, rest: Arguments) -> Arguments:
        args, kwargs = rest
        if self.spec.windows is not None or self.spec.grid is not None:
            return rest
        if kwargs.get("is_causal"):
            raise ValueError("is_causal makes tokens follow each other, which clusters do not: run the model without")
        names = [name for name in ("attention_mask", "attn_mask") if kwargs.get(name) is not None]
        if not names and not any(map(_is_mask, args)):
            return rest
        if self.slot.masked is not False:
            raise ValueError("an attention mask cannot follow the tokens into their clusters: run the model without it")
        # The model made it of nothing, as transformers do while a tracer is watching: all tokens see all tokens.
        return tuple(None if _is_mask(value) else value for value in args), {**kwargs, **dict.fromkeys(names)}

    # Sizes.

    def _window(self, blocks: list[Any]) -> Grid | None:
        if self.spec.windows is None:
            return None
        return max([self.spec.windows.size(block) for block in blocks])

    def _geometry(self, block: nn.Module, state: ForwardState, tokens: Tensor) -> Geometry:
        windows, plan = self.spec.windows, self.plan
        assert windows is not None
        shift = windows.shift(block)
        rows, columns = (side // 2 if moved else 0 for side, moved in zip(plan.clusters, shift, strict=True))
        mask = None
        if rows or columns:
            # The authors' stage masks by the shift it was made with, while its blocks roll by that of the clusters.
            moved = shift if (plan.form, plan.semantics) == ("published", "official") else (rows, columns)
            mask = shift_mask(state.small_grid, plan.clusters, moved, tokens.dtype, tokens.device)
        return Geometry(state.small_grid, plan.clusters, (rows, columns), mask)

    def _check_clusters(self, grid: Grid, window: Grid | None, through_norm: bool) -> None:
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
        if through_norm and rows * columns == height * width:
            raise ValueError(
                f"plan.clusters {rows} x {columns} are as many as the tokens of this input, so the published form "
                "cannot tell them apart: choose fewer, or form='residual'"
            )

    def _lost_grid(self, index: int, tokens: Tensor, grid: Grid | None, others: Others) -> str:
        if grid is None:
            return (
                f"block {index} got tokens of an image whose patch embedding did not run in this forward pass: run the "
                "whole encoder; with gradient checkpointing, use use_reentrant=False and call backward before the next "
                "forward pass"
            )
        beside = f"behind {others[0]} prefix tokens" + (f" and before {others[1]} others" if others[1] else "")
        return (
            f"block {index} got {tokens.shape[1]} tokens, which do not fill the grid {grid} of the patch embedding "
            f"{beside}: run the whole encoder, without patch dropout"
        )

    def _check_values(self, state: ForwardState) -> None:
        """Warns, once, of a plan that does nothing good here."""
        plan, grid, few = self.plan, state.grid, state.small_grid
        if few[0] * few[1] >= grid[0] * grid[1] and "saves" not in self._warned:
            self._warn(
                f"{few[0]} x {few[1]} clusters in place of {grid[0]} x {grid[1]} tokens save nothing: choose smaller "
                "plan.clusters",
                "saves",
            )
        if plan.temperature is None or "temperature" in self._warned:
            return
        self._warned.add("temperature")
        with torch.no_grad():
            sharpness = float(state.clusters.relative_sharpness(plan.temperature))
            total = float(state.clusters.weight_sums().float().mean())
        if sharpness < _LEAST_SHARPNESS or total < _LEAST_SUM:
            told = "all clusters look equally near" if sharpness < _LEAST_SHARPNESS else "tokens fade away"
            self._warn(
                f"plan.temperature {plan.temperature} does not suit the tokens of {type(self.encoder).__name__}: {told} "
                f"(weights of the reconstruction sum to {total:.2g}; sharpness {sharpness:.2g}, where 5 to 20 are "
                f"good); try {plan.temperature * 10 / max(sharpness, 1e-9):.2g}, or form='residual' without a number"
            )

    def _warn(self, message: str, kind: str = "") -> None:
        self._warned.add(kind or message)
        warnings.warn(message, stacklevel=4)

    # The final norm and the decoder, in the published form.

    def _enter_norm(self, norm: nn.Module, args: Args, kwargs: dict[str, Any]) -> Arguments | None:
        state = self.slot.state
        if state is None or state.handed_out is None or not args or not same_values(args[0], state.handed_out):
            return None
        return (state.tapped[state.next - 1], *args[1:]), kwargs

    def _leave_norm(self, norm: nn.Module, args: Args, output: Tensor) -> Tensor:
        slot = self.slot
        state = slot.state
        if state is None or not args or not state.is_small(args[0]):
            return output
        state.waiting = False
        if self.plan.reconstruct == "decoder":
            slot.undecoded = state
            return output
        # In the model around the root, which reads hidden states alone, the normed tokens are of no use.
        return output if slot.outer else state.whole(output)

    def _leave_decoder(self, decoder: nn.Module, args: Args, output: Any) -> Any:
        state, clusters = self.slot.undecoded, self.plan.clusters
        if state is None:
            return output
        if not isinstance(output, Tensor) or output.dim() != 3 or output.shape[1] != clusters[0] * clusters[1]:
            shape = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
            raise ValueError(
                f"plan.reconstruct='decoder' needs a decoder that returns one row per token, (batch, "
                f"{clusters[0] * clusters[1]}, channels), got {shape}: use reconstruct='encoder'"
            )
        return state.clusters.rebuild(output.unflatten(1, clusters)).flatten(1, 2)

    def _forget(self, model: nn.Module, args: Args, output: Any) -> None:
        self.slot.undecoded = None


_LEAST_SHARPNESS = 1.0
_LEAST_SUM = 0.5


def holder(decoder: str, encoder: nn.Module, model: nn.Module) -> nn.Module:
    """The innermost module in `model` that holds both `encoder` and a module by the name of `decoder`.

    Raises:
        ValueError: There is none.
    """
    holders = [
        module
        for module in model.modules()
        if isinstance(getattr(module, decoder, None), nn.Module) and encoder in list(module.modules())[1:]
    ]
    if not holders:
        raise ValueError(
            f"plan.reconstruct is 'decoder', but {type(model).__name__} has no module `{decoder}` beside its encoder: "
            "use reconstruct='encoder', or give apply the model that contains both"
        )
    return holders[-1]


def _whole_states(output: Any, state: ForwardState) -> Any:
    """An encoder's output with the hidden states in it at full resolution."""
    if isinstance(output, dict):  # the outputs of transformers' models are dictionaries too
        for key, value in output.items():
            if key.endswith("hidden_states"):
                output[key] = _whole_states(value, state)
        return output
    if not isinstance(output, (tuple, list)):
        return output
    recorded = len(output) == state.last + 2 and all(value is None or isinstance(value, Tensor) for value in output)
    if recorded:
        return type(output)([state.whole_state(position, value) for position, value in enumerate(output)])
    return type(output)([_whole_states(value, state) for value in output])


def _watched(block: nn.Module) -> bool:
    """Whether a user's forward hook looks at what a block returns: it is shown all tokens."""
    return any(map(foreign, block._forward_hooks.values()))


def _is_mask(value: Any) -> bool:
    return isinstance(value, Tensor) or type(value).__name__ == "BlockMask"
