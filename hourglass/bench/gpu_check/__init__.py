"""What a GPU has to say, asked in minutes: tests, accuracy, speed, launches and memory, beside what was estimated.

Nothing is downloaded: weights are random or come with the project, images are rendered. `check` runs the steps in
order of their worth and writes what it knows after each.
"""

from __future__ import annotations

from hourglass.bench.gpu_check.checking import check

__all__ = ["check"]
