"""Stands in for `hourglass.bench.datasets`: one that is always ready, and one that is made of a download."""

from __future__ import annotations

from pathlib import Path


def names() -> list[str]:
    return ["scenes", "far"]


def artifacts(name: str) -> tuple[str, ...]:
    return ("thing",) if name == "far" else ()


def prepare(name: str, *, root: Path) -> Path:
    from hourglass.bench.downloads import fetch

    content = [fetch(artifact, root=root).read_text() for artifact in artifacts(name)]
    (root / name).mkdir(exist_ok=True)
    (root / name / "ready.json").write_text(f"{content}")
    return root / name


def is_outdated(name: str, *, root: Path) -> bool:
    return False


def version(name: str) -> str:
    return "1"


def tasks(name: str) -> tuple[str, ...]:
    return ("semantic-segmentation",)
