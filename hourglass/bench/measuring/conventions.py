"""How the published tables count: each family of models by other rules (arXiv 2210.01035 and the authors' code).

All counts are multiply-accumulates; what the tables print as "GFLOPs" may be twice that. Every rule was fitted to the
printed cells, which come out within 0.4 % (Segmenter), 0.3 % (DPT) and 0.02 % (Swin).

The residual form, which the paper does not have, is charged by the same rules: its clustering and its weights by the
fitted formulas, whatever its number of neighbors; additions cost nothing; and its relative temperature what a family
charges for pooling, for distances and for their sums, of every token to one mean. Linear interpolation is charged its
products of neighbors with neighbors in all families.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import nn

from hourglass.bench.measuring.macs import Event, MacCounter
from hourglass.operators.observe import OperatorCall

BACKBONE, DECODER = "backbone", "decoder"
_FRAMEWORKS = ("transformers", "timm", "detectron2", "mask2former", "maskdino")
_NORMALISATIONS = ("native_layer_norm", "native_group_norm", "native_batch_norm", "cudnn_batch_norm")


@dataclass(frozen=True)
class Convention:
    """How one family counts."""

    name: str
    flops_per_mac: int
    """What the printed column has for every multiply-accumulate."""
    counts: Callable[[Event], bool]
    """Whether an operator outside of all these is counted."""
    normalisation: int
    """Multiply-accumulates charged for each element that a normalisation puts out."""
    operator: Callable[[OperatorCall], int]
    """Multiply-accumulates charged for an operator of the hourglass, or a matching."""

    def macs(self, counter: MacCounter) -> int:
        """Of a run that was counted with the regions of `regions`."""
        events = [event for event in counter.events if event.call is None and self.counts(event)]
        normalised = sum(event.elements for event in events if event.operator in _NORMALISATIONS)
        return (
            sum(event.macs for event in events)
            + self.normalisation * normalised
            + sum(self.operator(call) + _linear(call) for call in counter.calls)
        )


def _segmenter(call: OperatorCall) -> int:
    n, k, d = call.tokens, call.clusters, call.channels
    if call.kind == "clustering":
        return call.batch * (n * d + call.iterations * (50 * n * d + 75 * n + k * n * d + k * d))
    if call.kind == "weights":
        return call.batch * (20 * n * d + 60 * n)
    if call.kind == "temperature":
        return call.batch * 2 * n * d
    return 0


def _dpt(call: OperatorCall) -> int:
    """The distances are not counted, and tokens copy their nearest center for nothing."""
    products = {"clustering": call.iterations, "matching": 1}.get(call.kind, 0)
    return call.batch * products * call.tokens * call.clusters * call.channels


def _swin(call: OperatorCall) -> int:
    """Dense distances and dense sums; to a temperature, a token has one distance."""
    if call.kind == "temperature":
        return call.batch * call.tokens * call.channels
    products = 2 * call.iterations if call.kind == "clustering" else 1
    return call.batch * products * call.tokens * call.clusters * call.channels


def _linear(call: OperatorCall) -> int:
    return call.batch * call.tokens * call.linear**2 * call.channels


def _not_in_decoder_attention(event: Event) -> bool:
    return not (event.is_attention and DECODER in event.regions)


def _in_backbone(event: Event) -> bool:
    return BACKBONE in event.regions


def _anywhere(event: Event) -> bool:
    return True


SEGMENTER = Convention("segmenter", 1, _not_in_decoder_attention, 0, _segmenter)
DPT = Convention("dpt", 2, _anywhere, 1, _dpt)
SWIN = Convention("swin", 1, _in_backbone, 5, _swin)


def convention_of(model: nn.Module) -> Convention:
    """Swin's for whatever has a Swin, DPT's for DPT, and Segmenter's for all others."""
    if _first(model, "Swin") is not None:
        return SWIN
    return DPT if _first(model, "DPT") is not None else SEGMENTER


def regions(model: nn.Module) -> Mapping[str, nn.Module]:
    """The modules that conventions tell apart."""
    found = {BACKBONE: _first(model, "Swin"), DECODER: getattr(model, "decoder", None)}
    return {name: module for name, module in found.items() if isinstance(module, nn.Module)}


def _first(model: nn.Module, family: str) -> nn.Module | None:
    """The outermost module of a family, by the name of its class, of those that the frameworks bring."""
    for module in model.modules():
        kind = type(module)
        if kind.__module__.split(".")[0] in _FRAMEWORKS and family in kind.__name__:
            return module
    return None
