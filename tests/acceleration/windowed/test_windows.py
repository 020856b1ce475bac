"""Windows, masks and biases, against the same thing said plainly and against the frameworks' own."""

from __future__ import annotations

import pytest
import timm
import torch
from transformers import Swinv2Config, Swinv2Model

from hourglass.acceleration.bias import log_offsets, position_index, resized_table
from hourglass.acceleration.windows import join, shift_mask, spans, split


@pytest.mark.parametrize(("grid", "window"), [((6, 8), (3, 2)), ((6, 8), (3, 4)), ((4, 4), (4, 4))])
def test_join_undoes_split(grid, window):
    tokens = torch.randn(2, *grid, 3)
    counts = grid[0] // window[0], grid[1] // window[1]
    windows = split(tokens, window)
    assert windows.shape == (2 * counts[0] * counts[1], window[0] * window[1], 3)
    assert torch.equal(join(windows, window, counts), tokens)
    assert torch.equal(windows[-1].reshape(*window, 3), tokens[-1, -window[0] :, -window[1] :])


@pytest.mark.parametrize(
    ("side", "window", "few", "expected"),
    [
        (12, 4, 2, [(0, 12, 0, 6, 4, 2, 3)]),
        (14, 4, 2, [(0, 12, 0, 6, 4, 2, 3), (12, 14, 6, 7, 2, 1, 1)]),
        (13, 4, 3, [(0, 12, 0, 9, 4, 3, 3), (12, 13, 9, 10, 1, 1, 1)]),
        (3, 7, 5, [(0, 3, 0, 3, 3, 3, 1)]),
        (7, 7, 9, [(0, 7, 0, 9, 7, 9, 1)]),
    ],
)
def test_a_window_that_is_cut_off_has_clusters_in_proportion(side, window, few, expected):
    found = [
        (s.tokens.start, s.tokens.stop, s.clusters.start, s.clusters.stop, *s[2:]) for s in spans(side, window, few)
    ]
    assert found == expected


@pytest.mark.parametrize(("window", "shift"), [((4, 4), (2, 2)), ((4, 4), (3, 3)), ((2, 2), (3, 3)), ((4, 2), (2, 0))])
def test_shift_mask_keeps_regions_apart(window, shift):
    grid = (8, 12)

    def region(place: int, axis: int) -> str:
        if place >= grid[axis] - shift[axis]:
            return "came around"
        return "last window" if place >= grid[axis] - window[axis] else "before"

    mask = shift_mask(grid, window, shift, torch.float32, torch.device("cpu"))
    places = split(torch.cartesian_prod(torch.arange(8), torch.arange(12)).reshape(1, *grid, 2), window)
    for one, inside in zip(mask, places.tolist(), strict=True):
        regions = [(region(row, 0), region(column, 1)) for row, column in inside]
        assert one.tolist() == [[0.0 if here == there else -100.0 for there in regions] for here in regions]


def test_shift_mask_is_timm_s_where_the_shift_is_the_block_s():
    block = timm.models.swin_transformer.SwinTransformerBlock(8, (8, 12), 1, window_size=4, shift_size=2)
    assert torch.equal(shift_mask((8, 12), (4, 4), (2, 2), torch.float32, torch.device("cpu")), block.attn_mask)


@pytest.mark.parametrize("window", [(4, 4), (3, 5), (1, 2), (1, 1)])
def test_position_index_is_timm_s(window):
    expected = timm.models.swin_transformer.get_relative_position_index(*window)
    assert torch.equal(position_index(window, torch.device("cpu")), expected.flatten())


def test_a_table_of_a_plane_is_resized_to_the_same_plane():
    # Bilinear interpolation keeps a linear function of the offset, but for the clamped border.
    offsets = torch.arange(-5.0, 6.0)
    table = torch.stack([offsets[:, None].expand(11, 11), offsets.expand(11, 11)], dim=-1).flatten(0, 1)
    resized = resized_table(table, (6, 6), (4, 3)).reshape(7, 5, 2)
    torch.testing.assert_close(resized[1:-1, 2, 0], torch.arange(-2.0, 3.0) * 11 / 7)
    torch.testing.assert_close(resized[3, 1:-1, 1], torch.arange(-1.0, 2.0) * 11 / 5)
    torch.testing.assert_close(resized_table(table, (6, 6), (6, 6)), table)


def test_offsets_of_whole_windows_are_the_frameworks_own():
    own = timm.models.swin_transformer_v2.WindowAttention(8, (4, 6), 1, pretrained_window_size=(3, 5))
    ours = log_offsets((4, 6), (3, 5), (4, 6), torch.float32, torch.device("cpu"))
    torch.testing.assert_close(ours, own.relative_coords_table)
    config = Swinv2Config(image_size=32, embed_dim=8, depths=[1], num_heads=[1], window_size=4)
    theirs = Swinv2Model(config).encoder.layers[0].blocks[0].attention.self.relative_coords_table
    torch.testing.assert_close(log_offsets((4, 4), (0, 0), (4, 4), torch.float32, torch.device("cpu")), theirs)


def test_neighbouring_clusters_are_a_few_tokens_apart():
    tokens = log_offsets((9, 9), (0, 0), (9, 9), torch.float32, torch.device("cpu"))
    clusters = log_offsets((9, 9), (0, 0), (3, 3), torch.float32, torch.device("cpu"))
    torch.testing.assert_close(clusters, tokens[:, 2::3, 2::3])  # 3 x 3 tokens each: offsets of -6, -3, 0, 3 and 6
