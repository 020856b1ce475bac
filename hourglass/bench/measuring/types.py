"""What a measurement takes and what it returns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypedDict


class Case(Protocol):
    """A model on a data set by a method: what measuring needs of `hourglass.bench.suites.suite.Case`."""

    @property
    def suite(self) -> str:
        """Name of the suite."""
        ...

    @property
    def suite_version(self) -> int:
        """Of the suite."""
        ...

    @property
    def task(self) -> str:
        """Name of the task."""
        ...

    @property
    def model(self) -> str:
        """Name of the model."""
        ...

    @property
    def dataset(self) -> str:
        """Name of the data set."""
        ...

    @property
    def method(self) -> str:
        """Name of the method."""
        ...

    @property
    def settings(self) -> Mapping[str, Any]:
        """Of the method."""
        ...

    @property
    def images(self) -> int | None:
        """How many images of the evaluation split, from the first on; None for all."""
        ...

    @property
    def batch(self) -> int:
        """Images per forward pass for accuracy and throughput."""
        ...

    @property
    def precision(self) -> str:
        """``float32``, ``bfloat16`` or ``float16``."""
        ...

    @property
    def seed(self) -> int:
        """Of everything random."""
        ...


class Partial(TypedDict):
    """What a shard of an evaluation leaves behind."""

    state: Any
    """Of the task's scorer."""
    categories: list[Any]
    """Of the data set: the fields of each, in order."""
    samples: dict[str, Any]
    """As of `Measured`."""
    conditions: dict[str, Any]
    """As of `Measured`."""


class Measured(TypedDict):
    """What every measurement returns."""

    values: dict[str, float | int | None]
    """By the names of `quantities`; None where a quantity does not apply."""
    samples: dict[str, Any]
    """Raw samples behind the values, and what else helps to read them."""
    conditions: dict[str, Any]
    """Under which the values hold: device, threads, attention kernels, data."""
