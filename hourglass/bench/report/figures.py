"""Pictures of accuracy against what it costs, as SVG text. Equal input gives equal bytes."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

BASELINE_COLOR, PLAN_COLOR, GRID_COLOR, TEXT_COLOR = "#8a8f98", "#c2571a", "#e6e4df", "#33373d"
STYLE: Any = {
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.edgecolor": BASELINE_COLOR,
    "axes.labelcolor": TEXT_COLOR,
    "xtick.color": TEXT_COLOR,
    "ytick.color": TEXT_COLOR,
    "svg.fonttype": "none",
    "svg.hashsalt": "hourglass",
}


@dataclass(frozen=True)
class Point:
    """One case of an experiment: what it costs and how accurate it is."""

    label: str
    is_baseline: bool
    cost: float
    accuracy: float


@dataclass(frozen=True)
class Panel:
    """Accuracy against one kind of cost."""

    cost_label: str
    accuracy_label: str
    points: tuple[Point, ...]
    keep: float | None
    """Accuracy that marks what a plan should keep; drawn as a line."""


def svg(panels: list[Panel]) -> str:
    """Panels side by side, without an XML header, to be put into a page."""
    with rc_context(STYLE):
        figure = Figure(figsize=(4.3 * len(panels), 2.9), layout="constrained")
        for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
            _draw(axes, panel)
        text = io.StringIO()
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return text.getvalue()[text.getvalue().index("<svg") :]


def _draw(axes: Axes, panel: Panel) -> None:
    ordered = sorted(panel.points, key=lambda point: point.cost)
    axes.plot([p.cost for p in ordered], [p.accuracy for p in ordered], color=GRID_COLOR, linewidth=1.5, zorder=1)
    for place, point in enumerate(ordered):
        color, marker = (BASELINE_COLOR, "s") if point.is_baseline else (PLAN_COLOR, "o")
        axes.scatter(point.cost, point.accuracy, color=color, marker=marker, s=34, zorder=3)
        axes.annotate(
            point.label,
            (point.cost, point.accuracy),
            xytext=(0, 11 if place % 2 else -11),  # neighbours' labels would overlap on one side
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=8,
            color=color,
        )
    if panel.keep is not None:
        axes.axhline(panel.keep, color=BASELINE_COLOR, linewidth=0.8, linestyle=(0, (4, 4)), zorder=0)
    axes.set(xlabel=panel.cost_label, ylabel=panel.accuracy_label)
    axes.margins(0.16, 0.22)
    axes.grid(color=GRID_COLOR, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
