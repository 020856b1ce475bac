"""Draws the pictures of the documentation with the project itself, each time the site is built."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from mkdocs.structure.files import File, Files
from numpy.typing import NDArray
from torch import Tensor, nn

from hourglass.bench import models
from hourglass.bench.datasets.scenes.render import render_scene
from hourglass.bench.measuring.running import to_float
from hourglass.bench.pictures import outline
from hourglass.operators import cluster, reconstruction_weights, relative_temperature

SCENE = 7
START, CLUSTERS, NEIGHBORS = 4, (16, 16), 4
FEW = (8, 8)
"""Clusters that can still be told apart in a picture."""


def on_files(files: Files, config: Any) -> Files:
    """Add the pictures to the files of the site."""
    model = models.build("segmenter-scenes", Path("data")).encoder
    image = torch.from_numpy(render_scene("val", SCENE).image).permute(2, 0, 1)
    with torch.inference_mode():
        for name, figure in (("clusters", clusters(model, image)), ("forms", forms(model, image))):
            content = io.BytesIO()
            figure.savefig(content, format="png", dpi=200)
            files.append(File.generated(config, f"pictures/{name}.png", content=content.getvalue()))
    return files


def clusters(model: nn.Module, image: Tensor) -> Figure:
    """A scene, and its clusters before and after the iterations."""
    tokens, grid = early(model, image)[:, 1:], model.patch_embed.grid_size
    panels = [(image.permute(1, 2, 0).numpy(), f"{grid[0]} × {grid[1]} tokens")]
    for iterations in (0, 5):
        centers = cluster(tokens, grid, FEW, iterations=iterations, temperature=relative_temperature(tokens, grid, FEW))
        labels = torch.cdist(tokens, centers)[0].argmin(1).unflatten(0, grid).numpy()
        panels.append((outline(image, labels), f"{FEW[0]} × {FEW[1]} clusters, {iterations} iterations"))
    return row(panels)


def forms(model: nn.Module, image: Tensor) -> Figure:
    """Features of the last block: of the untouched model, of both forms of reconstruction, and with linear weights."""
    tokens, grid = early(model, image), model.patch_embed.grid_size
    whole = late(model, tokens)[:, 1:]
    tokens, prefix = tokens[:, 1:], tokens[:, :1]
    temperature = relative_temperature(tokens, grid, CLUSTERS)
    centers = cluster(tokens, grid, CLUSTERS, temperature=temperature)
    refined = late(model, torch.cat([prefix, centers], 1))[:, 1:]
    weights = reconstruction_weights(tokens, centers, neighbors=NEIGHBORS, temperature=temperature, semantics="paper")
    published, residual = weights(refined), weights.residual(refined, tokens, centers)
    linear = reconstruction_weights(
        tokens, centers, neighbors=2 * NEIGHBORS, temperature=temperature, semantics="paper", interpolation="linear"
    ).residual(refined, tokens, centers)
    colors = Colors(whole)
    return row(
        [
            (colors(whole, grid), "untouched model"),
            (colors(refined, CLUSTERS), "clusters"),
            (colors(published, grid), f"published: error {error(published, whole):.2f}"),
            (colors(residual, grid), f"residual: error {error(residual, whole):.2f}"),
            (colors(linear, grid), f"residual, linear: error {error(linear, whole):.2f}"),
        ]
    )


def early(model: nn.Module, image: Tensor) -> Tensor:
    """(1, 1 + H * W, C): the class token and the tokens that the clustering sees."""
    seen: list[Tensor] = []
    hook = model.blocks[START - 1].register_forward_hook(lambda *call: seen.append(call[-1]))
    model.forward_features(to_float(image[None]))
    hook.remove()
    return seen[0]


def late(model: nn.Module, tokens: Tensor) -> Tensor:
    """The same after the remaining blocks, before the final norm."""
    for block in model.blocks[START:]:
        tokens = block(tokens)
    return tokens


def error(values: Tensor, target: Tensor) -> float:
    """Relative to how much the features differ from their mean."""
    return float((values - target).norm() / (target - target.mean(1)).norm())


class Colors:
    """Shows features by their three principal components."""

    def __init__(self, features: Tensor) -> None:
        self.mean = features[0].mean(0)
        self.axes = torch.linalg.svd(features[0] - self.mean, full_matrices=False).Vh[:3].T
        spread = (features[0] - self.mean) @ self.axes
        self.low, self.high = spread.quantile(0.02, 0), spread.quantile(0.98, 0)

    def __call__(self, features: Tensor, grid: tuple[int, int]) -> NDArray[np.float32]:
        """(1, H * W, C) -> (H, W, 3) in [0, 1]."""
        components = (features[0] - self.mean) @ self.axes
        shown = ((components - self.low) / (self.high - self.low)).clamp(0, 1)
        return shown.unflatten(0, grid).numpy()


def row(panels: list[tuple[NDArray[Any], str]]) -> Figure:
    """Pictures beside each other, each under its title."""
    figure = Figure(figsize=(2.6 * len(panels), 2.9), layout="constrained")
    for axes, (pixels, title) in zip(figure.subplots(1, len(panels)), panels, strict=True):
        axes.imshow(pixels, interpolation="nearest" if len(pixels) < 100 else "antialiased")
        axes.set_title(title, fontsize=9)
        axes.axis("off")
    return figure
