"""What the parts of the package look up by name, and the error a user can put right."""

from hourglass.registry.errors import UserError, hint
from hourglass.registry.registry import Registry

__all__ = ["Registry", "UserError", "hint"]
