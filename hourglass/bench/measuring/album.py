"""A few images of an evaluation with what was predicted for them, for people to look at. It measures nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from hourglass.acceleration.clustering import Clusters
from hourglass.bench import pictures, tasks
from hourglass.bench.datasets import Category, Sample
from hourglass.bench.pictures.layers import encoded, enlarged

IMAGES = 4


def spread(count: int) -> frozenset[int]:
    """The indices of the images that are kept, the same for every case: evenly spread over so many."""
    return frozenset((2 * place + 1) * count // (2 * IMAGES) for place in range(IMAGES)) if count else frozenset()


class Album:
    """Keeps some of the images that it is shown.

    Args:
        task: Whose predictions it is shown; of one that nobody can draw, nothing is kept.
        categories: Of the data set.
        chosen: Indices of the images to keep.

    Attributes:
        entries: A dict for each image: ``index``, ``name``, ``values`` (the task's metrics of this image alone) and
            ``pictures``: ``image``, and the layers ``truth``, ``prediction`` and, where tokens were clustered,
            ``clusters``, each as `hourglass.bench.pictures.layers.encoded` makes it. ``error`` has the reason where an
            image could not be drawn.
    """

    def __init__(self, task: tasks.Task, categories: Sequence[Category], chosen: frozenset[int]) -> None:
        self._task, self._categories = task, categories
        self._chosen = chosen if pictures.is_drawn(task.name) else frozenset()
        self.entries: list[dict[str, Any]] = []

    def wants(self, indices: range) -> bool:
        """Whether it keeps one of these images."""
        return any(index in self._chosen for index in indices)

    def add(
        self, indices: range, samples: Sequence[Sample], predictions: Sequence[Any], clusters: Clusters | None
    ) -> None:
        """Keep what is to be kept of a batch. It never fails: a picture is not worth a measurement.

        Args:
            indices: Of its images.
            samples: The images with their targets.
            predictions: On the CPU.
            clusters: Of the batch's tokens, if there are any.
        """
        for place, (index, sample, prediction) in enumerate(zip(indices, samples, predictions, strict=True)):
            if index not in self._chosen:
                continue
            entry: dict[str, Any] = {"index": index, "name": sample.name or str(sample.image_id)}
            try:
                entry |= {
                    "values": self._values(sample, prediction),
                    "pictures": self._drawn(sample, prediction, clusters, place),
                }
            except Exception as error:
                entry["error"] = " ".join(str(error).split()) or type(error).__name__
            self.entries.append(entry)

    def _values(self, sample: Sample, prediction: Any) -> tasks.Values:
        scorer = tasks.scorer(self._task, self._categories)
        scorer.add(prediction, sample)
        found = scorer.values()
        return {name: None if value is None or not math.isfinite(value) else value for name, value in found.items()}

    def _drawn(self, sample: Sample, prediction: Any, clusters: Clusters | None, place: int) -> dict[str, str]:
        size = sample.image.shape[1], sample.image.shape[2]
        drawn = {"image": encoded(sample.image.permute(1, 2, 0).numpy(), photo=True)}
        for name, shown in (("truth", sample.target), ("prediction", prediction)):
            layer = pictures.layer(self._task.name, size, shown, self._categories, scale=sample.target)
            drawn[name] = encoded(layer)
        if clusters is not None:
            labels = clusters.labels(place).cpu().numpy()
            drawn["clusters"] = encoded(pictures.borders(enlarged(size), labels))
        return drawn
