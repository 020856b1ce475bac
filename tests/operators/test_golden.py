"""Equal to what the authors' code computes, on smooth random tokens.

`fading` has tokens so far apart that official centers and official reconstructions fade to zero; `more_rows` has more
rows of clusters than rows of tokens; `many_centers` has enough centers that the reconstruction picks rows.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from hourglass.operators import cluster, reconstruct
from hourglass.operators.clustering import cluster_dense
from hourglass.operators.clustering_local import cluster_local
from hourglass.operators.tiling import considered

CASES = sorted(Path(__file__).parent.glob("golden/*.npz"))


@pytest.fixture(params=CASES, ids=lambda path: path.stem)
def case(request):
    return Golden(request.param)


class Golden:
    def __init__(self, path: Path) -> None:
        with np.load(path) as arrays:
            for name in ("tokens", "centers", "refined", "reconstructed"):
                setattr(self, name, torch.from_numpy(arrays[name]))
            self.labels = torch.from_numpy(arrays["labels"]).long()
            self.grid = tuple(arrays["grid"].tolist())
            self.clusters = tuple(arrays["clusters"].tolist())
            self.iterations, self.window = int(arrays["iterations"]), int(arrays["window"])
            self.temperature, self.neighbors = float(arrays["temperature"]), int(arrays["neighbors"])


def error(ours, official):
    return ((ours - official).norm() / official.norm()).item()


def test_clusters(case):
    centers = cluster(
        case.tokens,
        case.grid,
        case.clusters,
        iterations=case.iterations,
        window=case.window,
        temperature=case.temperature,
    )
    assert error(centers, case.centers) < 1e-5


def test_plain_clusters(case):
    centers = cluster_dense(
        case.tokens, case.grid, case.clusters, case.iterations, case.window, case.temperature, "official"
    )
    assert error(centers, case.centers) < 1e-5


def test_clusters_under_every_tiling(case):
    for tiling in considered(case.grid, case.clusters, case.window // 2):
        centers = cluster_local(case.tokens, tiling, case.iterations, case.temperature, "official")
        assert error(centers, case.centers) < 1e-5, tiling


def test_reconstruction(case):
    ours = reconstruct(case.refined, case.tokens, case.centers, neighbors=case.neighbors, temperature=case.temperature)
    assert error(ours, case.reconstructed) < 1e-5


def test_the_nearest_center_is_the_official_label(case):
    copied = reconstruct(case.refined, case.tokens, case.centers, neighbors=1)
    assert copied.equal(case.refined.gather(1, case.labels[:, :, None].expand(-1, -1, case.refined.shape[2])))


def test_cases_cover_the_corners():
    cases = {path.stem: Golden(path) for path in CASES}
    assert (cases["fading"].centers.abs().amax(dim=2) < 1e-3).any()
    assert cases["more_rows"].clusters[0] > cases["more_rows"].grid[0]
    assert cases["many_centers"].centers.shape[1] >= 256
