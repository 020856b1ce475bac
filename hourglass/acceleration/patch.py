"""What is put into a model, and how it is taken out again: hooks on modules, and classes with a method more."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NoReturn, TypeVar

from torch import nn
from torch.utils.hooks import RemovableHandle

Model = TypeVar("Model", bound=nn.Module)

# On the module, not on what is around it: whoever holds either of them finds it.
_PATCH = "_hourglass_patch"
_SCRIPT = "__prepare_scriptable__"  # torch.jit.script calls it before anything else
_OWN = ("hourglass.", "transformers.", "torch.", "accelerate.")


class Patch:
    """Changes of one encoder that `remove` undoes bit for bit. Copies and pickles with its model.

    A patch never writes on modules while they run: replicas and threads share them.
    """

    def __init__(self, encoder: nn.Module) -> None:
        """Marks the encoder as changed by this patch."""
        self.encoder: Any = encoder
        self._handles: list[RemovableHandle] = []
        self._extended: list[nn.Module] = []
        encoder.__dict__[_PATCH] = self
        encoder.__dict__[_SCRIPT] = _refuse_scripting

    def before(self, module: nn.Module, hook: Callable[..., Any]) -> None:
        """Calls ``hook(module, args, kwargs)`` before a module's forward; it may return others."""
        self._handles.append(module.register_forward_pre_hook(hook, with_kwargs=True))

    def after(self, module: nn.Module, hook: Callable[..., Any], *, always: bool = False) -> None:
        """Calls ``hook(module, args, output)`` after a module's forward, before the hooks of others.

        With `always`, also if it failed; the output is None then.
        """
        self._handles.append(module.register_forward_hook(hook, prepend=True, always_call=always))

    def extend(self, module: nn.Module, methods: Any) -> None:
        """Lets the methods of another class come before those of the module's own.

        They find this patch by `patch_of`. As methods belong to a class, they reach replicas of the module as well.

        Raises:
            ValueError: The module's forward was replaced, so that a class has no say in it.
        """
        if "forward" in module.__dict__:
            raise ValueError(
                f"the forward of {type(module).__name__} was replaced (as accelerate's offloading does): apply first, "
                "then do that"
            )
        base: Any = type(module)
        module.__class__ = _extended(base, methods)
        module.__dict__[_PATCH] = self
        self._extended.append(module)

    def remove(self) -> None:
        """Leaves every module exactly as it was.

        Raises:
            ValueError: Something else was laid over the changes since. Nothing is changed then.
        """
        for module in self._extended:
            if "_hourglass_base" not in vars(type(module)):
                raise ValueError(
                    f"the class of {type(module).__name__} was changed after the model was accelerated (as sharding "
                    "and parametrization do): undo that first"
                )
        for handle in self._handles:
            handle.remove()
        for module in self._extended:
            module.__class__ = type(module)._hourglass_base  # type: ignore[attr-defined]
            module.__dict__.pop(_PATCH, None)
        self.encoder.__dict__.pop(_PATCH, None)
        self.encoder.__dict__.pop(_SCRIPT, None)


def patch_of(module: nn.Module) -> Any:
    """The patch that changed this very module, or None."""
    return module.__dict__.get(_PATCH)


def patches(model: nn.Module) -> list[Any]:
    """All patches in a model, each once."""
    found = {id(patch): patch for module in model.modules() if (patch := patch_of(module)) is not None}
    return list(found.values())


def remove_patches(model: Model, kind: type[Patch], by: str = "") -> Model:
    """Undoes the patches of a kind in a model, and returns it.

    Args:
        model: Or an encoder inside it.
        kind: Of the patches.
        by: What the message says behind "is not accelerated", such as " by this method".

    Raises:
        ValueError: There is no such patch.
    """
    found = [patch for patch in patches(model) if isinstance(patch, kind)]
    if not found:
        raise ValueError(f"{type(model).__name__} is not accelerated{by}: there is nothing to remove")
    for patch in found:
        patch.remove()
    return model


def foreign(hook: Any) -> bool:
    """Whether a hook is the user's: neither ours nor one that a framework keeps for its own purposes."""
    function = getattr(hook, "func", hook)
    return not str(getattr(function, "__module__", "")).startswith(_OWN)


def watched(module: nn.Module) -> bool:
    """Whether a user's forward hook looks at what a module with a hook of ours returns."""
    hooks = module._forward_hooks
    return len(hooks) > 1 and any(map(foreign, hooks.values()))


def _refuse_scripting() -> NoReturn:
    raise ValueError(
        "torch.jit.script cannot follow what was put into this model: use torch.export, torch.compile or "
        "torch.jit.trace, or take it out first"
    )


@cache
def _extended(base: Any, methods: Any) -> Any:
    names = {"__module__": base.__module__, "__qualname__": base.__qualname__, "__doc__": base.__doc__}
    own = {"_hourglass_base": base, "_hourglass_methods": methods, "__reduce_ex__": _reduce}
    return type(base.__name__, (methods, base), {**names, **own})


def _reduce(module: Any, protocol: Any) -> Any:
    """Pickles the class as the two it is made of."""
    kind = type(module)
    if "_hourglass_base" not in vars(kind):
        return object.__reduce_ex__(module, protocol)
    reduced: Any = object.__reduce_ex__(module, protocol)
    return (_made, (kind._hourglass_base, kind._hourglass_methods), *reduced[2:])


def _made(base: Any, methods: Any) -> Any:
    kind: Any = _extended(base, methods)
    return kind.__new__(kind)
