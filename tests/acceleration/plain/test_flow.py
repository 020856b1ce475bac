"""The numbers that come out, against the same flow written out step by step."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from torch import Tensor

import hourglass
from hourglass import Plan
from hourglass.acceleration import clustering
from hourglass.operators import cluster, reconstruct

from ..releases import newer

PLAN = Plan(start=2, clusters=(3, 4), iterations=3, window=3, temperature=0.1, neighbors=5, form="published")


@pytest.fixture(autouse=True)
def _without_gradients():
    with torch.no_grad():
        yield


class Steps:
    """The hourglass by hand: clusters of tokens, and back."""

    def __init__(self, tokens: Tensor, grid: tuple[int, int], prefix: int, plan: Plan = PLAN) -> None:
        self.prefix, self.plan, self.tokens = prefix, plan, tokens[:, prefix:]
        self.centers = cluster(
            self.tokens, grid, plan.clusters,
            iterations=plan.iterations, window=plan.window, temperature=plan.temperature,
        )  # fmt: skip
        self.small = torch.cat([tokens[:, :prefix], self.centers], dim=1)

    def rebuild(self, refined: Tensor) -> Tensor:
        return reconstruct(
            refined, self.tokens, self.centers, neighbors=self.plan.neighbors, temperature=self.plan.temperature
        )

    def whole(self, tokens: Tensor) -> Tensor:
        return torch.cat([tokens[:, : self.prefix], self.rebuild(tokens[:, self.prefix :])], dim=1)


def timm_maps(entry, images: Tensor) -> tuple[Steps, list[Tensor], list[Tensor]]:
    """Of each block of timm's ViT: its output, and the same after the final norm; both at full resolution."""
    vit = entry.model()
    x = vit.norm_pre(vit._pos_embed(vit.patch_embed(images)))
    plain, normed, steps = [], [], None
    for index, block in enumerate(vit.blocks):
        if index == PLAN.start:
            steps = Steps(x, entry.grid, entry.prefix)
            x = steps.small
        x = block(x)
        plain.append(steps.whole(x) if steps else x)
        normed.append(steps.whole(vit.norm(x)) if steps else vit.norm(x))
    return steps, plain, normed


@pytest.mark.parametrize("name", ["timm ViT", "timm DINOv2, registers", "timm DeiT distilled"])
def test_timm_features_are_reconstructed_after_the_final_norm(zoo, name):
    entry = zoo[name]
    model, images = hourglass.apply(entry.model(), PLAN), entry.images()
    _, _, normed = timm_maps(entry, images)
    torch.testing.assert_close(model.forward_features(images), normed[-1])
    torch.testing.assert_close(model(images), model.forward_head(normed[-1]))


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("indices", [None, 2, [0, 2], [-1], [1]])
def test_timm_intermediates_come_at_full_resolution(zoo, norm, indices):
    entry = zoo["timm ViT"]
    model, images = hourglass.apply(entry.model(), PLAN), entry.images()
    _, plain, normed = timm_maps(entry, images)
    taken = range(4) if indices is None else range(4)[-indices:] if isinstance(indices, int) else indices
    expected = [(normed if norm else plain)[index] for index in taken]
    final, maps = model.forward_intermediates(images, indices, norm=norm, output_fmt="NLC")
    for got, want in zip(maps, expected, strict=True):
        torch.testing.assert_close(got, want[:, entry.prefix :])
    torch.testing.assert_close(final, normed[-1])
    maps = model.get_intermediate_layers(images, indices or 4, reshape=True, norm=norm, return_prefix_tokens=True)
    for (got, prefix), want in zip(maps, expected, strict=True):
        torch.testing.assert_close(got.flatten(2).transpose(1, 2), want[:, entry.prefix :])
        torch.testing.assert_close(prefix, want[:, : entry.prefix])


def test_timm_stops_early_before_the_squeeze(zoo):
    entry = zoo["timm ViT"]
    model, images = entry.model(), entry.images()
    settings = {"indices": [0, 1], "stop_early": True, "intermediates_only": True}
    before = model.forward_intermediates(images, **settings)
    hourglass.apply(model, PLAN)
    model.forward_features(images)  # what one pass clusters is nothing to the next
    assert all(map(torch.equal, model.forward_intermediates(images, **settings), before))


def test_segmenter_reconstructs_the_class_scores(zoo):
    """The published configuration: the decoder runs on clusters, its output is reconstructed."""
    entry = zoo["Segmenter"]
    model, images = entry.model(), entry.images()
    vit = model.encoder
    x = vit._pos_embed(vit.patch_embed(images * 2 - 1))
    for block in vit.blocks[:2]:
        x = block(x)
    steps = Steps(x, entry.grid, entry.prefix)
    x = vit.norm(vit.blocks[2:](steps.small))[:, entry.prefix :]
    expected = {"decoder": steps.rebuild(model.decoder(x)), "encoder": model.decoder(steps.rebuild(x))}
    assert not torch.allclose(expected["decoder"], expected["encoder"], atol=1e-2)
    for place, scores in expected.items():
        plan = Plan(**{**vars(PLAN), "reconstruct": place})
        logits = hourglass.apply(model, plan)(images)
        small = scores.transpose(1, 2).unflatten(2, entry.grid)
        torch.testing.assert_close(
            logits, torch.nn.functional.interpolate(small, entry.size, mode="bilinear"), rtol=1e-4, atol=1e-4
        )
        hourglass.remove(model)


