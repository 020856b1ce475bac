"""What a suite says of a model that the project does not know: one of the hub, of a folder, or of timm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator

from hourglass.bench.datasets.base import Category
from hourglass.bench.models.card import ModelCard
from hourglass.bench.storage.documents import Document, invalid

Side = Annotated[int, Field(strict=True, ge=1, le=10_000)]
"""Pixels of an image's height or width."""
HUB_TASKS = (
    "semantic-segmentation",
    "depth-estimation",
    "object-detection",
    "instance-segmentation",
    "panoptic-segmentation",
)


class ModelDefinition(Document):
    """What a suite says of a model: exactly one of ``hub``, ``folder`` and ``timm``, and how large images are.

    Attributes:
        hub: ``owner/name`` of a model of transformers on the Hugging Face hub, with safetensors.
        revision: With ``hub``: a tag, or better the SHA of a commit.
        folder: With such a model: relative to the suite's file, absolute, or below ``~``.
        timm: Name of a model of timm. It is a backbone alone, whose cost and speed are measured, unless there is a
            ``head``.
        pretrained: With ``timm``: whether to load the weights that its name stands for.
        head: With ``timm``: a safetensors file with ``weight`` (K, C) and ``bias`` (K), which make class scores of the
            patch tokens of a plain ViT.
        labels: With ``hub`` or ``folder``: whether the model's labels are the data set's categories by their ``names``
            or, one after the other, by their ``order``.
        image_size: Height and width of the images it is timed on, and its cost counted.
    """

    hub: Annotated[str, StringConstraints(pattern=r"^\w[\w.-]*/\w[\w.-]*$")] | None = None
    revision: str | None = None
    folder: str | None = None
    timm: Annotated[str, StringConstraints(pattern=r"^\w+(\.[\w-]+)?$")] | None = None
    pretrained: bool = True
    head: str | None = None
    labels: Literal["names", "order"] = "names"
    image_size: tuple[Side, Side]

    @model_validator(mode="after")
    def _is_one_model(self) -> ModelDefinition:
        if sum(map(bool, (self.hub, self.folder, self.timm))) != 1:
            raise invalid("give one of 'hub', 'folder' and 'timm'", at=())
        if bool(self.hub) != bool(self.revision):
            raise invalid("'hub' and 'revision' go together", at=("hub" if self.hub else "revision",))
        if self.head and not self.timm:
            raise invalid("is for a model of timm", at=("head",))
        return self

    @property
    def tasks(self) -> tuple[str, ...]:
        """What it may be able to do; what it can is known when it is there."""
        return ("semantic-segmentation",) if self.head else HUB_TASKS

    @staticmethod
    def resolved(said: Mapping[str, Any]) -> dict[str, Any]:
        """A definition as data, with the commit that a revision of the hub stands for."""
        if "hub" not in said:
            return dict(said)
        from hourglass.bench.models import hub

        return {**said, "commit": hub.snapshot(said["hub"], said["revision"]).name}

    @property
    def has_head(self) -> bool:
        """Whether its accuracy can be measured."""
        return not self.timm or bool(self.head)

    def card(self, name: str, beside: Path) -> ModelCard:
        """The card of the model.

        Args:
            name: Of the model.
            beside: Folder of the suite's file.
        """
        if self.timm:
            return ModelCard(
                name=name,
                description=f"{self.timm} of timm",
                tasks=self.tasks,
                image_size=self.image_size,
                builder=partial(_of_timm, self, beside),
            )
        return ModelCard(
            name=name,
            description=self.hub or str(self.folder),
            tasks=self.tasks,
            adaptable=partial(_of_hub, self, beside),
            image_size=self.image_size,
            inference={"by_processor": {}},
        )


def _of_timm(definition: ModelDefinition, beside: Path) -> Any:
    from hourglass.bench.models import backbones

    head = beside / Path(definition.head).expanduser() if definition.head else None
    name, size = str(definition.timm), definition.image_size
    return backbones.build(name, size, pretrained=definition.pretrained, head=head)


def _of_hub(definition: ModelDefinition, beside: Path, task: str, categories: Sequence[Category]) -> Any:
    from hourglass.bench.models import hub

    if definition.hub:
        folder = hub.snapshot(definition.hub, str(definition.revision))
    else:
        folder = beside / Path(str(definition.folder)).expanduser()
    return hub.build(folder, task, categories, by_name=definition.labels == "names")
