"""Puts the stand-ins beside this file in place of the project's modules, in every process of a run.

What they stand in for needs torch, which takes longer to import than everything else that the workflow's tests do.
"""

from __future__ import annotations

import importlib.util
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path

HERE = Path(__file__).parent
FILES = [path for path in HERE.glob("*.py") if path.stem != "sitecustomize"]
STAND_INS = {f"hourglass.{'methods' if path.stem == 'methods' else f'bench.{path.stem}'}": path for path in FILES}


class Finder(MetaPathFinder):
    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if fullname not in STAND_INS:
            return None
        return importlib.util.spec_from_file_location(fullname, STAND_INS[fullname])


sys.meta_path.insert(0, Finder())
