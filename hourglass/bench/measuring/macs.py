"""Counting multiply-accumulates while a model runs, on any device, the meta device included.

Counted are matrix products, convolutions, attention and weighted sums of rows, by torch's formulas where torch has one,
and of a relative temperature the squared distances, one multiply-accumulate for each element. Everything else, such as
element-wise work, normalisation, pooling and interpolation, is listed by name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.utils import flop_counter
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

from hourglass.operators.observe import Moment, OperatorCall, observing

aten = torch.ops.aten
Shape = Sequence[int]


def _of_shapes(formula: Callable[..., int]) -> Callable[..., int]:
    """A formula of PyTorch 2.1, which takes shapes where later ones take tensors."""

    def of_tensors(*args: Any, out_val: Any, **kwargs: Any) -> int:
        shapes = tree_map(lambda value: value.shape if isinstance(value, Tensor) else value, (args, kwargs, out_val))
        return formula(*shapes[0], **shapes[1], out_shape=shapes[2])

    return of_tensors


_TORCHS: Mapping[Any, Callable[..., int]] = vars(flop_counter).get("flop_registry") or {
    operator: _of_shapes(formula) for operator, formula in vars(flop_counter)["flop_mapping"].items()
}


def attention_macs(query: Shape, key: Shape, value: Shape) -> int:
    """Of (..., N, D), (..., M, D) and (..., M, E): both products, for every pair of a query and a key."""
    return prod(query[:-1]) * key[-2] * (query[-1] + value[-1])


def _attention(query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any) -> int:
    return attention_macs(query.shape, key.shape, value.shape)


def _weighted_rows(
    rows: Tensor, chosen: Tensor, *arguments: Any, per_sample_weights: Tensor | None = None, **_: Any
) -> int:
    """Sums of chosen rows: a multiply-accumulate for every element of them, if they are weighted."""
    weights = arguments[4] if len(arguments) > 4 else per_sample_weights
    return 0 if weights is None else chosen.numel() * rows.shape[1]


def _distances(first: Tensor, second: Tensor, *_: Any, **__: Any) -> int:
    return prod(first.shape[:-1]) * second.shape[-2] * first.shape[-1]


# torch's own counter takes attention on the CPU for free.
ATTENTION: Mapping[Any, Callable[..., int]] = {
    getattr(aten, name): _attention
    for name in (
        "scaled_dot_product_attention",
        "_scaled_dot_product_flash_attention",
        "_scaled_dot_product_flash_attention_for_cpu",
        "_scaled_dot_product_efficient_attention",
        "_scaled_dot_product_cudnn_attention",
        "_scaled_dot_product_fused_attention_overrideable",
    )
    if hasattr(aten, name)
}
_OWN: Mapping[Any, Callable[..., int]] = {
    **ATTENTION,
    aten._embedding_bag: _weighted_rows,
    aten._embedding_bag_forward_only: _weighted_rows,
    aten._cdist_forward: _distances,
    aten._euclidean_dist: _distances,
}


@dataclass(frozen=True)
class Event:
    """One operator that ran."""

    operator: str
    macs: int
    elements: int
    """Of its first result."""
    regions: frozenset[str]
    """Names of the regions it ran in."""
    call: OperatorCall | None
    """The operator of the hourglass, or of a rival, it was part of."""

    @property
    def is_attention(self) -> bool:
        """Whether it was fused attention."""
        return "scaled_dot_product" in self.operator


class MacCounter(TorchDispatchMode):
    """Counts what runs inside its ``with`` block; use `count_macs`.

    Args:
        regions: Modules by name; an operator that runs in one of them, or in a module below, belongs to that region.
    """

    def __init__(self, regions: Mapping[str, nn.Module]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.events: list[Event] = []
        self.calls: list[OperatorCall] = []
        """Operators of the hourglass and of its rivals, in the order they began, without their tensors."""
        self._call: OperatorCall | None = None
        self._members = {name: set(module.modules()) for name, module in regions.items()}
        self._running: list[nn.Module] = []

    @property
    def macs(self) -> int:
        """All of them."""
        return sum(event.macs for event in self.events)

    @property
    def uncounted(self) -> dict[str, int]:
        """How often each operator ran that is taken to have no multiply-accumulates, by name."""
        return dict(sorted(Counter(event.operator for event in self.events if not event.macs).items()))

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        packet = func.overloadpacket
        formula = _OWN.get(packet) or _TORCHS.get(packet)
        if formula is None:
            with self:
                parts = func.decompose(*args, **kwargs)
            if parts is not NotImplemented:
                return parts
        result = func(*args, **kwargs)
        macs = 0
        if packet in _OWN:
            macs = _OWN[packet](*args, **kwargs)
        elif formula is not None:
            macs = formula(*args, **kwargs, out_val=result) // 2
        self._record(packet.__name__, macs, result)
        return result

    def _record(self, operator: str, macs: int, result: Any) -> None:
        first = result[0] if isinstance(result, (tuple, list)) and result else result
        elements = first.numel() if isinstance(first, Tensor) else 0
        regions = frozenset(name for name, members in self._members.items() if not members.isdisjoint(self._running))
        self.events.append(Event(operator, macs, elements, regions, self._call))

    def observe(self, moment: Moment, call: OperatorCall) -> None:
        """Attributes what runs from the begin of a call to its end to the call."""
        if moment == "end":
            self._call = None
            return
        self._call = replace(call, arguments={}, context={})
        self.calls.append(self._call)
        if call.kind == "temperature":
            self._record("relative_temperature", call.batch * call.tokens * call.channels, None)

    @contextmanager
    def watching_modules(self) -> Iterator[None]:
        """Know which modules run."""
        handles = [
            register_module_forward_pre_hook(lambda module, _: self._running.append(module)),
            register_module_forward_hook(lambda module, *_: _ignore(self._running.pop()), always_call=True),
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


def count_macs(run: Callable[[], Any], regions: Mapping[str, nn.Module] | None = None) -> MacCounter:
    """Count what ``run`` computes.

    Args:
        run: Runs a model, once.
        regions: See `MacCounter`.
    """
    counter = MacCounter(regions or {})
    with torch.inference_mode(), _layer_by_layer(), counter.watching_modules(), observing(counter.observe), counter:
        run()
    return counter


@contextmanager
def _layer_by_layer() -> Iterator[None]:
    """Without the fast path, which is one opaque operator for a whole layer; PyTorch 2.1 cannot turn it off."""
    switch = getattr(torch.backends, "mha", None)
    if switch is None:
        yield
        return
    before = switch.get_fastpath_enabled()
    switch.set_fastpath_enabled(False)
    try:
        yield
    finally:
        switch.set_fastpath_enabled(before)


def _ignore(_: object) -> None:
    """A hook that returns something else than None replaces the module's output."""
