"""Published checkpoints as weights of this project's models: read safely, renamed, checked, kept as safetensors."""

from hourglass.bench.models.checkpoints.files import read_checkpoint
from hourglass.bench.models.checkpoints.layouts import LAYOUTS, convert
from hourglass.bench.models.checkpoints.prepared import prepare

__all__ = ["LAYOUTS", "convert", "prepare", "read_checkpoint"]
