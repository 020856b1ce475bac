"""What is known of a model without building it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, PositiveInt, model_validator

from hourglass.bench.datasets.base import Category
from hourglass.bench.models import weights
from hourglass.bench.storage.documents import Document, invalid, read, unknown
from hourglass.registry import UserError

if TYPE_CHECKING:
    from hourglass.bench.models.inference import Inference

FAMILIES = Path(__file__).with_name("families")
INFERENCES = {
    "resized": "Resized",
    "sliding_window": "SlidingWindow",
    "short_side": "ShortSide",
    "by_processor": "ByProcessor",
}
"""Classes of `hourglass.bench.models.inference` by the names that cards have for them."""


class ModelCard(Document):
    """What is known of a model without building it.

    Attributes:
        name: Of the model.
        description: In a few words.
        tasks: That it can do.
        dataset: Whose categories its labels are; None if it is ``adaptable``.
        image_size: Height and width of the images it is timed on, and its cost counted.
        builder: Makes it with random weights: a function, or ``module:function``.
        adaptable: In place of a builder: makes it, with its weights, for a task and the categories of a data set.
        backend: Of `hourglass.bench.backends`: the framework that builds it; None for what the bench depends on anyway.
        shipped: Whether a file of its own weights comes with the project.
        weights_file: Where its weights are, as safetensors, if neither with the project nor made of ``artifact``.
        artifact: Id of the published checkpoint that its weights are made of, but for those that are ``shipped``.
        base: Another model with ``shipped`` weights, which are also weights of this one; its own file has the others.
        layout: How the keys of that checkpoint are named; None if the model cannot be run outside of its own framework.
        inference: How images go through it when its accuracy is measured: a function, or the name of one of
            `INFERENCES` with its arguments. None for as they are.
    """

    name: str
    description: str = ""
    tasks: tuple[str, ...] = Field(min_length=1)
    dataset: str | None = None
    image_size: tuple[PositiveInt, PositiveInt]
    builder: str | Callable[[], Any] | None = None
    adaptable: Callable[[str, Sequence[Category]], Any] | None = None
    backend: str | None = None
    shipped: bool = False
    weights_file: Path | None = None
    artifact: str | None = None
    base: str | None = None
    layout: str | None = None
    inference: dict[str, dict[str, Any]] | Callable[..., Any] | None = None

    @model_validator(mode="after")
    def _inference_is_known(self) -> ModelCard:
        for name in self.inference if isinstance(self.inference, dict) else ():
            if name not in INFERENCES:
                raise unknown("inference", name, list(INFERENCES), at=("inference", name))
        return self

    @model_validator(mode="after")
    def _can_be_built(self) -> ModelCard:
        if (self.builder is None) == (self.adaptable is None):
            raise invalid("give a 'builder', or 'adaptable'", at=("builder",))
        return self

    @model_validator(mode="after")
    def _weights_have_one_origin(self) -> ModelCard:
        if self.weights_file and (self.shipped or self.artifact):
            raise invalid("give one of 'shipped', 'weights_file' and 'artifact'", at=("weights_file",))
        if self.base and (self.artifact or not (self.shipped or self.weights_file)):
            raise invalid("goes with 'shipped' or 'weights_file', which has the other weights", at=("base",))
        return self

    def build(self, task: str, categories: Sequence[Category]) -> Any:
        """The model with random weights, or with those that its builder brings.

        Args:
            task: What it shall do.
            categories: What its labels shall be.

        Raises:
            UserError: Its framework or its weights are missing.
        """
        if self.adaptable is not None:
            return self.adaptable(task, categories)
        if not isinstance(self.builder, str):
            assert self.builder is not None
            return self.builder()
        module, function = self.builder.split(":")
        return getattr(import_module(module), function)()

    @cached_property
    def run_inference(self) -> Inference:
        """How images go through it when its accuracy is measured."""
        from hourglass.bench.models import inference

        if self.inference is None:
            return inference.whole
        if not isinstance(self.inference, dict):
            return self.inference
        ((name, arguments),) = self.inference.items()
        made: Inference = getattr(inference, INFERENCES[name])(**arguments)
        return made

    @property
    def protocol(self) -> str | None:
        """How images go through it when its accuracy is measured, in words; None if as they are."""
        return None if self.inference is None else repr(self.run_inference)

    @property
    def weights_key(self) -> str | None:
        """What changes when its weights do: the id of a checkpoint, or a SHA-256; None if its builder brings them.

        Of a checkpoint to which a shipped file is added, it is the SHA-256 of that file.

        Raises:
            UserError: There should be a file, and is none.
        """
        if self.artifact is not None:
            return weights.sha256(head) if (head := self.existing_head()) else self.artifact
        files = self.existing_files(Path())
        return weights.sha256(*files) if files else None

    def require(self, task: str) -> None:
        """Make sure that it does a task.

        Raises:
            UserError: It does not.
        """
        if task not in self.tasks:
            raise UserError(f"model: '{self.name}' cannot do {task}; it does {', '.join(self.tasks)}")

    def weights(self, data: Path) -> Path | None:
        """Where its weights lie, but for those of its base; None if its builder brings them.

        Args:
            data: Folder of all data.
        """
        if self.artifact is not None:
            return data / "checkpoints" / f"{self.name}.safetensors"
        return weights.shipped(self.name) if self.shipped else self.weights_file

    def existing_head(self) -> Path | None:
        """Where the weights lie that are added to those of the checkpoint; None if there are none to add.

        Raises:
            UserError: There should be a file, and is none.
        """
        path = weights.shipped(self.name) if self.artifact and self.shipped else None
        if path is not None and not path.is_file():
            raise UserError(f"{path}: the head of '{self.name}' is missing; {_restore(self.name)}")
        return path

    def is_prepared(self, data: Path) -> bool:
        """Whether its weights are there, or come with its builder."""
        path = self.weights(data)
        return path is None or path.is_file()

    def existing_files(self, data: Path) -> tuple[Path, ...]:
        """All files that its weights are read from; none if its builder brings them.

        Args:
            data: Folder of all data.

        Raises:
            UserError: One of them is not there.
        """
        base, own = self.base and weights.shipped(self.base), self.weights(data)
        if base and not base.is_file():
            raise UserError(f"{base}: weights of '{self.name}' are missing; {_restore(str(self.base))}")
        if own and not own.is_file():
            raise UserError(f"{own}: the weights of '{self.name}' are missing; {self._remedy}")
        return tuple(path for path in (base, own) if path)

    @property
    def _remedy(self) -> str:
        if self.shipped and self.artifact is None:
            return _restore(self.name)
        if self.artifact is None:
            return "restore the file"
        if self.layout is None:
            return "only its cost can be counted here, as it runs in a framework of its own"
        return f"run `hourglass convert {self.name}`"


def _restore(name: str) -> str:
    return (
        f"restore the file from the repository, name the folder that has it in {weights.FOLDER}, or run "
        f"`hourglass train {name}`"
    )


class _Family(Document):
    models: dict[str, ModelCard]

    @model_validator(mode="before")
    @classmethod
    def _cards_know_their_names(cls, content: Any) -> Any:
        if not isinstance(content, Mapping) or not isinstance(content.get("models"), Mapping):
            return content
        named = {
            name: {"name": name, **card} if isinstance(card, Mapping) else card
            for name, card in content["models"].items()
        }
        return {**content, "models": named}


def read_families() -> dict[str, ModelCard]:
    """The project's own models by name: one file a family.

    Raises:
        UserError: A file is not valid.
    """
    return {name: card for path in sorted(FAMILIES.glob("*.yaml")) for name, card in read(path, _Family).models.items()}
