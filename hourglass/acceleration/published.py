"""The published form in a plain encoder: its clusters go through the final norm, or the decoder, before they come back.

In the residual form, and in attention windows in both, the last block hands out all tokens (see `Hourglass`).
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from hourglass.acceleration.hourglass import Args, Hourglass
from hourglass.acceleration.plan import Plan
from hourglass.acceleration.spec import Arguments, EncoderSpec, found
from hourglass.acceleration.state import same_values
from hourglass.acceleration.windows import Grid


class PublishedHourglass(Hourglass):
    """Reconstructs behind the final norm; without one, behind the last block."""

    def __init__(self, spec: EncoderSpec, encoder: nn.Module, model: nn.Module, plan: Plan) -> None:
        """See `Hourglass`; a decoder is looked for in `model`."""
        around = self.around(encoder, model) if plan.reconstruct == "decoder" else None
        self._norm: nn.Module | None = found(spec.root_of(encoder), spec.norm)
        super().__init__(spec, encoder, plan)
        if self._norm is not None:
            self.before(self._norm, self._enter_norm)
            self.after(self._norm, self.leave_norm)
        if around is not None:
            self.follow(around)

    def around(self, encoder: nn.Module, model: nn.Module) -> Any:
        """The module that holds both the encoder and a decoder of its tokens.

        Raises:
            ValueError: There is none.
        """
        return holder("decoder", encoder, model)

    def follow(self, around: Any) -> None:
        """Has the decoder in `around` run on the clusters, and reconstructs what comes out of it."""
        self.after(around.decoder, self._leave_decoder)
        self.after(around, self._forget, always=True)

    def leaves_clusters(self) -> bool:
        """See `Hourglass`: the last block does, if the norm behind it is still there.

        Raises:
            ValueError: There is another norm now.
        """
        if not self.is_last_stage():
            return False
        norm = found(self.spec.root_of(self.encoder), self.spec.norm)
        if self._norm is None or norm is None or norm is self._norm:
            return self._norm is not None and norm is not None
        if not isinstance(norm, nn.Identity):
            raise ValueError(self.stage.changed())
        return False

    def check_clusters(self, grid: Grid, window: Grid | None, leaves_clusters: bool) -> None:
        """See `Hourglass`."""
        super().check_clusters(grid, window, leaves_clusters)
        rows, columns = self.plan.clusters
        if leaves_clusters and rows * columns == grid[0] * grid[1]:
            raise ValueError(
                f"plan.clusters {rows} x {columns} are as many as the tokens of this input, so the published form "
                "cannot tell them apart: choose fewer, or form='residual'"
            )

    def _enter_norm(self, norm: nn.Module, args: Args, kwargs: dict[str, Any]) -> Arguments | None:
        state = self.slot.state
        if state is None or state.handed_out is None or not args or not same_values(args[0], state.handed_out):
            return None
        return (state.tapped[state.next - 1], *args[1:]), kwargs

    def leave_norm(self, norm: nn.Module, args: Args, output: Tensor) -> Tensor:
        """Brings clusters back, unless they go on to a decoder."""
        slot = self.slot
        state = slot.state
        if state is None or not args or not state.is_small(args[0], state.last):
            return output
        state.waiting = False
        if self.plan.reconstruct == "decoder":
            slot.undecoded = state
            return output
        # In the model around the root, which reads hidden states alone, the normed tokens are of no use.
        return output if slot.outer else state.whole(output, state.last)

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
