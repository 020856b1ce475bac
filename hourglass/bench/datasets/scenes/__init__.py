"""Scenes: a small synthetic world with exact ground truth for all five dense prediction tasks.

A scene is a photograph of a landscape (sky, hills, grass, a road, water) with objects of six classes standing on it,
seen through a pinhole camera. Everything follows from a seed, so a data set is a version, a split and a count.

``layout`` decides what stands where, ``render`` turns that into pixels, depth and segments, ``writer`` puts them on
disk in the formats of COCO, ADE20K and NYU, and ``source`` reads them back with the readers those data sets use.
"""

from __future__ import annotations

VERSION = 3
"""Changes whenever the same seed would give a different picture."""

IMAGE_SIZE = (256, 256)
"""Height and width of a scene in pixels."""

MAX_DEPTH = 60.0
"""Metres. The hills stand here; the sky has no depth."""

SPLITS = {"train": 0, "val": 1, "tune": 2}
"""Stream of random numbers of each split: no scene that a model or a plan was chosen on can be an evaluation scene."""

COUNTS = {"val": 100, "tune": 48}
"""Number of scenes in each split that is written to the disk; ``val`` is evaluated, plans are chosen on ``tune``."""
