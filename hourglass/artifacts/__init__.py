"""Everything that is downloaded, archives of data sets and checkpoints alike: a catalogue, and how a file gets here."""

from hourglass.artifacts.archives import unpack
from hourglass.artifacts.catalogue import Artifact, get, names, readable
from hourglass.artifacts.fetch import OFFLINE, OWN_COPIES, fetch, hindrance, offline, place, present

__all__ = [
    "OFFLINE",
    "OWN_COPIES",
    "Artifact",
    "fetch",
    "get",
    "hindrance",
    "names",
    "offline",
    "place",
    "present",
    "readable",
    "unpack",
]
