"""The bench: everything that measures what the library does to models.

It needs the extra ``bench``. Each room has one idea; imports go down this list only:

- ``cli``: the command line.
- ``training``: recipes of the small reference models.
- ``report``, ``tracking``, ``gpu_check``: the HTML page, Weights & Biases, and the questions to a GPU.
- ``tables``: tables from records, beside published ones.
- ``results``: records on disk, shards, accepted results, verdict, requirements.
- ``measuring``: accuracy, cost, speed and memory of a case.
- ``suites``: suites, cases and published tables.
- ``pictures``: pictures of predictions and clusters.
- ``models``: models by name.
- ``backends``: the frameworks that run some of them.
- ``tasks``: the five tasks with their metrics and files.
- ``datasets``: data sets by name.
- ``downloads``: archives and checkpoints.
- ``storage``: files, locks and documents.
- ``wording``: numbers in sentences.
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
