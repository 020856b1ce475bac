"""What the library does where nothing but PyTorch is installed."""

import torch

import hourglass
import hourglass.methods
from hourglass.operators import cluster, reconstruct

tokens = torch.randn(1, 40 * 40, 64)
centers = cluster(tokens, grid=(40, 40), clusters=(28, 28))
assert reconstruct(centers, tokens, centers).shape == tokens.shape
assert hourglass.methods.resolve("hourglass", {"start": 4, "clusters": [8, 8]})["clusters"]
try:
    hourglass.apply(torch.nn.Linear(2, 2), hourglass.Plan(start=1, clusters=(4, 4)))
except ValueError as error:
    print(error)
else:
    raise AssertionError("a linear layer has no blocks")
