"""The two operators once more, for reading: float64, one token and one center after the other."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch


@pytest.fixture(scope="session")
def naive() -> SimpleNamespace:
    return SimpleNamespace(cluster=cluster, reconstruct=reconstruct)


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request) -> str:
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    return request.param


def cluster(tokens, grid, clusters, *, iterations, window, temperature, semantics):
    centers = [
        cluster_one(image, grid, clusters, iterations, window, temperature, semantics)
        for image in tokens.double().cpu().numpy()
    ]
    return torch.from_numpy(np.stack(centers))


def cluster_one(tokens, grid, clusters, iterations, window, temperature, semantics):
    (height, width), (rows, columns) = grid, clusters
    image = tokens.reshape(height, width, -1)
    centers = np.stack(
        [
            image[bins(row, height, rows), bins(column, width, columns)].mean(axis=(0, 1))
            for row in range(rows)
            for column in range(columns)
        ]
    )
    labels = torch.arange(rows * columns, dtype=torch.float32).view(1, 1, rows, columns)
    cell = torch.nn.functional.interpolate(labels, size=grid, mode="nearest").flatten().long().numpy()
    for _ in range(iterations):
        log_affinity = np.full((len(tokens), len(centers)), -np.inf)
        for token in range(len(tokens)):
            for center in range(len(centers)):
                down = abs(cell[token] // columns - center // columns)
                across = abs(cell[token] % columns - center % columns)
                if max(down, across) <= window // 2:
                    distance = np.square(tokens[token] - centers[center]).sum()
                    log_affinity[token, center] = -temperature * distance
        log_affinity -= np.logaddexp.reduce(log_affinity, axis=1, keepdims=True)
        centers = np.stack(
            [mean(tokens, log_affinity[:, center], centers[center], semantics) for center in range(len(centers))]
        )
    return centers


def bins(index, tokens, centers):
    return slice(index * tokens // centers, -(-(index + 1) * tokens // centers))


def mean(tokens, log_affinity, before, semantics):
    if semantics == "official":
        affinity = np.exp(log_affinity)
        return affinity @ tokens / max(affinity.sum(), 1e-16)
    if np.isneginf(log_affinity).all():
        return before
    affinity = np.exp(log_affinity - log_affinity.max())
    return affinity @ tokens / affinity.sum()


def reconstruct(refined, tokens, centers, *, neighbors, temperature, semantics):
    images = zip(*(tensor.double().cpu().numpy() for tensor in (refined, tokens, centers)), strict=True)
    return torch.from_numpy(np.stack([reconstruct_one(*image, neighbors, temperature, semantics) for image in images]))


def reconstruct_one(refined, tokens, centers, neighbors, temperature, semantics):
    rebuilt = []
    for token in tokens:
        distances = np.square(token - centers).sum(axis=1)
        if neighbors == 1:
            rebuilt.append(refined[distances.argmin()])
            continue
        if semantics == "paper":
            distances = distances - distances.min()
        weights = np.exp(-temperature * distances)
        least = np.sort(weights)[-min(neighbors, len(weights))]
        weights[weights < least] = 0
        norm = np.sqrt(np.square(weights).sum()) if semantics == "official" else weights.sum()
        rebuilt.append(weights @ refined / max(norm, 1e-12))
    return np.stack(rebuilt)
