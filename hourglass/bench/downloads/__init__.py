"""Everything that is downloaded, archives of data sets and checkpoints alike: a catalogue, and how a file gets here."""

from hourglass.bench.downloads.archives import unpack
from hourglass.bench.downloads.catalogue import Artifact, get, names
from hourglass.bench.downloads.fetch import (
    OFFLINE,
    OWN_COPIES,
    blocked_reason,
    fetch,
    offline,
    own_copy,
    place,
    present,
)

__all__ = [
    "OFFLINE",
    "OWN_COPIES",
    "Artifact",
    "blocked_reason",
    "fetch",
    "get",
    "names",
    "offline",
    "own_copy",
    "place",
    "present",
    "unpack",
]
