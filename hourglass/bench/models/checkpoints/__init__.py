"""Published checkpoints as weights of this project's models: read safely, renamed, checked, kept as safetensors."""

from hourglass.bench.models.checkpoints.files import load
from hourglass.bench.models.checkpoints.layouts import convert, names
from hourglass.bench.models.checkpoints.prepared import prepare

__all__ = ["convert", "load", "names", "prepare"]
