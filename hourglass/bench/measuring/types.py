"""What a measurement returns, and the part of one that a shard is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict

from hourglass.registry import UserError


class Partial(TypedDict):
    """What a shard of an evaluation leaves behind."""

    state: Any
    """Of the task's scorer."""
    categories: list[Any]
    """Of the data set: the fields of each, in order."""
    samples: dict[str, Any]
    """As of `Result`."""
    conditions: dict[str, Any]
    """As of `Result`."""
    gallery: NotRequired[list[dict[str, Any]]]
    """As of `Result`."""


class Result(TypedDict):
    """What every measurement returns."""

    values: dict[str, float | int | None]
    """By the names of `quantities`; None where a quantity does not apply."""
    samples: dict[str, Any]
    """Raw samples behind the values, and what else helps to read them."""
    conditions: dict[str, Any]
    """Under which the values hold: device, threads, attention kernels, data."""
    gallery: NotRequired[list[dict[str, Any]]]
    """Of accuracy, if asked for: some images with what was predicted for them, as `album` makes them."""


@dataclass(frozen=True)
class Shard:
    """One of several contiguous parts of a case's images.

    Attributes:
        number: Which, from 1 on.
        of: How many there are.
    """

    number: int
    of: int

    @staticmethod
    def parse(text: str) -> Shard:
        """A shard as it is written: ``2/7``.

        Raises:
            UserError: It is none.
        """
        numbers = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text, re.ASCII)
        if numbers is None or not 1 <= int(numbers[1]) <= int(numbers[2]):
            raise UserError(f"shard: '{text}' is none; write K/N with K from 1 to N, as in 2/7")
        return Shard(int(numbers[1]), int(numbers[2]))

    def images(self, count: int, batch: int) -> range:
        """Indices of its images, which are none if there are fewer batches than shards.

        Args:
            count: Images of all shards.
            batch: Images per forward pass. No batch is cut, as the digits of an image may depend on its batch.
        """
        batches = -(-count // batch)
        first, end = (batches * number // self.of for number in (self.number - 1, self.number))
        return range(first * batch, min(end * batch, count))


WHOLE = Shard(1, 1)
