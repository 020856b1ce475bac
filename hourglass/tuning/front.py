"""Plans that were tried on a model, and which of them to take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any

from hourglass.acceleration import Plan


@dataclass(frozen=True)
class Trial:
    """A plan with what it gained and lost.

    Attributes:
        plan: The operating point.
        speedup: Duration of the untouched model over that of the accelerated one, the median of interleaved rounds.
        low: Lower end of its 95 % interval.
        high: Upper end.
        loss: Share of the score that is lost, or the distortion of the outputs; below 0 if the plan is better.
        error: Standard error of the loss over the images; None where there is only one number.
        rounds: Interleaved rounds that were timed.
    """

    plan: Plan
    speedup: float
    low: float
    high: float
    loss: float
    error: float | None
    rounds: int

    @property
    def faster(self) -> bool:
        """Whether it is certain to be faster than the untouched model."""
        return self.low > 1

    @property
    def settings(self) -> dict[str, Any]:
        """What differs from the defaults of `Plan`, as a suite takes it."""
        default = asdict(Plan(self.plan.start, self.plan.clusters, form=self.plan.form))
        given = asdict(self.plan) | {"clusters": list(self.plan.clusters)}
        required = {field.name for field in fields(Plan) if field.default is MISSING}
        form = {"form"} if self.plan.form != "residual" else set()
        return {name: value for name, value in given.items() if name in required | form or value != default[name]}

    @property
    def python(self) -> str:
        """The call that applies it."""
        given = self.settings | {"clusters": self.plan.clusters}
        arguments = ", ".join(f"{name}={value!r}" for name, value in given.items())
        return f"hourglass.apply(model, hourglass.Plan({arguments}))"

    @property
    def yaml(self) -> str:
        """One line for the methods of an experiment in a suite."""
        entries = ", ".join(f"{name}: {value}" for name, value in self.settings.items())
        return f"hourglass: {{ tuned: {{ {entries} }} }}"

    def __str__(self) -> str:
        lost = f"{self.loss:.2%}" if self.error is None else f"{self.loss:.2%} ± {1.96 * self.error:.2%}"
        return f"{self.speedup:.2f}x [{self.low:.2f}, {self.high:.2f}] for a loss of {lost}: {self.yaml}"


class Front:
    """All trials, and the best of them.

    Args:
        trials: In any order.
        tried: How many of the candidates there were are among them.
        candidates: How many there were.
    """

    def __init__(self, trials: Sequence[Trial], candidates: int) -> None:
        self.trials = tuple(sorted(trials, key=lambda trial: trial.speedup))
        self.candidates = candidates

    @property
    def best(self) -> tuple[Trial, ...]:
        """Those certainly faster than the model that no other beats in both speed and loss; slowest first."""
        found: list[Trial] = []
        for trial in reversed(self.trials):
            if trial.faster and all(trial.loss < other.loss for other in found):
                found.append(trial)
        return tuple(reversed(found))

    def choose(self, *, speedup: float | None = None, max_loss: float | None = None) -> Trial:
        """The trial with the least loss of those that are fast enough, or the fastest of those that lose little enough.

        Args:
            speedup: That the median has to reach.
            max_loss: Share that may be lost, such as 0.005 for 0.5 %.

        Raises:
            ValueError: Neither or both are given, or no trial is certainly faster than the model and does it.
        """
        if (speedup is None) == (max_loss is None):
            raise ValueError("choose takes either speedup or max_loss")
        if speedup is not None:
            fitting = [trial for trial in self.best if trial.speedup >= speedup]
            if fitting:
                return min(fitting, key=lambda trial: trial.loss)
            fastest = max((trial.speedup for trial in self.best), default=1.0)
            raise ValueError(f"speedup: no plan reaches {speedup:g}x; the fastest found has {fastest:.2f}x")
        fitting = [trial for trial in self.best if trial.loss <= (max_loss or 0.0)]
        if fitting:
            return max(fitting, key=lambda trial: trial.speedup)
        least = min((trial.loss for trial in self.best), default=None)
        told = "no plan is certainly faster than the model" if least is None else f"the mildest loses {least:.2%}"
        raise ValueError(f"max_loss: no plan that is faster loses {max_loss:.2%} or less; {told}")
