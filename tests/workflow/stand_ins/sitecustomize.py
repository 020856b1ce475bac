"""Puts the stand-ins beside this file in place of the project's modules, in every process of a run."""

from __future__ import annotations

import importlib.util
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path

STAND_INS = {"hourglass.measure": "measure.py", "hourglass.models": "models.py"}


class Finder(MetaPathFinder):
    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if fullname not in STAND_INS:
            return None
        return importlib.util.spec_from_file_location(fullname, Path(__file__).parent / STAND_INS[fullname])


sys.meta_path.insert(0, Finder())
