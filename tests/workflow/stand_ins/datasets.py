"""Stands in for `hourglass.datasets`: one that is always ready."""

from __future__ import annotations


def names() -> list[str]:
    return ["scenes"]


def tasks(name: str) -> tuple[str, ...]:
    return ("semantic-segmentation",)
