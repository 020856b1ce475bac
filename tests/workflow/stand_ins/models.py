"""Stands in for `hourglass.bench.models`: one model that needs no weights."""

from __future__ import annotations

from types import SimpleNamespace


def names() -> list[str]:
    return ["segmenter-scenes"]


def card(name: str) -> SimpleNamespace:
    return SimpleNamespace(
        tasks=("semantic-segmentation",), weights_key="feed", artifact=None, backend=None, protocol=None
    )
