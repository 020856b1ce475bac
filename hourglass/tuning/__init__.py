"""Which plan to choose for a model: the front of measured speed against loss."""

from hourglass.tuning.front import Front, Trial
from hourglass.tuning.search import tune

__all__ = ["Front", "Trial", "tune"]
