"""Everything that is downloaded, archives of data sets and checkpoints alike: a catalogue, and how a file gets here."""

from hourglass.artifacts.archives import unpack
from hourglass.artifacts.catalogue import Artifact, get, names, readable
from hourglass.artifacts.fetch import fetch, hindrance, place, present

__all__ = ["Artifact", "fetch", "get", "hindrance", "names", "place", "present", "readable", "unpack"]
