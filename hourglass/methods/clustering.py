"""The hourglass: clustering and reconstruction of tokens (arXiv 2210.01035)."""

from __future__ import annotations

from dataclasses import MISSING, asdict, fields
from typing import Any

from torch import nn

from hourglass.acceleration import Plan
from hourglass.acceleration import apply as apply_plan
from hourglass.methods import Settings
from hourglass.registry import hint


class _Hourglass:
    """Its settings are the fields of a `Plan`."""

    def resolve(self, settings: Settings) -> dict[str, Any]:
        plan = asdict(_plan(settings))
        return {**plan, "clusters": list(plan["clusters"])}

    def apply(self, model: nn.Module, settings: Settings) -> nn.Module:
        return apply_plan(model, _plan(settings))


def _plan(settings: Settings) -> Plan:
    known = [field.name for field in fields(Plan)]
    for name in settings:
        if name not in known:
            raise ValueError(f"unknown setting '{name}'; {hint(name, known)}")
    for field in fields(Plan):
        if field.default is MISSING and field.name not in settings:
            raise ValueError(f"setting '{field.name}' is missing")
    return Plan(**settings)


HOURGLASS = _Hourglass()
