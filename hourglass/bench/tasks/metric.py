"""What a measured number means. Each is declared once, beside the code that computes it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """One measured quantity."""

    name: str
    """The column it is stored under; carries the unit where there is one."""
    title: str
    """What tables print."""
    unit: str
    """SI symbol, or ``fraction`` for a share between 0 and 1."""
    higher_is_better: bool
    definition: str
