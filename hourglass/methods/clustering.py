"""The hourglass: clustering and reconstruction of tokens (arXiv 2210.01035)."""

from __future__ import annotations

from dataclasses import MISSING, asdict, fields
from typing import TYPE_CHECKING, Any

from hourglass.acceleration.plan import Plan
from hourglass.methods import Settings
from hourglass.methods.settings import check_names

if TYPE_CHECKING:
    from torch import nn

_LATER = {"proportional_attention": False, "interpolation": "kernel"}
"""Settings that were no choice at first, and what they were: results from before stay what they are."""


class _Hourglass:
    """Its settings are the fields of a `Plan`."""

    def resolve(self, settings: Settings) -> dict[str, Any]:
        plan = asdict(_plan(settings))
        plan = {name: value for name, value in plan.items() if name not in _LATER or value != _LATER[name]}
        return {**plan, "clusters": list(plan["clusters"])}

    def apply(self, model: nn.Module, settings: Settings) -> nn.Module:
        from hourglass import acceleration

        return acceleration.apply(model, _plan(settings))

    def remove(self, model: nn.Module) -> nn.Module:
        from hourglass import acceleration

        return acceleration.remove(model)


def _plan(settings: Settings) -> Plan:
    known = fields(Plan)
    needed = [field.name for field in known if field.default is MISSING]
    check_names(settings, [field.name for field in known], needed)
    return Plan(**settings)


HOURGLASS = _Hourglass()
