"""Shards cover a case's images once, cut no batch, and are merged into what one run measures."""

from __future__ import annotations

import json
from itertools import chain

import pytest
import torch
from torch import nn

from hourglass.bench import tasks
from hourglass.bench.datasets import Category, Sample
from hourglass.bench.measuring import Runner, measure_accuracy, measure_shard, merged
from hourglass.bench.measuring.types import WHOLE, Shard
from hourglass.registry import UserError


@pytest.mark.parametrize("of", [1, 2, 7])
@pytest.mark.parametrize(("count", "batch"), [(1, 1), (10, 1), (10, 4), (50, 7), (5000, 8)])
def test_shards_cover_all_images_in_order_and_cut_no_batch(count, batch, of):
    parts = [Shard(number, of).images(count, batch) for number in range(1, of + 1)]
    assert list(chain.from_iterable(parts)) == list(range(count))
    assert all(part.start % batch == 0 for part in parts)
    batches = [-(-len(part) // batch) for part in parts]
    assert max(batches) - min(batches) <= 1, "the work is shared out evenly"


def test_a_shard_is_written_as_a_fraction():
    assert Shard.parse("2/7") == Shard(2, 7)
    assert Shard.parse("1/1") == WHOLE


@pytest.mark.parametrize("text", ["", "2", "0/7", "8/7", "-1/7", "2/7/9", "2/", "a/b", "2/0", "²/7", "1/9999999999"])
def test_what_is_no_shard_is_an_error(text):
    with pytest.raises(UserError, match="is none; write K/N with K from 1 to N"):
        Shard.parse(text)


class Noise:
    """Images of two sizes, in no order."""

    name, split, fingerprint = "noise", "val", "f" * 64
    categories = tuple(Category(i, str(i), False, (0, 0, 0)) for i in range(3))

    def __len__(self):
        return 17

    def __getitem__(self, index):
        random = torch.Generator().manual_seed(index)
        size = (8, 8 + 4 * (index % 5 == 3))
        image = torch.randint(256, (3, *size), generator=random, dtype=torch.uint8)
        return Sample(index, image, torch.randint(3, size, generator=random), str(index))


class Moody(nn.Module):
    """Its answer to an image depends on the whole batch and on chance."""

    def forward(self, images):
        return images + images.mean() + torch.rand(len(images), 1, 1, 1).expand_as(images) * images


@pytest.mark.parametrize("of", [1, 2, 7])
def test_shards_are_merged_into_what_one_run_measures(of):
    name = "semantic-segmentation"
    runner = Runner(Moody(), torch.device("cpu"), torch.float32)
    common = (runner, Noise(), tasks.get(name))
    partials = [measure_shard(*common, Shard(number, of), batch=3) for number in range(1, of + 1)]
    assert sum(partial["samples"]["images"] for partial in partials) == 17
    assert merged(name, json.loads(json.dumps(partials))) == measure_accuracy(*common, batch=3)
