"""Models that not every supported release of a framework has: the tests of those are skipped where it does not."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import TypeVar

import pytest
import timm
import transformers

Model = TypeVar("Model")

OLD = transformers.__version__.startswith("4.") or not timm.is_model("naflexvit_base_patch16_gap")
"""Whether a framework is a release before the newest classes; nothing is skipped otherwise."""

newer = pytest.mark.skipif(OLD, reason="compares with blocks, or uses methods, that only newer releases have")


def built(build: Callable[[], Model]) -> Model:
    """`build()`; skips the test if an old release lacks what is built."""
    try:
        return build()
    except (AttributeError, ImportError, RuntimeError) as error:
        if OLD and _is_missing(error):
            pytest.skip(f"not in timm {timm.__version__} with transformers {transformers.__version__}: {error}")
        raise


def _is_missing(error: Exception) -> bool:
    if isinstance(error, AttributeError):
        return isinstance(error.obj, ModuleType)
    return isinstance(error, ImportError) or str(error).startswith("Unknown model")
