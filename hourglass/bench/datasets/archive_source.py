"""Data sets that are published as archives: how their files get to the disk, and whether all are there."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from hourglass.bench import downloads
from hourglass.bench.datasets.base import Source
from hourglass.bench.wording import counted
from hourglass.registry import UserError


@dataclass(frozen=True)
class Archive:
    """An archive of a data set, and what of it is needed."""

    id: str
    """Of the artifact."""
    members: tuple[str, ...]
    """Patterns as of the shell; ``*`` matches slashes too."""


class ArchiveSource(Source):
    """A `Source` whose evaluation split is taken out of archives, in the folders the archives have.

    A copy of your own is laid out the same way: as if the archives had been unpacked in one folder.
    """

    name: str
    archives: tuple[Archive, ...] = ()
    images: int
    """How many the split has."""

    @property
    def artifacts(self) -> tuple[str, ...]:
        """See `Source`."""
        return tuple(archive.id for archive in self.archives)

    def fill(self, folder: Path, split: str) -> None:
        """See `Source`."""
        for archive in self.archives:
            downloads.unpack(fetch(archive.id, folder), folder, only=archive.members)

    def verify(self, folder: Path, split: str) -> str:
        """See `Source`."""
        prints = []
        for task in self.tasks:
            data = self.open(folder, task, split)
            if len(data) != self.images:
                raise UserError(
                    f"{folder}: {counted(len(data), one='image')} for {task}, but '{self.name}' has {self.images}; "
                    "complete this copy, or move it away to have it downloaded"
                )
            prints.append(data.fingerprint)
        return sha256("\n".join(prints).encode()).hexdigest()


def fetch(artifact: str, folder: Path) -> Path:
    """The file of an artifact, for the data set in ``folder``; downloads lie beside the data sets.

    Raises:
        UserError: As `downloads.fetch`.
    """
    return downloads.fetch(artifact, root=folder.parent)
