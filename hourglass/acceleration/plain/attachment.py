"""The hourglass around the blocks of a plain vision transformer: one mechanism for every framework."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor, nn

from hourglass.acceleration.clusters import Grid
from hourglass.acceleration.plain.squeeze import Squeeze, squeeze, squeeze_of, widened
from hourglass.acceleration.plan import Plan

Arguments = tuple[tuple[Any, ...], dict[str, Any]]


@dataclass(frozen=True)
class Anatomy:
    """What the hourglass has to know of an encoder.

    Attributes:
        projection: Turns pixels into patches; its output (B, C, H, W) shows the token grid.
        blocks: The transformer blocks in order; first argument and output are the tokens (B, prefix + H * W, C).
        norm: The norm after the last block, on tokens.
        prefix: Number of class, register and distillation tokens in front of the patch tokens.
        positions: Adapts the keyword arguments of a block, such as position embeddings, to the clusters.
    """

    projection: nn.Module
    blocks: Sequence[nn.Module]
    norm: nn.Module
    prefix: int
    positions: Callable[[nn.Module, dict[str, Any], Squeeze], dict[str, Any]] | None = None


class Passing:
    """What a forward pass knows before it is squeezed, and cannot say in a tensor.

    Attributes:
        grid: Rows and columns of its tokens.
        taps: Blocks whose output the caller takes, and which therefore hand it out at full resolution.
        tapped: What the last tapped block handed out, and the clusters that the next module gets instead.
        undecoded: The squeeze whose clusters are on their way to the decoder.
        inside: Whether the pass runs in the model that reads the hidden states of its own encoder.
    """

    grid: Grid | None = None
    taps: frozenset[int] = frozenset()
    tapped: tuple[Tensor, Tensor] | None = None
    undecoded: Squeeze | None = None
    inside: bool = False


class _Thread(threading.local):
    """One pass for each thread; a copy starts empty. The compiler cannot follow attributes of this class itself."""

    def __init__(self) -> None:
        self.passing = Passing()

    def __reduce__(self) -> tuple[type[_Thread], tuple[()]]:
        return type(self), ()


class PlainHourglass:
    """Hooks that cluster the tokens before one block and bring back what leaves the encoder.

    Nothing inside a block changes. What comes out of the final norm is reconstructed after it.
    """

    def __init__(self, anatomy: Anatomy, encoder: nn.Module, model: nn.Module, plan: Plan) -> None:
        """Registers the hooks.

        Args:
            anatomy: Of the encoder.
            encoder: What is accelerated.
            model: It, or what contains it; the decoder of a plan that reconstructs there is looked for in it.
            plan: The operating point.

        Raises:
            ValueError: The plan does not fit. Nothing is registered then.
        """
        blocks = anatomy.blocks
        if plan.start >= len(blocks):
            raise ValueError(
                f"plan.start is {plan.start}, but the encoder has {len(blocks)} blocks, of which at least one has to "
                f"follow the clustering: choose 0 to {len(blocks) - 1}"
            )
        around = self.around(encoder, model) if plan.reconstruct == "decoder" else None
        self.plan = plan
        self._thread = _Thread()
        self._prefix = anatomy.prefix
        self._positions = anatomy.positions
        self._idle_norm = False
        self._handles = [
            anatomy.projection.register_forward_hook(self._see_grid),
            blocks[plan.start].register_forward_pre_hook(self._narrow, with_kwargs=True),
            anatomy.norm.register_forward_pre_hook(self._untap),
            anatomy.norm.register_forward_hook(self._leave_norm),
        ]
        for block in blocks[plan.start + 1 :]:
            self._handles.append(block.register_forward_pre_hook(self._enter, with_kwargs=True))
        for index, block in enumerate(blocks[plan.start :], start=plan.start):
            # Before the hooks that record what a block returns.
            self._handles.append(block.register_forward_hook(partial(self._leave, index), prepend=True))
        if around is not None:
            self.follow(around)

    @property
    def passing(self) -> Passing:
        """The forward pass of this thread."""
        return self._thread.passing

    def detach(self) -> None:
        """Takes the hooks away, which is all there is."""
        for handle in self._handles:
            handle.remove()

    def around(self, encoder: nn.Module, model: nn.Module) -> Any:
        """The innermost module that holds both `encoder` and a decoder of its tokens.

        Raises:
            ValueError: There is none.
        """
        return holder("decoder", encoder, model)

    def follow(self, around: Any) -> None:
        """Has the decoder in `around` run on the clusters, and reconstructs what comes out of it."""
        self._handles.append(around.decoder.register_forward_hook(self._leave_decoder))
        self._handles.append(around.register_forward_hook(self._forget, always_call=True))

    def hand_out(
        self, model: nn.Module, recorder: nn.Module, used: Callable[[], Sequence[int]], idle_norm: bool = False
    ) -> None:
        """Brings the hidden states in what `model` returns to full resolution.

        Args:
            model: Returns hidden states.
            recorder: Hands them to `model`; `model` itself if it records them.
            used: Positions among the hidden states from the recorder that `model` goes on with as they are. The
                others stay small until they leave `model`.
            idle_norm: Whether `model` has no use for what comes out of the final norm.
        """
        self._idle_norm = idle_norm
        if recorder is not model:
            self._handles.append(model.register_forward_pre_hook(self._enter_model))
            self._handles.append(recorder.register_forward_hook(partial(self._leave_recorder, used)))
        self._handles.append(model.register_forward_hook(self._leave_model, always_call=True))

    def _see_grid(self, projection: nn.Module, args: tuple[Any, ...], output: Tensor) -> None:
        self.passing.grid = (output.shape[-2], output.shape[-1])
        self.passing.tapped = self.passing.undecoded = None

    def _narrow(self, block: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
        tokens, masks = args[0], (*args[1:], kwargs.get("attention_mask"), kwargs.get("attn_mask"))
        if any(isinstance(mask, Tensor) for mask in masks):
            raise ValueError("an attention mask cannot follow the tokens into their clusters: run the model without it")
        narrow = squeeze(tokens, self._fitting_grid(tokens), self._prefix, self.plan)
        return self._moved(block, narrow, args, kwargs)

    def _fitting_grid(self, tokens: Tensor) -> Grid:
        grid, clusters = self.passing.grid, self.plan.clusters
        if grid is None or self._prefix + grid[0] * grid[1] != tokens.shape[1]:
            raise ValueError(
                f"block {self.plan.start} got {tokens.shape[1]} tokens, which do not fill the grid {grid} of the patch "
                f"embedding behind {self._prefix} prefix tokens: run the whole encoder, without patch dropout"
            )
        if clusters[0] * clusters[1] > grid[0] * grid[1]:
            raise ValueError(
                f"plan.clusters {clusters[0]} x {clusters[1]} are more than the {grid[0]} x {grid[1]} tokens of this "
                "input: choose fewer, or a larger image"
            )
        return grid

    def _enter(self, block: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
        return self._moved(block, self._inside(args[0]), args, kwargs)

    def _moved(self, block: nn.Module, tokens: Tensor, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
        narrow = squeeze_of(tokens)
        if self._positions is not None and narrow is not None:
            kwargs = self._positions(block, kwargs, narrow)
        return (tokens, *args[1:]), kwargs

    def _leave(self, index: int, block: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor:
        narrow = squeeze_of(args[0])
        if narrow is None:  # the block was called on its own
            return output
        narrow.mark(output)
        if index not in self.passing.taps:
            return output
        whole = narrow.widen(output)
        self.passing.tapped = whole, output
        return whole

    def _inside(self, tokens: Tensor) -> Tensor:
        tapped = self.passing.tapped
        return tapped[1] if tapped is not None and tapped[0] is tokens else tokens

    def _untap(self, norm: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        return (self._inside(args[0]), *args[1:])

    def _leave_norm(self, norm: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor:
        narrow = squeeze_of(args[0])
        if narrow is None:
            return output
        if self.plan.reconstruct == "decoder":
            self.passing.undecoded = narrow
            return output
        if self._idle_norm and self.passing.inside:
            return narrow.mark(output)
        return narrow.widen(output)

    def _leave_decoder(self, decoder: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor:
        narrow, clusters = self.passing.undecoded, self.plan.clusters
        if narrow is None:
            return output
        if not isinstance(output, Tensor) or output.dim() != 3 or output.shape[1] != clusters[0] * clusters[1]:
            shape = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
            raise ValueError(
                f"plan.reconstruct='decoder' needs a decoder that returns one row per token, (batch, "
                f"{clusters[0] * clusters[1]}, channels), got {shape}: use reconstruct='encoder'"
            )
        return narrow.weights(output)

    def _forget(self, model: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        self.passing.undecoded = None

    def _enter_model(self, model: nn.Module, args: tuple[Any, ...]) -> None:
        self.passing.inside = True

    def _leave_recorder(
        self, used: Callable[[], Sequence[int]], recorder: nn.Module, args: tuple[Any, ...], output: Any
    ) -> Any:
        if not self.passing.inside:
            return widened(output)
        states = list(output["hidden_states"])
        for position in used():
            states[position] = widened(states[position])
        output["hidden_states"] = tuple(states)
        return output

    def _leave_model(self, model: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
        self.passing.inside = False
        return widened(output)


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