def transformers_states(model, images: Tensor, entry) -> list[Tensor]:
    """Hidden states of transformers' DPT and ViT at full resolution, none of them normed."""
    x = model.embeddings(images)
    x = getattr(x, "last_hidden_states", x)
    states, steps = [x], None
    for index, layer in enumerate(model.encoder.layer if hasattr(model, "encoder") else model.layers):
        if index == PLAN.start:
            steps = Steps(x, entry.grid, entry.prefix)
            x = steps.small
        x = layer(x)
        states.append(steps.whole(x) if steps else x)
    return [*states, steps.whole(model.layernorm(x))]


@newer
def test_transformers_hidden_states_come_at_full_resolution(zoo):
    entry = zoo["DPTModel"]
    model, images = hourglass.apply(entry.model(), PLAN), entry.images()
    *states, final = transformers_states(entry.model(), images, entry)
    output = model(images, output_hidden_states=True)
    for got, want in zip(output.hidden_states, states, strict=True):
        torch.testing.assert_close(got, want)
    torch.testing.assert_close(output.last_hidden_state, final)
    torch.testing.assert_close(model(images, return_dict=False)[0], final)


@newer
def test_dpt_reconstructs_what_its_neck_reads_and_nothing_else(zoo, monkeypatch):
    entry = zoo["DPTForDepthEstimation"]
    model, images = hourglass.apply(entry.model(), PLAN), entry.images()
    *states, final = transformers_states(entry.model().dpt, images, entry)
    taps: list[Tensor] = []
    model.neck.register_forward_pre_hook(lambda neck, args: taps.extend(args[0]))
    rebuilt = []
    rebuild = clustering.Clusters.rebuild
    monkeypatch.setattr(clustering.Clusters, "rebuild", lambda self, x: rebuilt.append(x) or rebuild(self, x))
    depth = model(images).predicted_depth
    for got, want in zip(taps, states[1:], strict=True):  # blocks 0 to 3 are tapped
        torch.testing.assert_close(got, want)
    assert len(rebuilt) == 2
    asked = model(images, output_hidden_states=True)
    assert torch.equal(asked.predicted_depth, depth)
    for got, want in zip(asked.hidden_states, states, strict=True):
        torch.testing.assert_close(got, want)
    alone = model.dpt(images, output_hidden_states=True)  # the encoder of an accelerated model, called by itself
    torch.testing.assert_close(alone.last_hidden_state, final)
    for got, want in zip(alone.hidden_states, states, strict=True):
        torch.testing.assert_close(got, want)


def test_weights_are_computed_once_for_all_maps(entry, monkeypatch):
    calls = []
    weights = clustering.reconstruction_weights
    monkeypatch.setattr(clustering, "reconstruction_weights", lambda *a, **k: calls.append(a) or weights(*a, **k))
    entry.run(hourglass.apply(entry.model(), Plan(start=1, clusters=(3, 4), form="published")), entry.images())
    assert len(calls) == 1


def test_a_block_input_recorded_at_the_entrance_is_the_true_one(zoo):
    entry = zoo["ViTModel"]
    model, images = entry.model(), entry.images()
    embedding = model(images, **entry.call).hidden_states[0]
    hourglass.apply(model, Plan(start=0, clusters=(3, 4), form="published"))
    assert torch.equal(model(images, **entry.call).hidden_states[0], embedding)


@newer
def test_beit_looks_its_bias_up_on_the_grid_of_the_clusters(zoo):
    entry = zoo["BeitModel"]
    model, images = hourglass.apply(entry.model(), PLAN), entry.images()
    beit = entry.model()
    x = beit.embeddings(images)
    for layer in beit.layers[:2]:
        x = layer(x, resolution=(48, 80))
    steps = Steps(x, entry.grid, entry.prefix)
    x = steps.small
    for layer in beit.layers[2:]:
        x = layer(x, resolution=(24, 32))
    torch.testing.assert_close(model(images).last_hidden_state, steps.whole(x))


def test_equals_what_the_authors_dpt_hands_to_its_decoder():
    """Golden: their `HourglassVisionTransformer`, run with location 1, i.e. two blocks at full resolution."""
    golden = {key: torch.from_numpy(value) for key, value in np.load(Path(__file__).parent / "golden/dpt.npz").items()}
    size = {"img_size": (48, 64), "patch_size": 8, "embed_dim": 16, "depth": 4, "num_heads": 2, "in_chans": 1}
    model = timm.create_model("vit_tiny_patch16_224", num_classes=0, **size).eval()
    weights = {key.removeprefix("weights."): value.float() for key, value in golden.items() if "weights" in key}
    model.load_state_dict(weights)
    hourglass.apply(model, Plan(start=2, clusters=(3, 4), temperature=0.3, neighbors=1, form="published"))
    maps = model.get_intermediate_layers(golden["images"].float(), n=4, return_prefix_tokens=True)
    for index, (patches, prefix) in enumerate(maps):
        want = golden[f"block_{index}"]
        assert torch.dist(torch.cat([prefix, patches], dim=1), want) < 1e-5 * want.norm()
