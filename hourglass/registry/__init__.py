"""What the parts of the package look up by name, how others add to it, and the error a user can put right."""

from hourglass.registry.errors import UnknownNameError, UserError, hint
from hourglass.registry.folders import INCLUDE, include, included
from hourglass.registry.registry import Registry

__all__ = ["INCLUDE", "Registry", "UnknownNameError", "UserError", "hint", "include", "included"]
