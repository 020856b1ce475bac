"""Put the hourglass into a model, and take it out again."""

from __future__ import annotations

from typing import TypeVar

from torch import nn

from hourglass.acceleration.adapters import Attachment, adapters, loaded_classes
from hourglass.acceleration.plan import Plan

Model = TypeVar("Model", bound=nn.Module)

# On the encoder, not on the model around it: whoever holds either of them finds it.
_ATTACHMENT = "_hourglass_attachment"


def apply(model: Model, plan: Plan) -> Model:
    """Accelerate a trained model, in place and without touching its weights.

    From block ``plan.start`` on, the encoder runs on clusters of its tokens; feature maps come out at full resolution
    again (arXiv 2210.01035, section 3). Works at any input resolution and keeps ``state_dict`` keys. Compile the model
    after this, not before. Attention maps, where a model hands them out, stay those of the clusters.

    Args:
        model: A supported encoder, or any model that contains one.
        plan: The operating point.

    Returns:
        The same model.

    Raises:
        ValueError: If the model is not supported, is accelerated already, or the plan does not fit it.
    """
    if not isinstance(model, nn.Module) or not isinstance(plan, Plan):
        raise ValueError(f"apply takes a torch.nn.Module and a Plan, got {_name(model)} and {_name(plan)}")
    if any(map(_is_compiled, model.modules())):
        raise ValueError(f"{_name(model)} is compiled, and would not notice: apply to the model first, then compile it")
    if is_applied(model):
        raise ValueError(f"{_name(model)} is accelerated already: call hourglass.remove(model) first")
    known = []
    for adapter in adapters():
        encoder = adapter.find(model)
        if encoder is not None:
            encoder.__dict__[_ATTACHMENT] = adapter.attach(encoder, model, plan)
            return model
        known.append(adapter.name)
    raise ValueError(f"{_name(model)} contains no encoder that can be accelerated; supported: {'; '.join(known)}")


def remove(model: Model) -> Model:
    """Undo `apply`: bit for bit the model it was.

    Args:
        model: What was given to `apply`, or the encoder inside it.

    Returns:
        The same model.

    Raises:
        ValueError: If the model is not accelerated.
    """
    encoder = _accelerated(model)
    if encoder is None:
        raise ValueError(f"{_name(model)} is not accelerated: there is nothing to remove")
    attachment: Attachment = encoder.__dict__.pop(_ATTACHMENT)
    attachment.detach()
    return model


def is_applied(model: nn.Module) -> bool:
    """Whether `model`, or an encoder inside it, runs as an hourglass."""
    return _accelerated(model) is not None


def _accelerated(model: nn.Module) -> nn.Module | None:
    return next((module for module in model.modules() if _ATTACHMENT in module.__dict__), None)


def _is_compiled(module: nn.Module) -> bool:
    in_place = getattr(module, "_compiled_call_impl", None) is not None
    return in_place or isinstance(module, loaded_classes("torch._dynamo.eval_frame:OptimizedModule"))


def _name(value: object) -> str:
    return type(value).__name__
