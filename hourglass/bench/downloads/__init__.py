"""Everything that is downloaded, archives of data sets and checkpoints alike: a catalogue, and how a file gets here."""

from hourglass.bench.downloads.archives import unpack
from hourglass.bench.downloads.catalogue import Artifact, get, names, readable
from hourglass.bench.downloads.fetch import OFFLINE, OWN_COPIES, fetch, hindrance, offline, own_copy, place, present

__all__ = [
    "OFFLINE",
    "OWN_COPIES",
    "Artifact",
    "fetch",
    "get",
    "hindrance",
    "names",
    "offline",
    "own_copy",
    "place",
    "present",
    "readable",
    "unpack",
]
