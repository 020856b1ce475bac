"""Stands in for `hourglass.datasets`: one that is always ready."""

from __future__ import annotations


def names() -> list[str]:
    return ["scenes"]


def version(name: str) -> str:
    return "1"


def tasks(name: str) -> tuple[str, ...]:
    return ("semantic-segmentation",)
