"""Put the hourglass into a model, and take it out again."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from torch import nn

from hourglass.acceleration.encoders import Catalogue
from hourglass.acceleration.hourglass import Hourglass
from hourglass.acceleration.patch import Model, patches, remove_patches
from hourglass.acceleration.plan import Plan
from hourglass.acceleration.published import PublishedHourglass
from hourglass.acceleration.spec import EncoderSpec, Refusal
from hourglass.acceleration.windows import Grid
from hourglass.registry import hint

Found = tuple[str, nn.Module, EncoderSpec]
Make = Callable[[EncoderSpec, nn.Module, nn.Module, Plan], Hourglass]

_LOG = logging.getLogger("hourglass")


@dataclass(frozen=True)
class Accelerated:
    """An encoder that runs as an hourglass.

    Attributes:
        path: Its name in the model; empty for the model itself.
        encoder: Name of its class.
        blocks: How many blocks it has.
        start: How many of them run on all tokens.
        until: Block, counted from 1, after which the tokens are whole again.
        window: Rows and columns of an attention window; None if the whole grid of an image is clustered.
        clusters: What becomes of each.
        clustered: What is clustered by itself, if not the whole image or an attention window: each frame, say.
    """

    path: str
    encoder: str
    blocks: int
    start: int
    until: int
    window: Grid | None
    clusters: Grid
    clustered: str = ""

    def __str__(self) -> str:
        where = f"{self.encoder} at '{self.path}'" if self.path else self.encoder
        tokens = "all tokens" if self.window is None else f"{self.window[0]} x {self.window[1]} tokens of a window"
        tokens += f" of {self.clustered}" if self.clustered else ""
        few = f"{self.clusters[0]} x {self.clusters[1]} clusters"
        return f"{where}: {tokens} become {few} in blocks {self.start + 1} to {self.until} of {self.blocks}"


def apply(model: Model, plan: Plan, *, encoder: str | Sequence[str] | None = None) -> Model:
    """Accelerate a trained model, in place and without touching its weights.

    From block ``plan.start`` on, the encoder runs on clusters of its tokens; feature maps come out at full resolution
    again (arXiv 2210.01035, section 3). Works at any input resolution and keeps ``state_dict`` keys. Compile the model
    after this, not before. A forward hook on a block sees what the block returns at full resolution; attention maps,
    where a model hands them out, stay those of the clusters.

    Args:
        model: A supported encoder, or any model that contains some.
        plan: The operating point.
        encoder: Which of the model's encoders, by the path that `named_modules` gives them (or that of a module around
            them); all of them by default.

    Returns:
        The same model. What was done is logged, and `summary` tells it.

    Raises:
        ValueError: If the model is not supported, is accelerated already, or the plan does not fit it. Nothing is
            changed then.
    """
    return put(_hourglass, model, plan, encoder=encoder)


def put(make: Make, model: Model, plan: Plan, *, encoder: str | Sequence[str] | None = None) -> Model:
    """As `apply`, of whatever acts as an hourglass does.

    Args:
        make: Puts it into one encoder; called with its description, the encoder, the model around it, and the plan.
        model: As of `apply`.
        plan: Likewise.
        encoder: Likewise.

    Raises:
        ValueError: As `apply`.
    """
    if not isinstance(model, nn.Module) or not isinstance(plan, Plan):
        raise ValueError(f"apply takes a torch.nn.Module and a Plan, got {_name(model)} and {_name(plan)}")
    if any(map(_is_compiled, model.modules())):
        raise ValueError(f"{_name(model)} is compiled, and would not notice: apply to the model first, then compile it")
    catalogue = Catalogue()
    chosen = _chosen(model, catalogue.encoders(model), encoder)
    if not chosen:
        raise ValueError(_unknown(model, catalogue))
    for path, module, _ in chosen:
        if patches(module):
            what = f"'{path}' in {_name(model)}" if path else _name(model)
            raise ValueError(f"{what} is accelerated already: call hourglass.remove(model) first")
    before = patches(model)
    try:
        for _, module, spec in chosen:
            make(spec, module, model, plan)
    except ValueError:
        for patch in patches(model):
            if all(patch is not other for other in before):
                patch.remove()
        raise
    for line in summary(model):
        _LOG.info("%s", line)
    return model


def remove(model: Model) -> Model:
    """Undo `apply`: bit for bit the model it was.

    Args:
        model: What was given to `apply`, or an encoder inside it.

    Returns:
        The same model.

    Raises:
        ValueError: If the model is not accelerated.
    """
    return remove_patches(model, Hourglass)


def is_applied(model: nn.Module) -> bool:
    """Whether `model`, or an encoder inside it, runs as an hourglass."""
    return any(isinstance(patch, Hourglass) for patch in patches(model))


def summary(model: nn.Module) -> list[Accelerated]:
    """What `apply` did to each encoder in `model`, in their order; empty if nothing."""
    paths = {id(module): path for path, module in model.named_modules()}
    found = []
    for patch in patches(model):
        if isinstance(patch, Hourglass):
            found.append(
                Accelerated(
                    paths.get(id(patch.encoder), ""), _name(patch.encoder), *patch.extent(), patch.spec.clustered
                )
            )
    return found


def _hourglass(spec: EncoderSpec, encoder: nn.Module, model: nn.Module, plan: Plan) -> Hourglass:
    if plan.form == "published" and spec.windows is None:
        return (spec.published or PublishedHourglass)(spec, encoder, model, plan)
    return Hourglass(spec, encoder, plan)


def _chosen(model: nn.Module, found: list[Found], encoder: str | Sequence[str] | None) -> list[Found]:
    if encoder is None:
        return found
    wanted = [encoder] if isinstance(encoder, str) else list(encoder)
    chosen = {}
    for path in wanted:
        within = [one for one in found if one[0] == path or one[0].startswith(f"{path}.") or not path]
        if not within:
            known = [one[0] or type(one[1]).__name__ for one in found]
            raise ValueError(f"encoder: {_name(model)} has none at '{path}'; {hint(path, known)}")
        chosen.update({id(one[1]): one for one in within})
    return list(chosen.values())


def _unknown(model: nn.Module, catalogue: Catalogue) -> str:
    """Why nothing can be done, in one line that says what could be."""
    name = _name(model)
    for module in model.modules():
        known = catalogue.of(module)
        if isinstance(known, Refusal):
            inside = f"{name} contains {_name(module)}, which" if module is not model else name
            return f"{inside} {known.reason}"
    classes = catalogue.classes()
    neighbours = [target.split(":")[1] for target in classes if target.split(":")[0] == type(model).__module__]
    if neighbours:
        return (
            f"{name} is no whole encoder: pass the model around it ({', '.join(neighbours)}, or one with that inside)"
        )
    names = sorted({target.split(":")[1] for target in classes})
    near = get_close_matches(name, names, n=3, cutoff=0.5) or ["VisionTransformer", "ViTModel", "SwinTransformer"]
    return (
        f"{name} contains no encoder that can be accelerated; nearest of the {len(names)} supported classes: "
        f"{', '.join(near)}"
    )


def _is_compiled(module: nn.Module) -> bool:
    in_place = getattr(module, "_compiled_call_impl", None) is not None
    dynamo = sys.modules.get("torch._dynamo.eval_frame")
    return in_place or (dynamo is not None and isinstance(module, dynamo.OptimizedModule))


def _name(value: object) -> str:
    return type(value).__name__
