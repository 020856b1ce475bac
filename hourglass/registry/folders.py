"""Folders of a user's own Python files, which register models, data sets, methods and the like.

The files are imported as they are: whoever names a folder trusts it.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from traceback import extract_tb
from types import ModuleType

from hourglass.registry.errors import UserError

INCLUDE = "HOURGLASS_INCLUDE"
"""Environment variable: the folders, separated as in PATH. Child processes have it too."""

_imported: set[Path] = set()


def include(folders: Iterable[str | os.PathLike[str]]) -> None:
    """Add folders to those whose Python files are imported before a name is looked up.

    Raises:
        UserError: One of them is no folder.
    """
    known = [str(folder) for folder in included()]
    for folder in folders:
        path = Path(folder).expanduser().absolute()
        if not path.is_dir():
            raise UserError(f"include: there is no folder {path}; name one that holds Python files")
        if str(path) not in known:
            known.append(str(path))
    os.environ[INCLUDE] = os.pathsep.join(known)


def included() -> list[Path]:
    """The folders that are included."""
    return [Path(folder) for folder in os.environ.get(INCLUDE, "").split(os.pathsep) if folder]


def import_folders() -> None:
    """Import the files of all included folders that have not been imported yet.

    Files can import each other, relatively: ``from .shared import width``. Those whose names begin with an underscore
    are left to the others to import.

    Raises:
        UserError: A folder is gone, or a file cannot be imported.
    """
    for folder in included():
        if folder in _imported:
            continue
        if not folder.is_dir():
            raise UserError(f"{INCLUDE}: there is no folder {folder}; name one that holds Python files")
        _imported.add(folder)
        package = ModuleType(f"hourglass_include_{sha256(str(folder).encode()).hexdigest()[:12]}")
        package.__path__ = [str(folder)]
        sys.modules[package.__name__] = package
        for file in sorted(folder.glob("[!._]*.py")):
            try:
                importlib.import_module(f"{package.__name__}.{file.stem}")
            except Exception as error:  # whatever a user's file may raise
                _imported.discard(folder)
                raise UserError(_explained(file, folder, error)) from error


def _explained(file: Path, folder: Path, error: Exception) -> str:
    """Where it went wrong: the last line that is in the folder."""
    lines = [f"{frame.filename}:{frame.lineno}" for frame in extract_tb(error.__traceback__)]
    where = next((line for line in reversed(lines) if line.startswith(f"{folder}{os.sep}")), str(file))
    if isinstance(error, SyntaxError) and error.filename:
        where = f"{error.filename}:{error.lineno}"
    if isinstance(error, UserError):
        return f"{where}: {error}"
    return f"{where}: cannot be imported: {type(error).__name__}: {' '.join(str(error).split())}"
