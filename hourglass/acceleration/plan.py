"""One operating point of the hourglass: where it narrows, how far, and how it widens again."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

Semantics = Literal["official", "paper"]
Place = Literal["encoder", "decoder"]


@dataclass(frozen=True)
class Plan:
    """How a trained vision transformer is run as an hourglass (arXiv 2210.01035, section 3).

    Attributes:
        start: Transformer blocks that run on all tokens before the clustering (the paper's alpha), counted across
            stages in a hierarchical model; from 0 to one less than the number of blocks.
        clusters: Rows and columns of the cluster grid: of the whole image in a plain ViT, of each attention window in
            a windowed one.
        iterations: Clustering iterations (kappa), at least 1.
        window: Side of the square neighbourhood of cells a token may join (lambda), odd.
        temperature: Factor on the squared distance between tokens and centers (tau), above 0.
        neighbors: Centers that each token is reconstructed from (k); 1 copies the nearest center, as the published
            DPT results do.
        reconstruct: ``"encoder"`` brings every feature map that leaves the encoder back to full resolution;
            ``"decoder"`` runs the model's per-token ``decoder`` on the clusters and reconstructs what comes out of
            it, as the published Segmenter results do.
        semantics: ``"official"`` follows the authors' code, ``"paper"`` the text, where the two differ.

    Raises:
        ValueError: In one line that names the field, if a value is out of range.
    """

    start: int
    clusters: tuple[int, int]
    iterations: int = 5
    window: int = 5
    temperature: float = 0.02
    neighbors: int = 20
    reconstruct: Place = "encoder"
    semantics: Semantics = "official"

    def __post_init__(self) -> None:
        _check_count("start", self.start, least=0)
        clusters = self.clusters
        if not isinstance(clusters, (tuple, list)) or len(clusters) != 2:
            raise ValueError(f"plan.clusters must be a pair (rows, columns), got {clusters!r}")
        for size in clusters:
            _check_count("clusters", size, least=1)
        object.__setattr__(self, "clusters", tuple(clusters))  # YAML knows lists only
        _check_count("iterations", self.iterations, least=1)
        _check_count("window", self.window, least=1)
        if self.window % 2 == 0:
            raise ValueError(f"plan.window must be odd, so that it has a middle cell, got {self.window}")
        if isinstance(self.temperature, bool) or not isinstance(self.temperature, (int, float)):
            raise ValueError(f"plan.temperature must be a number, got {self.temperature!r}")
        if not 0 < self.temperature < math.inf:
            raise ValueError(f"plan.temperature must be above 0 and finite, got {self.temperature!r}")
        _check_count("neighbors", self.neighbors, least=1)
        _check_choice("reconstruct", self.reconstruct, get_args(Place))
        _check_choice("semantics", self.semantics, get_args(Semantics))


def _check_count(field: str, value: object, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"plan.{field} must be an integer, got {value!r}")
    if value < least:
        raise ValueError(f"plan.{field} must be at least {least}, got {value}")


def _check_choice(field: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"plan.{field} must be one of {', '.join(map(repr, choices))}, got {value!r}")
