"""One operating point of the hourglass: where the tokens are clustered, how far, and how they come back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

Semantics = Literal["official", "paper"]
Place = Literal["encoder", "decoder"]
Form = Literal["residual", "published"]
Interpolation = Literal["kernel", "linear"]

_PUBLISHED_TEMPERATURE = 0.02
_NEIGHBORS = {("residual", "kernel"): 4, ("residual", "linear"): 8, ("published", "kernel"): 20}
_MOST_ITERATIONS = 1_000
_MOST = 1_000_000


@dataclass(frozen=True)
class Plan:
    """How a trained vision transformer is run as an hourglass (arXiv 2210.01035, section 3).

    There are two forms. ``"residual"``, the default, measures distances relative to the tokens' own spread, and a
    token keeps what it was and takes over only what the deep blocks *changed* in its clusters:
    x + W (refined - center), on the residual stream, before the final norm. ``"published"`` is the method as the
    authors ran it: a fixed temperature, and tokens replaced by W refined, after the final norm.

    Attributes:
        start: Transformer blocks that run on all tokens before the clustering (the paper's alpha), counted across
            stages in a hierarchical model; from 0 to one less than the number of blocks.
        clusters: Rows and columns of the cluster grid: of the whole image in a plain ViT, of each attention window in
            a windowed one.
        iterations: Clustering iterations (kappa), 1 to 1,000.
        window: Side of the square neighbourhood of cells a token may join (lambda), odd.
        temperature: Factor on the squared distance between tokens and centers (tau), above 0. In the residual form
            None, the default, stands for `sharpness` over the mean squared distance of a token to the mean of its
            initial cell, image by image. In the published form the default is 0.02.
        neighbors: Centers that each token is reconstructed from (k); by default 4 in the residual form, 8 with linear
            interpolation, 20 in the published form. 1 takes the nearest center, as the published DPT results do.
        reconstruct: ``"encoder"`` brings every feature map that leaves the encoder back to full resolution;
            ``"decoder"`` runs the model's per-token ``decoder`` on the clusters and reconstructs what comes out of
            it, as the published Segmenter results do; in the published form alone.
        semantics: ``"official"`` follows the authors' code, ``"paper"`` the text, where the two differ. In the residual
            form it only says how centers are averaged: weights of the reconstruction always sum to one there, and
            shifted windows are always masked by the shift that is made.
        form: See above.
        sharpness: See `temperature`; without effect where that is a number. 5 to 20 are nearly the same.
        proportional_attention: Whether tokens attend to a cluster in proportion to the tokens that it stands for: the
            logarithm of their number is added to the attention's logits (Bolya et al., *Token Merging*, ICLR 2023,
            section 3, whose name it is). Nearer to the untouched model with the same arithmetic, in the residual form
            of plain encoders whose blocks take an attention mask.
        interpolation: Where the weights of the reconstruction come from. ``"kernel"``: from the distances alone, as in
            the paper. ``"linear"``: they are those that rebuild the token itself from its neighbours as well as they
            can, so changes that depend on the token come back, too, as far as they are linear; in the residual form
            (locally linear embedding: Roweis and Saul, Science 2000). For plain encoders; in attention windows, which
            have few centers, it gains nothing.

    Raises:
        ValueError: In one line that names the field, if a value is out of range.
    """

    start: int
    clusters: tuple[int, int]
    iterations: int = 5
    window: int = 5
    temperature: float | None = None
    neighbors: int | None = None
    reconstruct: Place = "encoder"
    semantics: Semantics = "official"
    form: Form = "residual"
    sharpness: float = 10.0
    proportional_attention: bool = False
    interpolation: Interpolation = "kernel"

    def __post_init__(self) -> None:
        _check_choice("form", self.form, get_args(Form))
        _check_count("start", self.start, least=0)
        clusters = self.clusters
        if not isinstance(clusters, (tuple, list)) or len(clusters) != 2:
            raise ValueError(f"plan.clusters must be a pair (rows, columns), got {clusters!r}")
        for size in clusters:
            _check_count("clusters", size, least=1)
        object.__setattr__(self, "clusters", tuple(clusters))  # YAML knows lists only
        _check_count("iterations", self.iterations, least=1, most=_MOST_ITERATIONS)
        _check_count("window", self.window, least=1)
        if self.window % 2 == 0:
            raise ValueError(f"plan.window must be odd, so that it has a middle cell, got {self.window}")
        if self.temperature is None and self.form == "published":
            object.__setattr__(self, "temperature", _PUBLISHED_TEMPERATURE)
        if self.temperature is not None:
            _check_positive("temperature", self.temperature)
        _check_positive("sharpness", self.sharpness)
        _check_choice("interpolation", self.interpolation, get_args(Interpolation))
        if self.interpolation == "linear" and self.form != "residual":
            raise ValueError("plan.interpolation is 'linear', which the authors' method is not: use form='residual'")
        if self.neighbors is None:
            object.__setattr__(self, "neighbors", _NEIGHBORS[self.form, self.interpolation])
        _check_count("neighbors", self.neighbors, least=2 if self.interpolation == "linear" else 1)
        _check_choice("reconstruct", self.reconstruct, get_args(Place))
        if self.reconstruct == "decoder" and self.form != "published":
            raise ValueError(
                "plan.reconstruct is 'decoder', but class scores have no residual to add to: use form='published', or "
                "reconstruct='encoder'"
            )
        _check_choice("semantics", self.semantics, get_args(Semantics))
        if not isinstance(self.proportional_attention, bool):
            raise ValueError(f"plan.proportional_attention must be true or false, got {self.proportional_attention!r}")
        if self.proportional_attention and self.form != "residual":
            raise ValueError(
                "plan.proportional_attention is true, which the authors' method is not: use form='residual'"
            )


def _check_count(field: str, value: object, least: int, most: int = _MOST) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"plan.{field} must be an integer, got {value!r}")
    if value < least:
        raise ValueError(f"plan.{field} must be at least {least}, got {value}")
    if value > most:
        raise ValueError(f"plan.{field} must be at most {most}, got {value}")


def _check_positive(field: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"plan.{field} must be a number, got {value!r}")
    if not 0 < value < math.inf:
        raise ValueError(f"plan.{field} must be above 0 and finite, got {value!r}")


def _check_choice(field: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"plan.{field} must be one of {', '.join(map(repr, choices))}, got {value!r}")
