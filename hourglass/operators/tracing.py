"""Whether the Python code is being traced rather than run."""

from __future__ import annotations

from collections.abc import Callable

import torch

is_compiling: Callable[[], bool] = getattr(torch.compiler, "is_compiling", None) or torch._utils.is_compiling
"""Whether `torch.compile` or `torch.export` is tracing the caller. PyTorch 2.1 has it in a private place."""
