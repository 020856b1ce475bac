"""The bench: everything that measures what the library does to models.

It needs the extra ``bench``. Each room has one idea; imports go down this list only:

=============  =======================================================================
``cli``        The command line.
``training``   Recipes of the small reference models.
``report``, ``tracking``   The HTML page, and Weights & Biases.
``tables``     Tables from records, beside published ones.
``results``    Records on disk, shards, accepted results, verdict, requirements.
``measuring``  Accuracy, cost, speed and memory of a case.
``suites``     Suites, cases and published tables.
``pictures``   Pictures of predictions and clusters.
``models``, ``backends``   Models by name, and the frameworks that run some of them.
``tasks``      The five tasks with their metrics and files.
``datasets``   Data sets by name.
``downloads``  Archives and checkpoints.
``storage``    Files, locks and documents.
=============  =======================================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hourglass.bench.measuring.evaluate import evaluate

__all__ = ["evaluate"]


def __getattr__(name: str) -> Any:
    """The public name, imported when it is asked for: the command line need not wait for torch."""
    if name not in __all__:
        raise AttributeError(f"module 'hourglass.bench' has no attribute '{name}'")
    from hourglass.bench.measuring.evaluate import evaluate

    return evaluate
