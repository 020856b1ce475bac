"""A case: one model with one plan on one data set, which a suite is expanded into."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import Field, SerializerFunctionWrapHandler, StringConstraints, model_serializer

from hourglass.bench.storage.documents import Document

BASELINE = "baseline"
FULL = "full"
"""The one plan of the baseline: all tokens through every block."""

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]*$")]
Count = Annotated[int, Field(strict=True, ge=1, le=1_000_000)]
"""A number of things: a whole one, and no larger than makes sense of anything here."""
Seed = Annotated[int, Field(strict=True, ge=0, lt=2**63)]
Precision = Literal["float32", "bfloat16", "float16"]
MemoryFormat = Literal["contiguous", "channels_last"]
USUAL_FORMAT: MemoryFormat = "contiguous"
Measurement = Literal["accuracy", "cost", "speed"]
MEASUREMENTS: tuple[Measurement, ...] = get_args(Measurement)


class Case(Document):
    """The unit that is measured, cached and resumed: everything that decides what a measurement means.

    Attributes:
        settings: Of the method, in full.
        images: How many images of the evaluation split are used, from the first on; None for all.
        batch: Images per forward pass when accuracy and throughput are measured.
        memory_format: How images, feature maps and the weights of convolutions lie in memory.
        scored: Whether its accuracy is measured.
        timed: Whether its speed is measured.
        definitions: What the suite says of the model and the data set, where they are none of the project's.
    """

    suite: Name
    suite_version: Count
    task: Name
    model: Name
    dataset: Name
    method: Name
    plan: Name
    settings: dict[str, Any]
    images: Count | None
    batch: Count
    precision: Precision
    seed: Seed
    memory_format: MemoryFormat = USUAL_FORMAT
    scored: bool = True
    timed: bool = True
    definitions: dict[str, dict[str, Any]] = Field(default_factory=dict)

    @model_serializer(mode="wrap")
    def _in_short(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        content: dict[str, Any] = dump(self)
        usual: dict[str, Any] = {"memory_format": USUAL_FORMAT, "scored": True, "timed": True, "definitions": {}}
        return {name: value for name, value in content.items() if name not in usual or value != usual[name]}

    @property
    def id(self) -> str:
        """The same in paths, tables, tracking and messages."""
        return f"{self.experiment}.{self.method}.{self.plan}"

    @property
    def experiment(self) -> str:
        """What it shares with its baseline."""
        return f"{self.task}.{self.model}.{self.dataset}"

    @property
    def baseline_id(self) -> str:
        """Id of the case that this one is compared with."""
        return f"{self.experiment}.{BASELINE}.{FULL}"

    @property
    def is_baseline(self) -> bool:
        """Whether this is the untouched model."""
        return self.method == BASELINE

    @property
    def measurements(self) -> tuple[Measurement, ...]:
        """What is measured of it. A baseline is timed beside every other case, so it has no speed of its own."""
        absent = {"accuracy": not self.scored, "speed": self.is_baseline or not self.timed}
        return tuple(measurement for measurement in MEASUREMENTS if not absent.get(measurement))
