import math

import pytest
import torch
from torch.nn import functional

import hourglass
from hourglass import Plan
from hourglass.acceleration import positions
from hourglass.acceleration.positions import at_cluster_cells
from hourglass.operators import cluster


def get_patches_center_coordinates(*grid: int, **like: object) -> torch.Tensor:
    """DINOv3's own, of releases that have it."""
    package = "transformers.models.dinov3_vit.modeling_dinov3_vit"
    return pytest.importorskip(package).get_patches_center_coordinates(*grid, **like)


def pooled(coordinates: torch.Tensor, grid: tuple[int, int], clusters: tuple[int, int]) -> torch.Tensor:
    image = coordinates.transpose(0, 1).unflatten(1, grid)
    return functional.adaptive_avg_pool2d(image, clusters).flatten(1).transpose(0, 1)


@pytest.mark.parametrize(
    ("grid", "clusters"),
    [((8, 8), (4, 4)), ((9, 14), (4, 5)), ((14, 9), (3, 9)), ((6, 20), (8, 7)), ((7, 7), (1, 1)), ((5, 5), (5, 5))],
)
def test_angles_are_those_of_the_pooled_coordinates(grid, clusters):
    frequencies = 2 * math.pi / 100 ** torch.arange(0, 1, 1 / 4, dtype=torch.float64)

    def angles(coordinates: torch.Tensor) -> torch.Tensor:
        return (coordinates[:, :, None] * frequencies).flatten(1).tile(2)

    coordinates = get_patches_center_coordinates(*grid, dtype=torch.float64, device="cpu")
    cos, sin = at_cluster_cells(angles(coordinates).cos(), angles(coordinates).sin(), grid, clusters)
    expected = angles(pooled(coordinates, grid, clusters))
    torch.testing.assert_close(cos, expected.cos())
    torch.testing.assert_close(sin, expected.sin())


def test_as_many_clusters_as_patches_keep_their_rotation():
    angles = torch.randn(3, 5 * 6, 8)  # with a dimension for heads
    cos, sin = at_cluster_cells(angles.cos(), angles.sin(), (5, 6), (5, 6))
    torch.testing.assert_close(cos, angles.cos())
    torch.testing.assert_close(sin, angles.sin())


def test_half_precision_is_rounded_once():
    angles = torch.rand(64, 8)
    cos, _ = at_cluster_cells(angles.cos().bfloat16(), angles.sin().bfloat16(), (8, 8), (3, 3))
    assert cos.dtype == torch.bfloat16


def test_dinov3_attends_with_the_positions_of_the_clusters(zoo):
    entry = zoo["DINOv3ViTModel"]
    model, images = entry.model(), entry.images()
    plan = Plan(start=2, clusters=(3, 4), neighbors=1, form="published")
    with torch.no_grad():
        accelerated = hourglass.apply(entry.model(), plan)(images).last_hidden_state
        x, rope = model.embeddings(images), model.rope_embeddings(images)
        for layer in model.model.layer[:2]:
            x = layer(x, position_embeddings=rope)
        x = torch.cat([x[:, :3], cluster(x[:, 3:], entry.grid, plan.clusters)], dim=1)
        coordinates = get_patches_center_coordinates(*entry.grid, dtype=torch.float32, device="cpu")
        angles = (
            2 * math.pi * pooled(coordinates, entry.grid, plan.clusters)[:, :, None] * model.rope_embeddings.inv_freq
        )
        angles = angles.flatten(1).tile(2)
        for layer in model.model.layer[2:]:
            x = layer(x, position_embeddings=(angles.cos(), angles.sin()))
        x = model.norm(x)
    torch.testing.assert_close(accelerated[:, :3], x[:, :3])
    # Every token is a copy of a cluster.
    distances = torch.cdist(accelerated[:, 3:], x[:, 3:], compute_mode="donot_use_mm_for_euclid_dist")
    assert distances.amin(dim=2).max() < 1e-4


@pytest.mark.parametrize(("name", "times"), [("DINOv3ViTModel", 1), ("timm DINOv3", 1), ("timm ViT, mixed rotary", 3)])
def test_rotations_are_computed_once_unless_they_differ_by_block(zoo, monkeypatch, name, times):
    entry = zoo[name]
    model, calls = hourglass.apply(entry.model(), Plan(start=1, clusters=(3, 4), form="published")), []
    middle = positions._middle
    monkeypatch.setattr(positions, "_middle", lambda *args: calls.append(args) or middle(*args))
    entry.run(model, entry.images())
    assert len(calls) == 2 * times  # rows and columns
