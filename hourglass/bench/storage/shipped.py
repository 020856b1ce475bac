"""Files that come with the project: suites, table definitions, published figures, accepted results."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).parents[2]
CLONE = PACKAGE.parent


def from_clone() -> bool:
    """Whether the package runs from a clone of the repository, rather than from an installed wheel."""
    return (CLONE / "Snakefile").is_file() and (CLONE / "pyproject.toml").is_file()


def shipped(folder: str) -> Path:
    """Where a folder of the repository lies: in the clone, or in the copy that the wheel holds.

    Args:
        folder: Relative to the root of the repository, such as ``tables`` or ``workflows/suites``.
    """
    return (CLONE if from_clone() else PACKAGE / "bench" / "shipped") / folder
