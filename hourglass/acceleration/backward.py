"""What backward passes need: gradient checkpointing runs blocks again, long after their forward pass."""

from __future__ import annotations

import threading

import torch
from torch import Tensor

from hourglass.acceleration.state import ForwardState


class Retained:
    """The last forward pass of each thread that wanted gradients, until its next one. A copy starts empty."""

    def __init__(self) -> None:
        self._states: dict[int, ForwardState] = {}

    def __reduce__(self) -> tuple[type[Retained], tuple[()]]:
        return type(self), ()

    def recomputed(self, index: int, tokens: Tensor) -> ForwardState | None:
        """The pass that gave block `index` these tokens before, if the backward pass is running the block again."""
        if not torch.is_grad_enabled() or torch.compiler.is_compiling():
            return None
        return next((state for state in list(self._states.values()) if state.saw(index, tokens)), None)

    def keep(self, index: int, state: ForwardState, tokens: Tensor) -> None:
        """Keeps what block `index` is given in a pass, or forgets the pass before it if no gradients are wanted."""
        if torch.compiler.is_compiling():
            return
        if torch.is_grad_enabled():
            state.inputs[index] = tokens
            self._states[threading.get_ident()] = state
        elif index == state.first:
            self._states.pop(threading.get_ident(), None)

    def clear(self) -> None:
        """Forgets all passes."""
        self._states.clear()
