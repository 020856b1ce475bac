"""What an encoder hands out beside its last tokens: the hidden states that it recorded."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from hourglass.acceleration.state import ForwardState


def whole_states(output: Any, state: ForwardState) -> Any:
    """An encoder's output with the hidden states in it at full resolution."""
    if isinstance(output, dict):  # the outputs of transformers' models are dictionaries too
        for key, value in output.items():
            if key.endswith("hidden_states"):
                output[key] = whole_states(value, state)
        return output
    if not isinstance(output, (tuple, list)):
        return output
    recorded = len(output) == state.stage.total + 1 and all(
        value is None or isinstance(value, Tensor) for value in output
    )
    if recorded:
        start = state.stage.start
        return type(output)([state.whole_state(position - start, value) for position, value in enumerate(output)])
    return type(output)([whole_states(value, state) for value in output])
